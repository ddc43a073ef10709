"""Two nights, tracks or researchers beside one another: gains over time, runs and dollars, and whether they differ. Pure.

Gains are compared and never levels: two baselines of one commit differ by their seeds alone. A winner is named only where the
95 % interval of the difference excludes 0.
Covered: sides whose numbers are of different metrics are not compared. Not covered: that one night each says little of the two
ways that they were made in; keeps of two researchers of one night stand on one another, so their gains are not independent.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from overnight.audit.arithmetic import Audit, add_up
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.referee.estimates import Estimate
from overnight.track.units import number
from overnight.untrusted import readable
from overnight.views.findings import beside

MINUS = "−"
MOST_NAME_CHARACTERS = 80


class GainView(Struct, frozen=True):
    """The gain of a side after one of its keeps: what it had cost until then, and the sum of the effects so far.

    experiment  that was kept
    seconds     at work, `runs` and `dollars` of models until then
    gain        in the metric's unit, positive is better, with its 95 % interval from `low` to `high`; None where a keep has
                none
    """

    experiment: int
    seconds: float
    runs: int
    dollars: float
    gain: float
    low: float | None
    high: float | None


class SideView(Struct, frozen=True):
    """One side of a comparison.

    name        of it, and `researcher` whose experiments are meant alone; "": all of them
    metric, unit, direction  of its track
    gain        the sum of the effects of what is kept, with its 95 % interval; None where a keep has none
    again       the same measured again by an audit of all that is kept; None without one
    steps       the gain after each keep, in the order in which they were kept
    experiments, kept, runs, seconds, dollars, tokens  what was tried, and what it cost; of a researcher its own runs and calls,
                and the seconds of its runs and its thinking. `dollars` is None where the price of a call is not known
    first_keep  seconds until the first keep; None: there was none
    baseline    the metric at the baseline, and `noise` the standard deviation of a paired difference; None before that is known
    busy_share  share of the workers' time that was spent in runs; None of a researcher
    program     the SHA-256 of program.md, the last that was in force
    marks       what must stand beside its numbers
    """

    name: str
    researcher: str
    metric: str
    unit: str
    direction: str
    gain: float
    interval: tuple[float, float] | None
    again: Estimate | None
    steps: tuple[GainView, ...]
    experiments: int
    kept: int
    runs: int
    seconds: float
    dollars: float | None
    tokens: int
    first_keep: float | None
    baseline: float | None
    noise: float | None
    busy_share: float | None
    program: str
    marks: tuple[str, ...]

    @property
    def runs_per_keep(self) -> float | None:
        """Runs for each keep; None where nothing is kept."""
        return self.runs / self.kept if self.kept else None


class CompareView(Struct, frozen=True):
    """Two sides.

    sides       the first and the second
    difference  by how much the first gained more, with its 95 % interval; None where that cannot be told
    winner      the name of the one that gained more, where the interval excludes 0; else ""
    sentence    that says so, without a stop
    why         why there is no winner to be named, or what to mind, a sentence without its stop; "" where there is nothing
    """

    sides: tuple[SideView, SideView]
    difference: float | None
    interval: tuple[float, float] | None
    winner: str
    sentence: str
    why: str


class Spent(NamedTuple):
    """What a researcher's experiment took, in the order of the verdicts: fields of Experiment."""

    judged_at: float
    id: int
    asked: int
    runs: int
    cost: float


def took(state: State) -> dict[str, list[Spent]]:
    """What the experiments of each researcher took."""
    found = defaultdict[str, list[Spent]](list)
    for each in state.experiments.values():
        found[each.researcher].append(Spent(each.judged_at or math.inf, each.id, each.asked, each.runs, each.cost))
    return found


def side(state: State, name: str, researcher: str = "", audit: Audit | None = None,
         spent: Mapping[str, list[Spent]] | None = None) -> SideView:
    """One side: all of a track, or what one of its researchers did there. `audit` is of its present frontier. `spent`: what
    `took` gives, where it is known. Raises JournalError before the track is opened."""
    metric, kept = state.track.metric, state.chain()
    mine = (took(state) if spent is None else spent).get(researcher, []) if researcher else []
    kept = sorted((each for each in kept if researcher in ("", each.researcher)), key=lambda each: (each.judged_at, each.id))
    gain, doubt = add_up([(each.effect or 0.0, each.interval) for each in kept])
    runs, seconds, dollars, tokens = _cost(state, mine, researcher)
    steps = tuple(_steps(kept, _milestones(state, mine, researcher)))
    usage = state.usage
    return SideView(
        readable(name, MOST_NAME_CHARACTERS), readable(researcher, MOST_NAME_CHARACTERS), readable(metric.name),
        readable(metric.unit), metric.direction, gain, None if doubt is None else (gain - doubt, gain + doubt),
        audit.total if audit and not researcher else None, steps,
        len(mine) if researcher else len(state.experiments), len(kept), runs, seconds, dollars, tokens,
        steps[0].seconds if steps else None, state.levels.baseline, state.noise,
        usage.busy / usage.capacity if usage.capacity and not researcher else None, state.program, beside(state))


