"""Scores of classifiers and regressors whose labels never come near them.

The candidate gets rows of features and nothing else, in an order and in batches that the scorer draws anew; it answers one
line of numbers a row: a score for each class, or a value. What the scores mean is worked out here, in double precision.

    predictions = ask(Oracle.given(), features, outputs=10, lots=rng("first"))
    audit(predictions, features, fresh, lots=rng("second"))
    return classification(predictions, labels)

Features that are rows of floats travel as raw float32: a header {"rows": 256, "columns": 64, "outputs": 10, "bytes": 65536}
and the bytes, answered by rows * outputs float32. Other rows (text, objects) travel as {"rows": [...]} and are answered by
a list of as many lists.

Covered: labels read from memory, the order of rows that betrays labels, answers that depend on other rows or on what was
asked before (with `audit`), scores that are not finite or too few, ties, scores that are no probabilities.
Not covered: labels that the candidate has met elsewhere (in its training data, in its source); rows whose features betray
the label, a number or a file name; a dependence smaller than the audit's tolerance.
"""

from __future__ import annotations

import math
import random
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from overnight.scoring.answer import Broken, Foul
from overnight.scoring.oracle import Oracle, audited

Predictions = list[Sequence[float]]  # a line of numbers for each row, in the rows' order

BATCH = 256  # rows of one question
WITHIN = 60.0  # seconds of one answer
TOLERANCE = 1e-4  # between two answers about one row: absolute, since a candidate chooses the size of its scores


# ---- asking ----------------------------------------------------------------------------------------------------


def ask(oracle: Oracle, rows: Sequence[Any], outputs: int, lots: random.Random, batch: int = BATCH,
        within: float = WITHIN) -> Predictions:
    """So many numbers for each row, each row asked once and in random company. Raises Broken and Foul."""
    order = list(range(len(rows)))
    lots.shuffle(order)
    found: Predictions = [()] * len(rows)
    for start in range(0, len(order), batch):
        picked = order[start:start + batch]
        answers = _answers(oracle, [rows[i] for i in picked], outputs, within)
        for index, line in zip(picked, answers, strict=True):
            found[index] = line
    return found


def audit(predictions: Predictions, rows: Sequence[Any], oracle: Oracle | Callable[[bool], Oracle], lots: random.Random,
          batch: int = BATCH, within: float = WITHIN, tolerance: float = TOLERANCE) -> None:
    """Ask a fresh process about the same rows in another order and company, if this run is to be audited. Raises Foul where an
    answer moves by more than the tolerance, in its own unit or, where answers differ by less than 1, in shares of that: it
    depended on other rows, or on what was asked before. For `oracle` give `fresh` itself, which then starts one only where it
    is needed."""
    if not audited():
        return
    anew = oracle if isinstance(oracle, Oracle) else oracle(True)
    again = ask(anew, rows, len(predictions[0]) if predictions else 1, lots, batch, within)
    tolerance *= min(1.0, _spread(predictions))  # small numbers rank as well as large ones
    for first, second in zip(predictions, again, strict=True):
        for a, b in zip(first, second, strict=True):
            if abs(a - b) > tolerance:
                raise Foul(f"an answer moved by {abs(a - b):.3g} when its row came in other company.")


