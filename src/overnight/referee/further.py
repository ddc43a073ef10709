"""Further metrics: what was kept, measured by numbers that decided nothing when it was kept. Pure arithmetic.

Each kept commit is compared with the one before it on common seeds that no night used; positive is better. A keep is disowned
where its whole 95 % interval lies below what it may cost, or where it is the one that breaks a bound that was not in force.
Not covered: that of many intervals some miss, about one keep in forty for each metric.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from overnight.contracts import Direction
from overnight.referee.estimates import estimate
from overnight.track.spec import Guard, Track
from overnight.track.units import bound, number

Role = Literal["own", "watch", "guard"]
Values = Mapping[str, Mapping[int, Mapping[str, float]]]  # commit -> seed -> metrics, of the runs that ended well


class Further(Struct, frozen=True):
    """A metric that kept commits are measured by.

    role        "own": the track's, as the scorer gives it now; "watch": of [[watch]]; "guard": of a [[guard]] that was not in
                force when they were kept
    worthwhile  how much worse a keep may make it, in its unit
    bound       of a guard, as it is written: "1.25x" of the baseline's, or absolute
    """

    metric: str
    direction: Direction
    role: Role
    unit: str = ""
    worthwhile: float = 0.0
    bound: str | float = ""

    def oriented(self, difference: float) -> float:
        """A difference of it, turned so that positive is better."""
        return -difference if self.direction == "minimize" else difference


class Link(Struct, frozen=True):
    """A kept experiment with its commit and the one that it stands on."""

    experiment: int
    commit: str
    base: str


class KeepEffect(Struct, frozen=True):
    """What a keep did to a further metric.

    effect    mean paired difference to the commit before it, positive is better, in the metric's unit; None: not measured
    interval  95 % interval of it, and `pairs` how many seeds it rests on
    level     the metric at its commit, the mean over those seeds
    disowned  why the metric disowns it, in words; "": it does not
    """

    experiment: int
    effect: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    level: float | None = None
    disowned: str = ""


class Scored(Struct, frozen=True):
    """What was kept, by one further metric.

    keeps     oldest first
    effect    of the frontier against the baseline, positive is better; None: not measured
    interval  95 % interval of it
    baseline  the metric at the baseline, and `frontier` at the frontier
    """

    further: Further
    keeps: tuple[KeepEffect, ...]
    effect: float | None = None
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    frontier: float | None = None

    @property
    def measured(self) -> bool:
        """Whether any run gave the metric."""
        return self.baseline is not None or any(keep.level is not None for keep in self.keeps)


def furthers(now: Track, then: Track) -> Iterator[Further]:
    """What the keeps of a track that began with one contract are measured by, where its contract says this now: its own
    metric, what is watched, and guards that were not in force."""
    yield Further(now.metric.name, now.metric.direction, "own", now.metric.unit, now.metric.worthwhile)
    for watch in now.watch:
        yield Further(watch.metric, watch.direction, "watch", watch.unit, watch.worthwhile)
    yield from (_of_guard(guard) for guard in now.guard if guard not in then.guard)


def _of_guard(guard: Guard) -> Further:
    most = guard.at_most is not None
    text = guard.at_most if guard.at_most is not None else guard.at_least
    assert text is not None
    return Further(guard.metric, "minimize" if most else "maximize", "guard", bound=text)


def scored(further: Further, chain: Sequence[Link], baseline: str, values: Values,
           known: Iterable[KeepEffect] = ()) -> Scored:
    """What these keeps did to a metric, oldest first. `known`: what was measured of some before, which stays."""
    numbers = {commit: {seed: found[further.metric] for seed, found in seeds.items() if further.metric in found}
               for commit, seeds in values.items()}
    first, last = numbers.get(baseline, {}), numbers.get(chain[-1].commit, {}) if chain else {}
    before, keeps, broken = {keep.experiment: keep for keep in known}, list[KeepEffect](), False
    for link in chain:
        if keep := before.get(link.experiment):
            broken = broken or bool(keep.disowned)
        else:
            keep = _effect(further, link, numbers)
            if further.role == "guard":
                keep, broken = _bounded(further, keep, first, numbers.get(link.commit, {}), broken)
        keeps.append(keep)
    whole = estimate(_differences(further, last, first))
    effect, interval = (whole.effect, whole.interval) if whole else (None, None)
    return Scored(further, tuple(keeps), effect, interval, _mean(first), _mean(last))


def _effect(further: Further, link: Link, numbers: Mapping[str, Mapping[int, float]]) -> KeepEffect:
    mine = numbers.get(link.commit, {})
    found = estimate(_differences(further, mine, numbers.get(link.base, {})))
    if found is None:
        return KeepEffect(link.experiment, level=_mean(mine))
    low, high = found.interval
    worse, why = further.role != "guard" and high < -further.worthwhile, ""
    if worse:
        size = max(abs(low), abs(high))
        why = (f"{further.metric} is worse by {number(-found.effect, 3, size)} {further.unit}".rstrip()
               + f" (95 % interval {number(-high, 3, size)} to {number(-low, 3, size)})")
    return KeepEffect(link.experiment, found.effect, found.interval, found.pairs, _mean(mine), why)


def _bounded(further: Further, keep: KeepEffect, first: Mapping[int, float], mine: Mapping[int, float],
             broken: bool) -> tuple[KeepEffect, bool]:
    """A keep as a guard finds it, and whether its bound is broken by then: the keep that breaks it is disowned."""
    limit, relative = bound(further.bound)
    room = [further.oriented(value - limit * (first[seed] if relative else 1.0)) for seed, value in mine.items()
            if seed in first or not relative]
    found = estimate(room)
    breaks = found is not None and found.interval[1] < 0
    if not breaks or broken:
        return keep, breaks
    level = statistics.fmean(mine.values())
    return KeepEffect(keep.experiment, keep.effect, keep.interval, keep.pairs, keep.level,
                      f"it breaks the guard on {further.metric}: {number(level)} where {further.bound} is the bound"), True


def _differences(further: Further, mine: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    return [further.oriented(value - theirs[seed]) for seed, value in mine.items() if seed in theirs]


def _mean(numbers: Mapping[int, float]) -> float | None:
    return statistics.fmean(numbers.values()) if numbers else None
