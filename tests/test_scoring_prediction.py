"""Classifiers and regressors: what the numbers mean, and candidates that look where they should not."""

import contextlib
import math
import random

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.scoring import Broken, Foul, Oracle, fresh
from overnight.scoring.prediction import ask, auc, audit, classification, regression
from scoring_harness import Candidate

ROWS = [[random.Random(i).gauss(i % 2, 0.5), float(i)] for i in range(200)]
LABELS = [i % 2 for i in range(200)]
START = """\
from array import array
def rows():
    for header, data in questions():
        flat, wide = array("f", data), header["columns"]
        yield [list(flat[i:i + wide]) for i in range(0, len(flat), wide)]
def tell(lines):
    give(array("f", [x for line in lines for x in line]).tobytes())
"""
HONEST = START + "for batch in rows(): tell([[1 - x, x] for x, _ in batch])"


def predictions(source, rows=ROWS, outputs=2, audited=False, seed=5, **options):
    """What a candidate predicts over real pipes, audited or not."""
    with Candidate(source) as candidate:
        found = ask(Oracle.given(), rows, outputs, random.Random(seed), batch=32, **options)
        if audited:
            audit(found, rows, fresh(), random.Random(seed + 1), batch=32)
        assert candidate.starts == 1 + audited
        return found


@pytest.mark.sandbox
@pytest.mark.parametrize(("told", "starts"), [("1", 2), ("0", 1)])
def test_a_run_that_is_not_to_be_audited_starts_no_process_for_it(told, starts, monkeypatch):
    monkeypatch.setenv("OVERNIGHT_AUDIT", told)
    leaky = START + "for batch in rows(): tell([[batch[i - 1][0], batch[i][0]] for i in range(len(batch))])"
    with Candidate(leaky) as candidate:
        found = ask(Oracle.given(), ROWS, 2, random.Random(5), batch=32)
        with pytest.raises(Foul) if starts == 2 else contextlib.nullcontext():
            audit(found, ROWS, fresh, random.Random(6), batch=32)
        assert candidate.starts == starts


# ---- asking ----------------------------------------------------------------------------------------------------


@pytest.mark.sandbox
def test_predictions_come_back_in_the_order_of_the_rows():
    assert [line[1] for line in predictions(HONEST)] == pytest.approx([x for x, _ in ROWS], rel=1e-6)


@pytest.mark.sandbox
def test_an_honest_classifier_passes_the_audit_and_is_scored():
    found = classification(predictions(HONEST, audited=True), LABELS)
    assert found["accuracy"] > 0.7 and found["auc"] > 0.8 and found["log_loss"] < math.log(2)


@pytest.mark.sandbox
@pytest.mark.parametrize("scale", [1e-7, 1e6])
def test_honest_answers_pass_whatever_their_size(scale):
    predictions(START + f"for batch in rows(): tell([[0, {scale} * x] for x, _ in batch])", audited=True)


@pytest.mark.sandbox
def test_rows_of_numpy_arrive_as_they_are():
    rows = numpy.array(ROWS, "float32")
    assert predictions(HONEST, rows) == predictions(HONEST)


@pytest.mark.sandbox
def test_rows_of_text_travel_as_json():
    source = "for q, _ in questions(): say([[len(row)] for row in q['rows']])"
    assert predictions(source, ["a", "bbb", "cc"], 1) == [[1.0], [3.0], [2.0]]


@pytest.mark.sandbox
def test_an_order_that_betrays_the_labels_is_shuffled_away():
    """The rows carry nothing and the labels come sorted: who answers by position is right no more often than by chance."""
    rows, labels = [[0.0]] * 2000, [0] * 1000 + [1] * 1000
    source = START + "n = 0\nfor batch in rows():\n tell([[1, 0] if n + i < 1000 else [0, 1] for i in range(len(batch))])\n" \
                     " n += len(batch)"
    assert abs(classification(predictions(source, rows), labels)["accuracy"] - 0.5) < 0.06


@pytest.mark.sandbox
def test_another_seed_asks_in_another_order():
    source = START + "n = 0\nfor batch in rows():\n tell([[n + i] for i in range(len(batch))])\n n += len(batch)"
    assert predictions(source, outputs=1, seed=1) != predictions(source, outputs=1, seed=2)


def test_the_labels_are_in_no_question():
    told = []

    class Listening:
        def exchange(self, header, payload, expect, within):
            told.append((header, payload))
            return bytearray(expect)

    ask(Listening(), ROWS, 2, random.Random(1), batch=32)
    assert {key for header, _ in told for key in header} == {"rows", "columns", "outputs"}
    assert sum(len(payload) for _, payload in told) == 200 * 2 * 4


@pytest.mark.sandbox
def test_rows_of_different_widths_are_the_tracks_mistake():
    with pytest.raises(ValueError, match="as many features"):
        predictions(HONEST, [[1.0], [1.0, 2.0]])


# ---- candidates that cheat or fail -----------------------------------------------------------------------------

