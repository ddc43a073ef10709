"""Carries out the jobs of one opened track in their slots, with the team that its program asks for."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from overnight.contracts import Call, Place, Sandbox, Team
from overnight.execution.desk import Desk
from overnight.execution.runner import Runner
from overnight.lab.jobs import Accept, Combine, Job, Measure, Propose, Rebase, Result, Think
from overnight.night import anchor
from overnight.night.session import Session
from overnight.night.tracing import MOST_SECONDS, Tracing
from overnight.researchers.knobs.turned import noted
from overnight.researchers.team import ModelOptions, TeamBuilder
from overnight.track.roles import Role
from overnight.track.spec import Track

if TYPE_CHECKING:
    from overnight.researchers.agent import AgentWorkspace

NONE = ModelOptions()


class Judge(NamedTuple):
    """What measures runs: a contract, and the commit that holds its protected files."""

    track: Track
    commit: str


class Executor:
    """Does the work of one track in one sandbox. `judge`: what measures runs where it is not what the track began with."""

    def __init__(self, session: Session, sandbox: Sandbox, options: ModelOptions = NONE, judge: Judge | None = None) -> None:
        state = session.state
        assert state.opened is not None
        judge = judge or Judge(state.track, state.opened.commit)
        self.session, self.repo = session, session.repo
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._left: list[Team] = []
        self.runner = Runner(judge.track, session.repo, sandbox, judge.commit, session.home)
        self._tracing = Tracing(partial(self.runner.trace, state.opened.commit, MOST_SECONDS), not state.calibrated)
        carried = state.usage.carried
        options = msgspec.structs.replace(options, spent=(carried.tokens, carried.dollars))
        self._builder = TeamBuilder(state.track, session.repo.folder, sandbox, options, self._calls.put, self._workspace,
                                    self._tracing.executed)
        self.desk = Desk(state.track, session.repo, Team({}, noted=noted), session.home / "logs",
                         lambda: anchor.line(session.journal.head))

    def _workspace(self) -> AgentWorkspace:
        """Where agents work: they see what a run may see, and no more."""
        from overnight.researchers.agent import AgentWorkspace
        runner, repo = self.runner, self.repo
        secrets = (self.session.home, repo.common, *((repo.folder / p).resolve() for p in runner.track.private))
        return AgentWorkspace(runner.tree, self.session.home / "scratch", repo.prefix, runner.python,
                              (*runner.mounts, *runner.data), secrets, repo.root)

    def build_team(self, roles: Iterable[Role]) -> None:
        """Replace the team by one with these roles. Raises TrackError, and keeps the old team, where a role cannot be had."""
        roles = tuple(roles)
        made = self._builder.team(roles)
        self._tracing.wanted = any(role.kind == "knobs" for role in roles)
        self._left.append(self.desk.team)  # its proposals under way still count
        self.desk.team = made

    def close(self) -> None:
        """End the work of every role; calls to models get a few seconds to end by themselves."""
        self._tracing.close()
        for team in (*self._left, self.desk.team):
            team.close()
        self._builder.close()

    def work(self, job: Job, place: Place) -> Result:
        """Carry out one job at one place. Raises Fault when the machine failed."""
        if isinstance(job, Measure):
            self._tracing.before_a_run(place)
            return self.runner.measure(job, place.cores, place.number, place.running)
        desk: dict[type, Callable[[Any], Result]] = {
            Propose: self.desk.propose, Accept: self.desk.accept, Rebase: self.desk.rebase, Combine: self.desk.combine,
            Think: self.desk.think}
        return desk[type(job)](job)

    def calls(self) -> Iterator[Call]:
        """The calls to models that ended since the last time."""
        with suppress(queue.Empty):
            while True:
                yield self._calls.get_nowait()
