"""The speed of a program: seconds until right answers, by a clock and on inputs that it has no hand in.

    def case(lots, size):
        return [lots.randrange(1 << 30) for _ in range(size)]

    return measure(case, same(sorted), sizes=(100, 1000, 10_000), trials=20, lots=rng(), warm_up="allowed")

All questions are made before the candidate's first process is. Each trial has a process of its own in a fresh sandbox, so that
nothing is carried from one to the next, sizes come in random order, and what was answered is checked at the end. The clock
is the scorer's and begins when the process is there to be asked; what it still does to get ready is in its first trial, or in a
warm-up that is allowed. Where a process has several questions, each lasts from the end of the one before to the last byte of
its own answer, so that nothing happens in between: what a process puts off, it pays in the next.
The cost of the scorer's own end (writing and reading JSON, two pipes) is in the number, the same for every candidate; it is not
subtracted, since a difference of two noisy times can be driven under zero. Take cases large enough to outweigh it.

Covered: clocks of the candidate's, work after the clock stops and between trials, answers that are promised and not given,
answers kept from earlier trials or runs (no process has two, and no question comes twice), questions foretold from earlier ones
(with `overnight.scoring.rng`), work on inputs before they are sent, telling warm-up from trial (both are drawn alike, and
checked), wrong answers for speed.
Not covered: inputs that are easier than those in use; knowledge of what `make_case` draws from, which is for the track
to make public or not; noise of the machine, which the harness meets by measuring pairs side by side.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from overnight.scoring.answer import Broken
from overnight.scoring.oracle import Oracle, fresh

MOST_ANSWER_BYTES = 64 << 20  # bytes of an answer in JSON
EXACT = 1 << 53  # whole numbers up to here are floats too
WarmUp = Literal["counted", "allowed"]


@dataclass(frozen=True)
class Raw:
    """A question of raw bytes: a header in JSON, a payload, and how many bytes the answer has."""

    header: Mapping[str, object]
    payload: bytes
    expect: int


@dataclass(frozen=True)
class _Trial:
    size: int
    question: Any


@dataclass
class _Laps:
    """What one measurement took, and what is to be checked when no clock runs.

    start    seconds of the first trial, where a process starts and compiles in it and others follow
    counted  size and seconds of every other trial
    warm_up  seconds that were allowed
    """

    start: float = 0.0
    counted: list[tuple[int, float]] = field(default_factory=list)
    warm_up: float = 0.0
    answers: list[tuple[_Trial, Any]] = field(default_factory=list)


def measure(make_case: Callable[[random.Random, int], Any], right: Callable[[Any, Any], bool], *, sizes: Sequence[int],
            trials: int, lots: random.Random, warm_up: WarmUp = "counted", warm_ups: int = 1, warm_up_within: float = 10.0,
            isolated: bool = True, within: float = 10.0, start: Callable[[], Oracle] = fresh,
            clock: Callable[[], float] = time.monotonic) -> dict[str, float]:
    """Seconds that the candidate takes for `trials` questions of each size. Raises Broken and Foul.

    make_case       draws a question of a size from `lots`: a JSON value, or Raw
    right           whether an answer to a question is right; `same` makes one from a reference
    lots            rng(): both sides of a pair get the same questions, and none can be foreseen; random.SystemRandom(): each
                    side gets its own. Not random.Random(seed()), whose next questions can be worked out from the first
    warm_up         "counted": the start of a process, compiling and all else count; "allowed": `warm_ups` questions to each
                    process, drawn like the others and asked first, do not, if they take at most `warm_up_within` seconds
    isolated        a process of its own for each trial; False: one for all, which may learn from one input about the next
    within          seconds for one answer
    start, clock    where processes and times come from

    "seconds" is the sum of all trials. In "typical_seconds" each trial lasts as long as the median of its size, but for one
    in which a process starts and others follow: it does not see a hiccup of the machine, and neither what a candidate does in
    fewer than half of the trials. So keep a guard on "seconds" where the metric is "typical_seconds". "warm_up_seconds" is
    what was allowed and not counted.
    """
    order = [size for size in sizes for _ in range(trials)]
    lots.shuffle(order)
    sessions = [[size] for size in order] if isolated else [order]
    early = warm_ups if warm_up == "allowed" else 0
    plans = [[_Trial(size, make_case(lots, size)) for size in [*lots.choices(sizes, k=early), *session]]
             for session in sessions]
    _all_different(trial for plan in plans for trial in plan)
    laps = _Laps()
    for plan in plans:
        _session(plan, early, laps, within, warm_up_within, start, clock)
    for trial, answer in laps.answers:
        if not right(trial.question, answer):
            raise Broken(f"an answer to a question of size {trial.size} is wrong.")
    return {"seconds": laps.start + sum(lap for _, lap in laps.counted),
            "typical_seconds": laps.start + _typical(laps.counted), "warm_up_seconds": laps.warm_up}


def same(reference: Callable[[Any], Any], tolerance: float = 0.0) -> Callable[[Any, Any], bool]:
    """A check against the scorer's own reference: equal in value and kind; floats may be off by the tolerance, absolute up
    to 1 and relative above."""
    return lambda question, answer: alike(reference(question), answer, tolerance)


def alike(wanted: Any, answer: Any, tolerance: float = 0.0) -> bool:
    """Whether an answer is what was wanted: lists and objects by their parts; true is not 1, and 1.0 is no whole number."""
    if isinstance(wanted, float) and type(answer) is int and abs(answer) <= EXACT:
        answer = float(answer)
    if isinstance(wanted, float) and isinstance(answer, float):
        return abs(wanted - answer) <= tolerance * max(1.0, abs(wanted))
    if isinstance(wanted, list | tuple):
        return (isinstance(answer, list) and len(wanted) == len(answer)
                and all(alike(a, b, tolerance) for a, b in zip(wanted, answer, strict=True)))
    if isinstance(wanted, dict):
        return (isinstance(answer, dict) and wanted.keys() == answer.keys()
                and all(alike(each, answer[name], tolerance) for name, each in wanted.items()))
    if isinstance(wanted, bytes | bytearray):
        return isinstance(answer, bytes | bytearray) and wanted == answer
    return type(wanted) is type(answer) and bool(wanted == answer)


def _session(plan: list[_Trial], early: int, laps: _Laps, within: float, warm_up_within: float,
             start: Callable[[], Oracle], clock: Callable[[], float]) -> None:
    """Ask one process everything that it is to be asked, with no pause in between."""
    oracle = start()
    began = last = clock()
    for number, trial in enumerate(plan):
        question = trial.question
        answer = (oracle.exchange(question.header, question.payload, question.expect, within) if isinstance(question, Raw)
                  else oracle.ask(question, within, MOST_ANSWER_BYTES))
        now = clock()
        laps.answers.append((trial, answer))
        if number == early == 0 and len(plan) > 1:
            laps.start += now - last
        elif number >= early:
            laps.counted.append((trial.size, now - last))
        elif now - began > warm_up_within:
            raise Broken(f"the oracle needed more than {warm_up_within:g} s to warm up.")
        elif number == early - 1:
            laps.warm_up += now - began
        last = now
    oracle.close()


def _all_different(trials: Any) -> None:
    """Raise ValueError where a question comes twice: its answer could be kept."""
    seen: set[bytes] = set()
    for trial in trials:
        q = trial.question
        mark = q.payload if isinstance(q, Raw) else json.dumps(q, allow_nan=False).encode()
        if mark in seen:
            raise ValueError(f"make_case drew the same question of size {trial.size} twice: leave it more choice.")
        seen.add(mark)


def _typical(laps: list[tuple[int, float]]) -> float:
    """The sum of all laps, were each as long as the median of its size."""
    return sum(statistics.median(lap for s, lap in laps if s == size) for size, _ in laps)
