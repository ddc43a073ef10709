"""Fakes that ship with the tests: a simulated world that answers the Lab's jobs, and a night in it without a clock.

Nothing here draws lots from a shared stream: what a commit is and what a run of it gives depends on the world's seed,
the commit and the run's seed alone. So a night that is killed and taken up again meets the same world.
"""

import hashlib
import heapq
import math
import random
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from overnight.contracts import Change, Explore
from overnight.lab.events import Event, Measured, Opened, Started
from overnight.lab.flight import Budget
from overnight.lab.jobs import (
    Accept,
    Combine,
    Combined,
    Job,
    Measure,
    Measurement,
    Proposal,
    Propose,
    Rebase,
    Rebasing,
    Result,
    Think,
    Thought,
    Trouble,
)
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.track.roles import Role

CONTRACT = """
[track]
name = "fake"
editable = ["a"]
[metric]
name = "y"
direction = "minimize"
[run]
command = ["run"]
[score]
command = ["score"]
"""


@dataclass(frozen=True)
class Idea:
    """What a proposed change really is.

    gain         by how much it improves the mean, in standard deviations of one run (negative: it harms)
    correlation  of its runs with those of the commit it stands on, seed by seed
    outcome      how its runs end
    conflicts    it cannot be put on top of another frontier
    foul         the sentence about the boundary that it leaves
    nothing      the researcher has nothing to propose
    metrics      what its runs measure besides the metric
    wild         share of seeds on which it diverges
    carries      share of its gain that is found on the holdout as well
    spread       how many times as much its runs scatter as those of the commit it stands on
    crashes      share of seeds on which it crashes
    mends        it does not crash where the commit that it stands on does
    twin         changes of the same twin on one base give the same numbers: rewordings of one edit
    away         seconds for which the researcher cannot work
    cheats       its numbers are false, as an audit of a run sees, and nothing else
    """

    gain: float = 0.0
    correlation: float = 0.0
    outcome: str = "ok"
    conflicts: bool = False
    foul: str = ""
    nothing: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    wild: float = 0.0
    carries: float = 1.0
    spread: float = 1.0
    crashes: float = 0.0
    mends: bool = False
    twin: str = ""
    away: float = 0.0
    cheats: bool = False


def no_op(_lots: random.Random) -> Idea:
    """A change without any effect, whose noise is its own."""
    return Idea()


def referee_world(lots: random.Random) -> Idea:
    """The reference world: 3 % improvements of U[.5, 2], 48.5 % without effect, 48.5 % harmful by Exp(1)."""
    correlation = lots.choices((0.95, 0.8, 0.5, 0.0), (0.3, 0.3, 0.2, 0.2))[0]
    kind = lots.random()
    gain = lots.uniform(0.5, 2.0) if kind < 0.03 else 0.0 if kind < 0.515 else -lots.expovariate(1.0)
    return Idea(gain, correlation)


def without_improvement(lots: random.Random) -> Idea:
    """The same without its improvements."""
    idea = referee_world(lots)
    return replace(idea, gain=min(0.0, idea.gain))


def without_effect(lots: random.Random) -> Idea:
    """Nothing but changes without any effect, correlated as there."""
    return replace(referee_world(lots), gain=0.0)


def heavy_harm(lots: random.Random) -> Idea:
    """The same where what harms, harms by Exp(4) on average."""
    idea = referee_world(lots)
    return replace(idea, gain=idea.gain if idea.gain >= 0 else 4.0 * idea.gain)


def mostly_harmful(lots: random.Random) -> Idea:
    """The same where 77 % are harmful."""
    idea = referee_world(lots)
    return replace(idea, gain=-lots.expovariate(1.0)) if idea.gain == 0.0 and lots.random() < 0.59 else idea


def too_small(lots: random.Random) -> Idea:
    """The same where improvements are U[.05, .2] of a standard deviation: too small to matter."""
    idea = referee_world(lots)
    return replace(idea, gain=idea.gain / 10 if idea.gain > 0 else idea.gain)


def diverging(lots: random.Random) -> Idea:
    """The same where one run in fifty of every candidate diverges."""
    return replace(referee_world(lots), wild=0.02)


def noisy_candidates(lots: random.Random) -> Idea:
    """The same where one change in five makes the runs scatter ten times as much."""
    return replace(referee_world(lots), spread=10.0 if lots.random() < 0.2 else 1.0)


