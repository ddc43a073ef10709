"""Guards: arithmetic on pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight import guards
from overnight.track import Guard

CPU = Guard("cpu_seconds", at_most="1.25x")
positive = st.floats(1e-3, 1e6)


def pair(mine, theirs, name="cpu_seconds"):
    return ({name: mine}, {name: theirs})


def share(guard, *pairs, standing=None):
    return guards.strains([guard], pairs, [standing] if standing is not None else guards.begin([guard]))[0].share


def test_the_baseline_stands_at_its_own_share_of_a_relative_bound():
    assert guards.begin([CPU, Guard("accuracy", at_least="0.98x"), Guard("cpu_seconds", at_most="40s")]) == [0.8, 0.98, 0.0]


def test_what_costs_a_quarter_more_is_at_the_bound():
    assert share(CPU, pair(5.0, 4.0)) == pytest.approx(1.0)


@given(positive, positive, positive)
def test_a_machine_that_slows_down_changes_nothing(mine, theirs, slower):
    assert share(CPU, pair(mine * slower, theirs * slower)) == pytest.approx(share(CPU, pair(mine, theirs)))


def test_small_steps_add_up_from_keep_to_keep():
    first = share(CPU, pair(1.2, 1.0))
    assert first < 1 < share(CPU, pair(1.2, 1.0), standing=first)


def test_at_least_turns_the_ratio_round():
    assert share(Guard("accuracy", at_least="0.98x"), pair(0.97, 1.0, "accuracy")) > 1
    assert share(Guard("accuracy", at_least="0.98x"), pair(0.99, 1.0, "accuracy")) < 1


def test_an_absolute_bound_looks_at_the_candidate_alone():
    assert share(Guard("cpu_seconds", at_most="40s"), pair(50.0, 1.0)) == pytest.approx(1.25)


def test_chance_may_pass_a_bound_on_one_pair_but_not_on_many():
    strain = guards.strains([CPU], [pair(1.4, 1.0)], [0.8])[0]
    assert strain.share > 1 and not guards.hopeless(strain, 1) and guards.hopeless(strain, 8)


def test_what_nobody_measured_is_broken():
    assert share(CPU, ({}, {"cpu_seconds": 1.0})) > 1


def test_without_pairs_nothing_is_known():
    assert guards.worst(guards.strains([CPU], [], [0.8])) is None


def test_the_sentence_names_number_and_bound():
    strain = guards.strains([CPU], [pair(2.0, 1.0)], [0.8])[0]
    assert strain.sentence == "breaks the guard on cpu_seconds: 2x of the baseline's where 1.25x is the bound"
