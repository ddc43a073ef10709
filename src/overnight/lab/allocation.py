"""Which role is asked next: how the attempts are split among the roles that propose. Pure.

A role with a fixed share gets it. The others share the rest by verified gain per cost, as a bandit that is hard to impress:
keeps are thought to come at a rate per cost that is the team's own until a role has shown otherwise, what a keep gained is
shrunk towards the team's mean, evidence fades with every attempt of any role (gains get harder as the frontier moves), and a
part of the attempts is split evenly whatever was found. So no role starves, one lucky keep changes little, and a newcomer
counts as an average member. Costs may be in any unit, and gains in any other, if they are the same for all.

`python -m bench shares` measures what it gains and loses against equal shares and against knowing which is best.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from statistics import NormalDist

from msgspec import Struct

EVEN = 0.2  # part of the attempts of those without a fixed share that is split evenly among them
PRIOR = 2.0  # keeps that a role's rate is thought to stand on before it has any
SIZED = 2.0  # keeps that a role's mean gain is thought to stand on before it has any
MOST_GAIN_OF_A_KEEP = 3.0  # times the team's mean gain that one keep may count
HALF_LIFE = 150.0  # attempts of the whole team after which evidence counts half
RARE, FEW = 0.03, 20.0  # keeps per attempt that are expected of a team of which nothing is known, as firmly as after so many
TINY = 1e-200  # what counts as nothing, so that nothing overflows
GRID = 32  # points of the integral that says how likely a role is the best
GOLDEN = (math.sqrt(5) - 1) / 2
_NORMAL = NormalDist()


class Record(Struct, frozen=True):
    """What a role has done, with older attempts counting less.

    tried  attempts that ended: judged, or no change was made. Not those that the machine broke off
    kept   those that were kept
    gain   what these gained, verified
    cost   of all of them
    """

    tried: float = 0.0
    kept: float = 0.0
    gain: float = 0.0
    cost: float = 0.0


def verified(effect: float, interval: tuple[float, float] | None) -> float:
    """What a keep is credited with: its effect on fresh seeds, less what may be luck (the more uncertain, the less)."""
    error = (interval[1] - interval[0]) / 4 if interval else 0.0
    return effect * max(0.0, 1 - (error / effect) ** 2) if effect > 0 else 0.0


def ended(records: Mapping[str, Record], name: str, cost: float, gain: float | None = None) -> dict[str, Record]:
    """The records after an attempt of a role ended: at some cost, with a keep's gain or None."""
    fade = 0.5 ** (1 / HALF_LIFE)
    found = {n: Record(*(value * fade for value in (r.tried, r.kept, r.gain, r.cost))) for n, r in records.items()}
    mine, team = found.get(name, Record()), _sum(found)
    most = MOST_GAIN_OF_A_KEEP * team.gain / team.kept if team.kept > 1 and team.gain > 0 else math.inf
    kept, size = gain is not None, min(max(0.0, gain or 0.0), most)
    found[name] = Record(mine.tried + 1, mine.kept + kept, mine.gain + size, mine.cost + max(0.0, cost))
    return found


def split(records: Mapping[str, Record], fixed: Mapping[str, float | None]) -> dict[str, float]:
    """The share of the attempts of each role that can be asked now, in the order of their names: `fixed` has what was
    fixed for it, None for those that earn theirs. They sum to 1."""
    earning = [name for name in sorted(fixed) if fixed[name] is None]
    bound = {name: share for name, share in fixed.items() if share is not None}
    total = sum(bound.values())
    rest = max(0.0, 1 - total) if earning else 0.0
    best = _chances({name: records.get(name, Record()) for name in earning}, _sum(records))
    even = 1 / len(earning) if earning else 0.0
    shares = {name: rest * (EVEN * even + (1 - EVEN) * best[name]) for name in earning}
    shares |= {name: share * (1 - rest) / total for name, share in bound.items() if total > 0}
    return {name: shares[name] for name in sorted(shares)}


def next_role(records: Mapping[str, Record], fixed: Mapping[str, float | None], turn: int, seed: int = 0) -> str:
    """The role to be asked, or "" if there is none. `turn` counts the attempts that were ever begun: turns in a row are
    spread so evenly that after n of them each role has its share of n, within two or three."""
    shares = split(records, fixed)
    start = int.from_bytes(hashlib.sha256(f"turn|{seed}".encode()).digest()[:4], "big") / 2**32
    place, name = (start + turn * GOLDEN) % 1.0, ""
    for name, share in shares.items():  # noqa: B007
        if place < share:
            break
        place -= share
    return name


# ---- which is likely the best ------------------------------------------------------------------------------------


def _sum(records: Mapping[str, Record]) -> Record:
    return Record(*(math.fsum(getattr(r, field) for r in records.values()) for field in Record.__struct_fields__))


def _chances(records: Mapping[str, Record], team: Record) -> dict[str, float]:
    """How likely each is the one with the most gain per cost."""
    price = team.cost / team.tried if team.tried > 0 else 0.0  # of an attempt
    size = team.gain / team.kept if team.kept > 0 else 0.0  # of a keep
    if len(records) < 2 or price < TINY:
        return dict.fromkeys(records, 1 / max(1, len(records)))
    rate = (team.kept + RARE * FEW) / (team.tried + FEW)  # keeps for the price of an attempt
    beliefs = []
    for r in records.values():
        larger = (r.gain / size + SIZED) / (r.kept + SIZED) if size > TINY else 1.0
        beliefs.append(_Belief(PRIOR + r.kept, larger / (PRIOR / rate + r.cost / price)))
    points = [_NORMAL.inv_cdf((i + 0.5) / GRID) for i in range(GRID)]
    found = [sum(math.prod(other.below(mine.at(z)) for other in beliefs if other is not mine) for z in points)
             for mine in beliefs]
    total = sum(found)
    return {name: share / total for name, share in zip(records, found, strict=True)}


class _Belief:
    """A gamma distribution of gain per cost, by the approximation of Wilson and Hilferty."""

    def __init__(self, shape: float, scale: float) -> None:
        self._mean, self._middle, self._spread = shape * scale, 1 - 1 / (9 * shape), 1 / (3 * math.sqrt(shape))

    def at(self, z: float) -> float:
        """The value that lies at a standard normal one."""
        return self._mean * max(0.0, self._middle + z * self._spread) ** 3

    def below(self, value: float) -> float:
        """How likely it is less than a value."""
        return _NORMAL.cdf((math.cbrt(value / self._mean) - self._middle) / self._spread)
