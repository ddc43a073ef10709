"""What a rule for the holdout lets through and what it costs, among changes that the referee would keep.

A change gains U[.5, 2] standard deviations of a pair's difference on the scorer's data, and a share of that on the
holdout: all of it (a real improvement), half, nothing (the scorer's answers learnt by heart), or it loses half as much
there. On each seed the noise of the two is correlated, because the same run is scored twice; on the holdout it may be
larger. Every change is raced and confirmed by the referee; each row is the share of its keeps that a rule
then lets through.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.kit import Bench, Cell, Row, share
from overnight.referee import holdout, inference, kinds
from overnight.referee.decision import Evidence, Policy, Ruling

ALPHA = 0.05
OURS = "half of it"
PARTS = (1.0, 0.5, 0.0, -0.5)
NOISES = ((0.9, 1.0), (0.5, 1.0), (0.0, 1.0), (0.5, 2.0))  # correlation, size on the holdout
Rule = Callable[[Ruling, Evidence, Sequence[float]], bool]


def standing(values: Sequence[float]) -> float:
    """Student's t of their mean, from their own spread."""
    return inference.student_t(values, inference.pooled_spread(values, 0.0, 0.0)[1])


RULES: dict[str, Rule] = {
    "better at all": lambda ruling, seen, held: inference.mean(held) > 0,
    "not worse, t > -1.6": lambda ruling, seen, held: standing(held) > -1.6,
    "no less, t > -1.6": lambda ruling, seen, held: standing([h - d for h, d in zip(held, seen.fresh, strict=True)]) > -1.6,
    "better, t >= 1": lambda ruling, seen, held: standing(held) >= 1,
    "a third of it": lambda ruling, seen, held: inference.mean(held) >= ruling.effect / 3,
    OURS: lambda ruling, seen, held: holdout.carries(
        ruling.effect, list(zip(seen.fresh, held, strict=True)), seen, Policy()),
}


def judged(lots: random.Random, part: float, correlation: float, size: float) -> tuple[Ruling, Evidence, list[float]]:
    """One change from its first run to its verdict."""
    gain, race, fresh, held, claim = lots.uniform(0.5, 2.0), list[float](), list[float](), list[float](), None
    while True:
        seen = Evidence(tuple(race), tuple(fresh), 1.0, ALPHA, claim)
        step = kinds.next_step(seen)
        if isinstance(step, Ruling):
            return step, seen, held
        if step.stage == "confirm" and claim is None:
            claim = kinds.NOISY.claim(seen, Policy())
        luck, own = lots.gauss(0, 1), lots.gauss(0, 1)
        (fresh if step.stage == "confirm" else race).append(gain + luck)
        if step.stage == "confirm":
            held.append(part * gain + size * (correlation * luck + math.sqrt(1 - correlation**2) * own))
def asked(rule: str, part: float, size: float) -> str:
    """What is asked of our rule where the holdout is as large as the scorer's data."""
    return {1.0: ">= 0.88", 0.0: "<= 0.1"}.get(part, "") if rule == OURS and size == 1.0 else ""


def rows(keeps: int) -> Iterator[Row]:
    """Every rule on every noise and part of the gain."""
    for correlation, size in NOISES:
        for part in PARTS:
            lots, through, count = random.Random(f"{correlation} {size} {part}"), dict.fromkeys(RULES, 0), 0
            while count < keeps:
                found = judged(lots, part, correlation, size)
                if found[0].verdict == "keep":
                    count += 1
                    for name, rule in RULES.items():
                        through[name] += rule(*found)
            for name, number in through.items():
                yield share(f"noise {correlation:g}, {size:g}; {part:g} of the gain: {name}", number, keeps,
                            asked(name, part, size))


def cells(quick: bool) -> Iterator[Cell]:
    """All as one cell."""
    yield Cell("rules", partial(rows, 300 if quick else 1500))


BENCH = Bench("holdout", "The holdout's rule lets <= 10 % of what was learnt by heart through, >= 88 % of what is true.", cells)
