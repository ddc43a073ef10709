"""The referee: paired differences in, the next step out. Pure: no clock, no files, no chance.

Everything is oriented so that a positive difference means that the candidate is better. A race on common seeds screens and
proves nothing; then a claim is made, and fresh pairs alone decide it. Their test is sequential and may be stopped at any time:
it keeps an e-value, a wager against "not better" that grows beyond 1/alpha with probability at most alpha when the candidate
is no better (Ville's inequality); what alpha is at a given moment of a track is decided by its wealth.
Covered: peeking, the winner's curse, many candidates in a night and many nights on a track, candidates that scatter more than
others, heavy tails, metrics without noise, metrics of success or failure.
Not covered: differences that depend on one another, as when a machine drifts between the two sides of a pair.
"""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

LEAST_VISIBLE = 0.5  # standard deviations of a pair: a margin below it cannot be shown to hold
REOPENING_FACTOR = 4.0  # by how much more patient each further look is

Decided = Literal["keep", "discard"]


class Policy(Struct, frozen=True):
    """How much evidence a keep takes.

    level        the share of keeps that may be false
    prior_pairs  how many pairs the variance known from earlier candidates is worth in a race
    hoped        the effect in standard deviations that futility is judged against
    futile       likelihood ratio of the hoped effect to none under which a candidate is dropped
    quick        what `prior_pairs` is where only futility is at stake: a candidate's own spread is believed sooner
    most_pairs   race no longer than this
    screen       e-value of a race from which on it is worth a claim
    equal_pairs  so many pairs on common seeds, and as many on fresh ones, must be equal for a simplification to be the same
    fresh_pairs  at least so many pairs on seeds drawn after the commit, and at most `most_fresh`
    hopeless     e-value of the fresh pairs under which a claim is given up
    unlikely     chance of a worthwhile effect under which patience ends, and `patient_pairs` the pairs after which it does
    reach        spreads beyond which a difference counts as no farther from the median
    least        difference of two rates that is looked for at all
    repeats      runs on a further seed of a commit that must have given the same number before seeds are taken not to matter
    most_tries   the same as `most_pairs` where a run is a success or a failure; `fresh_tries` as `fresh_pairs`, and
                 `patient_tries` as `patient_pairs`
    """

    level: float = 0.05
    prior_pairs: float = 5.0
    hoped: float = 1.5
    futile: float = 0.6
    quick: float = 3.0
    most_pairs: int = 14
    screen: float = 8.0
    equal_pairs: int = 3
    fresh_pairs: int = 2
    most_fresh: int = 16
    hopeless: float = 0.5
    unlikely: float = 0.05
    patient_pairs: int = 200
    reach: float = 3.0
    least: float = 0.15
    repeats: int = 12
    most_tries: int = 160
    fresh_tries: int = 24
    patient_tries: int = 400


class Claim(Struct, frozen=True):
    """A claim that a change is better, made before its fresh pairs are known: at the level `alpha`, from a race that says the
    effect is normal with this mean and variance, in standard deviations of a pair."""

    alpha: float
    middle: float = 0.0
    variance: float = 1.0


class Evidence(Struct, frozen=True):
    """All that is known of one candidate.

    race        paired differences on common seeds; the earliest may stem from a stack or from an older frontier
    fresh       paired differences on seeds drawn after its commit
    variance    of one paired difference in a race, as known from the baseline and earlier candidates
    alpha       the level at which a claim may be made now
    claim       the one that was made; from then on the fresh pairs alone decide
    worthwhile  smallest improvement that is worth a commit
    simplifies  the change removes code or takes parts of a keep back, so that it needs only to be no worse
    kind        the name of the metric's kind
    alike       runs of the track that gave the number that their commit had given on another seed
    reopenings  how often the candidate was taken up again, because there was nothing new to try
    patient     nothing else waits for a bench: it goes on while it may still be worth having
    late        the time that was given to that is over
    """

    race: tuple[float, ...]
    fresh: tuple[float, ...]
    variance: float
    alpha: float = 0.0125
    claim: Claim | None = None
    worthwhile: float = 0.0
    simplifies: bool = False
    kind: str = "noisy"
    reopenings: int = 0
    alike: int = 100
    patient: bool = False
    late: bool = False


class More(Struct, frozen=True):
    """Measure further: so many pairs are wanted in all at this stage."""

    stage: Literal["race", "confirm"]
    pairs: int


class Ruling(Struct, frozen=True):
    """The end: keep or discard, why, and the evidence. `e_value` is to be compared with 1/alpha; `unproven` is a discard that
    more pairs might still turn into a keep."""

    verdict: Decided
    reason: str
    effect: float
    interval: tuple[float, float] | None
    e_value: float
    unproven: bool = False


def margin(evidence: Evidence) -> float:
    """How much worse the candidate may be: `worthwhile` for a simplification, where noise lets that be shown."""
    visible = evidence.worthwhile >= LEAST_VISIBLE * math.sqrt(evidence.variance)
    return evidence.worthwhile if evidence.simplifies and visible else 0.0


def same(evidence: Evidence) -> bool:
    """Whether a simplification has given the very numbers of the frontier on every seed: that is no claim of anything
    that could be false by chance."""
    return evidence.simplifies and evidence.claim is None and not any((*evidence.race, *evidence.fresh))


def futility_threshold(futile: float, evidence: Evidence) -> float:
    """The likelihood ratio under which a candidate is dropped.

    Lower when there is nothing new to try. Going on is free of charge for an e-value: it may be stopped, and taken up again,
    at any time.
    """
    return futile / REOPENING_FACTOR**evidence.reopenings
