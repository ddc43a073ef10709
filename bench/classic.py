"""The rules that others keep by, in the reference world of bench/worlds.py: for comparison, none of them ours.

Each takes a world of tests/fakes.py and a budget of runs, and climbs from the baseline: proposals are worth what they are
worth for our referee, a number is what a run of a commit with a seed measures, smaller is better.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.kit import Bench, Cell, Row, in_parallel
from bench.worlds import RUNS, SMALL, WORLDS, Outcome, figures
from fakes import FakeWorld, lots_of
from overnight.referee.distributions import student_cdf
from overnight.referee.inference import e_value

Keep = tuple[float, float]  # what is claimed, what is true
Rule = Callable[["Climb"], None]


class Climb:
    """A night by some rule: the incumbent, the runs that are left, what was kept."""

    def __init__(self, world: FakeWorld, runs: int, proposals: int) -> None:
        self.world, self.runs, self.proposals = world, runs, proposals
        self.incumbent, self.used, self.made, self.seeds = "c0", 0, 0, 0
        self.keeps: list[Keep] = []
        self.known: dict[int, float] = {}

    @property
    def over(self) -> bool:
        """Whether runs or proposals are used up."""
        return self.used >= self.runs or self.made >= self.proposals

    def candidate(self) -> str:
        """The next proposal, on top of the incumbent."""
        self.made += 1
        idea = self.world.ideas(lots_of(self.world.seed, "classic", self.made))
        return self.world.made(idea, self.incumbent, "classic", self.made)

    def run(self, commit: str, seed: int) -> float:
        """One run."""
        self.used += 1
        return self.world.ran(commit, seed)

    def fresh(self) -> int:
        """A seed that was never used."""
        self.seeds += 1
        return self.seeds

    def own(self, seed: int) -> float:
        """The incumbent's number on a seed, measured once."""
        if seed not in self.known:
            self.known[seed] = self.run(self.incumbent, seed)
        return self.known[seed]

    def keep(self, commit: str, claimed: float) -> None:
        """The candidate is the new incumbent."""
        self.keeps.append((claimed, self.world.gain(commit, self.incumbent)))
        self.incumbent, self.known = commit, {}


def greedy(night: Climb) -> None:
    """Keep what scored lower than the best so far, on one seed: the common loop."""
    best = night.own(0)
    while not night.over:
        commit = night.candidate()
        number = night.run(commit, 0)
        if number < best:
            night.keep(commit, best - number)
            best = number


def greedy_fresh(night: Climb, margin: float = 0.0) -> None:
    """The same with another seed each time, as unseeded code has it."""
    best = night.run(night.incumbent, night.fresh())
    while not night.over:
        commit = night.candidate()
        number = night.run(commit, night.fresh())
        if number < best - margin * night.world.sigma:
            night.keep(commit, best - number)
            best = number


def greedy_margin(night: Climb) -> None:
    """The same, but only by more than two standard deviations."""
    greedy_fresh(night, 2.0)


def mean_of_three(night: Climb) -> None:
    """Keep what has the lower mean over three fixed seeds."""
    best = statistics.fmean(night.own(s) for s in range(3))
    while not night.over:
        commit = night.candidate()
        number = statistics.fmean(night.run(commit, s) for s in range(3))
        if number < best:
            night.keep(commit, best - number)
            best = number


def paired_t(night: Climb, pairs: int, level: float) -> None:
    """A one-sided paired t-test on so many common seeds, refreshed after a keep."""
    seeds = [night.fresh() for _ in range(pairs)]
    while not night.over:
        commit = night.candidate()
        differences = [night.own(s) - night.run(commit, s) for s in seeds]
        if p_value(differences) < level:
            night.keep(commit, statistics.fmean(differences))
            seeds = [night.fresh() for _ in range(pairs)]


def p_value(differences: Sequence[float]) -> float:
    """Of "no better", by Student's t."""
    spread = statistics.stdev(differences) / len(differences) ** 0.5
    t = statistics.fmean(differences) / spread if spread else 0.0
    return 1.0 - student_cdf(t, len(differences) - 1)


def sequential(night: Climb) -> None:
    """One candidate at a time, e >= 20 within 16 pairs on common seeds, nothing confirmed on fresh ones."""
    seeds, spreads = [night.fresh() for _ in range(6)], [1.0]
    while not night.over:
        commit, differences, prior = night.candidate(), [], statistics.fmean(spreads[-60:])
        for seed in [*sorted(seeds, key=lambda s: abs(night.own(s) - statistics.fmean(night.known.values()))),
                     *(night.fresh() for _ in range(10))]:
            differences.append(night.own(seed) - night.run(commit, seed))
            mean, count = statistics.fmean(differences), len(differences)
            spread = ((5 * prior + sum((d - mean) ** 2 for d in differences)) / (4 + count)) ** 0.5
            proof = e_value(differences, prior, 5.0)
            if proof >= 20 or count * (1.5 * mean / spread - 1.125) < -0.357:
                break
        spreads += [statistics.variance(differences)] if count > 1 else []
        if proof >= 20:
            night.keep(commit, mean)
            seeds = [night.fresh() for _ in range(3)]


RULES: dict[str, Rule] = {
    "greedy on one fixed seed": greedy,
    "greedy, a fresh seed each run": greedy_fresh,
    "greedy with a 2-sigma margin": greedy_margin,
    "mean of 3 fixed seeds": mean_of_three,
    "paired t, n = 5, p < .05": lambda night: paired_t(night, 5, 0.05),
    "paired t, n = 10, p < .01": lambda night: paired_t(night, 10, 0.01),
    "sequential e-value >= 20, nothing confirmed": sequential,
}


# ---- the bench -------------------------------------------------------------------------------------------------

FIRST = 10_000  # seed: the same worlds as in bench/referee.py
COMMON = "greedy on one fixed seed"


def night(rule: str, seed: int, *, runs: int = RUNS, proposals: int = 10**9, world: str = "reference") -> Outcome:
    """A night by a rule."""
    done = Climb((WORLDS | SMALL)[world][0](seed), runs, proposals)
    RULES[rule](done)
    return Outcome(done.world.worth[done.incumbent], [(c, t, False) for c, t in done.keeps], done.used, done.made)


def rows(name: str, rule: str, nights: int, **given: int) -> Iterator[Row]:
    """The figures of one rule."""
    done = in_parallel(partial(night, rule, **given), range(FIRST, FIRST + nights))
    yield from figures(name, done, ">= 0.7" if rule == COMMON else "")


def cells(quick: bool) -> Iterator[Cell]:
    """Every rule at 2,000 runs and at 700 proposals."""
    for title, given in (("2,000 runs", {"runs": RUNS}), ("700 proposals", {"proposals": 700, "runs": 10**9})):
        for rule in RULES:
            name = f"{title}, {rule}"
            yield Cell(name, partial(rows, name, rule, 6 if quick else 100, **given))


BENCH = Bench("classic", "The rules that others keep by, simulated: >= .7 of the common loop's keeps are false.",
              cells)
