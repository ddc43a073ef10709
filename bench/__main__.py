"""The one door to all benches.

    python -m bench list                          what there is and what it asks
    python -m bench NAME [--quick] [--check]      one table
    python -m bench referee --cells false_share --plot docs/level.svg      of a table, these cells; and their picture
    python -m bench all --quick                   all of them, each within 15 seconds

`--check` exits 1 where an interval excludes the number asked. A long bench goes on where it was broken off, from the cells in
bench/results/NAME.jsonl that the sources of today measured.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import bench
from bench.kit import HEAD, Bench, fingerprint, measured
from overnight.errors import OvernightError

HERE = Path(__file__).parent
ROOTS = (bench.ROOT, bench.ROOT / "src", bench.TESTS)
Find = Callable[[], Bench]


def benches() -> dict[str, Find]:
    """Every bench by name, loaded when it is asked for."""
    def load(name: str) -> Bench:
        return importlib.import_module(f"bench.{name}").BENCH

    return {module.name: lambda name=module.name: load(name) for module in pkgutil.iter_modules([str(HERE)])
            if "\nBENCH = " in _text(module.name)}


def _text(name: str) -> str:
    path = HERE / f"{name}.py"
    return (path if path.exists() else HERE / name / "__init__.py").read_text(encoding="utf-8")


def run(each: Bench, quick: bool, results: Path, plot: Path | None = None) -> bool:
    """Print a bench's table, and draw its picture where one is asked for; whether nothing misses what is asked. Raises
    OvernightError where it cannot run here, or has no such picture."""
    if plot and not each.draw:
        raise OvernightError("it has no picture.")
    began, missed, values = time.monotonic(), 0, dict[str, float]()
    print(f"{each.asks}\n\n{HEAD}", flush=True)
    for row in measured(each, quick, results, lambda: fingerprint((f"bench.{each.name}", *each.uses), ROOTS)):
        print(row, flush=True)
        missed += row.verdict == "misses"
        values[row.what] = row.value
    print(f"\n{each.name}: {missed} missed, {time.monotonic() - began:.1f} s\n", flush=True)
    if plot and each.draw:
        try:
            each.draw(values, plot)
        except KeyError as error:
            raise OvernightError(f"its picture needs the row {error}: leave out --quick, or name its cells.") from error
    return not missed


def part(each: Bench, cells: str) -> Bench:
    """A bench with those of its cells alone whose names contain a text."""
    return replace(each, cells=lambda quick: (cell for cell in each.cells(quick) if cells in cell.name))


def compared(each: Bench, other: Path) -> Bench:
    """A bench with its comparison with another checkout alone, of which nothing is kept. Raises OvernightError where it has
    none, or where no checkout is there."""
    if each.against is None:
        raise OvernightError("it compares nothing with another checkout.")
    if not (other / "src" / "overnight").is_dir():
        raise OvernightError(f"{other} is no checkout.")
    return replace(each, cells=partial(each.against, other), long=False)


def main(words: Sequence[str] | None = None, known: Mapping[str, Find] | None = None, results: Path = HERE / "results") -> int:
    """Run the command; its exit code: 1 where `--check` finds a miss, 2 where a bench cannot run here."""
    found = benches() if known is None else known
    parser = argparse.ArgumentParser("bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["list", "all", *found])
    parser.add_argument("--quick", action="store_true", help="at most 15 seconds for each bench")
    parser.add_argument("--check", action="store_true", help="exit 1 where an interval excludes the number asked")
    parser.add_argument("--cells", default="", metavar="TEXT", help="only those whose names contain it")
    parser.add_argument("--against", type=Path, metavar="PATH", help="only what compares this checkout with the one there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the bench's picture, where it has one")
    options = parser.parse_args(words)
    if options.name == "list":
        print(*(f"{name:12} {find().asks}" for name, find in found.items()), sep="\n")
        return 0
    held = True
    for name in found if options.name == "all" else [options.name]:
        each = part(found[name](), options.cells)
        try:
            each = compared(each, options.against.resolve()) if options.against else each
            good = run(each, options.quick, results, options.plot)
        except OvernightError as error:
            print(f"{name} cannot run here: {error}", file=sys.stderr)
            return 2
        held &= good or (each.timed and options.name == "all")
    return int(options.check and not held)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as state:
        os.environ["XDG_STATE_HOME"] = state  # nothing of a bench stays among its user's states
        sys.exit(main())
