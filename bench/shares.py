"""What the split of attempts among roles gains and loses, against equal shares and against knowing who is best.

Each attempt of a role costs an exponential time about its mean and is kept with some chance; a keep gains an exponential
amount, which halves with every `HARDER` keeps because the easy ones go first. Its verdict comes when four more attempts
were begun. "Gain" is the mean of a night, as a share of what the one gets who knows at each moment which role is best
and asks nobody else; "asked" is the first role's mean share of the attempts, with the 5th and the 95th percentile of nights.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.kit import Bench, Cell, Row, exact, mean, ratio_of_sums
from overnight.lab import allocation

HARDER = 12.0  # keeps after which a gain is half as large
BEHIND = 4  # attempts that are begun before a verdict


@dataclass(frozen=True)
class Kind:
    """A role as it really is, at a point of the night between 0 and 1: chance of a keep, gain of a keep, cost."""

    chance: Callable[[float], float]
    gain: float = 1.0
    cost: float = 1.0

    def worth(self, now: float) -> float:
        """Expected gain per cost."""
        return self.chance(now) * self.gain / self.cost


def steady(chance: float, gain: float = 1.0, cost: float = 1.0) -> Kind:
    """A role that stays as it is."""
    return Kind(lambda now: chance, gain, cost)


TEAMS: dict[str, list[Kind]] = {
    "keeps four times as often": [steady(0.08), steady(0.02)],
    "gains four times as much": [steady(0.04, 2.0), steady(0.04, 0.5)],
    "costs a quarter": [steady(0.04, cost=0.5), steady(0.04, cost=2.0)],
    "equal, keeps are common": [steady(0.08), steady(0.08)],
    "equal, keeps are rare": [steady(0.02), steady(0.02)],
    "good, dries up half-way": [Kind(lambda now: 0.08 if now < 0.5 else 0.005), steady(0.02)],
    "poor, good in the second half": [Kind(lambda now: 0.005 if now < 0.5 else 0.08), steady(0.02)],
    "one good among five": [steady(0.08), *[steady(0.02)] * 4],
}
Choice = Callable[[dict[str, allocation.Record], list[Kind], int, float, int], int]


def ours(records: dict[str, allocation.Record], team: list[Kind], turn: int, _now: float, seed: int) -> int:
    """What `overnight.lab.allocation` says."""
    return int(allocation.next_role(records, {str(i): None for i in range(len(team))}, turn, seed))


def equal(_records: dict[str, allocation.Record], team: list[Kind], turn: int, _now: float, _seed: int) -> int:
    """Each in turn."""
    return turn % len(team)


def oracle(_records: dict[str, allocation.Record], team: list[Kind], _turn: int, now: float, _seed: int) -> int:
    """The one that is best now."""
    return max(range(len(team)), key=lambda i: team[i].worth(now))


def night(team: list[Kind], choice: Choice, budget: float, seed: int, lucky: bool = False) -> tuple[float, float]:
    """Gain of a night of a budget of cost, and the first role's share of the attempts. `lucky`: its first attempt is kept."""
    lots, records = random.Random(f"night {seed}"), dict[str, allocation.Record]()
    waiting = deque[tuple[int, float, float | None]]()
    spent, total, kept, asked = 0.0, 0.0, 0, [0] * len(team)
    while spent < budget:
        who = choice(records, team, sum(asked), spent / budget, seed)
        kind, cost = team[who], lots.expovariate(1.0)
        luck, size = lots.random(), lots.expovariate(1.0)
        good = luck < kind.chance(spent / budget) or (lucky and who == 0 and not asked[0])
        gain = size * kind.gain * 0.5 ** (kept / HARDER) if good else None
        spent, total, kept = spent + cost * kind.cost, total + (gain or 0.0), kept + good
        asked[who] += 1
        waiting.append((who, cost * kind.cost, gain))
        if len(waiting) > BEHIND:
            ended, price, found = waiting.popleft()
            records = allocation.ended(records, str(ended), price, found)
    return total, asked[0] / sum(asked)


def rows(name: str, team: list[Kind], attempts: int, nights: int, lucky: bool = False) -> Iterator[Row]:
    """One team: gains as shares of the oracle's, ours over that of equal shares, how often the first is asked."""
    mine, even, best = ([night(team, choice, attempts, seed, lucky) for seed in range(nights)]
                        for choice in (ours, equal, oracle))
    for rule, found in (("equal shares", even), ("ours", mine)):
        yield ratio_of_sums(f"{name}: gain, {rule}", [(gain, most) for (gain, _), (most, _) in zip(found, best, strict=True)])
    both = [(gain, other) for (gain, _), (other, _) in zip(mine, even, strict=True)]
    yield ratio_of_sums(f"{name}: ours / equal shares", both, "" if name.startswith("equal") else ">= 1")
    asked = sorted(share for _, share in mine)
    yield mean(f"{name}: asked", asked, "<= 0.65" if lucky else "")
    yield exact(f"{name}: asked, 5th percentile of nights", asked[len(asked) // 20], count=nights)
    yield exact(f"{name}: asked, 95th percentile of nights", asked[-1 - len(asked) // 20], count=nights)


def cells(quick: bool) -> Iterator[Cell]:
    """Each team, one of them with three times the attempts, and one whose first attempt is a lucky keep."""
    nights = 40 if quick else 300
    for name, team in TEAMS.items():
        yield Cell(name, partial(rows, name, team, 200, nights))
    name = "keeps four times as often"
    yield Cell(f"{name}, 600", partial(rows, f"{name}, 600 attempts", TEAMS[name], 600, 10 if quick else nights))
    same = TEAMS["equal, keeps are rare"]
    yield Cell("lucky", partial(rows, "equal, its first attempt is a lucky keep", same, 200, nights, True))


BENCH = Bench("shares", "Simulated nights of a team: attempts by verified gain find at least what equal shares find.", cells)
