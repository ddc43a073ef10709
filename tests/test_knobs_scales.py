"""Scales: sensible neighbours, written tidily, meaning exactly what is intended."""

import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.errors import TrackError
from overnight.researchers.knobs.scales import Scale, comment, guess, ladder, moves, position, rung, suits, write

FLOATS = st.floats(1e-12, 1e12) | st.floats(0, 1) | st.sampled_from([0.9, 0.95, 0.99, 0.999, 0.0, 1.0])
NAMES = st.sampled_from(["LR", "beta1", "dropout", "N_HEAD", "width", "thing"])
LIKE = st.sampled_from(["0.1", "1e-3", "3E4", "1_000.0", ".5", "1."])


@given(NAMES, FLOATS, LIKE)
def test_floats_are_written_to_mean_what_was_intended(name, value, like):
    scale = guess(name, value, like)
    found = moves(scale, value)
    assert value not in found
    assert len(found) == len(set(found))
    for new in [value, *found]:
        read = ast.literal_eval(write(new, like))
        assert isinstance(read, float)
        assert read == new


@given(NAMES, st.integers(-5, 10**9), st.sampled_from(["12", "1_000", "2**10", "1 << 9", "2 ** 3"]))
def test_integers_stay_integers_and_positive_ones_positive(name, value, like):
    scale = guess(name, value, like)
    for new in moves(scale, value):
        assert isinstance(new, int)
        assert new >= min(value, 1)
        written = write(new, like)
        assert written == str(new) or eval(written) == new


@given(NAMES, FLOATS, FLOATS)
def test_positions_are_finite_and_rise_with_the_value(name, one, other):
    scale = guess(name, one, "")
    low, high = sorted((one, other))
    assert math.isfinite(position(scale, high))
    assert position(scale, low) <= position(scale, high)


@pytest.mark.parametrize(
    ("name", "value", "text", "kind", "near"),
    [
        ("LR", 0.01, "0.01", "log", 0.02),
        ("BETA2", 0.99, "0.99", "near1", 0.995),
        ("BETA1", 0.9, "0.9", "near1", 0.8),
        ("DROPOUT", 0.1, "0.1", "fraction", 0.18),
        ("FINAL", 0.0, "0.0", "fraction", 0.05),
        ("WIDTH", 64, "64", "size", 96),
        ("N_HEAD", 4, "4", "size", 8),
        ("STEPS", 300, "300", "log", 600),
        ("DEPTH", 4, "4", "int", 5),
        ("TIED", True, "True", "choice", False),
    ],
)
def test_names_and_defaults_suggest_a_scale(name, value, text, kind, near):
    scale = guess(name, value, text)
    assert scale.kind == kind
    assert near in moves(scale, value)


def test_what_must_divide_stays_a_power_of_two():
    assert moves(guess("N_HEAD", 4, "4"), 4) == [8, 2, 16, 1]
    assert moves(guess("BATCH", 2**19, "2**19"), 2**19) == [2**20, 2**18, 2**21, 2**17]


def test_the_ladder_of_sizes_has_a_rung_halfway():
    assert [rung(size) for size in (1, 2, 3, 4, 5, 6, 8, 12)] == [0, 2, 3, 4, None, 5, 6, 7]


@pytest.mark.parametrize(
    ("value", "like", "written"),
    [
        (0.006, "3e-3", "6e-3"),
        (2e-05, "1E-5", "2E-5"),
        (5e-05, "0.0001", "0.00005"),
        (20_000, "10_000", "20_000"),
        (1 << 20, "2**19", "2**20"),
        (1 << 10, "1 << 9", "1 << 10"),
        (3 << 18, "2**19", "786432"),
        (2.0, "1.0", "2.0"),
        ("gelu", "'relu'", "'gelu'"),
        ("gelu", '"relu"', '"gelu"'),
        ('a"b', '"relu"', "'a\"b'"),
        (False, "True", "False"),
        (-0.5, "-1.0", "-0.5"),
    ],
)
def test_a_value_is_written_in_the_manner_of_what_stood_there(value, like, written):
    assert write(value, like) == written


