"""What was kept, as metrics that decide nothing measured it, and what was suggested, as data and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from overnight.contracts import Suggestion
from overnight.lab.state import State
from overnight.referee.further import Scored
from overnight.track.units import number
from overnight.untrusted import line

NAME, UNIT, TITLE = 60, 24, 100  # characters
SCORE = "`overnight metric score`"


class FurtherView(Struct, frozen=True):
    """What was kept, as further metrics measured it, which decide nothing.

    commit      whose track.toml and scorer measured, on so many `seeds` for each commit
    found       what came out for each metric, the track's own first
    disowned    the keeps that a metric disowns, oldest first
    unmeasured  the keeps that were not measured so yet
    """

    commit: str
    seeds: int
    found: tuple[Scored, ...]
    disowned: tuple[int, ...]
    unmeasured: tuple[int, ...]


class SuggestionView(Struct, frozen=True):
    """A further metric or a guard that was suggested; nothing follows from it before the user grants it.

    suggestion  its number, and `by` the role that made it; "rules": it follows from the record
    suggested   what it says, in words from outside, and what it would put into files
    granted     whether track.toml measures by it already
    """

    suggestion: int
    by: str
    suggested: Suggestion
    granted: bool


class MetricsView(Struct, frozen=True):
    """What `overnight metric list` prints: what was measured (null: nothing yet), and what was suggested, oldest first."""

    further: FurtherView | None
    suggestions: tuple[SuggestionView, ...]


def further(state: State) -> FurtherView | None:
    """What is known of the keeps that still count; None where nothing was measured."""
    if (watched := state.watched) is None:
        return None
    chain = [keep.id for keep in state.chain()]
    found = tuple(replace(each, keeps=tuple(keep for keep in each.keeps if keep.experiment in chain)) for each in watched.found)
    named = {keep.experiment for each in found for keep in each.keeps if keep.disowned}
    done = {keep.experiment for each in found for keep in each.keeps}
    return FurtherView(watched.commit, watched.seeds, found, tuple(each for each in chain if each in named),
                       tuple(each for each in chain if each not in done))


def waiting(state: State) -> int:
    """How many suggestions neither are measured by yet nor rest on what is no more."""
    chain = {keep.id for keep in state.chain()}
    measured = {watch.metric for watch in state.track.watch} | {guard.metric for guard in state.track.guard}
    measured |= {each.further.metric for each in state.watched.found} if state.watched else set()
    return sum(each.suggested.metric not in measured and set(each.suggested.experiments) <= chain for each in state.suggested)


# ---- in words --------------------------------------------------------------------------------------------------


def lines(found: FurtherView | None, suggestions: int = 0) -> Iterator[str]:
    """What further metrics say of the whole, and which keeps they disown, a line each without its stop."""
    for each in found.found if found else ():
        yield from (whole(each),) if each.further.role != "own" else ()
    if found:
        yield from disowned(found)
    if found and found.unmeasured:
        names = ", ".join(f"#{number}" for number in found.unmeasured)
        yield f"{names} {'was' if len(found.unmeasured) == 1 else 'were'} kept since: {SCORE}"
    if suggestions:
        yield f"{suggestions} further metric{'s' * (suggestions > 1)} suggested: `overnight metric list`"


def whole(each: Scored) -> str:
    """What all keeps together did to a metric."""
    name = line(each.further.metric, NAME)
    if not each.measured:
        return f"{name}: no run gave it, so let the scorer print it, commit, and {SCORE}"
    shown = f"further metric {name}: {number(each.baseline)} at the baseline, {number(each.frontier)} at the frontier"
    if each.effect is None:
        return f"{shown} (no pairs, so nothing is shown)"
    return f"{shown}, better by {_effect(each.effect, each.interval, each.further.unit)}"


def disowned(found: FurtherView) -> Iterator[str]:
    """Each keep that a metric disowns, with why."""
    for keep in found.disowned:
        why = [line(each.disowned, 200) for scored in found.found for each in scored.keeps
               if each.experiment == keep and each.disowned]
        yield f"#{keep} is disowned: {'; '.join(why)}"


def about(found: FurtherView | None, experiment: int) -> Iterator[str]:
    """What further metrics say of one keep, in sentences."""
    for each in found.found if found else ():
        for keep in each.keeps:
            if keep.experiment == experiment and (keep.effect is not None or keep.disowned):
                name = line(each.further.metric, NAME)
                own = "Measured again, " if each.further.role == "own" else "By the further metric "
                said = f"{own}{name} is better by {_effect(keep.effect, keep.interval, each.further.unit)} ({keep.pairs} pairs)"
                yield f"{said}{f': the keep is disowned, for {line(keep.disowned, 200)}' if keep.disowned else ''}."


def _effect(effect: float | None, interval: tuple[float, float] | None, unit: str) -> str:
    size = max([abs(effect or 0.0), *map(abs, interval or (0.0,))])
    within = f" [{', '.join(number(end, 3, size, '+') for end in interval)}]" if interval else ""
    return f"{number(effect, 3, size, '+')} {line(unit, UNIT)}".rstrip() + within


def suggested(each: SuggestionView) -> str:
    """A suggestion on a line."""
    state = "granted" if each.granted else "advice" if not each.suggested.section else "open"
    return f"{each.suggestion:4} {state:8} {line(each.suggested.title, TITLE)}  (by {line(each.by, NAME)})"
