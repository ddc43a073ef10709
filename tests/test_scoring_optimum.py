"""Optimisation problems: slack scores nothing, nothing claimed is read, and an interval holds the truth."""

import itertools
import json
import math
import random
import runpy
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conftest import ROOT
from overnight.scoring import Broken, numbers
from overnight.scoring.interval import Interval, sqrt
from overnight.scoring.optimum import Problem, against, choice, evaluate, exact, exacts, permutation
from overnight.testing.scorers import ScorerSuite

# ---- worked example: circles in the unit square, the largest sum of radii -----------------------------------------


def packing(count):
    """So many circles in the unit square."""
    def slacks(circles):
        for i, (x, y, r) in enumerate(circles):
            yield f"radius {i}", r
            yield f"circle {i} in the square", min(x, y, 1 - x, 1 - y) - r
        for (i, a), (j, b) in itertools.combinations(enumerate(circles), 2):
            yield f"circles {i} and {j} apart", (a[0] - b[0])**2 + (a[1] - b[1])**2 - (a[2] + b[2])**2

    return Problem((count, 3), lambda circles: sum(r for _, _, r in circles), slacks, "maximize",
                   inside=lambda circles: tuple((x, y, Fraction(0)) for x, y, _ in circles))


TINY = Fraction(1, 10**9)


