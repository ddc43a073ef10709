"""Who is asked next: fixed shares exactly, the rest where verified gain per cost has been, and nobody starves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import shares as bench
from overnight.lab import allocation
from overnight.lab.allocation import EVEN, Record, ended, next_role, split, verified

COUNTS, AMOUNTS = st.floats(0, 1e5), st.floats(0, 1e9)
RECORDS = st.builds(Record, COUNTS, COUNTS, AMOUNTS, AMOUNTS)
TEAMS = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.none() | st.floats(0.01, 0.19), st.none() | RECORDS), min_size=1)


def told(*attempts):
    """The records after attempts (name, cost, gain)."""
    found = {}
    for attempt in attempts:
        found = ended(found, *attempt)
    return found


def turns(records, fixed, count, seed=0):
    """How often each is asked in so many turns."""
    asked = [next_role(records, fixed, turn, seed) for turn in range(count)]
    return {name: asked.count(name) for name in fixed}


# ---- the split -------------------------------------------------------------------------------------------------


def test_with_nothing_known_all_are_equal():
    assert split({}, {"a": None, "b": None, "c": None}) == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})


def test_fixed_shares_are_kept_and_the_rest_is_earned():
    found = split(told(*[("a", 1.0, 1.0)] * 20, *[("b", 1.0, None)] * 20), {"a": None, "b": None, "c": 0.5})
    assert found["c"] == 0.5
    assert found["a"] + found["b"] == pytest.approx(0.5)
    assert found["a"] > 0.4


def test_fixed_shares_alone_are_shares_of_the_whole():
    assert split({}, {"a": 0.2, "b": 0.6}) == pytest.approx({"a": 0.25, "b": 0.75})


def test_who_is_alone_gets_all():
    assert split(told(("a", 1.0, None)), {"a": None}) == {"a": 1.0}
    assert split({}, {"a": 0.1}) == {"a": 1.0}


def test_nobody_at_all():
    assert split({}, {}) == {} and next_role({}, {}, 0) == ""


@given(TEAMS)
def test_shares_sum_to_one_and_leave_a_part_for_everyone(team):
    records = {name: record for name, (_, record) in team.items() if record is not None}
    fixed = {name: share for name, (share, _) in team.items()}
    found = split(records, fixed)
    earning = [name for name, share in fixed.items() if share is None]
    rest = 1 - sum(share for share in fixed.values() if share is not None)
    assert list(found) == sorted(fixed) and sum(found.values()) == pytest.approx(1)
    assert all(found[name] >= rest * EVEN / len(earning) - 1e-9 for name in earning)
    assert not earning or all(found[n] == pytest.approx(s) for n, s in fixed.items() if s is not None)


@given(TEAMS, st.floats(0.001, 1000), st.floats(0.001, 1000))
def test_units_of_gain_and_cost_do_not_matter(team, gain, cost):
    records = {name: r for name, (_, r) in team.items() if r is not None and min(r.gain, r.cost, r.tried, r.kept) > 1e-3}
    other = {name: Record(r.tried, r.kept, r.gain * gain, r.cost * cost) for name, r in records.items()}
    fixed = dict.fromkeys(team)
    assert split(other, fixed) == pytest.approx(split(records, fixed), abs=1e-6)


def test_a_role_that_costs_less_for_the_same_is_asked_more():
    found = split(told(*[("a", 1.0, None), ("b", 4.0, None)] * 30, *[("a", 1.0, 1.0), ("b", 4.0, 1.0)] * 5), {"a": None, "b": None})
    assert found["a"] > 0.8


# ---- luck ------------------------------------------------------------------------------------------------------


def test_one_early_keep_changes_little():
    found = split(told(("a", 1.0, 1.0), *[("b", 1.0, None), ("a", 1.0, None)] * 5), {"a": None, "b": None})
    assert 0.5 < found["a"] < 0.75


def test_one_enormous_keep_counts_as_a_few():
    common = [(name, 1.0, gain) for _ in range(4) for name in "ab" for gain in (1.0, None, None, None)]
    modest = split(told(*common, ("a", 1.0, 3.0)), {"a": None, "b": None})
    assert split(told(*common, ("a", 1.0, 1e6)), {"a": None, "b": None})["a"] == pytest.approx(modest["a"], abs=0.01)


def test_what_is_uncertain_is_credited_with_less():
    assert verified(1.0, (0.9, 1.1)) == pytest.approx(1.0, abs=0.01)
    assert verified(1.0, (0.0, 2.0)) == 0.75
    assert verified(1.0, (-2.0, 4.0)) == 0.0
    assert verified(1.0, None) == 1.0
    assert verified(-1.0, (-2.0, 0.0)) == verified(0.0, None) == 0.0


def test_old_evidence_fades_with_the_attempts_of_anybody():
    early = told(*[("a", 1.0, 1.0)] * 10, *[("b", 1.0, None)] * 10)
    late = told(*[("a", 1.0, 1.0)] * 10, *[("b", 1.0, None)] * 10, *[("c", 1.0, None)] * 600)
    fixed = {"a": None, "b": None}
    assert split(early, fixed)["a"] > 0.85 > 0.7 > split(late, fixed)["a"] > 0.5


def test_a_newcomer_counts_as_an_average_member():
    records = told(*[("good", 1.0, 1.0), ("good", 1.0, None), ("poor", 1.0, None), ("poor", 1.0, None)] * 15)
    found = split(records, {"good": None, "poor": None, "new": None})
    assert found["good"] > found["new"] > 2 * found["poor"]


# ---- turns -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.lists(st.floats(0.05, 1.0), min_size=1, max_size=6))
def test_turns_are_spread_evenly(seed, sizes):
    fixed = {str(i): size / sum(sizes) for i, size in enumerate(sizes)}
    for count in (10, 50, 200):
        assert all(abs(n - fixed[name] * count) <= 3 for name, n in turns({}, fixed, count, seed).items())


def test_the_same_turn_asks_the_same_role():
    records, fixed = told(("a", 1.0, 1.0)), {"b": None, "a": None, "c": 0.2}
    assert [next_role(records, fixed, t, 7) for t in range(50)] == [next_role(records, dict(reversed(fixed.items())), t, 7)
                                                                   for t in range(50)]


def test_the_others_go_on_while_one_is_away():
    found = turns({}, {"a": 0.5, "b": None, "c": None}, 100)
    without = turns({}, {"b": None, "c": None}, 100)
    assert abs(found["a"] - 50) <= 3 and abs(without["b"] - 50) <= 3


# ---- nights ----------------------------------------------------------------------------------------------------


def nights(name, attempts, count=24, lucky=False):
    """Mean gain over that of equal shares, and the first role's shares of the attempts, in simulated nights."""
    team = bench.TEAMS[name]
    mine = [bench.night(team, bench.ours, attempts, seed, lucky) for seed in range(count)]
    even = [bench.night(team, bench.equal, attempts, seed, lucky) for seed in range(count)]
    return sum(gain for gain, _ in mine) / sum(gain for gain, _ in even), sorted(share for _, share in mine)


def test_the_better_of_two_is_asked_more_and_the_night_gains():
    gain, asked = nights("keeps four times as often", 200)
    assert gain > 1.05 and sum(asked) / len(asked) > 0.6


def test_equal_roles_stay_about_equal_also_after_a_lucky_keep():
    _, asked = nights("equal, keeps are rare", 200)
    assert 0.44 < sum(asked) / len(asked) < 0.56 and asked[2] > 0.25 and asked[-3] < 0.75
    _, asked = nights("equal, keeps are rare", 200, lucky=True)
    assert sum(asked) / len(asked) < 0.65


def test_a_role_that_dries_up_does_not_keep_its_share():
    gain, _ = nights("good, dries up half-way", 400)
    assert gain > 1.0


def test_the_constants_leave_room_for_everyone():
    assert 0 < allocation.EVEN < 1 and allocation.PRIOR >= 1
