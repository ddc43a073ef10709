"""What the library for scorers costs, and whom its audits catch; plain Python candidates behind real pipes, without a sandbox.

Pipes: a question and its answer, a line of JSON each; a fresh process; raw float32, logits that are checked and turned into
surprise, and lots, 16 MiB each. Speed: a trial in which the candidate does nothing, by size of the question; tracks/sorting
in one process and in one for each trial. Exact: 26 circles evaluated, as they are and where rounding has to be mended.
Audits: which candidates are called foul: 700 rows for each classifier, 256 windows of 64 tokens for each language model of
tests/language_models.py, with another text, other seats and other cuts each time.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial

import numpy

from bench import ROOT
from bench.kit import Bench, Cell, Row, median, ratio, seconds, share
from language_models import CHEATS, HONEST, VOCABULARY
from overnight.scoring import Foul, Oracle, fresh
from overnight.scoring.chance import KeyedRandom
from overnight.scoring.language import batched, surprises, windows
from overnight.scoring.optimum import evaluate
from overnight.scoring.prediction import ask, audit
from overnight.scoring.speed import Raw, measure, same
from scoring_harness import Candidate

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


def warm(action: Callable[[], object], times: int) -> list[float]:
    """Seconds of an action, after a first time that is not counted."""
    action()
    return seconds(action, times)


def ready(track, name):
    """A module of a ready track."""
    spec = importlib.util.spec_from_file_location(f"{track}_{name}", ROOT / "tracks" / track / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pipes(times: int) -> Iterator[Row]:
    """What goes through a pipe, and how fast."""
    with Candidate("for header, body in questions(): say(header)"):
        oracle = Oracle.given()
        question, process = warm(lambda: oracle.ask({"token": 3}), 200), warm(lambda: fresh().ask({}), times)
        yield median("a question and its answer in JSON", [1e6 * s for s in question], unit="us")
        yield median("a fresh process, first answer included", [1e3 * s for s in process], unit="ms")
    tokens, size = numpy.zeros(LOGITS[:2], "i4"), 4 * numpy.prod(LOGITS) / 1e6
    with Candidate(RAW):
        oracle = Oracle.given()
        raw = warm(lambda: oracle.exchange({}, b"", 1 << 24), times)
        checked = warm(lambda: oracle.exchange_array({}, tokens, LOGITS), times)
        nats = warm(lambda: surprises(oracle.exchange_array({}, tokens, LOGITS), tokens), times)
    lots = warm(lambda: KeyedRandom(b"key").randbytes(1 << 24), times)
    for name, spent in (("raw bytes", raw), ("float32 logits, checked to be finite", checked), ("lots", lots)):
        yield median(name, [size / s for s in spent], unit="MB/s")
    yield ratio("time: logits checked / raw bytes", checked, raw)
    yield ratio("time: logits to nats of surprise / raw bytes", nats, raw)


def speed(times: int) -> Iterator[Row]:
    """Our own end of a trial, and what isolation costs."""
    for size in (10, 1000, 30_000):
        def trials(size: int = size) -> float:
            with Candidate("for header, data in questions(): give(data)"):
                found = measure(lambda lots, size: Raw({}, lots.randbytes(4 * size), 4 * size), lambda question, answer: True,
                                sizes=(size,), trials=50, lots=KeyedRandom(b"key"), warm_up="allowed", isolated=False)
            return found["typical_seconds"] / 50 * 1e6

        yield median(f"a trial of {size} numbers, nothing done", [trials() for _ in range(times)], unit="us")
    one, each = ([sorting(isolated) for _ in range(times)] for isolated in (False, True))
    for place, what in enumerate(("typical_seconds", "in all")):
        yield median(f"sorting in one process: {what}", [spent[place] for spent in one], unit="s")
        yield ratio(f"sorting, a process for each trial / in one: {what}", [s[place] for s in each], [s[place] for s in one])


def sorting(isolated: bool) -> tuple[float, float]:
    """The track's own number for its own candidate, and seconds in all."""
    track, found = ready("sorting", "score"), {}
    source = (ROOT / "tracks" / "sorting" / "sort.py").read_text().partition("\nif __name__")[0]

    def run() -> None:
        with Candidate(source + "\nserve()"):
            found.update(measure(track.case, same(track.in_order), sizes=(300, 3000, 20_000), trials=7,
                                 lots=KeyedRandom(b"key"), warm_up="allowed", isolated=isolated))

    (spent,) = seconds(run)
    return found["typical_seconds"], spent


def exactly(times: int) -> Iterator[Row]:
    """How long exact evaluation takes."""
    sys.path.insert(0, str(ROOT / "tracks" / "packing"))
    circles, packing = ready("packing", "solve").solve(random.Random(1)), ready("packing", "score").PACKING
    for what, grow in (("as they are", 0.0), ("to be mended", 1e-10)):
        answer = [[x, y, r + grow] for x, y, r in circles]
        spent = seconds(partial(evaluate, packing, answer, Fraction(1, 10**9)), times)
        yield median(f"26 circles {what}", [1e3 * s for s in spent], unit="ms")


def leaks(number):
    """Ask one classifier, and ask again."""
    lots = random.Random(number)
    rows = [array("f", [lots.gauss(0, 1) for _ in range(8)]) for _ in range(700)]
    audit(ask(Oracle.given(), rows, 2, lots), rows, fresh(), lots)


def looks(number):
    """Ask one language model, and ask again."""
    text = numpy.random.default_rng(number).integers(0, VOCABULARY, 40_000)
    batched(windows(text, 64, 256, number), VOCABULARY, number + 100)


def called_foul(source: str, judge: Callable[[int], None], number: int) -> bool:
    """Whether a candidate is caught with this text, these seats and these cuts."""
    with Candidate(source):
        try:
            judge(number)
        except Foul:
            return True
    return False


def audits(repeats: int) -> Iterator[Row]:
    """How often each is called foul, and all of a kind together."""
    cases = [(name, CLASSIFIER.format(score=score), leaks) for name, score in CLASSIFIERS.items()]
    cases += [(f"cheat: {name}", source, looks) for name, source in CHEATS.items()]
    cases += [(f"honest: {name}", source, looks) for name, source in HONEST.items()]
    caught = {name: sum(called_foul(source, judge, n) for n in range(repeats)) for name, source, judge in cases}
    for name, number in caught.items():
        yield share(f"{name}, called foul", number, repeats)
    for kind, asked in (("cheat", ">= 0.99"), ("honest", "<= 0.01")):
        numbers = [number for name, number in caught.items() if name.startswith(kind)]
        yield share(f"all of them: {kind}, called foul", sum(numbers), len(numbers) * repeats, asked)


def cells(quick: bool) -> Iterator[Cell]:
    """Four subjects."""
    yield Cell("pipes", partial(pipes, 7 if quick else 15))
    yield Cell("speed", partial(speed, 2 if quick else 7))
    yield Cell("exact", partial(exactly, 2 if quick else 7))
    yield Cell("audits", partial(audits, 1 if quick else 5))


BENCH = Bench("scoring", "The scorers' library: cheats are called foul and honest candidates are not.", cells)
