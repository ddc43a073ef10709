"""Seeds on which the frontier fails: which keep is to blame, and when that is once too often. Pure; part of the replay.

The frontier's failures are bounded against the baseline's, so that many keeps that fail now and then cannot add up. Where
there are too many, the frontier is run again on such a seed, then the baseline, then what lies between them, until one is
found that fails where what it stands on runs well. Nothing is blamed for a failure that is not repeated, or that the
baseline shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec import Struct

from overnight.referee.failures import LEVEL, tail

LEAST = 2  # failures before anything is taken back


class Failure(Struct):
    """A seed on which a frontier failed.

    chain     the baseline, what was kept on top of it, and the frontier: commits
    good      place in it of a commit that runs well on this seed; -1 before the baseline ran
    bad       place of a later one that fails; beyond the end until the frontier failed again
    nobodys   it was not repeated, or the baseline fails too
    """

    seed: int
    chain: tuple[str, ...]
    good: int
    bad: int
    nobodys: bool = False

    @property
    def culprit(self) -> str:
        """The commit that is to blame; "" where that is not known."""
        return self.chain[self.bad] if self.good >= 0 and self.bad == self.good + 1 and self.bad < len(self.chain) else ""

    @property
    def wanted(self) -> str:
        """The commit that must run on this seed next; "" where none must."""
        if self.nobodys or self.culprit:
            return ""
        if self.bad == len(self.chain):
            return self.chain[-1]
        return self.chain[0] if self.good < 0 else self.chain[(self.good + self.bad) // 2]

    def saw(self, commit: str, well: bool) -> None:
        """One of them ran on this seed, and ended well or not."""
        if commit not in self.chain:
            return
        place = self.chain.index(commit)
        if self.bad == len(self.chain) and place == self.bad - 1:
            self.nobodys, self.bad = well, place
        elif well:
            self.good = max(self.good, place)
        else:
            self.nobodys, self.bad = self.nobodys or not place, min(self.bad, place)


class Failures(Struct):
    """Those of all frontiers, by their seeds; `ran`: how many runs each made as the frontier."""

    found: dict[int, Failure] = {}
    ran: dict[str, int] = {}

    def frontier(self, chain: tuple[str, ...], seed: int, well: bool) -> None:
        """The frontier at the end of a chain ran on a seed. The baseline is bounded by nothing but itself."""
        if len(chain) < 2:
            return
        self.ran[chain[-1]] = self.ran.get(chain[-1], 0) + 1
        if not well:
            self.found[seed] = Failure(seed, chain, -1, len(chain))

    def kept(self, chain: tuple[str, ...], ran: Mapping[int, object]) -> None:
        """The frontier moves to the end of a chain; what it ran on before, on seeds that were not raced on, counts."""
        for seed, well in ran.items():
            self.frontier(chain, seed, bool(well))

    def traced(self, commit: str, seed: int, well: bool) -> None:
        """A run that was wanted here ended."""
        if seed in self.found:
            self.found[seed].saw(commit, well)

    def too_many(self, chain: tuple[str, ...], allowed: float) -> list[Failure]:
        """Failures that are more than this share of runs allows: those of the frontier and of the ones before it, as far back
        as makes it plainest. Empty where they are not too many."""
        mine = [f for f in self.found.values() if not f.nobodys and f.chain == chain[: len(f.chain)]]
        if len(mine) < LEAST:
            return []
        worst, plainest, runs = [], LEVEL, 0
        for place in range(len(chain) - 1, 0, -1):
            runs += self.ran.get(chain[place], 0)
            here = [f for f in mine if len(f.chain) > place]
            if len(here) >= LEAST and (chance := tail(len(here), runs, allowed)) <= plainest:
                worst, plainest = here, chance
        return worst

    def wanted(self, chain: tuple[str, ...], allowed: float) -> Iterator[tuple[str, int]]:
        """Runs that tell which keep is to blame, as commit and seed."""
        return ((f.wanted, f.seed) for f in self.too_many(chain, allowed) if f.wanted)

    def culprit(self, chain: tuple[str, ...], allowed: float) -> str:
        """The commit that must be taken back, the latest of those that are to blame for most; "" where there is none."""
        found = self.too_many(chain, allowed)
        if any(f.wanted for f in found):
            return ""
        blamed = Counter(f.culprit for f in found)
        return max(blamed, key=lambda commit: (blamed[commit], chain.index(commit)), default="")

    def sentence(self, chain: tuple[str, ...], commit: str) -> str:
        """What is wrong with a commit of this chain, for people."""
        since = chain.index(commit)
        failed = [f for f in self.found.values() if len(f.chain) > since and not f.nobodys]
        runs, mine = sum(self.ran.get(each, 0) for each in chain[since:]), sum(f.culprit == commit for f in failed)
        blamed = "all of them" if mine == len(failed) else f"{mine} of them, more than any other"
        return (f"since it was kept the frontier failed on {len(failed)} of {runs} seeds where the baseline runs well, "
                f"and it is to blame for {blamed}")

    def back(self, chain: tuple[str, ...]) -> None:
        """The frontier is at the end of this chain again: what stood on others says nothing any more."""
        self.found = {seed: f for seed, f in self.found.items() if f.chain == chain[: len(f.chain)]}
        self.ran = {commit: runs for commit, runs in self.ran.items() if commit in chain}
