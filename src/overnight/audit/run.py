"""Carries out audits and explanations: makes the frontier without each keep, or a keep without each of its parts, and runs
every commit on every seed."""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct

from overnight.audit.arithmetic import Keep, Plan, Run, add_up
from overnight.audit.worth import Division, KeptPart, least
from overnight.contracts import Workers
from overnight.errors import Fault, TrackError
from overnight.lab.events import Measured
from overnight.lab.experiment import Experiment
from overnight.lab.jobs import Job, Measure, Measurement, Result, Trouble, sealed
from overnight.lab.nulls import edit_of
from overnight.lab.state import State
from overnight.repo import Repo
from overnight.repo import parts as changes
from overnight.repo.parts import Parts
from overnight.researchers.knobs.titles import Turned, turned


class ChainPlan(Struct, frozen=True):
    """What is run to measure keeps by further metrics: commits on seeds. Its fields are those of an audit's plan.

    metric     the track's own
    reference  the commit that is run to the end whatever others do: the baseline
    owners     the experiment that each commit is of
    """

    metric: str
    reference: str
    commits: tuple[str, ...]
    owners: dict[str, int]
    seeds: tuple[int, ...]
    edits: bool = False
    draws: bool = False


TICK = 0.25  # seconds between two looks at whether to stop
MOST_FAILED_RUNS = 3  # runs of one commit that fail, and none that ends well, after which the others are spared
MOST_FAULTS_IN_A_ROW = 3  # in a row, after which the machine is not tried again
LARGEST_NUMBER = 1e150  # numbers beyond it are taken for it: their sums must stay finite
Course = Plan | Division | ChainPlan  # what is run: each of its commits on each of its seeds


@contextmanager
def planned(state: State, repo: Repo, kept: Sequence[Experiment], seeds: tuple[int, ...],
            marks: Sequence[str] = (), fixed: Sequence[str] = ()) -> Iterator[Plan]:
    """What to audit; `fixed`: where a seed is fixed. The commits without a keep are held from git's garbage collection until
    the end of the block."""
    assert state.opened is not None
    metric, place = state.track.metric, f"{state.opened.label}/audit"
    chain = Keeps(repo, state.opened.commit, kept)
    try:
        keeps = tuple(_part(chain, experiment) for experiment in kept)
        groups = tuple(_part(chain, *group) for group in chain.groups() if len(group) > 1)
        for number, part in enumerate((*keeps, *groups), 1):
            if part.without:
                repo.hold(place, number, part.without)
        yield Plan(state.track.name, metric.name, metric.unit, metric.direction, metric.worthwhile, state.opened.commit,
                   state.commit, state.levels.gain, keeps, groups, seeds, tuple(marks), tuple(fixed),
                   state.known.nulls.moving, state.known.nulls.draws)
    finally:
        repo.release(place)


def _part(chain: Keeps, *some: Experiment) -> Keep:
    """One keep, or several that only go together."""
    first, clean = some[0], chain.without(some, finely=False)
    title, claimed, interval = first.title, first.effect or 0.0, first.interval
    if len(some) > 1:
        claimed, doubt = add_up([(keep.effect or 0.0, keep.interval) for keep in some])
        title, interval = "", None if doubt is None else (claimed - doubt, claimed + doubt)
    return Keep(tuple(e.id for e in some), title, tuple(e.commit for e in some), claimed, interval,
                clean or chain.without(some), bool(clean))


class Keeps:
    """What was kept, each change on top of the one before, and the ways to take some of them out."""

    def __init__(self, repo: Repo, baseline: str, kept: Sequence[Experiment]) -> None:
        self.repo, self.baseline, self.kept = repo, baseline, kept

    def without(self, some: Sequence[Experiment], finely: bool = True) -> str:
        """The last commit without some of the keeps, newest first; "" on a conflict."""
        if len(some) == len(self.kept):
            return self.baseline
        tip = self.kept[-1].commit
        for keep in reversed(some):
            tip = tip and self._off(keep, tip, finely)
        return tip

    def _off(self, keep: Experiment, tip: str, finely: bool = True) -> str:
        return self.repo.transplant(keep.commit, keep.base_commit, tip, f"Without #{keep.id}: {keep.title}", finely)

    def groups(self) -> list[list[Experiment]]:
        """All keeps, divided so that each group can be taken out: one that conflicts joins the later keep in the way."""
        group = {keep.id: [keep] for keep in self.kept}
        for place, keep in reversed(list(enumerate(self.kept))):
            while not self.without(group[keep.id]):
                later = [k for k in self.kept[place + 1:] if k not in group[keep.id]]
                other = next((k for k in later if not self._off(keep, k.commit)), later[0])
                joined = sorted([*group[keep.id], *group[other.id]], key=self.kept.index)
                group |= {member.id: joined for member in joined}
        return [members for first, members in group.items() if members[0].id == first]