def compare(first: SideView, second: SideView) -> CompareView:
    """Whether one of them gained more."""
    sides = first, second
    if (first.metric, first.unit, first.direction) != (second.metric, second.unit, second.direction):
        return CompareView(sides, None, None, "", f"{_called(first)} and {_called(second)} are not measured by the same metric",
                           "gains in different units cannot be compared: only the counts and the costs can")
    difference = first.gain - second.gain
    if first.interval is None or second.interval is None:
        return CompareView(sides, difference, None, "", _about(first, second, difference, None),
                           "a keep has no interval, so how far this is by chance is not known")
    radius = math.hypot(*((high - low) / 2 for low, high in (first.interval, second.interval)))
    interval = difference - radius, difference + radius
    if interval[0] <= 0 <= interval[1]:
        said = _about(first, second, difference, interval)
        return CompareView(sides, difference, interval, "", said, _one_night(first, second))
    better, other = sides if difference > 0 else sides[::-1]
    sentence = f"{_called(better)} found more than {_called(other)}: {_by(first, difference, interval)}"
    return CompareView(sides, difference, interval, _called(better), sentence, _one_night(first, second))


# ---- one side --------------------------------------------------------------------------------------------------


def _cost(state: State, mine: Sequence[Spent], researcher: str) -> tuple[int, float, float | None, int]:
    """Runs, seconds, dollars and tokens; of a researcher its own."""
    uses = list(state.usage.used.values()) if not researcher else [
        use for use in (state.usage.used.get(researcher),) if use is not None]
    dollars = None if any(use.unpriced for use in uses) else math.fsum(use.dollars for use in uses)
    tokens = sum(use.tokens for use in uses)
    if not researcher:
        return state.runs, state.usage.seconds, dollars, tokens
    return sum(each.runs for each in mine), math.fsum(each.cost for each in mine), dollars, tokens


def _milestones(state: State, mine: Sequence[Spent], researcher: str) -> dict[int, tuple[float, int, float]]:
    """What had been used when each was kept: by the whole track, or by a researcher's own experiments until then."""
    if not researcher:
        return state.milestones
    found, seconds, runs, dollars = dict[int, tuple[float, int, float]](), 0.0, 0, 0.0
    for each in sorted(mine):
        seconds, runs = seconds + each.cost, runs + each.runs
        dollars += use.dollars if (use := state.usage.asked.get(each.asked)) else 0.0
        found[each.id] = seconds, runs, dollars
    return found


def _steps(kept: Iterable[Experiment], milestones: dict[int, tuple[float, int, float]]) -> Iterable[GainView]:
    """The gain after each keep; those of an old journal of which it is not known what they had cost come at 0."""
    gain, radius, known = 0.0, 0.0, True
    for each in kept:
        gain += each.effect or 0.0
        known = known and each.interval is not None
        radius = math.hypot(radius, (each.interval[1] - each.interval[0]) / 2) if each.interval else radius
        seconds, runs, dollars = milestones.get(each.id, (0.0, 0, 0.0))
        yield GainView(each.id, seconds, runs, dollars, gain, *((gain - radius, gain + radius) if known else (None, None)))


# ---- in words --------------------------------------------------------------------------------------------------


def _called(one: SideView) -> str:
    return f"{one.researcher} on {one.name}" if one.researcher else one.name


def _about(first: SideView, second: SideView, difference: float, interval: tuple[float, float] | None) -> str:
    return f"{_called(first)} and {_called(second)} found about as much: {_by(first, difference, interval)}"


def _by(first: SideView, difference: float, interval: tuple[float, float] | None) -> str:
    unit, scale = f" {first.unit}" * bool(first.unit), max(abs(difference), *(map(abs, interval or (0.0,))))
    ends = f", with a 95 % interval of [{', '.join(_signed(end, scale) for end in interval)}]" if interval else ""
    return f"the gains differ by {number(abs(difference), 3, scale)}{unit}{ends}"


def _signed(value: float, scale: float) -> str:
    return number(value, 3, scale, "+").replace("-", MINUS)


def _one_night(first: SideView, second: SideView) -> str:
    """What one comparison does not say."""
    if first.researcher or second.researcher:
        return "to tell which researcher is better takes several nights of each; the keeps of one night stand on one another"
    return "to tell which way of searching is better takes several nights of each"
