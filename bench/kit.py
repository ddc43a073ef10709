"""What every bench is made of: intervals, rows beside what is asked of them, and cells that are kept and resumed.

A bench is a `Bench`: a name, what it asks, and `cells(quick)`. A cell is a name and a function that measures its rows. A row
is one figure with its 95 % interval and number of repetitions:

    holds        the interval lies on the side that is asked
    undecided    it contains the number asked
    misses       it excludes it; `--check` exits 1
    not judged   there are too few repetitions to say
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from overnight.referee.distributions import student_quantile

LEVEL = 0.95
RESAMPLES = 1000
LEAST_VALUES = 6  # fewer values have no 95 % interval for their median; a mean of fewer says little of its spread
LEAST_TRIALS = 20  # of a share
HEAD = "| what | asked | measured | 95 % interval | n | |\n|---|---|---|---|---|---|"


# ---- rows ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One figure.

    asked   a bound on the value in its own unit: "<= 0.05", ">= 40", "== 0"; "": nothing is asked
    count   repetitions
    least   repetitions below which it is not judged
    """

    what: str
    value: float
    low: float
    high: float
    count: int
    asked: str = ""
    unit: str = ""
    least: int = 1

    @property
    def verdict(self) -> str:
        """holds, undecided, misses, "not judged", or "" where nothing is asked."""
        if not self.asked:
            return ""
        if self.count < self.least or math.isnan(self.value):
            return "not judged"
        relation, number = bound(self.asked)
        if relation == "==":
            return "holds" if self.low <= number <= self.high else "misses"
        low, high = (self.low - number, self.high - number) if relation == "<=" else (number - self.high, number - self.low)
        return "misses" if low > 0 else "holds" if high <= 0 else "undecided"

    def __str__(self) -> str:
        known = self.low < self.high and math.isfinite(self.low)
        interval = f"{shown(self.low)} to {shown(self.high)}" if known else ""
        figure = f"{shown(self.value)} {self.unit}".strip()
        return f"| {self.what:56} | {self.asked:10} | {figure:14} | {interval:22} | {self.count:6} | {self.verdict:10} |"


def bound(asked: str) -> tuple[str, float]:
    """Relation and number of a bound. Raises ValueError where it is none."""
    found = re.fullmatch(r"(<=|>=|==) (\S+)", asked)
    if not found:
        raise ValueError(f"{asked!r} is no bound: write <=, >= or ==, a space and a number.")
    return found[1], float(found[2])


def shown(number: float) -> str:
    """A number with four digits, or all of those before the point."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


# ---- intervals -------------------------------------------------------------------------------------------------


def student(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval for a mean; unbounded for fewer than two values."""
    if len(values) < 2:
        return -math.inf, math.inf
    middle, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    radius = student_quantile((1 + LEVEL) / 2, len(values) - 1) * error
    return middle - radius, middle + radius


