"""Where a track stands, in six lines for people. Pure; `overnight status --all` has every number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from overnight.report.tables import headline, plain
from overnight.track.units import number
from overnight.views import further, holdout, ladder
from overnight.views.experiment import ExperimentView, look_first
from overnight.views.track import TrackView, believed, explored, on_one_seed, paid


def standing(found: TrackView, kept: Sequence[ExperimentView], at_work: bool, climbed: str = "") -> Iterator[str]:
    """What it gained, the last of what was `kept`, what was tried and explored, what it cost, whether a night is `at_work`,
    or a climb on the rung `climbed`; then warnings, where there are any."""
    marks = "".join(f" ({mark})" for mark in found.marks)
    yield f"{headline(found)}, on branch {found.branch}{marks}"
    yield _kept(kept[-1], found) if kept else "nothing is kept yet"
    points = f"; {explored(found)}" if found.explored else ""
    others = {"open": found.open, "crashed": found.crashed, "fouled": found.fouled, "ideas are untried": found.ideas}
    yield ", ".join([f"{found.discarded} discarded", *(f"{count} {what}" for what, count in others.items() if count)]) + points
    if told := believed(found):
        yield told
    yield from map(ladder.summary, found.ladder)
    yield from further.lines(found.further, found.suggestions)
    yield _cost(found)
    yield from (f"models: {paid(role, use)}" for role, use in found.models.items())
    yield _now(found, at_work, climbed)
    for warning in (holdout.sentence(found.holdout, found.unit) if found.holdout else "", look_first(kept),
                    on_one_seed(found), found.overload, found.limits.sentence if found.limits else ""):
        if warning:
            yield f"{warning}."


def _kept(last: ExperimentView, found: TrackView) -> str:
    verdict, unit = last.verdict, plain(found.unit, 24)
    effect = "" if verdict.effect is None else f", {number(verdict.effect, 3, 0.0, '+')} {unit}".rstrip()
    if verdict.interval:
        low, high = (number(each, 3, 0.0, "+") for each in verdict.interval)
        effect += f" [{low}, {high}]"
    return f"last keep: #{last.id} {plain(last.title)}{effect}"


def _cost(found: TrackView) -> str:
    hours, each = found.seconds / 3600, found.busy_seconds / max(1, found.runs)
    lasted = f"{hours:.1f} h" if hours >= 1 else f"{found.seconds / 60:.1f} min"
    rate = f", {found.experiments / hours:.0f} experiments an hour" if found.seconds >= 1 else ""
    return f"{found.runs:,} runs of {each:.3g} s in {lasted}{rate}"


def _now(found: TrackView, at_work: bool, climbed: str) -> str:
    if climbed:
        return f"a climb is at work on the rung {plain(climbed)}: `overnight stop` ends it"
    if at_work and "@" in found.track:
        return "a climb is at work here" + ", paused: `overnight resume` goes on" * found.paused
    if at_work:
        return "a night is at work" + ", paused: `overnight resume` goes on" * found.paused
    if found.problem:
        return f"nothing more is measured: {found.problem.rstrip('.')}"
    if "@" in found.track:
        return "a rung: `overnight climb` goes on"
    return "no night is at work: `overnight run` goes on, `overnight merge` takes what was kept"
