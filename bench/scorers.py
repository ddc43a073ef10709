"""What the ready scorers cost and catch, against plain processes over real pipes.

    python bench/scorers.py      all tables, in about half a minute

clock    what our own end of a trial costs: an echo that does nothing, in microseconds a trial, by size of the question
audit    leaks from row to row that the audit of predictions catches, out of 20 classifiers each, and honest ones it accuses
exact    seconds to evaluate 26 circles, as they are and where rounding has to be mended
"""

from __future__ import annotations

import random
import sys
import time
from array import array
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tracks" / "packing"))

from score import PACKING
from solve import solve

from overnight.scoring import Foul, Oracle, fresh
from overnight.scoring.optimum import evaluate
from overnight.scoring.prediction import ask, audit
from overnight.scoring.speed import Raw, measure
from scoring_harness import Candidate

ECHO = "for header, data in questions(): give(data)"
ECHO_JSON = "for line in sys.stdin.buffer: give(line)"
CLASSIFIER = """\
from array import array
for number, (header, data) in enumerate(questions()):
    flat, wide = array("f", data), header["columns"]
    batch = [list(flat[i:i + wide]) for i in range(0, len(flat), wide)]
    give(array("f", [x for row in batch for x in (0, {score})]).tobytes())
"""
LEAKS = {"honest": "sum(row)", "the batch's mean": "sum(row) - sum(map(sum, batch)) / len(batch) / 50",
         "1 % of the rows": "sum(batch[0] if row[0] > 2.33 else row)", "asked before": "sum(row) + number / 10"}


def clock() -> None:
    """The cost of our own end."""
    print("clock: microseconds for a trial in which the candidate does nothing")
    for name, source, case in (
            ("raw bytes", ECHO, lambda lots, size: Raw({}, lots.randbytes(4 * size), 4 * size)),
            ("JSON numbers", ECHO_JSON, lambda lots, size: [lots.randrange(1 << 30) for _ in range(size)])):
        for size in (10, 1000, 30_000):
            with Candidate(source):
                found = measure(case, lambda question, answer: True, sizes=(size,), trials=50, lots=random.Random(size),
                                warm_up="allowed")
            print(f"  {name:14}{size:>8}{found['typical_seconds'] / 50 * 1e6:>10.0f}")


def leaks() -> None:
    """How many of 20 classifiers each the audit calls foul."""
    print("audit: foul of 20, with 700 rows")
    for name, score in LEAKS.items():
        caught = sum(leaky(CLASSIFIER.format(score=score), seed) for seed in range(20))
        print(f"  {name:18}{caught:>4}")


def leaky(source: str, seed: int) -> bool:
    """Whether the audit finds a leak."""
    lots = random.Random(seed)
    rows = [array("f", [lots.gauss(0, 1) for _ in range(8)]) for _ in range(700)]
    with Candidate(source):
        try:
            audit(ask(Oracle.given(), rows, 2, lots), rows, fresh(), lots)
        except Foul:
            return True
    return False


def exact() -> None:
    """How long exact evaluation takes."""
    circles = solve(random.Random(1))
    for what, grow in (("as they are", 0.0), ("to be mended", 1e-10)):
        began = time.perf_counter()
        found = evaluate(PACKING, [[x, y, r + grow] for x, y, r in circles], Fraction(1, 10**9))
        print(f"exact: 26 circles {what}: {time.perf_counter() - began:.3f} s, {found.value:.12f}")


if __name__ == "__main__":
    clock()
    leaks()
    exact()
