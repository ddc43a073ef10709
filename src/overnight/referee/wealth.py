"""The level at which a claim may be made, and the account that it is taken from. Pure.

A claim is the confirmation of one change on fresh pairs; nothing else is tested. The false discovery rate of all claims of a
track is at most `share`, and with nothing to be found so is the chance of any keep. Proof: let claim t have level a_t, e-value
e_t with E[e_t] <= 1 where the change is no better, R_t keeps when it is opened, and a refund r_t with 0 <= r_t <= a_t and
r_t <= a_t e_t - [kept]. It is kept only if a_t e_t >= 1, so [kept] <= a_t e_t - r_t. The keeps in the end are at least
R_t + 1 if it is kept; hence the expected share of false ones is at most the sum over changes that are no better of
E[(a_t e_t - r_t)/(R_t + 1)] <= E[sum over all claims of (a_t - r_t)/(R_t + 1)], which `level` holds at or under `share`.
Claims that are open count in full, so that any number may be open at once. One that was put aside unproven is still open: it
keeps its level, and gets its refund once, when it is given up or has been resumed and ends.
After e-LORD (Zhang et al., arXiv 2506.01452) and the reuse of what an e-value overshoots (arXiv 2601.20386).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

FIRST, LEAST, MOST = 0.5, 0.25, 0.95  # shares of what is left that a claim takes: the first; later ones, for each keep; at most
TIMES = 5  # keeps, with the one that it would be, of which a claim is paid for: more would spend in a hurry what must last
HIGHEST = 0.25  # level that no claim exceeds, however many keeps there are
LOWEST = 1e-12  # a level at which nothing is ever kept, when all is spent: what rounding may leave over


class Wealth(Protocol):
    """Where the levels of claims come from. A track's own is `Earned`; a coordinator of many contributors passes another."""

    def level(self, race: float = 0.0) -> float:
        """The level at which a claim may be opened now, of an effect of which the race says that it is so many standard
        deviations of a pair."""

    def open(self, claim: int, alpha: float) -> None:
        """A claim is made at this level."""

    def settle(self, claim: int, e_value: float, kept: bool) -> None:
        """It came to this e-value, and was kept or not. One that was not opened is no claim: nothing happens."""


@dataclass(slots=True)
class Earned:
    """The wealth of one track, which every keep raises.

    share    of the keeps that may be false
    keeps    claims that were kept; those that were taken back later count, for they were made
    lost     claims that were not
    charged  sum over the claims of what each of them took, by its keeps then
    claims   those that are open: level, and keeps when it was opened
    """

    share: float = 0.05
    keeps: int = 0
    lost: int = 0
    charged: float = 0.0
    claims: dict[int, tuple[float, int]] = field(default_factory=dict)

    def level(self, race: float = 0.0) -> float:
        """A share of what is left, times the keeps that it would be one of, as far as these count: each claim is charged by its
        keeps, so that what is left falls ever more slowly, and so do the levels. What a race says is known before its claim is
        made, so that it may decide how much is risked: where it is nearly certain, nearly all, for it comes back, as long as
        most claims are kept."""
        keeps = min(self.keeps + 1, TIMES)
        share = max(FIRST, LEAST * keeps) * max(1.0, race)
        most = MOST * keeps * (self.keeps + 1) / (self.keeps + 1 + self.lost)
        return min(HIGHEST, max(LOWEST, min(share, most) * (self.share - self.charged)))

    def open(self, claim: int, alpha: float) -> None:
        """Charge it in full."""
        self.claims[claim] = alpha, self.keeps
        self.charged += alpha / (self.keeps + 1)

    def settle(self, claim: int, e_value: float, kept: bool) -> None:
        """Give back what its e-value shows not to have been risked."""
        if claim in self.claims:
            alpha, keeps = self.claims.pop(claim)
            self.charged -= max(0.0, min(alpha, alpha * e_value - kept)) / (keeps + 1)
            self.keeps += kept
            self.lost += not kept
