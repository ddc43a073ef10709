"""Where good configurations are more common than others, knob by knob: an estimator of two densities after Bergstra et al.,
2011 ("Algorithms for Hyper-Parameter Optimization"), univariate. It takes no smoothness for granted, and few milliseconds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from overnight.researchers.knobs.process import Array, Flags
from overnight.researchers.knobs.space import Places

GOOD, MOST_GOOD = 0.15, 25  # share of the points that count as good, and how many at most
DRAWN = 24  # values that are drawn of each knob
EVEN = 1.0  # points that the whole range counts as, beside those that were run


def drawn(rows: Array, values: Array, steps: Sequence[Array], ordered: Flags, lots: np.random.Generator) -> Places:
    """A configuration, each knob of it drawn where good points are common and others rare. `rows` are the points, one column
    for each knob, and `values` what is believed of each, + is better."""
    good = np.argsort(-values, kind="stable")[: min(MOST_GOOD, max(2, math.ceil(GOOD * len(values))))]
    rest = np.setdiff1d(np.arange(len(values)), good)
    found = []
    for knob, at in enumerate(steps):
        likely, common = (_density(rows[which, knob], at, bool(ordered[knob])) for which in (good, rest))
        picked = lots.choice(len(at), size=DRAWN, p=likely / likely.sum())
        found.append(int(picked[np.argmax(likely[picked] / common[picked])]))
    return tuple(found)


def _density(seen: Array, at: Array, ordered: bool) -> Array:
    """The density of what was seen at each of these places, with an even one mixed in."""
    if not ordered:
        return np.asarray((EVEN / len(at) + np.sum(seen[:, None] == at[None], axis=0)) / (EVEN + len(seen)))
    span = float(at[-1] - at[0]) or 1.0
    width = max(span / 100, span / (1 + len(seen)) ** 0.5 / 2)
    bells = np.exp(-0.5 * ((seen[:, None] - at[None]) / width) ** 2)
    bells /= np.maximum(bells.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray((EVEN / len(at) + bells.sum(axis=0)) / (EVEN + len(seen)))