class TestPacking(ScorerSuite):
    """The scorer of tracks/packing, of one that is in the square and overlaps nowhere."""

    artifacts = {"circles.json": json.dumps([[0.1 + 0.2 * (n % 5), 0.08 + 0.16 * (n // 5), 0.07] for n in range(26)]).encode()}

    def score(self):
        problem = runpy.run_path(str(ROOT / "tracks" / "packing" / "score.py"))["PACKING"]
        return {"sum_of_radii": evaluate(problem, numbers("circles.json"), TINY).value}


QUARTERS = [[x, y, 0.25] for x in (0.25, 0.75) for y in (0.25, 0.75)]


def grid(radius):
    """26 circles: five rows of five, and a small one in a gap."""
    return [[0.1 + 0.2 * i, 0.1 + 0.2 * j, radius] for i in range(5) for j in range(5)] + [[0.2, 0.2, 0.04]]


def test_a_packing_that_touches_exactly_is_worth_its_sum():
    assert evaluate(packing(4), QUARTERS).value == 1.0


def test_an_overlap_is_no_answer_where_nothing_is_tolerated():
    with pytest.raises(Broken, match="breaks 'circles? 0.*' by 1e-12"):
        evaluate(packing(4), [[0.25, 0.25, 0.25 + 1e-12], *QUARTERS[1:]])


def test_an_overlap_within_the_tolerance_scores_no_more_than_none():
    found = evaluate(packing(4), [[x, y, r + 1e-10] for x, y, r in QUARTERS], TINY)
    assert 1 - 1e-9 < found.value <= 1.0 and found.broken > 0


def test_what_is_scored_breaks_nothing():
    problem = packing(26)
    found = evaluate(problem, grid(0.1 + 1e-11), TINY)
    assert all(slack >= 0 for _, slack in problem.constraints(found.point))


def test_26_circles_are_scored_to_the_last_digit():
    assert evaluate(packing(26), grid(0.0999)).value == pytest.approx(25 * 0.0999 + 0.04, abs=1e-15)


def test_rounding_of_honest_floats_is_mended():
    """0.1 + 0.2 * 4 + 0.1 is not 1 in floats."""
    assert evaluate(packing(26), grid(0.1), TINY).value == pytest.approx(2.54, abs=1e-8)


def test_an_overlap_beyond_the_tolerance_is_no_answer():
    with pytest.raises(Broken, match="apart"):
        evaluate(packing(4), [[0.25, 0.25, 0.2], [0.3, 0.3, 0.2], *QUARTERS[2:]], TINY)


def test_a_centre_outside_cannot_be_mended():
    with pytest.raises(Broken, match="cannot be mended"):
        evaluate(packing(1), [[-1e-10, 0.5, 0.0]], TINY)


def test_a_negative_radius_gains_nothing():
    with pytest.raises(Broken, match="radius 1"):
        evaluate(packing(2), [[0.5, 0.5, 0.5], [0.2, 0.2, -0.1]], TINY)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0, 1e-9))
def test_no_slack_within_the_tolerance_beats_an_answer_without(seed, slack):
    lots = random.Random(seed)
    honest = [[x + lots.uniform(-1e-3, 0), y, r - 2e-3] for x, y, r in QUARTERS]
    grown = [[x, y, r + slack] for x, y, r in QUARTERS]
    assert evaluate(packing(4), honest).value < evaluate(packing(4), grown, 3 * TINY).value <= 1.0


# ---- worked example: points in the unit square, the largest of the smallest triangles ---------------------------


def area(a, b, c):
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2


HEILBRONN = Problem((5, 2), lambda points: min(area(*three) for three in itertools.combinations(points, 3)),
                    lambda points: ((f"point {i}", min(c, 1 - c)) for i, p in enumerate(points) for c in p), "maximize",
                    inside=lambda points: ((Fraction(1, 2), Fraction(1, 2)),) * 5)


def test_the_smallest_triangle_is_exact():
    assert evaluate(HEILBRONN, [[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.25]]).value == 0.125


def test_points_in_a_line_are_worth_nothing():
    assert evaluate(HEILBRONN, [[0, 0], [1, 1], [0.5, 0.5], [1, 0], [0, 0.25]]).value == 0.0


def test_a_corner_that_stands_out_is_pulled_in():
    found = evaluate(HEILBRONN, [[0, 0], [1 + 1e-12, 0], [0, 1], [1, 1 + 1e-12], [0.5, 0.25]], TINY)
    assert found.value < 0.125 and all(0 <= c <= 1 for p in found.point for c in p)


# ---- worked example: a step function with the least autocorrelation ----------------------------------------------


def autocorrelation(heights):
    """The highest point of f * f over the square of its integral, for steps of the same width on [-1/4, 1/4]."""
    n, total = len(heights), sum(heights)
    if not total:
        raise Broken("the function is zero.")
    return max(sum(heights[i] * heights[k - i] for i in range(max(0, k - n + 1), min(n, k + 1)))
               for k in range(2 * n - 1)) * 2 * n / total**2


STEP = Problem((4,), autocorrelation, lambda heights: ((f"height {i}", h) for i, h in enumerate(heights)), "minimize")


def test_a_constant_function_has_autocorrelation_two():
    assert evaluate(STEP, [1, 1, 1, 1]).value == 2.0


def test_its_scale_changes_nothing():
    assert evaluate(STEP, [1e-300, 3e-300, 2e-300, 1e-300]).value == pytest.approx(evaluate(STEP, ["1", "3", "2", "1"]).value)


def test_a_negative_height_is_no_answer():
    with pytest.raises(Broken, match="height 2"):
        evaluate(STEP, [1, 1, -1e-300, 1])


def test_a_function_that_is_zero_is_no_answer():
    with pytest.raises(Broken, match="zero"):
        evaluate(STEP, [0, 0, 0.0, -0.0])


# ---- worked examples: a tour, a knapsack -------------------------------------------------------------------------

CITIES = [(0, 0), (0, 3), (4, 3), (4, 0), (1, 1)]


def length(tour):
    legs = zip(tour, (*tour[1:], tour[0]), strict=True)
    return sum((sqrt((CITIES[a][0] - CITIES[b][0])**2 + (CITIES[a][1] - CITIES[b][1])**2) for a, b in legs), Fraction(0))


def test_a_tour_is_as_long_as_its_legs():
    around = against(length(permutation([0, 1, 2, 3, 4], 5)), "minimize")
    assert 14 - 4 + math.sqrt(10) + math.sqrt(2) <= around < 10 + math.sqrt(10) + math.sqrt(2) + 1e-13


@pytest.mark.parametrize(("tour", "why"), [
    ([0, 1, 2, 3], "a list of 4"), ([0, 1, 2, 3, 4, 0], "a list of 6"), ([0, 1, 2, 3, 3], "3 twice"), ([0, 1, 2, 3, 5], "names 5"),
    ([0, 1, 2, 3, -1], "names -1"), ([0, True, 2, 3, 4], "True"), ([0, 1.0, 2, 3, 4], r"1\.0"), ("01234", "str"), (None, "None"),
    ([0, 1, 2, 3, [4]], r"\[4\]")])
def test_what_is_no_tour(tour, why):
    with pytest.raises(Broken, match=why):
        permutation(tour, 5)


def test_a_knapsack_holds_what_it_can_carry():
    weights, values = [3, 4, 5], [30, 50, 60]
    sack = Problem((3,), lambda taken: sum(v * t for v, t in zip(values, taken, strict=True)),
                   lambda taken: [("weight", 8 - sum(w * t for w, t in zip(weights, taken, strict=True)))], "maximize")
    chosen = choice([0, 2], 3)
    assert evaluate(sack, [int(i in chosen) for i in range(3)]).value == 90
    with pytest.raises(Broken, match="'weight' by 1"):
        evaluate(sack, [0, 1, 1])


@pytest.mark.parametrize("chosen", [[0, 0], [3], [-1], [False], [0, 1, 2, 0], {"0": 1}, "0", [0.0]])
def test_what_is_no_choice(chosen):
    with pytest.raises(Broken):
        choice(chosen, 3)


def test_nothing_may_be_chosen():
    assert choice([], 3) == ()


# ---- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "meant"), [
    (3, Fraction(3)), (0.5, Fraction(1, 2)), (0.1, Fraction(0.1)), ("0.1", Fraction(1, 10)), ("-1.25e-2", Fraction(-1, 80)),
    ("+7", Fraction(7)), ("2.", Fraction(2)), (5e-324, Fraction(1, 2**1074))])
def test_a_number_is_what_was_written(written, meant):
    assert exact(written) == meant


@pytest.mark.parametrize("nonsense", [
    True, None, [], {}, "", "nan", "inf", "1/3", "0x10", "1_000", " 1", "1\n", "\u0661", "1e401", "1e99999", "1e-401", ".5", "--1",
    "1" * 200, 10**100, -10**100, math.nan, math.inf, -math.inf, 1e400])
def test_what_is_no_number(nonsense):
    with pytest.raises(Broken):
        exact(nonsense)


@pytest.mark.parametrize("nonsense", [
    [], [[1, 2]], [[1, 2], [3]], [[1, 2], [3, 4], [5, 6]], [1, 2, 3, 4], [[1, 2], 3], "1234", None, {"0": 1}, [[1, 2], [3, [4]]]])
def test_the_wrong_number_of_numbers(nonsense):
    with pytest.raises(Broken):
        exacts(nonsense, 2, 2)


def test_a_value_too_large_for_a_float_is_broken():
    with pytest.raises(Broken, match="too large"):
        evaluate(Problem((1,), lambda p: p[0] ** 9, lambda p: [], "minimize"), [1e300])


@pytest.mark.parametrize("text", ['{"x": NaN}', "[1e400]", '{"a": 1, "a": 2}', "[" * 10**5])
def test_a_file_of_nonsense_is_broken(text, tmp_path, monkeypatch):
    (tmp_path / "answer.json").write_text(text)
    monkeypatch.setenv("OVERNIGHT_ARTIFACTS", str(tmp_path))
    with pytest.raises(Broken):
        evaluate(packing(4), numbers("answer.json"))


def test_a_claimed_value_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "answer.json").write_text(json.dumps({"value": 99.0, "circles": QUARTERS}))
    monkeypatch.setenv("OVERNIGHT_ARTIFACTS", str(tmp_path))
    assert evaluate(packing(4), numbers("answer.json")["circles"]).value == 1.0


