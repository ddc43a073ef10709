"""The points of a campaign: commits that were run once or more, to learn from, and that never get a verdict. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from overnight.contracts import EXPECTS
from overnight.lab.events import Measured, Probed
from overnight.lab.experiment import CUT_PATCH_CHARACTERS, Experiment, Metrics, mark, packed

NEWEST, BEST = 200, 100  # points that a researcher is told of, and how many of those before them


class Probe(Struct, array_like=True, gc=False):
    """One point: a change that claims nothing.

    base, base_commit  the experiment that it was made from, and its commit
    packed       its researcher's note as JSON; b"" where there is none
    mark         tells whether two changes are the same
    runs         seed -> what was measured there; {} where the run failed; also by an experiment that makes the same change
    paired       seed -> what the frontier gave beside it, where the metric is a time
    guard_usage  the guard that is nearest its bound, as a share of it; None without guards or runs
    expected     the gain on the frontier that its researcher expected before the run, and the standard deviation of that; None
                 where it said nothing
    after        how many experiments had been proposed before it
    value        what its own run gave, and `beside` what the frontier gave on the same seed, or on average where it had not run
                 on that; None before it ended well
    """

    id: int
    base: int
    base_commit: str
    commit: str
    researcher: str
    message: str
    packed: bytes
    mark: int = 0
    runs: dict[int, Metrics] = {}
    paired: dict[int, Metrics] = {}
    guard_usage: float | None = None
    expected: tuple[float, float] | None = None
    after: int = 0
    value: float | None = None
    beside: float | None = None

    @property
    def note(self) -> dict[str, Any]:
        """What the researcher left with its change."""
        return msgspec.json.decode(self.packed, type=dict[str, Any]) if self.packed else {}

    @property
    def title(self) -> str:
        """The first line of its message."""
        return self.message.partition("\n")[0]


@dataclass
class Probes:
    """All points of a track.

    made     by their numbers; `next` is the number of the next one
    makers   the researchers that made them
    unrun    the numbers of those that were not run yet
    marks    what tells a change from others -> the numbers of those that make it
    claimed  experiments' commits, and the point whose change each makes
    claims   the same by what tells a change from others -> the number of the experiment that makes it
    since    the number of points when one was claimed last
    best     those that measured best -> by what mean, + is better: as many as are ever told of
    """

    made: dict[int, Probe] = field(default_factory=dict)
    next: int = 1
    makers: set[str] = field(default_factory=set)
    unrun: list[int] = field(default_factory=list)
    marks: dict[int, list[int]] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)
    claims: dict[int, int] = field(default_factory=dict)
    since: int = 0
    best: dict[int, float] = field(default_factory=dict)

    def probed(self, event: Probed, base: int, after: int) -> None:
        """One more was committed, on the commit of this experiment, after so many."""
        whole = len(event.patch) < CUT_PATCH_CHARACTERS  # of what may be cut, nothing tells whether two are the same
        same = mark(event.base_commit if whole else event.commit, event.patch)
        self.made[event.probe] = Probe(event.probe, base, event.base_commit, event.commit, event.researcher, event.message,
                                       packed(event.note), same, {}, {}, expected=_expected(event.note), after=after)
        self.next = event.probe + 1
        self.unrun.append(event.probe)
        self.makers.add(event.researcher)
        self.marks.setdefault(self.made[event.probe].mark, []).append(event.probe)

    def forget_unrun(self) -> None:
        """Those that were not run are out: no name holds their commits, and what is best to run now may be another."""
        for number in self.unrun:
            gone = self.made.pop(number)
            self.marks[gone.mark].remove(number)
        self.unrun.clear()
        self.since = min(self.since, len(self.made))

    def same(self, made: int) -> list[Probe]:
        """Those that make this very change."""
        return [self.made[number] for number in self.marks.get(made, ())]

    def claim(self, experiment: Experiment, made: int) -> dict[int, tuple[Metrics, Metrics]]:
        """An experiment makes this change. Returns what points that made the same one measured: seed -> it, and what the
        frontier gave beside it, if anything."""
        same = self.same(made)
        if same:
            self.since = len(self.made)
            self.claimed[experiment.commit], self.claims[made] = same[0].id, experiment.id
        return {seed: (metrics, probe.paired.get(seed, {})) for probe in same for seed, metrics in probe.runs.items()}

    def measured(self, event: Measured, metrics: Metrics, paired: Metrics) -> None:
        """A run of one ended, or of an experiment that makes the same change; `metrics` are empty where it failed. A run of a
        point that is not known says nothing."""
        number = event.experiment if event.stage == "explore" else self.claimed.get(event.commit, 0)
        if probe := self.made.get(number):
            probe.runs[event.seed] = metrics
            if number in self.unrun:
                self.unrun.remove(number)
            if paired:
                probe.paired[event.seed] = paired

    def caught(self, commit: str) -> None:
        """The scorer caught an experiment with this commit cheating: what points measured of the same change is as good as a
        failure."""
        claimed = self.made.get(self.claimed.get(commit, 0))
        for probe in self.same(claimed.mark) if claimed else ():
            probe.runs, probe.value, probe.beside = {seed: {} for seed in probe.runs}, None, None
            self.rank(probe.id, None)

    def rank(self, number: int, mean: float | None) -> None:
        """Of the runs of a point, this is the mean by now, + is better; None: all failed."""
        self.best.pop(number, None)
        if mean is not None:
            self.best[number] = mean
        if len(self.best) > NEWEST + BEST:
            del self.best[min(self.best, key=self.best.__getitem__)]

    def told(self) -> list[Probe]:
        """Those that a researcher is told of, oldest first: the newest, and the best of those before them."""
        if len(self.made) <= NEWEST + BEST:
            return list(self.made.values())
        first = self.next - NEWEST
        old = sorted((number for number in self.best if number < first), key=self.best.__getitem__)[-BEST:]
        return [self.made[n] for n in (*sorted(old), *range(first, self.next)) if n in self.made]

def _expected(note: dict[str, Any]) -> tuple[float, float] | None:
    match note.get(EXPECTS):
        case [int() | float() as gain, int() | float() as deviation] if math.isfinite(gain) and 0 <= deviation < math.inf:
            return float(gain), float(deviation)
    return None
