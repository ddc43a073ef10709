"""For which share of a run its processes waited for a core that other work had. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overnight.contracts import Ended


def share(steps: Iterable[Sequence[Ended]]) -> float | None:
    """Of commands that ran one after the other, each with those that it had beside it: the share of their time, from 0 to 1;
    None where nothing could be read.

    What other work had of the cores bounds what can have been lost to it, so a command that has more threads than cores, waits
    for its partner, or has a new one started, has lost nothing. How long it was ready and had no core bounds it too, so one
    that slept while others worked has not lost that. What the machine's host took comes on top.
    """
    lost = [found for step in steps if (found := _lost(step)) is not None]
    whole = sum(wall for _, wall in lost)
    return min(1.0, sum(seconds for seconds, _ in lost) / whole) if whole > 0 else None


def _lost(step: Sequence[Ended]) -> tuple[float, float] | None:
    """Seconds that a command and those beside it lost, and how long the first of them lasted, which outlives the others."""
    first, load = step[0], step[0].load
    if load is None or not load.cores:
        return None
    others = max(0.0, load.busy - sum(ended.cpu for ended in step) - sum(ended.setup for ended in step[1:]))
    waits = [ended.load.waited for ended in step if ended.load is not None and ended.load.waited is not None]
    taken = min(others, sum(waits)) if waits else others / load.cores
    return min(first.wall, taken + load.stolen / load.cores), first.wall