def wilson(hits: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share; all of 0 to 1 where nothing was tried."""
    if not count:
        return 0.0, 1.0
    z, p = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2), hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    radius = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return (max(0.0, middle - radius) if hits else 0.0), (min(1.0, middle + radius) if hits < count else 1.0)


def bootstrap(items: Sequence[Any], statistic: Callable[[Sequence[Any]], float]) -> tuple[float, float]:
    """The percentile 95 % interval of a statistic, by drawing the items again; the same items give the same interval."""
    lots = random.Random(len(items))
    drawn = sorted(statistic(lots.choices(items, k=len(items))) for _ in range(RESAMPLES))
    cut = round((1 - LEVEL) / 2 * RESAMPLES)
    return drawn[cut], drawn[-1 - cut]


def mean(what: str, values: Sequence[float], asked: str = "", unit: str = "") -> Row:
    """A mean with Student's interval."""
    middle = statistics.fmean(values) if values else math.nan
    return Row(what, middle, *student(values), len(values), asked, unit, LEAST_VALUES)


def share(what: str, hits: float, count: int, asked: str = "") -> Row:
    """A share with Wilson's interval."""
    return Row(what, hits / count if count else math.nan, *wilson(hits, count), count, asked, least=LEAST_TRIALS)


def median(what: str, values: Sequence[float], asked: str = "", unit: str = "") -> Row:
    """A median with its bootstrap."""
    return _drawn(what, values, statistics.median, asked, unit)


def ratio(what: str, over: Sequence[float], under: Sequence[float], asked: str = "") -> Row:
    """The ratio of two medians of repetitions that took turns."""
    pairs = list(zip(over, under, strict=True))
    return _drawn(what, pairs, lambda drawn: _quotient(*map(statistics.median, zip(*drawn, strict=True))), asked, "x")


def ratio_of_sums(what: str, pairs: Sequence[tuple[float, float]], asked: str = "") -> Row:
    """The sum of the first ones over that of the second ones."""
    return _drawn(what, pairs, lambda drawn: _quotient(*map(sum, zip(*drawn, strict=True))), asked, "")


def exact(what: str, value: float, asked: str = "", unit: str = "", count: int = 1) -> Row:
    """A figure without chance in it: one that is counted."""
    return Row(what, value, value, value, count, asked, unit)


def _quotient(over: float, under: float) -> float:
    return over / under if under else math.nan


def _drawn(what: str, items: Sequence[Any], statistic: Callable[[Sequence[Any]], float], asked: str, unit: str) -> Row:
    if not items:
        return Row(what, math.nan, -math.inf, math.inf, 0, asked, unit, LEAST_VALUES)
    return Row(what, statistic(items), *bootstrap(items, statistic), len(items), asked, unit, LEAST_VALUES)


# ---- measuring -------------------------------------------------------------------------------------------------


def seconds(action: Callable[[], object], times: int = 1) -> list[float]:
    """How long something takes, each of so many times."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        spent.append(time.perf_counter() - began)
    return spent


def in_parallel(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """The results of a function on all cores, in the order of the items."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))


# ---- benches and what is kept of them --------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """A part of a bench that is measured, kept and resumed as one; its name is the key."""

    name: str
    measure: Callable[[], Iterable[Row]]


@dataclass(frozen=True)
class Bench:
    """One bench.

    asks   what it measures and what is asked, in a sentence
    cells  its cells; with True a choice that takes at most 15 seconds
    long   over 20 minutes: finished cells are appended to results/NAME.jsonl, and the next run goes on from there
    timed  its figures are times: `all --check` prints them and does not judge them
    uses   modules that it runs in other processes, besides those that it imports
    draw   draws its picture into a file, from the values of its rows by name; KeyError where one that it needs is missing
    sums   rows that follow from all the others, printed last
    against  its cells that compare this checkout with another one, and whether they are to be quick
    """

    name: str
    asks: str
    cells: Callable[[bool], Iterable[Cell]]
    long: bool = False
    timed: bool = False
    uses: tuple[str, ...] = ()
    draw: Callable[[Mapping[str, float], Path], None] | None = None
    sums: Callable[[Sequence[Row]], Iterable[Row]] = lambda rows: ()
    against: Callable[[Path, bool], Iterable[Cell]] | None = None


@dataclass
class Kept:
    """Finished cells of a long bench, a JSON line each. A cell that other sources measured is stale, and passed over; a last
    line that was broken off is cut."""

    path: Path
    sources: str
    _rows: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            written = self.path.read_bytes()
            whole = written[:written.rfind(b"\n") + 1]
            if whole != written:
                self.path.write_bytes(whole)
            for line in map(json.loads, whole.splitlines()):
                if line["sources"] == self.sources:
                    self._rows[line["cell"]] = [Row(**row) for row in line["rows"]]

    def rows(self, cell: Cell) -> list[Row]:
        """A cell's rows: those that are kept, or measured now and kept."""
        if cell.name not in self._rows:
            self._rows[cell.name] = rows = list(cell.measure())
            self.path.parent.mkdir(exist_ok=True)
            line = json.dumps({"cell": cell.name, "sources": self.sources, "rows": list(map(asdict, rows))})
            with self.path.open("ab") as file:
                file.write(line.encode() + b"\n")
        return self._rows[cell.name]


def measured(bench: Bench, quick: bool, results: Path, sources: Callable[[], str]) -> Iterator[Row]:
    """A bench's rows, cell after cell, then what they sum up to. `sources` fingerprints what it uses, asked only where cells
    are kept."""
    kept = Kept(results / f"{bench.name}.jsonl", sources()) if bench.long and not quick else None
    rows = list[Row]()
    for cell in bench.cells(quick):
        for row in kept.rows(cell) if kept else cell.measure():
            rows.append(row)
            yield row
    yield from bench.sums(rows)


# ---- the import graph ------------------------------------------------------------------------------------------


def fingerprint(modules: Iterable[str], roots: Sequence[Path]) -> str:
    """A hash of the source of these modules and of all that they import, directly or not, from below the roots."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _source(name, roots)):
            found[name] = path
            waiting += imported(path.read_text(encoding="utf-8"))
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(f"{name} {hashlib.sha256(found[name].read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def imported(source: str) -> set[str]:
    """Every name that a source may import as a module, with the packages above it; what is no module is not found later."""
    names = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {".".join(parts[:n]) for parts in (name.split(".") for name in names) for n in range(1, len(parts) + 1)}


def _source(name: str, roots: Sequence[Path]) -> Path | None:
    for place in (root.joinpath(*name.split(".")) for root in roots):
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None