LEAKS = {
    "the batch's mean": "for batch in rows():\n m = sum(x for x, _ in batch) / len(batch)\n"
                        " tell([[1 - x, x - m] for x, _ in batch])",
    "ranks in the batch": "for batch in rows():\n s = sorted(x for x, _ in batch)\n"
                          " tell([[0, s.index(x)] for x, _ in batch])",
    "one row of the batch": "for batch in rows(): tell([[0, batch[0][0]] for x, _ in batch])",
    "a running mean": "m = 0\nfor batch in rows():\n m = 0.9 * m + 0.1 * sum(x for x, _ in batch)\n"
                      " tell([[0, x - m] for x, _ in batch])",
    "how many came before": "n = 0\nfor batch in rows():\n n += len(batch)\n tell([[0, x + n / 100] for x, _ in batch])",
    "the place in the batch": "for batch in rows(): tell([[0, i] for i, _ in enumerate(batch)])",
    "a little beside a large number": "for batch in rows(): tell([[1e6, 1e6 + batch[0][0]] for x, _ in batch])",
    "too small to be seen": "for batch in rows(): tell([[0, 1e-6 * batch[0][0]] for x, _ in batch])",
    "lots": "import random\nfor batch in rows(): tell([[0, random.random()] for _ in batch])",
}


@pytest.mark.sandbox
@pytest.mark.parametrize("leak", LEAKS)
def test_what_depends_on_other_rows_is_foul(leak):
    with pytest.raises(Foul, match="in other company"):
        predictions(START + LEAKS[leak], audited=True)


@pytest.mark.sandbox
@pytest.mark.parametrize("seed", range(5))
def test_a_leak_at_few_rows_is_foul_too(seed):
    """Six rows of 200 get another's answer."""
    source = START + "for batch in rows(): tell([[0, batch[i - 1][0] if n % 32 == 0 else x] for i, (x, n) in enumerate(batch)])"
    with pytest.raises(Foul):
        predictions(source, audited=True, seed=seed)


@pytest.mark.sandbox
def test_rounding_is_no_leak():
    source = START + "import random\nfor batch in rows(): tell([[0, x * (1 + random.uniform(-1e-6, 1e-6))] for x, _ in batch])"
    assert predictions(source, audited=True)


@pytest.mark.sandbox
@pytest.mark.parametrize("nonsense", ["nan", "inf", "-inf"])
def test_a_prediction_that_is_not_finite_is_broken(nonsense):
    with pytest.raises(Broken, match="not finite"):
        predictions(START + f"for batch in rows(): tell([[0, float('{nonsense}')] for _ in batch])")


@pytest.mark.sandbox
def test_too_few_predictions_are_broken():
    with pytest.raises(Broken):
        predictions(START + "for batch in rows(): tell([[0, 1] for _ in batch[1:]])", within=0.5)


@pytest.mark.sandbox
def test_too_many_predictions_are_foul():
    with pytest.raises(Foul):
        predictions(START + "for batch in rows(): tell([[0, 1] for _ in [*batch, 0]])")


JSON_NONSENSE = ["[]", "[[1]]", "[[1], [2], [3, 4]]", "[[1], [2], ['3']]", "[[1], [2], [True]]", "[[1], [2], [None]]", "{}", "1",
                 "[[1], [2], [10**400]]", "[[1], [2], [float('nan')]]"]


@pytest.mark.sandbox
@pytest.mark.parametrize("nonsense", JSON_NONSENSE)
def test_nonsense_in_json_is_broken(nonsense):
    with pytest.raises(Broken):
        predictions(f"for _ in questions(): say({nonsense})", ["a", "b", "c"], 1)


# ---- what it is worth ------------------------------------------------------------------------------------------


def test_scores_that_are_no_probabilities_gain_nothing():
    plain = [[0.1, 0.9, 0.4], [2.0, -1.0, 0.0]]
    moved = [[x + 1000 for x in line] for line in plain]
    assert classification(moved, [1, 0])["log_loss"] == pytest.approx(classification(plain, [1, 0])["log_loss"], abs=1e-12)


def test_log_loss_is_that_of_the_softmax():
    found = classification([[0.0, math.log(3.0)]], [1])
    assert found == {"accuracy": 1.0, "log_loss": pytest.approx(math.log(4 / 3))}


def test_the_largest_scores_overflow_nothing():
    assert math.isfinite(classification([[3e38, -3e38], [-3e38, 3e38]], [1, 1])["log_loss"])


def test_a_score_that_everything_shares_is_right_by_chance():
    assert classification([[5.0] * 4] * 8, [0] * 8)["accuracy"] == 0.25


def test_errors_of_a_regressor():
    assert regression([[1.0], [2.0], [7.0]], [1.0, 2.0, 3.0]) == {"rmse": pytest.approx(4 / math.sqrt(3)),
                                                                 "mae": pytest.approx(4 / 3)}


def test_an_error_as_large_as_floats_can_be_is_a_number():
    found = regression([[1e300], [0.0]], [0.0, 0.0])
    assert found == {"rmse": pytest.approx(1e300 / math.sqrt(2)), "mae": pytest.approx(5e299)}


def test_a_perfect_regressor_has_no_error():
    assert regression([[1.5]], [1.5]) == {"rmse": 0.0, "mae": 0.0}


def test_fewer_predictions_than_labels_are_the_scorers_mistake():
    with pytest.raises(ValueError):
        classification([[0.0, 1.0]], [1, 1])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_order(pairs):
    ones, zeros = ([s for s, label in pairs if label == wanted] for wanted in (1, 0))
    if not ones or not zeros:
        with pytest.raises(ValueError):
            auc([s for s, _ in pairs], [label for _, label in pairs])
        return
    wins = sum((a > b) + (a == b) / 2 for a in ones for b in zeros)
    assert auc([s for s, _ in pairs], [label for _, label in pairs]) == pytest.approx(wins / len(ones) / len(zeros))
