"""Overnight in miniature: propose, pair, race, confirm on fresh seeds, keep. Read it from top to bottom.

    python examples/miniature.py            # one night on the program below, in seconds; a number gives another night

It needs the standard library alone. The package does the same with git commits, sandboxes, parallel runs, a journal that
survives `kill -9`, other kinds of metric, guards and a holdout. docs/miniature.md says where each part below is found in it.
"""

import hashlib
import json
import math
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

# ---------------------------------------------------------------------------------------------------- what is improved

PROGRAM = '''
import json, random, sys
RATE = 0.002  # too small: the night has to find out
BURN = 4  # numbers thrown away: worthless, but each value brings other luck
random.seed(int(sys.argv[1]))
for _ in range(BURN):
    random.random()
weight = 0.0
for _ in range(100):
    x = random.gauss(0, 1)
    weight += RATE * (3 * x + random.gauss(0, 2) - weight * x) * x
print(json.dumps(weight))
'''

Measure = Callable[[str, int], float]  # (a program, a seed) -> its loss, lower is better


@cache
def measure(program: str, seed: int) -> float:
    """Run a program in a process of its own and score what it leaves behind: the candidate never reports its own score.

    Runs are remembered, so that those of the best program serve for many candidates.
    """
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program, str(seed)], capture_output=True, timeout=10, check=False)
    if done.returncode:
        return math.inf  # a crash is worse than any loss
    return abs(json.loads(done.stdout) - 3.0)


def propose(program: str, rng: random.Random) -> str:
    """A candidate: one constant of the program doubled, halved, or moved by a factor of ten."""
    constant = rng.choice(list(re.finditer(r"^([A-Z]+) = ([\d.e-]+)", program, re.MULTILINE)))
    value = json.loads(constant[2]) * rng.choice([0.1, 0.5, 2, 10])
    text = str(max(1, round(value))) if constant[2].isdigit() else f"{value:.6g}"
    return program[:constant.start(2)] + text + program[constant.end(2):]


# ---------------------------------------------------------------------------------------------------- the referee

EFFECTS = (0.5, 1.0, 2.0, 4.0)  # the improvements that are wagered on, in standard deviations of a pair
RACE_WON = 8.0     # the e-value from which on a race is worth a claim
RACE_LOST = 0.5    # the e-value below which a change is dropped, in a race and in a claim
RACE_PAIRS = 12    # most pairs of a race
CLAIM_PAIRS = 16   # most pairs of a claim


def e_value(gains: list[float]) -> float:
    """The evidence that the mean of paired gains is above 0: how much a wager of 1 on it would be worth by now.

    A likelihood ratio of "better by one of EFFECTS" to "no better" with the unknown spread integrated out, so that it depends
    on u = sum / root of the sum of squares alone. Where a change is no better its mean is at most 1 whenever one stops to look:
    it ever reaches 1/a with a chance of at most a (Ville's inequality).
    """
    n, squares = len(gains), math.fsum(gain * gain for gain in gains)
    if not 0 < squares < math.inf:
        return 1.0 if squares == 0 else 0.0  # a crash is no evidence
    u = math.fsum(gains) / math.sqrt(squares)
    return sum(_ratio(n, u, effect) for effect in EFFECTS) / len(EFFECTS)


def _ratio(n: int, u: float, effect: float) -> float:
    """One likelihood ratio: an integral over t, the root of the sum of squares in units of the spread, by the midpoint rule."""
    step = (math.sqrt(n) + max(0.0, effect * u) + 8) / 64
    log_scale = (n / 2 - 1) * math.log(2) + math.lgamma(n / 2) + n * effect * effect / 2
    points = (step * (k + 0.5) for k in range(64))
    return step * math.fsum(math.exp((n - 1) * math.log(t) - t * t / 2 + effect * u * t - log_scale) for t in points)


