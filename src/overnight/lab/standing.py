"""What runs on earlier frontiers say of today's: what was kept since then is taken into account. Pure.

A keep that turned knobs is one more configuration, and the surrogate sees it as such. A keep of anything else moved all
configurations, by about as much as it gained where it was measured.
"""

from __future__ import annotations

import statistics

from msgspec import Struct

from overnight.contracts import turns
from overnight.lab.state import BASELINE, State


class Standing(Struct, frozen=True):
    """A commit that changes were made on, had it all that was kept since and is no turn of knobs.

    level  what the metric would be there on average, as far as is known
    shift  what is to be added to what was measured on it
    """

    level: float
    shift: float = 0.0


def standings(state: State) -> dict[int, Standing]:
    """Those of the frontier and of all that it stands on, by the numbers of experiments."""
    known, oriented = state.known, state.track.oriented
    level, shift, found = statistics.fmean(known.numbers(state.commit) or [1.0]), 0.0, {}
    for kept in reversed(state.chain()):
        found[kept.id], gained = Standing(level, shift), oriented(kept.gained)
        if not turns(kept.note):
            shift += gained
        elif known.kind.paired_in_time and kept.ratio is not None and not kept.lead:
            level /= kept.ratio
        else:
            level -= gained
    found[BASELINE] = Standing(level, shift)
    return found
