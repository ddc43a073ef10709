"""What the points of a campaign promise: what a researcher expected of each, put together with what its run gave; and what
researchers that think make of the best of them. Pure.

For people and for researchers that think. The researcher that explores has its own surrogate. A change that is made on a lead
holds the lead as well, and is kept or not as a whole, on fresh pairs with the frontier alone. In its race what the lead is
expected to gain is taken off, so that nothing that is worth nothing itself rides on a lead. When the frontier moves, it goes on
alone: what was kept is that lead, or makes another one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from overnight.contracts import MATTERS, TURNED, Best, Explored, turns
from overnight.lab.experiment import Experiment
from overnight.lab.probes import Probe
from overnight.lab.state import State

BELIED = 3.3  # standard deviations that lie between what was expected and what was measured
MOST_BEST = 10  # points that a researcher is told of
TRUSTED = 2.0  # of its own standard deviations that a lead must be expected to gain before changes are made on it
WORTH = 0.7  # of a pair's standard deviations, the same: less is never claimed
TOGETHER = "Made on a lead of the campaign, which this change holds as well: "
ALONE = "Made on a lead of the campaign, which is no part of this change: "


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
    """A point whose prior is what was expected of it, after a run that scatters as a pair does. An expectation that its own run
    belies, as none that is true would be in a thousand, is as uncertain as it is far off."""
    if probe.value is None or probe.beside is None or probe.expected is None or state.noise is None:
        return None
    (gain, deviation), saw = probe.expected, state.track.oriented(probe.value - probe.beside)
    if abs(saw - gain) > BELIED * math.hypot(deviation, state.noise):
        deviation = abs(saw - gain)
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
    return Best(probe.title, turns(probe.note), lead.gain, lead.deviation, probe.value or 0.0, probe.id)


# ---- changes made on a lead --------------------------------------------------------------------------------------


def trusted(state: State) -> Best | None:
    """The lead on which researchers that think make their changes, where the contract asks for that; None while there is none
    that is worth it."""
    asked = state.track.referee.leads == "on" and state.probes.made and state.noise is not None
    found = next(iter(leads(state)), None) if asked else None
    if found is None or found.gain < max(TRUSTED * found.deviation, WORTH * (state.noise or 0.0)):
        return None
    return _best(state.probes.made[found.point], found)


def beside(state: State, experiment: Experiment) -> str:
    """The commit of the lead that an experiment holds, to which its own change is the difference; "" where it holds none."""
    probe = state.probes.made.get(experiment.lead)
    return probe.commit if probe else ""


def made_on(message: str, lead: Best) -> str:
    """The message of a change that is made on a lead."""
    return f"{message.rstrip()}\n\n{TOGETHER}point {lead.point}, {lead.title}."


def alone(message: str) -> str:
    """The same where the frontier moved, so that the change goes on without its lead."""
    return message.replace(TOGETHER, ALONE)


def parted(note: Mapping[str, Any], lead: Mapping[str, Any]) -> dict[str, Any]:
    """The note of a change that turns knobs, among them those of its lead, without what the lead turns."""
    both, theirs = turns(note), turns(lead)
    if not both:
        return dict(note)
    own = {knob: [theirs[knob][1] if knob in theirs else before, after] for knob, (before, after) in both.items()}
    own |= {knob: [after, before] for knob, (before, after) in theirs.items() if knob not in both}
    return {**note, TURNED: {knob: pair for knob, pair in own.items() if pair[0] != pair[1]}}
