"""A researcher that takes out comments is one."""

from pathlib import Path

import msgspec

from fakes import CONTRACT, FakeWorld, Idea, Night
from overnight.contracts import Change
from overnight.lab.jobs import Proposal
from overnight.researchers.team import ModelOptions, TeamBuilder
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.testing.researchers import ResearcherSuite
from overnight.track import program, spec


def hired(front):
    """The team of a program with this front matter, and its roles."""
    roles = program.parse(f"---\n{front}\n---\n").roles
    builder = TeamBuilder(spec.parse(CONTRACT), Path(), Unsandboxed(), ModelOptions(), lambda call: None, lambda: None)
    return builder.team(roles).researchers, roles


class TestTrim(ResearcherSuite):
    def make(self):
        return hired("researchers: [trim]")[0]["trim"]


class Commented(FakeWorld):
    """A world in which the program has three comments, and the researchers of a team are asked for changes."""

    def __init__(self, researchers):
        super().__init__(1)
        self.researchers, self.changes = researchers, []

    def _propose(self, job):
        files = {"a.py": "# one\nX = 1\n# two\nY = 2\n# three\n"}
        change = self.researchers[job.researcher].propose(msgspec.structs.replace(job.brief, files=files))
        if change is None:
            return Proposal(job, reason="nothing left to try")
        self.changes.append(change)
        commit = self.made(Idea(), job.commit, change.files["a.py"])
        return Proposal(job, change=Change(change.files, change.message, change.note), commit=commit, patch=commit)


def test_a_night_asks_it_until_it_has_nothing_left():
    researchers, roles = hired("roles: {barber: {kind: trim}}")
    world = Commented(researchers)
    state = Night(world, roles=roles).go(experiments=9).lab.state
    assert {e.researcher for e in state.experiments.values()} == {"barber"}
    assert {change.note["comment"] for change in world.changes} == {"a.py: # one", "a.py: # two", "a.py: # three"}
