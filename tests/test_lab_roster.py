"""Who is asked while models think: benches are kept busy, thinkers are not kept waiting, shares are kept."""

import statistics

import pytest

from fakes import FakeWorld, Night, referee_world
from overnight.lab.events import Measured, Proposed
from overnight.track.roles import Role

THINKERS = 4


def night(roles, measure_slots, think, until=500.0, seed=1):
    """The busy shares of benches and thinkers, bench seconds of an attempt, and the share of the attempts of the `llm`."""
    done = Night(FakeWorld(seed, referee_world), measure_slots=measure_slots, roles=roles, think_slots=THINKERS, think=think).go(until=until)
    busy = sum(e.busy for e in done.events if isinstance(e, Measured))
    asked = [e for e in done.events if isinstance(e, Proposed)]
    mine = [e.thinking for e in asked if e.researcher == "llm"]
    return busy / (done.now * measure_slots), sum(mine) / (done.now * THINKERS), busy / len(asked), len(mine) / len(asked)


@pytest.mark.parametrize("measure_slots", [1, 2])
@pytest.mark.parametrize("think", [2.0, 20.0])
def test_benches_are_as_busy_as_thinkers_that_never_rest_can_keep_them(measure_slots, think):
    busy, _, each, _ = night([Role("llm", "llm")], measure_slots, think)
    assert busy == pytest.approx(min(1.0, THINKERS * each / (think * measure_slots)), abs=0.05)


@pytest.mark.parametrize("measure_slots", [1, 2])
def test_beside_one_who_needs_no_time_benches_are_always_busy_and_thinkers_seldom_rest(measure_slots):
    roles = [Role("knobs", "knobs"), Role("llm", "llm")]
    busy, thinking, _, share = map(statistics.fmean, zip(*(night(roles, measure_slots, 20.0, seed=n) for n in range(1, 9)), strict=True))
    assert busy > 0.95 and thinking > 0.75 and share > 0.05


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_one_who_thinks_has_its_fixed_share_where_it_can_keep_up(share):
    roles = [Role("knobs", "knobs", share=1 - share), Role("llm", "llm", share=share)]
    assert night(roles, 2, 0.5)[3] == pytest.approx(share, abs=0.1)


def test_one_who_thinks_slowly_has_what_it_can_make_and_the_other_fills_the_rest():
    roles = [Role("knobs", "knobs", share=0.2), Role("llm", "llm", share=0.8)]
    busy, thinking, _, share = night(roles, 2, 20.0)
    assert busy > 0.95 and thinking > 0.95 and share < 0.3
