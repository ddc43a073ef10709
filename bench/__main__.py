"""The one door to all benches.

    python -m bench list                          what there is and what it asks
    python -m bench NAME [--quick] [--check]      one table
    python -m bench all --quick                   all of them, each within 15 seconds

`--check` exits 1 where an interval excludes the number asked. A long bench goes on where it was broken off, from the cells in
bench/results/NAME.jsonl that the sources of today measured.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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


def run(each: Bench, quick: bool, results: Path) -> bool:
    """Print a bench's table; whether nothing misses what is asked."""
    began, missed = time.monotonic(), 0
    print(f"{each.asks}\n\n{HEAD}", flush=True)
    for row in measured(each, quick, results, lambda: fingerprint((f"bench.{each.name}", *each.uses), ROOTS)):
        print(row, flush=True)
        missed += row.verdict == "misses"
    print(f"\n{each.name}: {missed} missed, {time.monotonic() - began:.1f} s\n", flush=True)
    return not missed


def main(words: Sequence[str] | None = None, known: Mapping[str, Find] | None = None, results: Path = HERE / "results") -> int:
    """Run the command; its exit code: 1 where `--check` finds a miss, 2 where a bench cannot run here."""
    found = benches() if known is None else known
    parser = argparse.ArgumentParser("bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["list", "all", *found])
    parser.add_argument("--quick", action="store_true", help="at most 15 seconds for each bench")
    parser.add_argument("--check", action="store_true", help="exit 1 where an interval excludes the number asked")
    options = parser.parse_args(words)
    if options.name == "list":
        print(*(f"{name:12} {find().asks}" for name, find in found.items()), sep="\n")
        return 0
    held = True
    for name in found if options.name == "all" else [options.name]:
        each = found[name]()
        try:
            good = run(each, options.quick, results)
        except OvernightError as error:
            print(f"{name} cannot run here: {error}", file=sys.stderr)
            return 2
        held &= good or (each.timed and options.name == "all")
    return int(options.check and not held)


if __name__ == "__main__":
    sys.exit(main())