@contextmanager
def divided(state: State, repo: Repo, keep: Experiment, runs: int, night: Sequence[Measured], marks: Sequence[str] = (),
            fixed: Sequence[str] = ()) -> Iterator[Division]:
    """A keep and the keep without each of its parts, on as many fresh seeds as so many `runs` allow; the rest as in `planned`.
    Raises TrackError where it has one part, or too many for so many runs."""
    assert state.opened is not None
    metric, place = state.track.metric, f"{state.opened.label}/explain"
    exact = state.known.kind.name == "deterministic" and not state.known.nulls.moving
    change = changes.of(repo, state.track, (keep.base_commit, keep.commit))
    count = len(change.parts)
    if count < 2:
        raise TrackError(f"#{keep.id} changes one thing, and what that is worth is what the keep is worth: `overnight show "
                         f"{keep.id}` has it, and `overnight audit` measures it again.")
    if (few := least(count, exact)) > runs:
        raise TrackError(f"#{keep.id} has {count} parts, so that {few} runs are the least that can tell them apart: give "
                         f"`--runs {few}`{' or, for narrower intervals, several times as many' * (not exact)}.")
    try:
        found = tuple(KeptPart(title, part.path, part.line, repo.commit(keep.commit, change.without([number]), "Without"))
                      for number, (part, title) in enumerate(zip(change.parts, _titles(change), strict=True)))
        for number, each in enumerate(found, 1):
            repo.hold(place, number, each.without)
        yield Division(state.track.name, keep.id, keep.title, keep.commit, metric.name, metric.unit, metric.direction,
                       metric.worthwhile, found, draw(1 if exact else runs // (count + 1), night), exact, tuple(marks),
                       tuple(fixed), state.known.nulls.moving, state.known.nulls.draws)
    finally:
        repo.release(place)


def _titles(change: Parts) -> Iterator[str]:
    """What to call each part: by the knobs that it turns, where that is all that it does, or else by its text."""
    knobs = turned(change.before, change.after)
    for part in change.parts:
        end, mine = part.now + len(part.new or ""), list[Turned]()
        text = part.new or ""
        for knob in sorted(knobs, key=lambda each: each.now, reverse=True):
            (start, stop), was = knob.now, slice(*knob.was)
            if knob.path == part.path and part.now <= start and stop <= end:
                text = text[:start - part.now] + change.before[knob.path][was] + text[stop - part.now:]
                mine.insert(0, knob)
        yield ", ".join(knob.title for knob in mine) if mine and text == part.old else part.title


def draw(count: int, night: Sequence[Measured]) -> tuple[int, ...]:
    """Fresh seeds: no candidate could know them, and the night never used them."""
    used, seeds = {run.seed for run in night}, dict[int, None]()
    while len(seeds) < count:
        if (seed := secrets.randbits(31)) not in used:
            seeds[seed] = None
    return tuple(seeds)


def jobs(plan: Course, key: str = "") -> Iterator[Measure]:
    """Every commit on every seed, seed by seed; each seed begins with another commit, so that none is always first. They are
    sealed with the track's key."""
    commits, owners, number = plan.commits, plan.owners, 0
    for turn, seed in enumerate(plan.seeds):
        first = turn % len(commits)
        for commit in commits[first:] + commits[:first]:
            number += 1
            yield sealed(Measure(number, owners[commit], commit, seed, "check", edit=edit_of(seed) if plan.edits else 0,
                                 draws=plan.draws), key)


def measure(plan: Course, workers: Workers[Job, Result], stopped: Callable[[], bool],
            watch: Callable[[int], None], key: str = "", keep: Callable[[Result], None] = lambda result: None) -> list[Run]:
    """Carry out the jobs; the runs in the order in which they ended. `watch` is told how many are done, and `keep` takes from
    each result what the audit does not hold.

    A commit that only fails is left alone after a few runs. Raises Fault when the machine fails again and again.
    """
    waiting, flying, faults = deque[Job](jobs(plan, key)), 0, 0
    bad, good = Counter[str](), Counter[str]()
    whole, runs = len(waiting), list[Run]()
    while (waiting or flying) and not stopped():
        while waiting and (place := next((p for p in workers.idle() if p.startswith("measure")), "")):
            workers.start(waiting.popleft(), place)
            flying += 1
        if (result := workers.next(TICK)) is None:
            continue
        flying -= 1
        if isinstance(result, Trouble):
            faults += 1
            if faults >= MOST_FAULTS_IN_A_ROW:
                raise Fault(f"the machine failed {faults} times in a row: {result.reason.rstrip('.')}.")
            waiting.appendleft(result.job)
        elif isinstance(result, Measurement):
            faults = 0
            keep(result)
            value = result.metrics.get(plan.metric)
            run = Run(result.job.commit, result.job.seed, result.outcome,
                      None if value is None else max(-LARGEST_NUMBER, min(LARGEST_NUMBER, value)),
                      result.reason, round(result.busy, 6))
            runs.append(run)
            (bad if run.value is None else good)[run.commit] += 1
            if bad[run.commit] >= MOST_FAILED_RUNS and not good[run.commit]:
                waiting = deque(j for j in waiting if isinstance(j, Measure) and run.commit not in (j.commit, plan.reference))
        watch(whole - len(waiting) - flying)
    return runs
