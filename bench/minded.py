"""Nights in which a mind works beside knobs: what becomes of its changes of code on the frontier and on leads.
For `python -m bench search`.

The text is a landscape's; an edit of the mind's is a line of its own, that no knob is found in, and is worth what a lot says:
three in ten are an improvement of half to two standard deviations of a run, the others are worth nothing or do harm, as in the
reference world of the referee. A quarter of them rewrites a line with a constant as well, and conflicts where that is another
by then. In a world that is fitted an edit is worth half as much with constants none of which it was written for.
"""

from __future__ import annotations

import random
import re
import statistics
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from bench.deployed import CONTRACT, GUARD, Texts
from bench.kit import Row, in_parallel, mean
from bench.landscapes import LANDSCAPES, PATH, Landscape, Values
from fakes import Night
from overnight.contracts import Change
from overnight.lab.jobs import Job, Proposal, Propose, Rebase, Rebasing, Result
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.find import find
from overnight.track.roles import Role

TEAM = [Role("knobs", "knobs"), Role("mind", "llm")]
GOOD, IDLE = 0.3, 0.4  # share of edits that improve, and of those that do nothing
REWRITES = 0.25  # share of edits that rewrite a line with a constant
LOST = 0.5  # of what an edit is worth, in a fitted world with none of the constants that it was written for
THINKS = 8.0  # runs that one change of the mind's takes
EDIT = re.compile(r"^# edit (\d+)(?: on (\w+) = (.*))?$", re.MULTILINE)


class Minded(Texts):
    """Texts with a mind's edits. `written` has the constants for which each was."""

    def __init__(self, landscape: Landscape, seed: int, fitted: bool) -> None:
        super().__init__(landscape)
        self.seed, self.fitted = seed, fitted
        self.written: dict[int, Values] = {}

    def answer(self, job: Job) -> Result:
        """Carry out one job."""
        return self._edited(job) if isinstance(job, Propose) and job.thinks else super().answer(job)

    def gain(self, edit: int, values: Values) -> float:
        """What an edit is worth with these constants, in standard deviations of a run."""
        lots = random.Random(f"{self.seed} edit {edit}")
        kind, size = lots.random(), lots.uniform(0.5, 2.0)
        if kind >= GOOD:
            return 0.0 if kind < GOOD + IDLE else -lots.expovariate(1.0)
        same = statistics.fmean(self.written[edit][name] == value for name, value in values.items())
        return size * (1 - LOST * (1 - same) * self.fitted)

    def edits(self, commit: str) -> list[int]:
        """Those that a commit holds."""
        return [int(found[1]) for found in EDIT.finditer(self.texts[commit])]

    def regret(self, commit: str) -> float:
        """What is truly left to gain, where edits may gain beyond the constants."""
        values = self.values(commit)
        return super().regret(commit) - self.landscape.noise * sum(self.gain(edit, values) for edit in self.edits(commit))

    def _edited(self, job: Propose) -> Proposal:
        seen, number = job.lead or job.commit, len(self.written) + 1
        lots, self.written[number] = random.Random(f"{self.seed} place {number}"), self.values(seen)
        name = lots.choice(sorted(self.written[number])) if lots.random() < REWRITES else ""
        line = f"# edit {number}" + (f" on {name} = {self.written[number][name]!r}" if name else "")
        change = Change({PATH: f"{self.texts[seen]}\n{line}"}, f"edit {number}")
        commit = self._commit(change, job.commit)
        return Proposal(job, change, commit=commit, patch=f"{job.lead} {line}")

    def _rebase(self, job: Rebase) -> Rebasing:
        """What git makes of it: a conflict where a line was changed on both sides."""
        before, mine, theirs = (self.values(each) for each in (job.base_commit, job.commit, job.onto))
        turned = {name: value for name, value in mine.items() if value != before[name]}
        clash = any(theirs[name] not in (before[name], value) for name, value in turned.items())
        new = [found for found in EDIT.finditer(self.texts[job.commit]) if found[0] not in self.texts[job.base_commit]]
        for found in new:
            clash = clash or (bool(found[2]) and repr((theirs | turned)[found[2]]) != found[3])
        if clash:
            return super()._rebase(job) if not new else Rebasing(job, "")
        lines = [found[0] for found in new if found[0] not in self.texts[job.onto]]
        text = "\n".join([_turned(self.texts[job.onto], turned), *lines])
        change = self.changes[job.commit]
        commit = self._commit(Change({PATH: text}, change.message, change.note), job.onto)
        told = {"message": job.message, "patch": "\n".join([repr(turned), *lines])} if job.message else {}
        return Rebasing(job, "" if text == self.texts[job.onto] else commit, **told)

    def _ran(self, commit: str, seed: int) -> dict[str, float]:
        metrics = super()._ran(commit, seed)
        edits, values = self.edits(commit), self.values(commit)
        return metrics and metrics | {"y": metrics["y"] - self.landscape.noise * sum(self.gain(e, values) for e in edits)}


def _turned(text: str, values: Values) -> str:
    knobs = [knob for knob in find({PATH: text}) if knob.label in values]
    return splice(text, [(knob.span, scales.write(values[knob.label], knob.text)) for knob in knobs])


class Deployed(NamedTuple):
    """What a night with a mind deploys: what is truly left to gain, and how many edits it holds that are worth nothing."""

    regret: float
    idle: int


def night(world: str, runs: int, fitted: bool, on: str, seed: int) -> Deployed:
    """One night on two benches; `on` is what the contract says of leads."""
    landscape = LANDSCAPES[world](seed)
    texts = Minded(landscape, seed, fitted)
    contract = CONTRACT + (GUARD if landscape.cost else "") + f'[referee]\nleads = "{on}"\n'
    done = Night(texts, contract=contract, roles=TEAM, measure_slots=2, think_slots=1, think=THINKS, key=f"beside {seed}")
    commit = done.go(runs=runs).lab.state.commit
    values = texts.values(commit)
    return Deployed(texts.regret(commit), sum(texts.gain(edit, values) <= 0 for edit in texts.edits(commit)))


def rows(world: str, runs: int, fitted: bool, seeds: int) -> Iterator[Row]:
    """Nights whose mind works on leads, beside the same nights where it works on the frontier."""
    off, on = (in_parallel(partial(night, world, runs, fitted, each), range(seeds)) for each in ("off", "on"))
    name = f"beside a mind{', fitted' * fitted}, {world}, {runs} runs"
    yield mean(f"{name}: regret, on the frontier", [each.regret for each in off])
    yield mean(f"{name}: regret, on leads", [each.regret for each in on])
    yield mean(f"{name}: what leads add to the regret", [b.regret - a.regret for a, b in zip(off, on, strict=True)])
    yield mean(f"{name}: edits worth nothing that a night keeps on leads", [each.idle for each in on])