def noisy_without_effect(lots: random.Random) -> Idea:
    """Nothing but changes without any effect, one in five of which makes the runs scatter ten times as much."""
    return replace(noisy_candidates(lots), gain=0.0)


def crashing(lots: random.Random) -> Idea:
    """The same where three changes in ten crash on one seed in twenty."""
    return replace(referee_world(lots), crashes=0.05 if lots.random() < 0.3 else 0.0)


def moderate(lots: random.Random) -> Idea:
    """The same where improvements are U[.5, 1]."""
    idea = referee_world(lots)
    return replace(idea, gain=lots.uniform(0.5, 1.0) if idea.gain > 0 else idea.gain)


def single(gain: float, lots: random.Random) -> Idea:
    """A change of this effect whose noise is its parent's as often as in the reference world."""
    return replace(referee_world(lots), gain=gain)


def large(lots: random.Random) -> Idea:
    """One change in ten improves by four standard deviations, the others do nothing or harm."""
    idea = without_improvement(lots)
    return replace(idea, gain=4.0) if lots.random() < 0.1 else idea


def rewordings(lots: random.Random) -> Idea:
    """One edit without effect in ever new words, with some of its parent's noise."""
    return Idea(correlation=0.5, twin="the edit")


def lots_of(*what: object) -> random.Random:
    """A stream of chance that depends on nothing else than `what`."""
    return random.Random("|".join(map(str, what)))


