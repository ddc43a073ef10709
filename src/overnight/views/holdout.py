"""The overfitting gauge in words: what was gained on the scorer's own data, and how much of it on the holdout.

For the user alone. Whatever a researcher may read (briefs, results.tsv, `overnight log`, the night's lines) is made
elsewhere and knows nothing of these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from overnight.lab.state import State
from overnight.referee.holdout import Reading
from overnight.views import track


def numbers(state: State) -> dict[str, Any] | None:
    """The gauge as plain data; None where the track has no holdout."""
    if not state.track.holdout:
        return None
    found = state.gauge.read()
    return {"keeps": found.keeps, "scorer": found.here, "holdout": found.there, "share": found.share,
            "interval": found.interval, "asked": len(state.gauge.asked), "denied": state.gauge.denied}


def sentence(state: State) -> str:
    """The gauge in a sentence or two; "" where the track has no holdout."""
    if not state.track.holdout:
        return ""
    found = state.gauge.read()
    if not found.keeps:
        return f"nothing was kept yet, so nothing is known of the holdout{_asked(state)}"
    unit = f" {state.track.metric.unit}" if state.track.metric.unit else ""
    return (f"validation improved by {found.here:.3g}{unit}, the holdout by {found.there:.3g}: {share(found)} carries "
            f"over{_doubt(found)}{_asked(state)}")


def _asked(state: State) -> str:
    count, denied = len(state.gauge.asked), state.gauge.denied
    return f"; {count:,} asked, {denied:,} denied" if count else ""


def share(found: Reading) -> str:
    """How much carries over, in percent."""
    return "–" if found.share is None else f"{100 * found.share:.0f} %"


def _doubt(found: Reading) -> str:
    if found.interval is None:
        return " (too few keeps to tell)"
    low, high = found.interval
    return f" (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"


def advice(state: State) -> str:
    """What a gap that is shown asks for; "" where none is."""
    found = state.gauge.read()
    if found.interval is None or found.interval[1] >= 1:
        return ""
    return ("What was kept fits the scorer's data better than others: believe the gain on the holdout, and give the scorer "
            "more data, or other data, before the next night.")


def of(state: State, experiment: int) -> str:
    """What the holdout said of one experiment, in a sentence for the user; "" where it was not asked."""
    asked = state.gauge.of(experiment)
    if asked is None:
        return ""
    if asked.failed:
        return f"On the holdout {asked.failed} of {len(asked.pairs)} runs gave no number, so it is not kept. {PRIVATE}"
    here, there = asked.gains
    return f"On the holdout the same runs gain {there:+.3g}, on the scorer's own data {here:+.3g}. {PRIVATE}"


PRIVATE = "Researchers are told keep or discard, and no number."


def rows(state: State) -> Iterator[tuple[str, str, str, str, str]]:
    """(number, verdict, gain on the scorer's data, gain on the holdout, share of all keeps so far) of each question."""
    here = there = 0.0
    for asked in state.gauge.asked:
        mine, held = asked.gains
        if asked.kept:
            here, there = here + mine, there + held
        so_far = f"{100 * there / here:.0f} %" if here > 0 else "–"
        held_text = track.span(held, None) if math.isfinite(held) else "no number"
        yield str(asked.experiment), "keep" if asked.kept else "discard", track.span(mine, None), held_text, so_far
