"""What the points of a campaign promise: what a researcher expected of each, put together with what its run gave. Pure.

For people and for researchers that think. Nothing is decided by it: the researcher has its own surrogate, and a claim rests on
fresh pairs alone.
"""

from __future__ import annotations

import math

from msgspec import Struct

from overnight.contracts import MATTERS, Best, Explored, turns
from overnight.lab.probes import Probe
from overnight.lab.state import State

MOST_BEST = 10  # points that a researcher is told of


class Lead(Struct, frozen=True):
    """A point and by how much it is expected to be better than the frontier, with the standard deviation of that, in the
    metric's unit; positive is better."""

    point: int
    gain: float
    deviation: float


def leads(state: State) -> list[Lead]:
    """The points on today's frontier that are expected to be better than it, the best first. Of points that make the same
    change the newest counts, whose researcher knew the others; what was claimed and not kept is out."""
    newest = {probe.mark: probe for probe in state.probes.made.values()
              if probe.base_commit == state.commit and probe.value is not None}
    found = [lead for probe in newest.values() if not _refused(state, probe) and (lead := _lead(state, probe)) is not None]
    return sorted((lead for lead in found if lead.gain > 0), key=lambda lead: (-lead.gain, lead.point))


def _refused(state: State, probe: Probe) -> bool:
    claim = state.experiments.get(state.probes.claims.get(probe.mark, 0))
    return claim is not None and claim.verdict != "open"


def _lead(state: State, probe: Probe) -> Lead | None:
    """A point whose prior is what was expected of it, after a run that scatters as a pair does."""
    if probe.value is None or probe.beside is None or probe.expected is None or state.noise is None:
        return None
    (gain, deviation), saw = probe.expected, state.track.oriented(probe.value - probe.beside)
    weight = deviation**2 / (deviation**2 + state.noise**2) if state.noise else 1.0
    return Lead(probe.id, gain + weight * (saw - gain), deviation * math.sqrt(1 - weight))


def explored(state: State) -> Explored | None:
    """What was explored, for a researcher that thinks; None where nothing was."""
    made = state.probes.made
    if not made:
        return None
    best = (_best(made[lead.point], lead) for lead in leads(state)[:MOST_BEST])
    return Explored(len(made), tuple(best), _matters(made[max(made)]))


def _matters(newest: Probe) -> dict[str, float]:
    """What its researcher said to matter; whatever else stands there is left out."""
    told = newest.note.get(MATTERS)
    shares = told.items() if isinstance(told, dict) else ()
    return {str(name): float(share) for name, share in shares if isinstance(share, int | float) and 0 < share <= 1}


def _best(probe: Probe, lead: Lead) -> Best:
    return Best(probe.title, turns(probe.note), lead.gain, lead.deviation, probe.value or 0.0)
