"""An experiment beside the bounds of its guards: what it used of each, and what is allowed. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct

from overnight.lab.experiment import GUARDED, Experiment
from overnight.lab.state import State
from overnight.referee import guards
from overnight.referee.guards import Pair
from overnight.track.spec import Guard
from overnight.track.units import bound


class GuardView(Struct, frozen=True):
    """One guard as an experiment met it.

    metric     what is guarded; harness metrics in seconds and bytes
    value      the mean over its runs, and `base` what its base gave on the same seeds; None where it was not measured
    ratio      the median as a multiple of the baseline's, and `bound` the multiple that is allowed; None where that of the
               baseline is not known or not above zero
    most       whether the bound is an upper one
    allowed    the bound in words
    broken     whether it was beyond the bound, or was not shown to keep within it when it would have been kept
    estimated  nothing counted it exactly
    """

    metric: str
    value: float | None
    base: float | None
    ratio: float | None
    bound: float | None
    most: bool
    allowed: str
    broken: bool
    estimated: bool = False


def views(state: State, chosen: Experiment, pairs: Sequence[Pair]) -> tuple[GuardView, ...]:
    """Each guard of the track as these pairs of an experiment met it, in the order of the contract."""
    if not state.track.guard:
        return ()
    standing = state.known.standing(chosen.base_commit)
    usage = guards.usage(state.track.guard, pairs, standing, state.known.exact) if pairs and standing else []
    level = state.known.means(state.known.baseline_commit)
    return tuple(_view(chosen, guard, pairs, usage[place] if usage else None, level.get(guard.metric))
                 for place, guard in enumerate(state.track.guard))


def _view(chosen: Experiment, guard: Guard, pairs: Sequence[Pair], used: guards.GuardUsage | None,
          level: float | None) -> GuardView:
    name, most = guard.metric, guard.at_most is not None
    text = guard.at_most if guard.at_most is not None else guard.at_least
    assert text is not None
    limit, relative = bound(text)
    number = used.number if used and math.isfinite(used.number) else None
    if not relative:  # then as a multiple of the baseline's too, where there is one
        number, limit = (number / level if number is not None else None, limit / level) if level else (None, math.nan)
    mine, theirs = ([side[name] for side in sides if name in side] for sides in zip(*pairs, strict=True)) if pairs else ([], [])
    blamed = chosen.verdict == "discard" and chosen.reason.startswith(GUARDED) and f" on {name}" in chosen.reason
    return GuardView(name, statistics.fmean(mine) if mine else None, statistics.fmean(theirs) if theirs else None, number,
                     limit if math.isfinite(limit) else None, most, _allowed(text, most, relative),
                     blamed or (used is not None and used.share > 1), used is not None and used.estimated)


def _allowed(text: str | float, most: bool, relative: bool) -> str:
    side = "at most" if most else "at least"
    return f"{side} {str(text).replace('x', '×')} of the baseline's" if relative else f"{side} {text}"
