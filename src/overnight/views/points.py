"""What is shown of the points of a campaign, typed: single runs that were made to learn from, which claim nothing and never get
a verdict. `overnight log --explored --json` prints them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from overnight.lab.leads import Lead, leads
from overnight.lab.probes import Probe
from overnight.lab.state import State
from overnight.track.units import number
from overnight.untrusted import line as one_line

TITLE, SHOWN = 200, 200  # characters of a title, and of one in a line


class LeadView(Struct, frozen=True):
    """The point that is thought to be best: what was expected of it, put together with what its run gave.

    point      its number
    gain       by how much it is expected to be better than the frontier, in the metric's unit
    deviation  the standard deviation of that
    """

    point: int
    gain: float
    deviation: float


class PointView(Struct, frozen=True):
    """One explored point. Holds nothing that a researcher may not read.

    point       its number, of a count of its own
    commit      what was run, and `base` the commit that it stands on; that is experiment `parent`'s, 0: the baseline
    after       how many experiments had been proposed before it
    researcher  the name of its proposer, and `title` what it turned, in the proposer's words
    state       ok, failed, or open: not run yet
    value       the metric of its run, in its unit; None where there is none
    gain        by how much that is better than what its base gave on the same seed (on average where it has not run on that),
                and `ratio` what it measured over what that did; None where a number is not above zero
    expected    the gain that its researcher expected before the run, and its standard deviation; None where it said nothing
    experiment  the experiment that makes the same change, to be proven; None: none does
    """

    point: int
    commit: str
    base: str
    parent: int
    after: int
    researcher: str
    title: str
    state: str
    value: float | None
    gain: float | None
    ratio: float | None
    expected: tuple[float, float] | None
    experiment: int | None


def point(state: State, chosen: Probe) -> PointView:
    """One point as it is shown."""
    value, beside = chosen.value, chosen.beside
    gain = ratio = None
    if value is not None and beside is not None:
        gain, ratio = state.track.oriented(value - beside), value / beside if min(value, beside) > 0 else None
    ended = "ok" if value is not None else "failed" if chosen.runs else "open"
    return PointView(
        chosen.id, chosen.commit, chosen.base_commit, chosen.base, chosen.after, chosen.researcher,
        one_line(chosen.title, TITLE), ended, value, gain, ratio, chosen.expected,
        state.probes.claims.get(chosen.mark))


def points(state: State) -> tuple[PointView, ...]:
    """All points, in the order of their numbers."""
    return tuple(point(state, each) for each in state.probes.made.values())


def lead(found: Sequence[Lead]) -> LeadView | None:
    """The best of what is expected to be better; None where nothing is."""
    return LeadView(found[0].point, found[0].gain, found[0].deviation) if found else None


def best(state: State) -> LeadView | None:
    """The lead of a track now."""
    return lead(leads(state)) if state.probes.made else None


# ---- in words --------------------------------------------------------------------------------------------------


def explored(points: int, found: LeadView | None, unit: str) -> str:
    """How many points were explored and what the lead is thought to be, in a sentence without its stop."""
    said = f"explored {points:,} point{'s' * (points != 1)} in single runs, which claim nothing"
    if found is None:
        return said
    return f"{said}; the lead, point {found.point}, is expected to be {about(found.gain, found.deviation, unit)} better"


def about(gain: float, deviation: float, unit: str = "") -> str:
    """A gain with its standard deviation, positive is better."""
    shown = number(gain, 2, max(abs(gain), deviation), "+")
    return (f"{shown} ± {number(deviation, 2)}" if deviation else shown) + f" {unit}" * bool(unit)


def line(found: PointView, metric: str, unit: str = "", why: str = "") -> str:
    """One point in one line: its run (or why that failed, where that is known), what it was compared with, what it turned."""
    if found.value is None:
        ran = "not run yet" if found.state == "open" else f"its run failed{f' ({why})' if why else ''}"
    else:
        gain = "" if found.gain is None else f" ({number(found.gain, 3, found.value, '+')} in one run)"
        ran = f"{one_line(metric, 32)} {number(found.value, 5)}{f' {one_line(unit, 24)}' if unit else ''}{gain}"
    claim = f", raced as #{found.experiment}" if found.experiment is not None else ""
    return f"explored {found.point}: {ran}{claim}  {one_line(found.title, SHOWN)}"
