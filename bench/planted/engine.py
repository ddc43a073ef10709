"""The automatic gradients of tracks/microgpt/train.py, several times quicker under PyPy: a product of a matrix and a
vector is one entry of the tape instead of one for each row. Every sum is taken in the order of train.py, so that every
number is the same to the last bit. Runs on Python 3.9, which is what PyPy often is.
"""

from __future__ import annotations

import math
from typing import Any

WIDTH = 8  # rows of this length, the usual one, are written out


class Value:
    """A number that remembers its sources and its slopes, as in train.py."""

    __slots__ = ("data", "grad", "slopes", "sources")
    tape: list[Any] = []

    def __init__(self, data: float, sources: Any = (), slopes: Any = ()) -> None:
        self.data, self.grad, self.sources, self.slopes = data, 0.0, sources, slopes
        if sources:
            Value.tape.append(self)

    def __add__(self, other: Any) -> Value:
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0))
        return Value(self.data + other, (self,), (1.0,))

    def __mul__(self, other: Any) -> Value:
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data))
        return Value(self.data * other, (self,), (other,))

    def __pow__(self, exponent: float) -> Value:
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def __gt__(self, number: float) -> bool:
        return self.data > number

    def teach(self) -> None:
        """Hand the gradient on to the sources."""
        grad = self.grad
        if grad:
            sources, slopes = self.sources, self.slopes
            for i in range(len(sources)):
                sources[i].grad += slopes[i] * grad


class Product:
    """The rows of a matrix times a vector; stands on the tape after the results, which are not there themselves."""

    __slots__ = ("matrix", "results", "x_data", "xs")

    def __init__(self, xs: list[Value], x_data: list[float], matrix: list[list[Value]], results: list[Value]) -> None:
        self.xs, self.x_data, self.matrix, self.results = xs, x_data, matrix, results
        Value.tape.append(self)

    def teach(self) -> None:
        """Hand the gradients of the results on, the last row first."""
        (_teach_wide if len(self.xs) == WIDTH else _teach_any)(self.xs, self.x_data, self.matrix, self.results)


def _teach_any(xs: list[Value], x_data: list[float], matrix: list[list[Value]], results: list[Value]) -> None:
    for number in range(len(matrix) - 1, -1, -1):
        grad = results[number].grad
        if grad:
            row = matrix[number]
            for i in range(len(xs)):
                weight = row[i]
                xs[i].grad += weight.data * grad
                weight.grad += x_data[i] * grad


def _teach_wide(xs: list[Value], x_data: list[float], matrix: list[list[Value]], results: list[Value]) -> None:
    x0, x1, x2, x3, x4, x5, x6, x7 = xs
    d0, d1, d2, d3, d4, d5, d6, d7 = x_data
    g0, g1, g2, g3, g4, g5, g6, g7 = x0.grad, x1.grad, x2.grad, x3.grad, x4.grad, x5.grad, x6.grad, x7.grad
    for number in range(len(matrix) - 1, -1, -1):
        grad = results[number].grad
        if grad:
            w0, w1, w2, w3, w4, w5, w6, w7 = matrix[number]
            g0 += w0.data * grad
            g1 += w1.data * grad
            g2 += w2.data * grad
            g3 += w3.data * grad
            g4 += w4.data * grad
            g5 += w5.data * grad
            g6 += w6.data * grad
            g7 += w7.data * grad
            w0.grad += d0 * grad
            w1.grad += d1 * grad
            w2.grad += d2 * grad
            w3.grad += d3 * grad
            w4.grad += d4 * grad
            w5.grad += d5 * grad
            w6.grad += d6 * grad
            w7.grad += d7 * grad
    x0.grad, x1.grad, x2.grad, x3.grad, x4.grad, x5.grad, x6.grad, x7.grad = g0, g1, g2, g3, g4, g5, g6, g7


def backward(losses: list[Value], share: float) -> None:
    """The chain rule, backwards."""
    for loss in losses:
        loss.grad = share
    tape = Value.tape
    while tape:
        tape.pop().teach()


def dot(xs: list[Any], ys: list[Any]) -> Any:
    """The sum of products as one node."""
    total = 0.0
    if isinstance(xs[0], float):
        for i in range(len(xs)):
            total += xs[i] * ys[i]
        return total
    for i in range(len(xs)):
        total += xs[i].data * ys[i].data
    return Value(total, xs + ys, [y.data for y in ys] + [x.data for x in xs])


def linear(xs: list[Any], matrix: list[list[Any]]) -> list[Any]:
    """A matrix times a vector."""
    if isinstance(xs[0], float):
        return [dot(xs, row) for row in matrix]
    x_data = [x.data for x in xs]
    results = _wide(x_data, matrix) if len(xs) == WIDTH else _any(x_data, matrix)
    Product(xs, x_data, matrix, results)
    return results


def _any(x_data: list[float], matrix: list[list[Value]]) -> list[Value]:
    results = []
    for row in matrix:
        total = 0.0
        for i in range(len(x_data)):
            total += x_data[i] * row[i].data
        results.append(Value(total))
    return results


def _wide(x_data: list[float], matrix: list[list[Value]]) -> list[Value]:
    x0, x1, x2, x3, x4, x5, x6, x7 = x_data
    results = []
    for row in matrix:
        w0, w1, w2, w3, w4, w5, w6, w7 = row
        total = 0.0 + x0 * w0.data + x1 * w1.data + x2 * w2.data + x3 * w3.data + x4 * w4.data + x5 * w5.data
        results.append(Value(total + x6 * w6.data + x7 * w7.data))
    return results


def softmax(xs: list[Any]) -> list[Any]:
    """Scores to probabilities."""
    numbers = [x.data if isinstance(x, Value) else x for x in xs]
    highest = max(numbers)
    powers = [math.exp(number - highest) for number in numbers]
    total = 0.0
    for power in powers:
        total += power
    ps = [power / total for power in powers]
    if isinstance(xs[0], float):
        return ps
    return [Value(p, xs, [p * ((i == j) - q) for j, q in enumerate(ps)]) for i, p in enumerate(ps)]


CORE = {"Value": Value, "backward": backward, "dot": dot, "linear": linear}  # one without the others would not do
MORE = {"softmax": softmax}
