"""What the library for scorers costs, and whom its audit of language models catches.

    python bench/scoring.py [--repeats 1]

A plain Python candidate behind real pipes: microseconds of a question and its answer, a line of JSON each, and of a fresh
process (no sandbox here); megabytes a second of raw float32, and of logits that are turned into surprise as well. Then
256 windows of 64 tokens for each of the models of tests/language_models.py, with another text, other seats and other cuts
each time.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from language_models import CHEATS, HONEST, VOCABULARY
from overnight.scoring import Foul, Oracle, fresh
from overnight.scoring.language import batched, surprises, windows
from scoring_harness import Candidate

LOGITS = (16, 128, 2048)  # rows, places, vocabulary: 16 MiB
RAW = "data = bytes(1 << 24)\nfor header, body in questions(): give(data)"


def once(action):
    """Seconds that something takes."""
    since = time.perf_counter()
    action()
    return time.perf_counter() - since


def median(action, times):
    """The median of its seconds, after a first time that is not counted."""
    action()
    return statistics.median(once(action) for _ in range(times))


def pipes():
    """Rows of the first table."""
    with Candidate("for header, body in questions(): say(header)"):
        oracle = Oracle.given()
        yield "a question and its answer in JSON", f"{median(lambda: oracle.ask({'token': 3}), 2000) * 1e6:.0f} us"
        yield "a fresh process, first answer included", f"{median(lambda: fresh().ask({}), 10) * 1e3:.0f} ms"
    tokens, size = numpy.zeros(LOGITS[:2], "i4"), 4 * numpy.prod(LOGITS) / 1e6
    with Candidate(RAW):
        oracle = Oracle.given()
        raw = median(lambda: oracle.exchange({}, b"", 1 << 24), 15)
        yield "raw bytes", f"{size / raw:.0f} MB/s"
        logits = median(lambda: oracle.exchange_array({}, tokens, LOGITS), 15)
        yield "float32 logits, checked to be finite", f"{size / logits:.0f} MB/s"
        nats = median(lambda: surprises(oracle.exchange_array({}, tokens, LOGITS), tokens), 5)
        yield "float32 logits to nats of surprise", f"{size / nats:.0f} MB/s"


def audit(repeats):
    """Rows of the second table: who, how often caught, seconds."""
    for name, source in {**CHEATS, **HONEST}.items():
        caught, since = 0, time.perf_counter()
        for number in range(repeats):
            text = numpy.random.default_rng(number).integers(0, VOCABULARY, 40_000)
            with Candidate(source):
                try:
                    batched(windows(text, 64, 256, number), VOCABULARY, number + 100)
                except Foul:
                    caught += 1
        kind = "cheat" if name in CHEATS else "honest"
        yield f"{kind}: {name}", f"{caught} of {repeats} caught", f"{(time.perf_counter() - since) / repeats:.2f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    for what, number in pipes():
        print(f"{what:45} {number:>12}", flush=True)
    for name, caught, spent in audit(options.repeats):
        print(f"{name:45} {caught:>16} {spent:>8}", flush=True)


if __name__ == "__main__":
    main()
