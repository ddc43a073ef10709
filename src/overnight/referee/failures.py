"""How often runs may fail: as often as the baseline's, and by what the contract allows besides. Pure.

Most programs never fail, so that a few runs of the baseline without a failure say much; one that does fail now and then is
known by as many runs as it made.
"""

from __future__ import annotations

import math

from overnight.referee.distributions import beta_quantile, incomplete_beta

LEVEL = 0.05  # probability with which more failures are seen than are allowed, where they are allowed
SURE = 0.9  # probability with which the baseline fails no more often than is thought
NEVER, SEEN = 0.03, 2.0  # what is thought of a baseline that has not run: beta, most of it next to never
HOPELESS = 1 / 30  # probability of so many failures under one in two, at which runs fail more often than that
LATEST, MOST_RUNS = 16, 24  # the baseline's latest runs, and all that it may make until it is known well enough


def upper(failed: int, ran: int) -> float:
    """The share of runs that the baseline may fail on, at most, after it failed on so many of so many."""
    return beta_quantile(SURE, NEVER + failed, SEEN + ran - failed)


def tail(failed: int, ran: int, share: float) -> float:
    """P(so many failures or more among so many runs), where this share fails."""
    return 1.0 if failed <= 0 else incomplete_beta(failed, ran - failed + 1, min(1.0, share))


def too_often(failed: int, ran: int, share: float) -> bool:
    """Whether more than this share of runs fails, at the level `LEVEL`."""
    return tail(failed, ran, share) <= LEVEL


def ended(runs: list[bool], calibrated: bool, reason: str) -> str:
    """What is wrong with a baseline whose runs, each well or not, fail more often than one in two of late, so that nothing can
    be measured; "" otherwise. `reason`: why the last one failed."""
    late = runs[-LATEST:]
    hopeless = tail(late.count(False), len(late), 0.5) <= HOPELESS
    if not hopeless and (calibrated or len(runs) < MOST_RUNS):
        return ""
    often = f" on more than half of its seeds ({runs.count(False)} of {len(runs)})" if any(runs) else ""
    return f"the baseline fails{often}: {reason}"


def scatters(mine: tuple[int, float], baseline: tuple[int, float], times: float, least: float) -> bool:
    """Whether numbers scatter so many times as much as the baseline's, at the level `LEVEL` of an F test; both as degrees of
    freedom and sum of squares. A variance of the baseline below `least` counts as that."""
    (freedom, squares), (known, theirs) = mine, baseline
    if not (freedom and known and squares and theirs):
        return False
    ratio = squares / freedom / (times * times * max(theirs / known, least))
    share = freedom * ratio / (freedom * ratio + known)
    return math.isfinite(ratio) and 1 - incomplete_beta(freedom / 2, known / 2, share) <= LEVEL
