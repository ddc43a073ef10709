"""What each planted edit is worth, established once: paired with the baseline on the same seeds, positive is better.

    python -m bench.planted.establish [--seeds 200] [--python pypy3] [--only NAME ...]

Writes `record` and, for the real ones, `on_top` (of the other nine) and `cpu` (seconds of a run under CPython as a share
of the baseline's) into edits.json, an edit at a time; what has a record of as many seeds is left alone. The seeds are
none of those with which the edits were looked for. Two programs that differ in comments alone are one program.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.planted.measure import EDITS, TRACK, Meter, apply_all, baseline, planted

FIRST = 1000  # the first seed
ON_TOP = 50  # seeds for an edit on top of the others
RUNS = 5  # runs under CPython for the costs
TIMED = "import os, train; train.train(%d); print(sum(os.times()[:2]))"


def save(found: dict[str, Any]) -> None:
    """Write them down."""
    EDITS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def text_of(edits: Iterable[dict[str, Any]]) -> str:
    """The baseline with edits made, each of which must apply."""
    text = apply_all(baseline(), list(edits))
    if text is None:
        raise SystemExit("an edit does not apply: its search text must stand in train.py exactly once.")
    return text


def compare(meter: Callable[[str, int], float], text: str, base: str, seeds: Sequence[int]) -> dict[str, Any]:
    """By how much a text is better than its base on these seeds: mean, standard error, standard deviation."""
    gains = [meter(base, seed) - meter(text, seed) for seed in seeds]
    spread = statistics.stdev(gains)
    return {"seeds": len(seeds), "effect": round(statistics.fmean(gains), 6),
            "error": round(spread / math.sqrt(len(seeds)), 6), "spread": round(spread, 6)}


def on_top(meter: Callable[[str, int], float], edit: dict[str, Any], edits: Sequence[dict[str, Any]],
           seeds: Sequence[int]) -> dict[str, Any]:
    """What a real edit adds to the other real ones."""
    real = [e for e in edits if e["kind"] == "real"]
    return compare(meter, text_of(real), text_of([e for e in real if e is not edit]), seeds)


def seconds(text: str, seed: int) -> float:
    """Processor seconds of one training under this interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.py").write_text(text, encoding="utf-8")
        code = f"import sys; sys.path.append({str(TRACK)!r}); {TIMED % seed}"
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def cpu(text: str) -> float:
    """The median over a few seeds of an edit's processor seconds as a share of the baseline's, run in turn."""
    base = baseline()
    return round(statistics.median(seconds(text, s) / seconds(base, s) for s in range(FIRST, FIRST + RUNS)), 3)


def establish(meter: Meter, seeds: Sequence[int], only: Sequence[str]) -> None:
    """Fill in what is missing, and print it."""
    found = planted()
    base = [meter(baseline(), seed) for seed in seeds]
    found["baseline"] = {"first_seed": seeds[0], "seeds": len(seeds), "mean": round(statistics.fmean(base), 6),
                         "spread": round(statistics.stdev(base), 6)}
    for edit in found["edits"]:
        if edit.get("record", {}).get("seeds") != len(seeds) and (not only or edit["name"] in only):
            edit["record"] = compare(meter, text_of([edit]), baseline(), seeds)
            save(found)
            print(line(edit), flush=True)
    for edit in found["edits"]:
        if edit["kind"] == "real" and "on_top" not in edit and (not only or edit["name"] in only):
            edit["on_top"] = on_top(meter, edit, found["edits"], seeds[:ON_TOP])
            edit["cpu"] = cpu(text_of([edit]))
            save(found)
            print(line(edit), flush=True)
    if not only and "all_reals" not in found:
        real = [e for e in found["edits"] if e["kind"] == "real"]
        found["all_reals"] = {**compare(meter, text_of(real), baseline(), seeds[:ON_TOP]), "cpu": cpu(text_of(real))}
        save(found)
    print(f"all reals together: {found.get('all_reals')}")


def line(edit: dict[str, Any]) -> str:
    """One edit in a line."""
    record, top = edit["record"], edit.get("on_top")
    z = record["effect"] / record["error"] if record["error"] else 0.0
    more = f"   on top {top['effect']:+.4f} ± {top['error']:.4f}   cpu {edit['cpu']:.2f}x" if top else ""
    return (f"{edit['kind']:9}{edit['name']:20}{record['effect']:+.5f} ± {record['error']:.5f}  z {z:+7.2f}  "
            f"spread {record['spread']:.4f}{more}")


def main() -> None:
    """Establish what has no record yet."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=200)
    options.add_argument("--python", default="pypy3", help="what measures; any Python gives the same numbers, later")
    options.add_argument("--memo", type=Path, help="a file that keeps what was measured")
    options.add_argument("--only", nargs="*", default=(), metavar="NAME")
    chosen = options.parse_args()
    meter = Meter(chosen.python, chosen.memo)
    establish(meter, range(FIRST, FIRST + chosen.seeds), chosen.only)


if __name__ == "__main__":
    main()