# ---- mistakes of the one who writes the scorer ---------------------------------------------------------------------


def test_a_tolerance_without_a_way_inwards_is_refused():
    with pytest.raises(ValueError, match="inside"):
        evaluate(STEP, [1, 1, 1, 1], TINY)


@pytest.mark.parametrize("value", [1.5, True, "1"])
def test_an_objective_that_was_rounded_is_refused(value):
    with pytest.raises(TypeError):
        against(value, "minimize")


def test_a_slack_that_was_rounded_is_refused():
    with pytest.raises(TypeError):
        evaluate(Problem((1,), lambda p: p[0], lambda p: [("x", float(p[0]))], "minimize"), [1])


def test_an_objective_is_rounded_against_the_candidate():
    third = Fraction(1, 3)
    assert Fraction(against(third, "maximize")) < third < Fraction(against(third, "minimize"))


# ---- intervals -----------------------------------------------------------------------------------------------------

FRACTIONS = st.fractions(-10**6, 10**6, max_denominator=10**9)
TREES = st.recursive(FRACTIONS.map(lambda f: (f, Interval.of(f))), lambda inner: st.builds(
    lambda sign, a, b: (sign(a[0], b[0]), sign(a[1], b[1])),
    st.sampled_from([lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: -a, lambda a, b: abs(b),
                     lambda a, b: a**2, lambda a, b: b**3, lambda a, b: a + 7, lambda a, b: 2 - b,
                     lambda a, b: Fraction(1, 3) * a]), inner, inner), max_leaves=12)