def pairs(measure: Measure, candidate: str, best: str, seeds: Iterator[int], most: int) -> Iterator[list[float]]:
    """The gains so far, after each further pair: candidate and best run on the same seed, so that shared luck cancels out."""
    gains = []
    for _, seed in zip(range(most), seeds, strict=False):
        gains.append(measure(best, seed) - measure(candidate, seed))
        yield gains


def decided(gains: Iterator[list[float]], wanted: float) -> tuple[bool, list[float]]:
    """Look after every pair until the evidence is as wanted, or too weak to go on, or the pairs are used up."""
    seen: list[float] = []
    for seen in gains:
        evidence = e_value(seen)
        if evidence >= wanted or evidence < RACE_LOST:
            return evidence >= wanted, list(seen)
    return False, list(seen)


def fresh_seeds(candidate: str, secret: int) -> Iterator[int]:
    """Seeds that follow from the finished candidate and a secret: nothing about the candidate can have been fitted to them."""
    commit = hashlib.sha256(candidate.encode()).hexdigest()
    return (int(hashlib.sha256(f"{secret} {commit} {k}".encode()).hexdigest()[:8], 16) for k in range(CLAIM_PAIRS))


# ---------------------------------------------------------------------------------------------------- a night

@dataclass
class Night:
    """What a night knows. Of its keeps at most `false_share` are no better than what they replaced, in expectation."""

    best: str
    measure: Measure
    secret: int
    false_share: float = 0.05
    spent: float = 0.0  # of false_share, by all claims so far: the sum of level / (keeps + 1)
    keeps: list[tuple[str, float]] = field(default_factory=list)  # (program, mean gain on its fresh pairs)
    judged: set[tuple[str, str]] = field(default_factory=set)  # (candidate, what it was compared with)
    log: list[str] = field(default_factory=list)

    def judge(self, candidate: str) -> str:
        """Take one candidate through race and claim to its verdict."""
        race = pairs(self.measure, candidate, self.best, iter(range(RACE_PAIRS)), RACE_PAIRS)
        if not decided(race, RACE_WON)[0]:
            return "discard"
        kept, gains = self._claim(candidate)
        if not kept:
            return "discard, not confirmed"
        self.best = candidate
        self.keeps.append((candidate, math.fsum(gains) / len(gains)))
        return f"keep, {self.keeps[-1][1]:+.3f}"

    def _claim(self, candidate: str) -> tuple[bool, list[float]]:
        """Confirm on fresh pairs alone. The level is fixed and paid before the first of them is run."""
        level = (self.false_share - self.spent) * (len(self.keeps) + 1) / 4
        self.spent += level / (len(self.keeps) + 1)
        fresh = pairs(self.measure, candidate, self.best, fresh_seeds(candidate, self.secret), CLAIM_PAIRS)
        return decided(fresh, 1 / level)

    def run(self, candidates: int, rng: random.Random, propose: Callable[[str, random.Random], str] = propose) -> None:
        """The loop: each candidate is a change of the best program so far."""
        for number in range(1, candidates + 1):
            candidate = propose(self.best, rng)
            if candidate != self.best and (candidate, self.best) not in self.judged:
                self.judged.add((candidate, self.best))
                self.log.append(f"#{number} {changed(self.best, candidate)}: {self.judge(candidate)}")


def changed(before: str, after: str) -> str:
    """The lines that differ, in short."""
    lines = zip(before.splitlines(), after.splitlines(), strict=True)
    return ", ".join(f"{old.partition('  #')[0]} -> {new.partition('  #')[0].split()[-1]}" for old, new in lines if old != new)


def main(seed: int = 1) -> None:
    """One night on PROGRAM, then its result on seeds that the night never used."""
    night = Night(PROGRAM, measure, secret=seed)
    night.run(30, random.Random(seed))
    print(*night.log, sep="\n")
    unused = range(10**9, 10**9 + 20)
    before, after = (math.fsum(measure(program, k) for k in unused) / len(unused) for program in (PROGRAM, night.best))
    print(f"\n{len(night.keeps)} kept. On {len(unused)} seeds that the night never used: loss {before:.3f} -> {after:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
