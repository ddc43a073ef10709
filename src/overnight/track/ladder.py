"""`[ladder]` of `track.toml`: the same code at other sizes, on which what is kept at the least size is confirmed. Pure.

Covered: names that a branch can have, sizes that grow, values that can be read, guards that mean nothing at another size.
Not covered: whether a variable makes the program larger, which `overnight climb` shows in what a run costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from overnight.errors import TrackError
from overnight.track.units import seconds, size

MOST_RUNGS = 16
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,38}[A-Za-z0-9_-]|[A-Za-z0-9]")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OURS = ("OVERNIGHT_", "PYTHONHASHSEED", "PATH")  # how the names begin that runs are given already
UNITS: dict[str, Callable[[str], float]] = {"timeout": seconds, "memory": size, "disk": size}
Fault = tuple[str, str, str, int]  # section, key, sentence, and which of several sections of that name


class Rung(Struct, frozen=True, forbid_unknown_fields=True):
    """`[[ladder.rung]]`: the track at another size. The lowest rung is [run] as it stands, of size 1.

    name         as in the branch `overnight/<track>@<name>`
    size         how many times the compute of a run of the lowest rung
    environment  variables that the run and the oracle see besides those of [run]
    worthwhile   the smallest improvement worth a commit here (default: the metric's)
    timeout, memory, disk, cpus, gpus   those of [run] here (default: as there); the oracle and the scorer get as much time and
                 memory at least
    """

    name: str
    size: float
    environment: dict[str, str] = {}
    worthwhile: float | None = None
    timeout: str = ""
    memory: str = ""
    disk: str = ""
    cpus: int | None = None
    gpus: bool | None = None


class Ladder(Struct, frozen=True, forbid_unknown_fields=True):
    """`[ladder]`: where what is kept on the track is confirmed at larger sizes, one rung after the other.

    share   of a night's time that `overnight run --for` gives to climbing; 0: only `overnight climb` does
    gather  changes that wait for a rung before a night climbs to it
    """

    share: float = 0.0
    gather: int = 3
    rung: tuple[Rung, ...] = ()

    def at(self, name: str) -> Rung:
        """The rung of a name. Raises TrackError."""
        for rung in self.rung:
            if rung.name == name:
                return rung
        known = ", ".join(rung.name for rung in self.rung) or "none is named"
        raise TrackError(f"there is no rung '{name}' in [ladder]: choose among those of [[ladder.rung]] ({known}).")

    def below(self, name: str) -> str:
        """The name of the rung below one; "" for the lowest, which is the track as it stands."""
        names = ["", *(rung.name for rung in self.rung)]
        return names[names.index(name) - 1]


def faults(ladder: Ladder, absolute: Sequence[str]) -> Iterator[Fault]:
    """What is wrong with a ladder. `absolute`: the metrics of the harness that a guard bounds by a number of its own."""
    if not ladder.rung:
        yield "ladder", "share", "[ladder] has no rung: write [[ladder.rung]] with a name, a size and its environment.", 0
    if not 0 <= ladder.share < 1:
        yield "ladder", "share", "share is a part of the night: write a number from 0 to below 1.", 0
    if ladder.gather < 1:
        yield "ladder", "gather", "gather must be at least 1.", 0
    if len(ladder.rung) > MOST_RUNGS:
        yield "ladder.rung", "name", f"{len(ladder.rung)} rungs are too many: {MOST_RUNGS} are the most.", MOST_RUNGS
    if absolute and ladder.rung:
        yield ("guard", "metric", f"the guard on {absolute[0]} is a number of the lowest rung and means nothing on a larger "
               "one: write it relative to the baseline, like \"1.25x\".", 0)
    for nth, rung in enumerate(ladder.rung):
        yield from ((("ladder.rung", key, sentence, nth)) for key, sentence in _of_rung(rung, ladder.rung[:nth]))


def _of_rung(rung: Rung, below: Sequence[Rung]) -> Iterator[tuple[str, str]]:
    least = below[-1] if below else None
    if not NAME.fullmatch(rung.name) or rung.name.endswith(".lock"):
        yield "name", f"'{rung.name}' cannot be part of a branch name: use letters, digits, - and _."
    if any(rung.name == other.name for other in below):
        yield "name", f"two rungs are called '{rung.name}': give each a name of its own."
    if not (least.size if least else 1.0) < rung.size < float("inf"):
        yield "size", (f"the size of '{rung.name}' must be above that of the rung below ({least.size if least else 1:g}): "
                       "name the rungs from small to large.")
    if rung.worthwhile is not None and not 0 <= rung.worthwhile < float("inf"):
        yield "worthwhile", "worthwhile is a size: write a number that is not negative."
    if rung.cpus is not None and rung.cpus < 1:
        yield "cpus", "cpus must be at least 1."
    for key, unit in UNITS.items():
        try:
            _ = getattr(rung, key) and unit(getattr(rung, key))
        except TrackError as error:
            yield key, str(error)
    if odd := odd_variable(rung.environment):
        yield "environment", odd


def odd_variable(environment: Mapping[str, str]) -> str:
    """What is wrong with the names or values of variables, as a sentence; "" where all is well."""
    for name, value in environment.items():
        if not VARIABLE.fullmatch(name) or "\0" in value:
            return f"{name!r} is no variable that a program can be given: use letters, digits and _."
        if name.startswith(OURS):
            return f"{name} is set by Overnight itself: choose another name."
    return ""
