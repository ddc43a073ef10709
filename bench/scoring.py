"""What the library for scorers costs, and whom its audits catch; plain Python candidates behind real pipes, without a sandbox.

    python bench/scoring.py [--repeats 1]

pipes      microseconds of a question and its answer, a line of JSON each; of a fresh process; megabytes a second of raw
           float32, of logits that are turned into surprise as well, and of lots
speed      microseconds of a trial in which the candidate does nothing, by size of the question; then tracks/sorting in one
           process and in one for each trial
exact      seconds to evaluate 26 circles, as they are and where rounding has to be mended
audits     how many of so many are called foul: 700 rows for each classifier, 256 windows of 64 tokens for each language
           model of tests/language_models.py, with another text, other seats and other cuts each time
"""

import argparse
import importlib.util
import random
import statistics
import sys
import time
from array import array
from fractions import Fraction
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from language_models import CHEATS, HONEST, VOCABULARY
from overnight.scoring import Foul, Oracle, fresh
from overnight.scoring.chance import Lots
from overnight.scoring.language import batched, surprises, windows
from overnight.scoring.optimum import evaluate
from overnight.scoring.prediction import ask, audit
from overnight.scoring.speed import Raw, measure, same
from scoring_harness import Candidate

ROOT = Path(__file__).parent.parent
LOGITS = (16, 128, 2048)  # rows, places, vocabulary: 16 MiB
RAW = "data = bytes(1 << 24)\nfor header, body in questions(): give(data)"
CLASSIFIER = """\
from array import array
for number, (header, data) in enumerate(questions()):
    flat, wide = array("f", data), header["columns"]
    batch = [list(flat[i:i + wide]) for i in range(0, len(flat), wide)]
    give(array("f", [x for row in batch for x in (0, {score})]).tobytes())
"""
CLASSIFIERS = {"honest: classifier": "sum(row)", "cheat: the batch's mean": "sum(row) - sum(map(sum, batch)) / len(batch) / 50",
               "cheat: leak at 1 % of the rows": "sum(batch[0] if row[0] > 2.33 else row)",
               "cheat: counts what was asked": "sum(row) + number / 10"}


def once(action):
    """Seconds that something takes."""
    since = time.perf_counter()
    action()
    return time.perf_counter() - since


def median(action, times):
    """The median of its seconds, after a first time that is not counted."""
    action()
    return statistics.median(once(action) for _ in range(times))


def ready(track, name):
    """A module of a ready track."""
    spec = importlib.util.spec_from_file_location(f"{track}_{name}", ROOT / "tracks" / track / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pipes():
    """Rows: what goes through a pipe, and how fast."""
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
    yield "lots", f"{size / median(lambda: Lots(b'key').randbytes(1 << 24), 5):.0f} MB/s"


def speed():
    """Rows: our own end of a trial, and what isolation costs."""
    for size in (10, 1000, 30_000):
        with Candidate("for header, data in questions(): give(data)"):
            found = measure(lambda lots, size: Raw({}, lots.randbytes(4 * size), 4 * size), lambda question, answer: True,
                            sizes=(size,), trials=50, lots=Lots(b"key"), warm_up="allowed", isolated=False)
        yield f"a trial of {size} numbers, nothing done", f"{found['typical_seconds'] / 50 * 1e6:.0f} us"
    sorting = ready("sorting", "score")
    source = (ROOT / "tracks" / "sorting" / "sort.py").read_text().partition("\nif __name__")[0]
    for what, isolated in (("in one process", False), ("in a process for each trial", True)):
        since = time.perf_counter()
        with Candidate(source + "\nserve()"):
            found = measure(sorting.case, same(sorting.in_order), sizes=(300, 3000, 20_000), trials=7, lots=Lots(b"key"),
                            warm_up="allowed", isolated=isolated)
        yield f"sorting {what}: typical_seconds", f"{found['typical_seconds']:.3f} s"
        yield f"sorting {what}: in all", f"{time.perf_counter() - since:.2f} s"


def exact():
    """Rows: how long exact evaluation takes."""
    sys.path.insert(0, str(ROOT / "tracks" / "packing"))
    circles, packing = ready("packing", "solve").solve(random.Random(1)), ready("packing", "score").PACKING
    for what, grow in (("as they are", 0.0), ("to be mended", 1e-10)):
        answer = [[x, y, r + grow] for x, y, r in circles]
        yield f"26 circles {what}", f"{once(lambda answer=answer: evaluate(packing, answer, Fraction(1, 10**9))):.3f} s"


def leaks(number):
    """Ask one classifier, and ask again."""
    lots = random.Random(number)
    rows = [array("f", [lots.gauss(0, 1) for _ in range(8)]) for _ in range(700)]
    audit(ask(Oracle.given(), rows, 2, lots), rows, fresh(), lots)


def looks(number):
    """Ask one language model, and ask again."""
    text = numpy.random.default_rng(number).integers(0, VOCABULARY, 40_000)
    batched(windows(text, 64, 256, number), VOCABULARY, number + 100)


def audits(repeats):
    """Rows: who, how often called foul, seconds."""
    cases = [(name, CLASSIFIER.format(score=score), leaks) for name, score in CLASSIFIERS.items()]
    cases += [(f"cheat: {name}", source, looks) for name, source in CHEATS.items()]
    cases += [(f"honest: {name}", source, looks) for name, source in HONEST.items()]
    for name, source, judge in cases:
        caught, since = 0, time.perf_counter()
        for number in range(repeats):
            with Candidate(source):
                try:
                    judge(number)
                except Foul:
                    caught += 1
        yield name, f"{caught} of {repeats} caught, {(time.perf_counter() - since) / repeats:.2f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    for rows in (pipes(), speed(), exact(), audits(options.repeats)):
        for what, number in rows:
            print(f"{what:60} {number:>24}", flush=True)


if __name__ == "__main__":
    main()
