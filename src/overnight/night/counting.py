"""Where the kernel cannot count what a run takes, its CPU time and memory are no metric."""

from __future__ import annotations

from overnight import sandbox
from overnight.contracts import Sandbox
from overnight.errors import TrackError
from overnight.track.spec import COUNTED, Track

OTHERS = "no kernel counts what runs there; choose `--sandbox bubblewrap`"


def require(contract: Track, box: Sandbox) -> None:
    """Raise TrackError where the metric is one that only the kernel can count, and it does not in this sandbox."""
    name = contract.metric.name
    if name in COUNTED and not contract.self_reported and box.accounting != "exact":
        how = sandbox.advice(box).partition(": ")[2].rstrip(".") or OTHERS
        raise TrackError(f"{name} cannot be counted exactly in this sandbox, so a candidate could forge the metric: {how}; or "
                         "take wall_seconds as the metric.")