def _spread(predictions: Predictions) -> float:
    """By how much answers typically differ: those about one row, or where there is one, the middle half of all rows'."""
    widths = sorted(max(row) - min(row) for row in predictions if len(row) > 1)
    if widths:
        return widths[len(widths) // 2]
    single = sorted(row[0] for row in predictions)
    return single[len(single) * 3 // 4] - single[len(single) // 4] if single else 0.0


def _answers(oracle: Oracle, rows: list[Any], outputs: int, within: float) -> list[Sequence[float]]:
    """What the candidate says about these rows."""
    packed = [_packed(row) for row in rows]
    if None in packed:
        return _checked(oracle.ask({"rows": rows, "outputs": outputs}, within, 64 + len(rows) * (outputs * 32 + 4)),
                        len(rows), outputs)
    payload = b"".join(each for each in packed if each is not None)
    header = {"rows": len(rows), "columns": len(payload) // (4 * len(rows)), "outputs": outputs}
    if len(payload) != 4 * len(rows) * int(header["columns"]):
        raise ValueError("the rows do not all have as many features.")
    numbers = array("f", bytes(oracle.exchange(header, payload, 4 * len(rows) * outputs, within)))
    if not all(map(math.isfinite, numbers)):
        raise Broken("a prediction holds a number that is not finite.")
    return [numbers[i:i + outputs] for i in range(0, len(numbers), outputs)]


def _packed(row: Any) -> bytes | None:
    """A row of floats as float32, little-endian as every processor that there is a sandbox for; None for rows of another
    kind."""
    if isinstance(row, str | bytes | dict):
        return None
    try:
        return array("f", row).tobytes()
    except TypeError:  # a list of something else
        return None


def _checked(answer: object, rows: int, outputs: int) -> list[Sequence[float]]:
    """An answer in JSON as so many lines of so many numbers. Raises Broken."""
    if not isinstance(answer, list) or len(answer) != rows:
        raise Broken(f"a prediction is not a list of {rows} lists.")
    for line in answer:
        if not isinstance(line, list) or len(line) != outputs:
            raise Broken(f"a prediction about a row is not a list of {outputs} numbers.")
        if not all(type(x) in (int, float) and abs(x) <= sys.float_info.max for x in line):
            raise Broken("a prediction holds something that is not a finite number.")
    return [[float(x) for x in line] for line in answer]


# ---- what it is worth ------------------------------------------------------------------------------------------


def classification(predictions: Predictions, labels: Sequence[int]) -> dict[str, float]:
    """Accuracy and log loss (nats a row) of scores for each class; for two classes also "auc".

    The probability of a class is the softmax of the scores, so that scores that do not sum to anything gain nothing. A label
    that shares the highest score with others counts as its part of a right answer."""
    right = math.fsum((line[label] == max(line)) / line.count(max(line)) for line, label in _pairs(predictions, labels))
    loss = math.fsum(_loss(line, label) for line, label in _pairs(predictions, labels))
    found = {"accuracy": right / len(labels), "log_loss": loss / len(labels)}
    if len(predictions[0]) == 2 and len(set(labels)) == 2:
        found["auc"] = auc([line[1] - line[0] for line in predictions], labels)
    return found


def regression(predictions: Predictions, targets: Sequence[float]) -> dict[str, float]:
    """Root mean square error and mean absolute error, in the targets' unit, over every output."""
    off = [value - target for line, target in _pairs(predictions, targets) for value in line]
    if any(len(line) != 1 for line in predictions):
        raise ValueError("a regressor gives one number a row: ask for outputs=1.")
    scale = max(map(abs, off)) or 1.0  # squares of large errors stay finite
    return {"rmse": scale * math.sqrt(math.fsum((x / scale) ** 2 for x in off) / len(off)),
            "mae": math.fsum(abs(x) / len(off) for x in off)}


def auc(scores: Sequence[float], labels: Sequence[int]) -> float:
    """The share of pairs, one of label 1 and one of label 0, in which the first has the higher score; a tie is half."""
    if set(labels) != {0, 1}:
        raise ValueError("the area under the curve needs labels 0 and 1, some of each.")
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ones, below, wins, start = sum(labels), 0, 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        here = sum(labels[i] for i in order[start:end])
        wins += here * (below + (end - start - here) / 2)
        below, start = below + end - start - here, end
    return wins / (ones * below)


def _loss(line: Sequence[float], label: int) -> float:
    best = max(line)
    return best - line[label] + math.log(math.fsum(math.exp(score - best) for score in line))


def _pairs(predictions: Predictions, truth: Sequence[Any]) -> Iterator[tuple[Sequence[float], Any]]:
    if not truth:
        raise ValueError("there is nothing to score: no labels.")
    return zip(predictions, truth, strict=True)