class FakeWorld:
    """Answers jobs. `ideas` says what a proposal is; `sigma` is the noise of one run; `faults` breaks the machine; `clash`
    is what each further edit in a stack may cost at most; `heavy` gives the noise heavy tails; with each run the machine
    measures worse by `drift` standard deviations. `explores`: its researchers propose points of a campaign where they may, and
    claim the best of them after so many, or where the session closes. `holdout` multiplies what runs give on the holdout; None: there is none."""

    def __init__(self, seed: int = 0, ideas: Callable[[random.Random], Idea] = no_op, *, sigma: float = 1.0,
                 level: float = 0.0, direction: str = "minimize", metric: str = "y", baseline: Idea | None = None,
                 faults: Callable[[Job, int], bool] = lambda job, number: False, clash: float = 0.0,
                 heavy: bool = False, drift: float = 0.0, holdout: float | None = None, grain: float = 0.0, lasting: float = 0.0,
                 bursts: float = 0.0, explores: int = 0) -> None:
        self.seed, self.ideas, self.faults, self.clash, self.heavy = seed, ideas, faults, clash, heavy
        self.drift, self.measured, self.holdout = drift, 0, holdout
        self.grain, self.lasting, self.bursts, self.explores = grain, lasting, bursts, explores
        self.sigma, self.level, self.metric = sigma, level, metric
        self.edit = 0  # with which edit that does nothing the run is made that is answered now
        self.sign = -1.0 if direction == "minimize" else 1.0
        self.ideas_of = {"c0": baseline or Idea()}
        self.parents = {"c0": ""}
        self.worth = {"c0": 0.0}  # how much better a commit is than the baseline, in standard deviations
        self._spreads = {"c0": (baseline or Idea()).spread}  # of a commit's runs, in standard deviations
        self.lost = {"c0": 0.0}  # how much of that is not found on the holdout
        self._noise: dict[tuple[str, int], float] = {}
        self._answered = 0

    def answer(self, job: Job) -> Result:
        """Carry out one job."""
        self._answered += 1
        if self.faults(job, self._answered):
            return Trouble(job, "the disk is full")
        if isinstance(job, Propose):
            return self._propose(job)
        if isinstance(job, Combine):
            return self._combine(job)
        if isinstance(job, Think):
            return self._think(job)
        if isinstance(job, Accept):
            return Proposal(job, Change({"a": job.order.commit}, job.order.message), commit=job.order.commit)
        return self._rebase(job) if isinstance(job, Rebase) else self._measure(job)

    def gain(self, commit: str, base: str) -> float:
        """By how much one commit is truly better than another on average, in the metric's unit."""
        return (self._level(commit) - self._level(base)) * self.sigma

    def _level(self, commit: str) -> float:
        """What its runs measure on average, in standard deviations: numbers in steps have another mean than what is rounded."""
        worth, spread = self.worth[commit], self._spread(commit)
        if not self.grain:
            return worth
        centre, reach = round(worth / self.grain), math.ceil(6 * spread / self.grain) + 1
        below = [0.5 * math.erfc(-((n + 0.5) * self.grain - worth) / spread / math.sqrt(2))
                 for n in range(centre - reach - 1, centre + reach + 1)]
        return sum((centre - reach + n) * self.grain * (below[n + 1] - below[n]) for n in range(2 * reach + 1))

    def value(self, commit: str, seed: int) -> float:
        """What a run of this commit with this seed measures."""
        off = self._spread(commit) * self._luck(commit, seed) + self._off(commit)
        return self.level + self.sign * self.sigma * self._grained(self.worth[commit] + off)

    def _grained(self, number: float) -> float:
        return round(number / self.grain) * self.grain if self.grain else number

    def _spread(self, commit: str) -> float:
        if commit not in self._spreads:
            self._spreads[commit] = self.ideas_of[commit].spread * self._spread(self.parents[commit])
        return self._spreads[commit]

    def _off(self, commit: str) -> float:
        """By how much a text's number is off for good, which is no effect of what it means: an edit that does nothing makes
        another text."""
        if not self.lasting or not (self.parents[commit] or self.edit):
            return 0.0
        return self.lasting * lots_of(self.seed, "lasting", commit, *([self.edit] if self.edit else [])).gauss(0.0, 1.0)

    def _propose(self, job: Propose) -> Proposal:
        explore = job.brief.explore if self.explores else None
        if explore and (lead := self._lead(job, explore)):
            return self._claim(job, lead)
        idea = self.ideas(lots_of(self.seed, job.researcher, job.brief.seed))
        if idea.away:
            return Proposal(job, reason="an outage", away=True, wait=idea.away)
        if idea.nothing:
            return Proposal(job, reason="nothing left to try")
        idea = replace(idea, twin=f"{job.researcher} {job.brief.seed}") if explore else idea
        commit = self.made(idea, job.commit, job.researcher, job.brief.seed)
        change = Change({"a": commit}, f"try {commit}", {"at": commit} if explore else {},
                        job.brief.idea.id if job.brief.idea else 0, probe=bool(explore))
        return Proposal(job, change, commit=commit, patch=commit, foul=idea.foul)

    def _lead(self, job: Propose, explore: Explore) -> str:
        """The point that measured best on this frontier, where it is time to claim one; "" where it is not, or there is none."""
        if (explore.made < self.explores and not explore.closing) or any(past.verdict == "open" for past in job.brief.history):
            return ""
        claimed = {past.note.get("at") for past in job.brief.history}
        means = {point.note["at"]: self.sign * statistics.fmean(number for _, number in point.runs) for point in explore.points
                 if point.base == job.base and point.runs and point.note and point.note["at"] not in claimed}
        return max(means, key=means.__getitem__, default="")

    def _claim(self, job: Propose, lead: str) -> Proposal:
        """The very change of a point, committed anew."""
        commit = self.made(self.ideas_of[lead], job.commit, "claim", lead)
        return Proposal(job, Change({"a": commit}, f"claim {lead}", {"at": lead}), commit=commit, patch=lead)

    def _think(self, job: Think) -> Thought:
        """A scientist has two ideas, a standup a note."""
        if job.purpose == "standup":
            return Thought(job, notes=f"{len(job.brief.history)} were tried")
        return Thought(job, ideas=tuple((f"idea {job.brief.seed}-{n}", "") for n in range(2)))

    def made(self, idea: Idea, parent: str, *what: object) -> str:
        """A commit of an idea on top of another; `what` tells it from others."""
        commit = self._commit(idea, parent, *what)
        self.worth[commit] = self.worth[parent] + idea.gain
        self.lost[commit] = self.lost[parent] + (1 - idea.carries) * idea.gain
        return commit

    def _rebase(self, job: Rebase) -> Rebasing:
        idea = self.ideas_of[job.commit]
        return Rebasing(job, "" if idea.conflicts else self.made(idea, job.onto, job.commit))

    def _combine(self, job: Combine) -> Combined:
        """Edits on top of one another, each after the first at the cost of a clash."""
        top, kept = job.onto, []
        for number, (base, commit) in zip(job.experiments, job.changes, strict=True):
            idea = self.ideas_of[commit]
            if idea.conflicts and (kept or base != job.onto):
                continue
            new = commit if top == base else self._commit(idea, top, commit)
            clash = lots_of(self.seed, "clash", new).uniform(0.0, self.clash) if kept else 0.0
            self.worth[new] = self.worth[top] + idea.gain - clash
            self.lost[new] = self.lost[top] + (1 - idea.carries) * idea.gain
            top = new
            kept.append((number, new))
        return Combined(job, tuple(n for n, _ in kept), tuple(c for _, c in kept))

    def _measure(self, job: Measure) -> Measurement:
        self.edit = job.edit
        idea = self.ideas_of[job.commit]
        if idea.outcome != "ok":
            return Measurement(job, outcome=idea.outcome, reason=f"it ended with {idea.outcome}")
        caught = job.audited and self.cheats(job.paired_with)
        runs = job.paired_with and not self._crashes(job.paired_with, job.seed) and not caught
        beside = {self.metric: self.ran(job.paired_with, job.seed)} if runs else {}
        if self._crashes(job.commit, job.seed):
            return Measurement(job, outcome="crash", reason="it crashes on this seed", paired_metrics=beside)
        if job.audited and self.cheats(job.commit):
            return Measurement(job, outcome="foul", reason="an audit caught it", paired_metrics=beside)
        metrics = {self.metric: self.ran(job.commit, job.seed), **idea.metrics}
        return Measurement(job, outcome="ok", metrics=metrics, paired_metrics=beside,
                           holdout=self.held(job.commit, job), paired_holdout=self.held(job.paired_with, job))

    def _crashes(self, commit: str, seed: int) -> bool:
        """Whether a commit, or one that it stands on, crashes on a seed."""
        while commit:
            share = self.ideas_of[commit].crashes
            if share and lots_of(self.seed, "crash", commit, seed).random() < share:
                return True
            commit = "" if self.ideas_of[commit].mends else self.parents[commit]
        return False

    def cheats(self, commit: str) -> bool:
        """Whether a commit holds a change that cheats."""
        while commit and not self.ideas_of[commit].cheats:
            commit = self.parents[commit]
        return bool(commit)

    def held(self, commit: str, job: Measure) -> float | None:
        """What the same run gives on the holdout, where it is asked."""
        if self.holdout is None or not commit or job.stage not in ("calibrate", "confirm"):
            return None
        return self.holdout * (self.value(commit, job.seed) - self.sign * self.sigma * self.lost[commit])

    def ran(self, commit: str, seed: int) -> float:
        """What a run measures now."""
        self.measured += 1
        busy = self.bursts if self.measured // 40 % 3 == 0 else 0.0
        if self.bursts:  # then no number repeats itself
            busy += 0.05 * lots_of(self.seed, "jitter", self.measured).gauss(0.0, 1.0)
        number = self.value(commit, seed) - self.sign * self.sigma * (self.drift * self.measured + busy)
        if (wild := self.ideas_of[commit].wild) and lots_of(self.seed, "wild", commit, seed).random() < wild:
            number -= self.sign * 1e4 * self.sigma
        return number

    def _commit(self, idea: Idea, parent: str, *what: object) -> str:
        name = hashlib.sha256("|".join(map(str, (parent, *what))).encode()).hexdigest()[:12]
        self.ideas_of[name], self.parents[name] = idea, parent
        return name

    def _luck(self, commit: str, seed: int) -> float:
        known = self._noise.get((commit, seed))
        if known is not None:
            return known
        twin = self.ideas_of[commit].twin
        name = f"{self.parents[commit]} {twin}" if twin else commit
        own, share, parent = self._draw(lots_of(self.seed, name, seed)), self.ideas_of[commit].correlation, commit
        if share and (parent := self.parents[commit]):
            own = share * self._luck(parent, seed) + (1.0 - share * share) ** 0.5 * own
        self._noise[commit, seed] = own
        return own

    def _draw(self, lots: random.Random) -> float:
        """Noise of variance one: normal, or Student's with three degrees of freedom."""
        normal = lots.gauss(0.0, 1.0)
        return normal / lots.gammavariate(1.5, 2.0) ** 0.5 if self.heavy else normal


