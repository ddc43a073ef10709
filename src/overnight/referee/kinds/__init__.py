"""The kinds of metric, a file each. Pure."""

from __future__ import annotations

from overnight.referee.decision import Evidence, More, Policy, Ruling
from overnight.referee.kinds.deterministic import Deterministic
from overnight.referee.kinds.kind import Calibration, Kind
from overnight.referee.kinds.noisy import Noisy
from overnight.referee.kinds.success import Success
from overnight.referee.kinds.timing import Timing, is_duration

__all__ = ["KINDS", "NOISY", "is_duration", "next_step", "shown"]
NOISY = Noisy()
KINDS: dict[str, Kind] = {kind.name: kind for kind in (Success(), Timing(), Deterministic(), NOISY)}


def shown(calibration: Calibration) -> Kind:
    """The kind that a baseline shows: the first one that it looks like."""
    return next(kind for kind in KINDS.values() if kind.shown_by(calibration))


def next_step(evidence: Evidence, policy: Policy | None = None) -> More | Ruling:
    """What to do with a candidate: measure more, or the verdict."""
    return KINDS[evidence.kind].next_step(evidence, policy or Policy())
