"""What a headline may say: numbers that were measured, and the gain that is composed of what was kept. Pure.

A sum of effects is a gain and never a level: effects are differences at different places, and of a time their sum may well be
more than there ever was. Where all numbers are above zero, the ratios of what was kept to what it stood on are multiplied.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct

from overnight.lab.experiment import Experiment
from overnight.lab.measurements import Runs


class Levels(Struct, frozen=True):
    """Where a track began and where it stands.

    baseline  mean of the metric over the baseline's runs, `baseline_runs` of them; None before one ended well
    frontier  the same of the frontier's commit: over its runs that were not chosen by a race, where there are any
    gain      sum of the effects of what was kept, in the metric's unit, positive is better
    ratio     product of the ratios of what was kept; None where one of them has none, or nothing is kept
    """

    baseline: float | None
    baseline_runs: int
    frontier: float | None
    frontier_runs: int
    gain: float
    ratio: float | None


def levels(known: Runs, chain: Sequence[Experiment]) -> Levels:
    """The levels of a track on which this is kept, each on top of the one before."""
    first, here = known.numbers(known.baseline_commit), known.numbers(known.incumbent)
    now, runs = (statistics.fmean(here), len(here)) if here else (None, 0)
    if now is None and chain:  # its runs are forgotten: what was kept on top of it was taken back
        now, runs = chain[-1].metrics.get(known.track.metric.name), chain[-1].measured
    each = [experiment.ratio for experiment in chain if experiment.ratio is not None]
    whole = math.prod(each) if 0 < len(each) == len(chain) else 0.0
    return Levels(statistics.fmean(first) if first else None, len(first), now, runs,
                  math.fsum(experiment.effect or 0.0 for experiment in chain), whole if 0 < whole < math.inf else None)


def ratio(known: Runs, experiment: Experiment) -> float | None:
    """Median of what an experiment measured over what its base did, on fresh seeds where it has any; None where it was never
    compared by runs of its own, or a number is not above zero."""
    pairs, fresh = known.shared(experiment), known.confirmed.get(experiment.commit, ())
    chosen = [pair for seed, pair in pairs.items() if seed in fresh] or list(pairs.values())
    sides = [(known.number(mine), known.number(theirs)) for mine, theirs in chosen]
    if not sides or min(map(min, sides)) <= 0:
        return None
    return statistics.median(mine / theirs for mine, theirs in sides)
