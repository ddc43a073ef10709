"""Two nights, or two researchers of one, beside one another: gains over time, runs or dollars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from overnight.report.svg.axes import decimals, fixed
from overnight.report.svg.curves import DOLLARS, RUNS, TIME, Curve, curves
from overnight.report.svg.intervals import span
from overnight.track.units import number
from overnight.untrusted import line
from overnight.views.compare import GainView, SideView, compare
from overnight.web.frame import framed
from overnight.web.rendering import minutes
from overnight.web.seen import Seen
from overnight.web.sides import sides, team

BY: dict[str, tuple[str, Callable[[GainView], float], Callable[[SideView], float]]] = {
    "time": ("by time", lambda step: step.seconds, lambda one: one.seconds),
    "runs": ("by runs", lambda step: float(step.runs), lambda one: float(one.runs)),
    "dollars": ("by dollars", lambda step: step.dollars, lambda one: one.dollars or 0.0),
}
ACROSS = {"time": TIME, "runs": RUNS, "dollars": DOLLARS}
Line = tuple[str, tuple[str | Markup, ...]]


def beside(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page that compares: with another track (`with`), or two researchers of this one (`one` and `other`)."""
    by = asked.get("by", "") if asked.get("by", "") in BY else "time"
    names, both = team(seen), sides(seen, asked.get("one", ""), asked.get("other", ""))
    choices = {"one": asked.get("one", ""), "other": asked.get("other", ""), "with": asked.get("with", "")}
    found = compare(*both) if len(both) == 2 else None
    head, _, tail = found.sentence.partition(": ") if found else ("Compare", "", "")
    picked = [one.researcher for one in both] if both and seen.beside is None else names[:2]
    return framed(
        seen, "compare.html", "Compare", "compare", found=found, heading_of=head, tail=tail, by=by, team=names, picked=picked,
        others=[name for name in seen.names if name != seen.name], choices=choices, ways=[(key, BY[key][0]) for key in BY],
        sides=both, chart=Markup(_chart(both, by)) if both else "", rows=_rows(both))


def called(one: SideView) -> str:
    """What a side is called."""
    return one.researcher or one.name


def _chart(sides: Sequence[SideView], by: str) -> str:
    _, at, end = BY[by]
    drawn = [Curve(line(called(one), 24), [(at(step), step.gain) for step in one.steps], end(one), one.interval)
             for one in sides]
    return curves(drawn, ACROSS[by], line(sides[0].unit, 24))


def _again(one: SideView, places: int) -> str | Markup:
    return Markup(span(one.again.effect, one.again.interval, places)) if one.again else "not audited"


def _rows(sides: Sequence[SideView]) -> list[Line]:
    """What is told of each: words, and what each side has there."""
    if not sides:
        return []
    places = decimals(one.gain for one in sides)
    rows: list[tuple[str, Callable[[SideView], str | Markup]]] = [
        ("Gain claimed", lambda one: Markup(span(one.gain, one.interval, places))),
        ("Measured again", lambda one: _again(one, places)),
        ("Kept of tried", lambda one: f"{one.kept:,} of {one.experiments:,}"),
        ("Runs", lambda one: f"{one.runs:,}"),
        ("Runs per keep", lambda one: number(one.runs_per_keep, 3)),
        ("Time", lambda one: minutes(one.seconds)),
        ("Time to the first keep", lambda one: minutes(one.first_keep)),
        ("Tokens", lambda one: f"{one.tokens:,}"),
        ("Dollars", lambda one: "not known" if one.dollars is None else f"${one.dollars:.2f}"),
        ("Baseline", lambda one: fixed(one.baseline, places, sign=False)),
        ("Noise of a pair", lambda one: f"±{fixed(one.noise, places, sign=False)}"),
        ("Places busy", lambda one: "–" if one.busy_share is None else f"{100 * one.busy_share:.0f} %"),
        ("Program", lambda one: one.program[:8] or "–"),
        ("To mind", lambda one: ", ".join(one.marks) or "–"),
    ]
    return [(words, tuple(tell(one) for one in sides)) for words, tell in rows]
