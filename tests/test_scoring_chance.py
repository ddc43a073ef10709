"""The keyed generator: whatever `random` can draw, the same with the same key, and nothing to go by without it."""

import copy
import pickle
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks import foretell
from overnight.scoring import lots, rng
from overnight.scoring.chance import BLOCK, KeyedRandom

SECRET = "5a" * 32


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """What the harness tells a scorer."""
    monkeypatch.setenv("OVERNIGHT_SEED", "7")
    monkeypatch.setenv("OVERNIGHT_SECRET", SECRET)


def foretold(lots):
    """Whether one question of 700 numbers says what the next one is."""
    return foretell.after(lots.randbytes(4 * 700)).randbytes(40) == lots.randbytes(40)


def test_pythons_own_generator_is_foretold_from_one_question():
    assert foretold(random.Random(7))


def test_lots_are_not():
    assert not foretold(lots())


def test_the_older_name_draws_the_same_stream():
    assert rng("first").randbytes(100) == lots("first").randbytes(100)


def test_both_sides_of_a_pair_draw_the_same():
    assert lots().randbytes(100) == lots().randbytes(100)


@pytest.mark.parametrize("other", [SECRET.replace("5", "6", 1), SECRET[::-1]])
def test_another_secret_draws_something_else(monkeypatch, other):
    before = lots().randbytes(100)
    monkeypatch.setenv("OVERNIGHT_SECRET", other)
    assert lots().randbytes(100) != before


def test_another_name_draws_something_else():
    assert len({lots(name).randbytes(16) for name in ("", "first", "second")}) == 3


def test_with_a_secret_the_seed_says_nothing(monkeypatch):
    before = lots().randbytes(100)
    monkeypatch.setenv("OVERNIGHT_SEED", "8")
    assert lots().randbytes(100) == before


def test_by_hand_the_seed_will_do(monkeypatch):
    monkeypatch.delenv("OVERNIGHT_SECRET")
    before = lots().randbytes(100)
    monkeypatch.setenv("OVERNIGHT_SEED", "8")
    assert lots().randbytes(100) != before


@given(st.lists(st.integers(0, 3 * BLOCK), max_size=8))
def test_in_whatever_pieces_it_is_drawn_the_stream_is_one(sizes):
    pieces = KeyedRandom(b"key")
    assert b"".join(map(pieces.randbytes, sizes)) == KeyedRandom(b"key").randbytes(sum(sizes))


@given(st.integers(0, 200))
def test_bits_are_as_many_as_were_asked_for(bits):
    assert 0 <= KeyedRandom(b"key").getrandbits(bits) < 1 << bits


def test_floats_spread_over_all_from_zero_to_below_one():
    drawn = [lots("floats").random()] + [each.random() for each in [lots()] for _ in range(10_000)]
    assert 0 <= min(drawn) < 0.01 and 0.99 < max(drawn) < 1
    assert statistics.mean(drawn) == pytest.approx(0.5, abs=0.02)


def test_everything_that_random_draws_can_be_drawn():
    secret, order = lots(), list(range(50))
    secret.shuffle(order)
    assert sorted(order) == list(range(50)) and order != list(range(50))
    assert secret.choice("a") == "a" and secret.randint(3, 3) == 3 and 0 <= secret.randrange(10) < 10
    assert abs(secret.gauss(0, 1)) < 10 and 1 <= secret.uniform(1, 2) <= 2 and len(secret.sample(order, 5)) == 5


@pytest.mark.parametrize("action", [KeyedRandom.getstate, lambda secret: secret.setstate((3, (), None)), lambda secret: secret.seed(1),
                                    copy.copy, pickle.dumps])
def test_no_state_is_to_be_had_or_set(action):
    with pytest.raises(NotImplementedError, match="a key and no seed"):
        action(lots())
