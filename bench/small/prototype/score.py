"""Bits for each byte of a text that the model has not seen; a second process is asked again, with other bytes in its future.

Besides the metric it says how long it scored: not its own imports, and not what it waited for processes to start.
"""

import math
import statistics

import numpy

from overnight.scoring import Foul, Oracle, fresh, main, numbers, rng

LENGTH, VOCABULARY, ROWS, QUESTIONS, AGAIN = 64, 256, 64, 12, 4  # rows of a question, questions, those that are asked again


def questions():
    """Windows of the private text, a block of rows for each question."""
    with open("validation.txt", "rb") as file:
        text = numpy.frombuffer(file.read(), "u1").astype("int32")
    count = ROWS * QUESTIONS
    return text[:count * (LENGTH + 1)].reshape(QUESTIONS, ROWS, LENGTH + 1)


def answers(oracle, asked):
    """Nats of each byte, and the seconds that it took; a process that has to start answers its first question later."""
    nats, took = [], []
    for block in asked:
        logits = oracle.exchange_array({}, block[:, :-1], (ROWS, LENGTH, VOCABULARY)).astype("float64")
        took.append(oracle.whole)
        logits -= logits.max(axis=2, keepdims=True)
        logs = numpy.log(numpy.exp(logits).sum(axis=2))
        nats.append(logs - numpy.take_along_axis(logits, block[:, 1:, None], 2)[..., 0])
    return numpy.stack(nats), sum(took[1:]) + min(took[0], statistics.median(took[1:]))


def score():
    """The metric, and how long it took to ask; then the clock of the run, as it left it."""
    asked, lots = questions(), numpy.random.default_rng(rng("cuts").getrandbits(64))
    nats, took = answers(Oracle.given(), asked)
    later = numpy.arange(LENGTH + 1) > LENGTH // 2
    other = numpy.where(later, lots.integers(0, VOCABULARY, asked.shape), asked)[:AGAIN]
    again, more = answers(fresh(), other.astype("int32"))
    if abs(again - nats[:AGAIN])[..., :LENGTH // 2].max() > 1e-3:
        raise Foul("the model knows what is to come.")
    clock = numbers("times.json")
    return {"bits": float(nats.mean()) / math.log(2), "scored": took + more,
            **{name: float(clock[name]) for name in ("first", "ready", "learnt")}}


if __name__ == "__main__":
    main(score)
