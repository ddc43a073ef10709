"""How far an experiment without a verdict is: for the caller that waits for it. Pure.

Covered: nothing that a proposer may not see; no odds and no interval, which would be a verdict before its time.
"""

from __future__ import annotations

from overnight.lab import weighing
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.track.units import number
from overnight.views.track import duration


def so_far(state: State, chosen: Experiment) -> str:
    """Pairs and mean effect so far of an open experiment, and what time of runs is left where that can be told, in a
    sentence without its stop."""
    name = f"#{chosen.id} so far"
    if chosen.verdict != "open":
        return f"{name}: {chosen.verdict}"
    if not chosen.pairs:
        return f"{name}: no pair yet, {chosen.runs} run{'s' * (chosen.runs != 1)}"
    effect = f"{number(chosen.effect, 3, 0.0, '+')} {state.track.metric.unit}".rstrip()
    fresh = f", {chosen.fresh_pairs} of them fresh" if chosen.fresh_pairs else " of the race"
    pairs = f"{chosen.pairs} pair{'s' * (chosen.pairs != 1)}{fresh}"
    return f"{name}: {pairs}, {effect} (+ is better, nothing is proven yet){_left(state, chosen)}"


def _left(state: State, chosen: Experiment) -> str:
    """About how long its runs may go on, after a comma; "" where that is not known."""
    race, fresh = state.known.pairs(chosen)
    if not state.calibrated or not (race or fresh) or not state.runs:
        return ""
    found = weighing.found(race, fresh, state.known, state.policy, state.alpha)
    if not found.runs:
        return ", near its end unless it turns"
    wanted = found.runs * state.usage.busy / state.runs
    if chosen.patience:
        wanted = min(wanted, max(0.0, chosen.patience - chosen.cost))
    return f", about {duration(wanted)} of runs to go were it as good as it seems"
