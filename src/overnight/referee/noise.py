"""How much runs spread: over seeds, and between two commits on a common seed. Pure.

A single diverging candidate must not blind the night, so each candidate's variance counts at most a few times the
median; a single long race must not decide alone, so it counts with at most a few degrees of freedom.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from overnight.referee import inference

MOST_RACES = 60  # raced candidates
FARTHEST_DEVIATIONS = 4.0  # robust standard deviations that a run may lie from its commit's median
MOST_SPREAD = 8.0  # times the median that one candidate's variance may count
MOST_FREEDOM = 4  # degrees of freedom with which one candidate counts
PRIOR_FREEDOM = 4  # the same for what the incumbents' own spread suggests, while few candidates have raced

Spread = tuple[int, float]  # degrees of freedom, sum of squares about the mean


def spread(numbers: Sequence[float]) -> Spread:
    """Of one commit's metric over its seeds; one that diverged counts no more than others may."""
    if len(numbers) < 2:
        return 0, 0.0
    return len(numbers) - 1, inference.squares(inference.winsorized(numbers, 0.0, FARTHEST_DEVIATIONS))


def pooled(spreads: Iterable[Spread]) -> float:
    """Variance over seeds, from commits that each have a mean of their own; 0 when nothing is known."""
    freedoms, squares = zip(*spreads, strict=True)
    return sum(squares) / sum(freedoms) if sum(freedoms) else 0.0


def of_races(seed_variance: float, races: Sequence[tuple[int, float]], floor: float) -> float:
    """Variance of a paired difference in a race, from (pairs, variance) of earlier races.

    Races are run where the incumbent is near its own mean; without any correlation their differences spread like one
    run over seeds, which is what is believed first. Two runs that share nothing differ by twice the variance of one: a
    candidate whose differences spread more scatters more than the incumbent does, and such candidates race for longer than
    others, so that without that bound a few of them would be taken for the rule.
    """
    prior = [] if len(races) >= 2 * PRIOR_FREEDOM else [(PRIOR_FREEDOM, seed_variance)]
    known = prior + [(min(pairs - 1, MOST_FREEDOM), variance) for pairs, variance in races[-MOST_RACES:]]
    most = MOST_SPREAD * statistics.median([v for _, v in known if v] or [0.0])
    most = min(most, 2 * seed_variance) if seed_variance else most
    return max(floor, sum(f * min(v, most) for f, v in known) / sum(f for f, _ in known))