CACHED = {"_variance", "_kind", "confirmation_seeds"}  # what follows from the rest, when it is first wanted


def held(known: object) -> object:
    """All that a State holds of the record, at whatever depth; empty entries are as good as none."""
    if isinstance(known, dict):
        return {key: value for key, value in ((key, held(value)) for key, value in known.items()) if value not in ({}, [], ())}
    if isinstance(known, list | tuple | deque):
        return [held(each) for each in known]
    if not type(known).__module__.startswith("overnight.lab"):
        return known
    names = known.__struct_fields__ if isinstance(known, msgspec.Struct) else vars(known)
    return {name: held(getattr(known, name)) for name in names if name not in CACHED}


def team(*names: str) -> list[Role]:
    """Roles that are called after their kind."""
    return [Role(name, name) for name in names]


def resting(lab: Lab) -> bool:
    """Whether every researcher that would propose is away for a while, or the machine is too busy to measure a time."""
    if lab.flight.now < lab.flight.measure_from:
        return True
    return lab.proposing.may_propose() and not any(lab.roster.here(n, lab.flight.now) for n in lab.proposing.willing())


class Night:
    """The loop against a FakeWorld: measure, edit and think slots, simulated seconds, every batch of events in order. Each
    thought takes between half and one and a half times `think`.

    `past` is the record of an earlier session, killed or not; the same world carries on from it.
    """

    def __init__(self, world: FakeWorld, *, contract: str = CONTRACT, researchers: Sequence[str] = ("r",),
                 measure_slots: int = 2, edit_slots: int = 1, past: Iterable[Event] = (), run: float = 1.0, propose: float = 0.01,
                 key: str = "key", lab: Callable[..., Lab] = Lab, roles: Sequence[Role] = (), think_slots: int = 0,
                 think: float = 20.0) -> None:
        self.world, self.measure_slots, self.lasts = world, measure_slots, {"measure": run, "edit": propose, "think": think}
        self.places = ["measure"] * measure_slots + ["edit"] * edit_slots + ["think"] * think_slots
        self.lab = lab(State(), roles or team(*researchers), measure_slots)
        self.batches: list[list[Event]] = []
        self.jobs: list[Job] = []
        self.idled = 0.0  # seconds of free measure slots while the time went on
        self.now = 0.0
        past = list(past)
        for event in past:
            self.lab.apply(event)
        start: list[Event] = [] if past else [Opened(0.0, "fake", "c0", contract, key)]
        self._record([*start, Started(0.0, measure_slots, "fake", "0", self.lab.roster.proposers)], apply=True)
        self._past = past

    @property
    def events(self) -> list[Event]:
        """Everything in the record, the past included."""
        return [*self._past, *(event for batch in self.batches for event in batch)]

    @property
    def runs(self) -> list[Measured]:
        """The runs in the record."""
        return [event for event in self.events if isinstance(event, Measured)]

    def go(self, *, experiments: int | None = None, until: float | None = None, runs: int | None = None,
           watch: Callable[["Night"], None] | None = None) -> "Night":
        """Run until the Lab is finished, or has made so many runs in all."""
        self._record(self.lab.begin(Budget(until, experiments, runs=runs), self.now))
        idle = list(self.places)
        flying: list[tuple[float, int, Job, float]] = []
        while not self.lab.flight.stopping and not self.lab.finished(self.now):
            while idle and (job := self.lab.ask(self.now, idle)):
                idle.remove(job.place)
                self.jobs.append(job)
                lasts = self._lasts(job)
                heapq.heappush(flying, (self.now + lasts, len(self.jobs), job, lasts))
            if watch is not None:
                watch(self)
            if not flying and resting(self.lab):
                self.now += 1.0
                continue
            if not flying or (runs is not None and self.lab.state.runs >= runs):
                break
            ends, _, job, lasted = heapq.heappop(flying)
            self.idled += (ends - self.now) * idle.count("measure")
            self.now = ends
            idle.append(job.place)
            self._record(self.lab.tell(_timed(self.world.answer(job), lasted), self.now))
        return self

    def _lasts(self, job: Job) -> float:
        spread = 1.0 if job.place == "think" else 0.2
        return self.lasts[job.place] * (1 + spread * (len(self.jobs) * 0.618034 % 1.0 - 0.5))

    def _record(self, events: list[Event], apply: bool = False) -> None:
        if events:
            self.batches.append(events)
        if apply:
            for event in events:
                self.lab.apply(event)


def _timed(result: Result, lasted: float) -> Result:
    """A result with how long it took."""
    if isinstance(result, Proposal):
        return msgspec.structs.replace(result, seconds=lasted)
    return msgspec.structs.replace(result, busy=lasted) if isinstance(result, Measurement) else result