def test_comments_set_kind_and_bounds():
    assert comment("log 1e-4..1e-1", "a:1") == Scale("log", 1e-4, 1e-1)
    assert comment("int 1..8", "a:1") == Scale("int", 1.0, 8.0)
    assert comment("choice relu gelu tanh", "a:1") == Scale("choice", choices=("relu", "gelu", "tanh"))
    assert comment("choice 1 2.5", "a:1") == Scale("choice", choices=(1, 2.5))
    assert comment("off", "a:1") is None


def test_moves_keep_within_the_bounds_of_a_comment():
    assert min(moves(Scale("log", 0.009, 0.03), 0.01)) >= 0.009
    assert max(moves(Scale("linear", 0.0, 1.0), 0.9)) == 1.0
    assert set(moves(Scale("int", 1.0, 3.0), 2)) == {1, 3}


@pytest.mark.parametrize(
    "wish", ["", "logarithmic", "log 1..", "log 0..1", "int 8..1", "linear 1..1", "choice one", "log 1.2.3..4"]
)
def test_a_bad_comment_is_one_sentence_with_its_line(wish):
    with pytest.raises(TrackError, match=r"^train\.py:7: `# knob: "):
        comment(wish, "train.py:7")


def test_a_scale_suits_only_values_of_its_sort():
    assert suits(Scale("log"), 0.1)
    assert not suits(Scale("int"), 0.1)
    assert not suits(Scale("log"), "relu")
    assert not suits(Scale("choice", choices=("a", "b")), 3)


@pytest.mark.parametrize(("value", "name"), [(48, "width"), (3, "layers"), (0.02, "lr"), (0.9, "momentum"), (100, "steps")])
def test_finer_moves_are_new_ones_nearer_by(value, name):
    scale = guess(name, value, str(value))
    coarse, *finer = (moves(scale, value, each) for each in range(4))
    for found in finer:
        assert found and value not in found and len(set(found)) == len(found)
        assert min(abs(each - value) for each in found) <= min(abs(each - value) for each in coarse)


@pytest.mark.parametrize(("value", "name"), [(48, "width"), (0.02, "lr"), (0.9, "momentum"), (0.1, "dropout"), (0.0, "shift"), (100, "steps")])
def test_farther_moves_lie_beyond_all_others_and_within_the_bounds(value, name):
    scale = guess(name, value, str(value))
    near = moves(scale, value)
    for far in (1, 2):
        for each in moves(scale, value, farther=far):
            assert each != value and scale.low <= each <= scale.high
            assert not min(near) < each < max(near) or each in (scale.low, scale.high)


def test_a_choice_has_no_finer_or_farther_moves():
    assert moves(Scale("choice", choices=("a", "b")), "a", 1) == moves(Scale("choice", choices=("a", "b")), "a", farther=1) == []


def test_from_zero_a_log_scale_with_bounds_offers_two_values_of_each_decade():
    scale = comment("log 1e-4..1e-1", "here")
    assert ladder(scale, 0.0) == [0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]
    assert sorted(moves(scale, 0.0)) == ladder(scale, 0.0)[1:] and moves(scale, 0.0)[0] in (0.003, 0.001)
    assert ladder(comment("log 2e-3..5e-1", "here"), 0.0) == [0.0, 0.002, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5]
    assert ladder(comment("size 32..512", "here"), 0) == [0, 32, 100, 300, 512]


def test_from_zero_a_log_scale_has_no_finer_or_farther_moves():
    scale = comment("log 1e-4..1e-1", "here")
    assert not moves(scale, 0.0, finer=1) and not moves(scale, 0.0, farther=1) and not moves(Scale("log"), 0.0)