def holds(interval, truth):
    return Fraction(interval.low) <= truth <= Fraction(interval.high)


@given(TREES)
def test_an_interval_holds_the_truth(tree):
    truth, interval = tree
    assert holds(interval, truth)


@given(TREES, TREES)
def test_a_quotient_holds_the_truth(above, below):
    assume(below[1].low > 0 or below[1].high < 0)
    assert holds(above[1] / below[1], above[0] / below[0])


@given(FRACTIONS.filter(lambda f: f >= 0))
def test_a_root_holds_the_truth(value):
    root = sqrt(value)
    assert Fraction(root.low)**2 <= value <= Fraction(root.high)**2


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_the_ends_of_floats_lose_nothing(a, b):
    try:
        product, total = Interval.of(a) * Interval.of(b), Interval.of(a) + Interval.of(b)
    except Broken:
        assume(False)
    assert holds(product, Fraction(a) * Fraction(b)) and holds(total, Fraction(a) + Fraction(b))


@given(st.floats(1e-3, 1e3), st.integers(1, 9))
def test_a_power_is_narrow(value, power):
    found = Interval.of(value)**power
    assert holds(found, Fraction(value)**power) and found.high - found.low <= 1e-14 * found.high


def test_a_number_that_a_float_can_be_is_a_point():
    assert Interval.of(Fraction(3, 4)) == Interval(0.75, 0.75)


@pytest.mark.parametrize("compute", [
    lambda: Interval.of(1) / Interval(-1.0, 1.0), lambda: Interval.of(1) / 0, lambda: sqrt(-1), lambda: Interval.of(10**400),
    lambda: Interval.of(1e300) * Interval.of(1e300), lambda: Interval.of(math.nan), lambda: Interval.of(-1e308) - Interval.of(1e308)])
def test_what_no_interval_can_hold_is_broken(compute):
    with pytest.raises(Broken):
        compute()


@pytest.mark.parametrize("compute", [lambda x: x + 0.1, lambda x: 0.1 * x, lambda x: x / 2.0, lambda x: x**0.5, lambda x: x**0])
def test_a_float_is_not_taken_for_exact(compute):
    with pytest.raises(TypeError):
        compute(Interval.of(1))
