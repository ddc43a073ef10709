"""Real nights of the real Lab on a landscape: what the key-less researcher is worth under the referee, everything counted.

A commit is the hash of its text and of what it stands on, a run is the landscape's, and so is the guard. Nothing is drawn from
a shared stream, so the same landscape, seed and sources give the same night.
"""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple

from msgspec.structs import replace

from bench.landscapes import PATH, Landscape, Values
from fakes import Night
from overnight.contracts import Brief, Change, Past, Researcher
from overnight.lab.jobs import Combine, Combined, Job, Measure, Measurement, Proposal, Propose, Rebase, Rebasing, Result
from overnight.lab.state import State
from overnight.researchers.knobs.propose import Knobs

WORTHWHILE = 0.01  # of regret
CONTRACT = f"""
[track]
name = "landscape"
editable = ["{PATH}"]
[metric]
name = "y"
direction = "minimize"
worthwhile = {WORTHWHILE}
[run]
command = ["run"]
[score]
command = ["score"]
"""
GUARD = """
[[guard]]
metric = "cost"
at_most = "1.5x"
"""


class Texts:
    """Answers the Lab's jobs as a repository of one file and a landscape would. `cpu` is the seconds that proposals took, of
    which there were `asked`."""

    def __init__(self, landscape: Landscape, researcher: Researcher | None = None) -> None:
        self.landscape, self.researcher = landscape, researcher or Knobs()
        self.texts = {"c0": landscape.source}
        self.changes: dict[str, Change] = {}
        self.cpu, self.asked = 0.0, 0

    def answer(self, job: Job) -> Result:
        """Carry out one job. Raises TypeError for one that no night of knobs has."""
        if isinstance(job, Propose):
            change = self._change(job.brief, job.commit)
            if change is None:
                return Proposal(job, reason="nothing left to try")
            commit = self._commit(change, job.commit)
            return Proposal(job, change, commit=commit, patch=self.texts[commit])
        if isinstance(job, Rebase):
            return self._rebase(job)
        if isinstance(job, Combine):
            return self._combine(job)
        if isinstance(job, Measure):
            return self._measure(job)
        raise TypeError(f"a night of knobs has no {type(job).__name__}")

    def values(self, commit: str) -> Values:
        """The constants of a commit."""
        return self.landscape.values(self.texts[commit])

    def regret(self, commit: str) -> float:
        """What is truly left to gain at a commit."""
        return self.landscape.regret(self.values(commit))

    def _change(self, brief: Brief, commit: str) -> Change | None:
        began = time.process_time()
        change = self.researcher.propose(replace(brief, files={PATH: self.texts[commit]}))
        self.cpu += time.process_time() - began
        self.asked += 1
        return change

    def _commit(self, change: Change, base: str) -> str:
        text = change.files[PATH] or ""
        commit = hashlib.sha256(f"{base}|{text}".encode()).hexdigest()[:12]
        self.texts[commit], self.changes[commit] = text, change
        return commit

    def _rebase(self, job: Rebase) -> Rebasing:
        """Git finds a conflict wherever two changes turn neighbouring lines; so the change is always made anew."""
        change = self._again(job.commit, job.onto)
        if change is None:
            return Rebasing(job, "")
        commit = self._commit(change, job.onto)
        return Rebasing(job, commit, again=True, message=change.message, patch=self.texts[commit])

    def _combine(self, job: Combine) -> Combined:
        top, kept = job.onto, list[tuple[int, str]]()
        for number, (base, commit) in zip(job.experiments, job.changes, strict=True):
            if base != top:
                change = self._again(commit, top)
                if change is None:
                    continue
                commit = self._commit(change, top)
            top = commit
            kept.append((number, commit))
        return Combined(job, tuple(number for number, _ in kept), tuple(commit for _, commit in kept))

    def _again(self, commit: str, onto: str) -> Change | None:
        """The change that made a commit, on top of another one; None where there is nothing left of it."""
        change = self.changes[commit]
        past = Past(0, 0, self.researcher.name, "open", change.message, note=change.note)
        return self.researcher.propose(Brief("", "y", "minimize", {PATH: self.texts[onto]}, 0, None, (), "", 0, again=past))

    def _measure(self, job: Measure) -> Measurement:
        metrics = self._ran(job.commit, job.seed)
        beside = self._ran(job.paired_with, job.seed) if job.paired_with else {}
        if not metrics:
            return Measurement(job, outcome="crash", reason="it crashed", paired_metrics=beside)
        return Measurement(job, outcome="ok", metrics=metrics, paired_metrics=beside)

    def _ran(self, commit: str, seed: int) -> dict[str, float]:
        values = self.values(commit)
        number = self.landscape.run(values, seed)
        if number is None:
            return {}
        return {"y": number, "cost": self.landscape.cost(values)} if self.landscape.cost else {"y": number}


class Deployed(NamedTuple):
    """What a night leaves: the constants that it deploys; of each keep what was claimed and what is true, in regret; the Lab's
    state; CPU milliseconds for a proposal."""

    values: Values
    keeps: list[tuple[float, float]]
    state: State
    cpu: float


def deployed(landscape: Landscape, runs: int, seed: int, slots: int = 1, contract_extra: str = "",
             researcher: Researcher | None = None) -> Deployed:
    """A night of so many runs, calibration and confirmations among them, on so many benches."""
    world = Texts(landscape, researcher)
    contract = CONTRACT + (GUARD if landscape.cost else "") + contract_extra
    night = Night(world, contract=contract, researchers=["knobs"], measure_slots=slots, edit_slots=1, key=f"search {seed}")
    night.go(runs=runs)
    state = night.lab.state
    kept = [each for each in state.experiments.values() if each.verdict == "keep"]
    keeps = [(each.effect or 0.0, world.regret(each.base_commit) - world.regret(each.commit)) for each in kept]
    return Deployed(world.values(state.commit), keeps, state, 1000 * world.cpu / max(world.asked, 1))
