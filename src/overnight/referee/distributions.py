"""Distributions: Student's t and beta, in pure Python and to about twelve digits. Pure."""

from __future__ import annotations

import functools
import math


def student_cdf(t: float, freedom: float) -> float:
    """P(T <= t) for Student's t, through the regularised incomplete beta function."""
    square = t * t
    if square < freedom:  # near the middle the tail has lost its digits
        return 0.5 + math.copysign(0.5 * incomplete_beta(0.5, freedom / 2, square / (freedom + square)), t)
    tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square))
    return 1.0 - tail if t > 0 else tail


@functools.lru_cache(maxsize=4096)
def student_quantile(p: float, freedom: float) -> float:
    """The t with P(T <= t) = p for 1/2 <= p < 1, by bisection."""
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < p:
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), by Lentz's continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 / max(tiny, 1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for step in (even, odd):
            d = 1.0 / ((1.0 + step * d) or tiny)
            c = (1.0 + step / c) or tiny
            value *= d * c
        if abs(value - before) <= 1e-15 * abs(value):
            break
    return value


@functools.lru_cache(maxsize=4096)
def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if incomplete_beta(a, b, middle) < p else (low, middle)
    return (low + high) / 2
