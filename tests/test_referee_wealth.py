"""The wealth that claims are paid from: what it promises, for any order of claims, in simulated nights, and in the Lab."""

import functools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import CONTRACT, FakeWorld, Idea, Night, team
from overnight.lab.events import Claimed, Judged, Opened, Rebased
from overnight.lab.jobs import Veto
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.referee.wealth import FIRST, HIGHEST, LEAST, LOWEST, MOST, Earned

SHARES = st.sampled_from([0.01, 0.05, 0.2])
RACES = st.floats(0.0, 30.0)
OPENED = st.tuples(st.just("open"), RACES, st.just(0.0))
SETTLED = st.tuples(st.just("settle"), st.floats(0.0, 1.0), st.one_of(st.floats(0.0, 3.0), st.sampled_from([0.0, 1.0, 1e100])))


class Account:
    """The sum of the docstring, kept apart: over all claims (level - refund) / (keeps when it was opened + 1)."""

    def __init__(self, share):
        self.wealth, self.keeps, self.next = Earned(share), 0, 1
        self.claims, self.ended = {}, []

    def open(self, race):
        alpha = self.wealth.level(race)
        self.claims[self.next] = alpha, self.keeps
        self.wealth.open(self.next, alpha)
        self.next += 1
        return alpha

    def settle(self, claim, times, wanted=True):
        """It came to so many times the e-value that suffices; returns whether it was kept."""
        alpha, keeps = self.claims.pop(claim)
        kept = times >= 1 and wanted
        self.ended.append((alpha - min(alpha, max(0.0, times - kept)), keeps))
        self.wealth.settle(claim, times / alpha, kept)
        self.keeps += kept
        return kept

    @property
    def spent(self):
        return math.fsum(left / (keeps + 1) for left, keeps in [*self.claims.values(), *self.ended])


# ---- the account -----------------------------------------------------------------------------------------------


@given(SHARES, st.lists(OPENED | SETTLED, max_size=120), st.booleans())
def test_what_is_spent_never_exceeds_the_share_whatever_happens_in_whatever_order(share, steps, vetoed):
    account = Account(share)
    for what, number, times in steps:
        if what == "open":
            account.open(number)
        elif account.claims:
            account.settle(sorted(account.claims)[int(number * (len(account.claims) - 1))], times, not vetoed)
        assert account.spent <= share + LOWEST * account.next
        assert account.wealth.charged == pytest.approx(account.spent, rel=1e-9, abs=1e-12)
        assert account.wealth.keeps == account.keeps


@given(SHARES, RACES, RACES)
def test_the_more_a_race_promises_the_more_may_be_risked_within_bounds(share, race, more):
    low, high = sorted((race, more))
    assert LOWEST <= Earned(share).level(low) <= Earned(share).level(high) <= MOST * share
    assert Earned(share).level() == pytest.approx(FIRST * share)
    assert Earned(share, keeps=3).level() == pytest.approx(min(HIGHEST, 4 * LEAST * share))


def test_what_was_lost_makes_a_night_more_careful_and_what_was_kept_richer():
    assert Earned(lost=3).level(30.0) < Earned(lost=1).level(30.0) < Earned().level(30.0)
    assert Earned(charged=0.04).level() < Earned().level() < Earned(keeps=2).level()
    assert Earned(0.2, keeps=50).level(30.0) == HIGHEST
    assert Earned(charged=0.05).level(30.0) == LOWEST == Earned(0.01, charged=0.05).level(30.0)


@pytest.mark.parametrize(("times", "kept", "left"), [(0.0, False, 1.0), (0.01, False, 0.5), (1.0, True, 1.0), (1.01, True, 0.5),
                                                     (9.0, True, 0.0), (9.0, False, 0.0)])
def test_a_refund_is_what_the_e_value_overshoots(times, kept, left):
    wealth = Earned()
    wealth.open(7, 0.02)
    assert wealth.charged == 0.02
    wealth.settle(7, times / 0.02, kept)
    assert wealth.charged == pytest.approx(0.02 * left) and not wealth.claims and (wealth.keeps, wealth.lost) == (kept, not kept)


def test_what_was_never_opened_is_no_claim():
    wealth = Earned()
    wealth.settle(3, 1e9, True)
    assert wealth == Earned()


# ---- simulated nights ------------------------------------------------------------------------------------------


def sharpest(lots, alpha):
    """The e-value of a null that errs as often as it may."""
    return 1 / alpha if lots.random() < alpha else 0.0


def smooth(lots, _alpha):
    """One of mean one that overshoots and falls short by all amounts."""
    return 0.5 / math.sqrt(max(1e-12, lots.random()))


def simulated(seed, draw, good=0.0, claims=60, at_once=4):
    """(false keeps, keeps) of a night in which a share of the claims is true; several are open at a time."""
    lots, account, false, true = random.Random(seed), Account(0.05), 0, {}
    for _ in range(claims):
        real = lots.random() < good
        alpha = account.open(lots.choice((0.5, 1.0, 3.0, 6.0)))
        true[account.next - 1] = real, (lots.choice((0.3, 1.0, 50.0)) / alpha if real else draw(lots, alpha)), alpha
        while len(account.claims) >= at_once:
            claim = lots.choice(sorted(account.claims))
            real, found, alpha = true.pop(claim)
            false += account.settle(claim, found * alpha) and not real
    return false, account.keeps


NIGHTS = 1500


@pytest.mark.parametrize("draw", [sharpest, smooth])
def test_where_nothing_is_better_a_night_keeps_anything_as_rarely_as_its_share_says(draw):
    share = sum(simulated(seed, draw)[1] > 0 for seed in range(NIGHTS)) / NIGHTS
    assert share <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / NIGHTS)


def test_the_level_is_used_up_and_not_left_lying():
    """Nulls that err as often as they may show that most of the share is spent in the end."""
    assert sum(simulated(seed, sharpest)[1] > 0 for seed in range(NIGHTS)) / NIGHTS >= 0.02


@pytest.mark.parametrize("draw", [sharpest, smooth])
@pytest.mark.parametrize("good", [0.02, 0.1, 0.3])
def test_among_true_effects_the_share_of_false_keeps_is_what_was_promised(draw, good):
    nights = [simulated(seed, draw, good) for seed in range(NIGHTS // 2)]
    shares = [false / max(1, keeps) for false, keeps in nights]
    mean = math.fsum(shares) / len(shares)
    error = math.sqrt(math.fsum((s - mean) ** 2 for s in shares)) / len(shares)
    assert mean <= 0.05 + 2 * error and sum(keeps for _, keeps in nights) > len(nights) * good * 10


# ---- in the Lab ------------------------------------------------------------------------------------------------


def mixed(lots):
    return Idea(lots.choice((3.0, 0.0, -1.0)), 0.5)


def lucky(lots):
    """Races are won by luck here, for all that an edit does is more noise."""
    return Idea(lots.choice((2.0, 0.0)), 0.0, spread=lots.choice((1.0, 10.0)), conflicts=lots.random() < 0.3)


def night(ideas=mixed, seed=1, **more):
    return Night(FakeWorld(seed, ideas), measure_slots=3, **more).go(experiments=30)


def of(events, kind):
    return [e for e in events if isinstance(e, kind)]


def test_levels_stand_in_the_record_before_the_fresh_pairs_and_decide():
    found = night()
    claims = {e.experiment: e.claim for e in of(found.events, Claimed)}
    kept = [e for e in of(found.events, Judged) if e.verdict == "keep"]
    assert len(kept) > 3 and all(e.alpha == claims[e.experiment].alpha and e.alpha * e.e_value >= 1 for e in kept)
    assert found.lab.state.wealth.keeps == len(kept) and 0 < found.lab.state.wealth.charged <= 0.05


def test_a_replay_has_the_same_wealth():
    found, again = night(lucky), Lab(State(), team("r"))
    for event in found.events:
        again.apply(event)
    assert again.state.wealth == found.lab.state.wealth and found.lab.state.wealth.lost


def test_a_new_beginning_does_not_refill_it():
    found = night(lucky)
    state, spent = found.lab.state, found.lab.state.wealth.charged
    state.wealth.open(99, 0.001)  # one that is open stays charged in full
    charged, level, keeps = state.wealth.charged, state.alpha, state.wealth.keeps
    state.apply(Opened(0.0, "fake", "c0", CONTRACT, "another key"))
    assert spent > 0 and (state.wealth.charged, state.alpha, state.wealth.keeps) == (charged, level, keeps)
    assert state.wealth.claims == {}
    state.apply(Opened(0.0, "fake", "c0", CONTRACT + "[referee]\nfalse_share = 0.01\n", "a third"))
    assert state.alpha < level and state.wealth.charged == charged


def test_a_keep_that_is_taken_back_was_a_keep():
    found = night()
    wealth, kept = (found.lab.state.wealth.keeps, found.lab.state.wealth.charged), found.lab.state.chain()
    found._record(found.lab.hear(Veto("1-a", kept[-1].id), found.now))
    assert found.lab.state.counts["keep"] == len(kept) - 1
    assert (found.lab.state.wealth.keeps, found.lab.state.wealth.charged) == wealth


class Elsewhere:
    """A coordinator's wealth: a level for each claim, and what became of it."""

    def __init__(self):
        self.told, self.open_now = [], {}

    def level(self, race=0.0):
        return 0.2 / (1 + len(self.told))

    def open(self, claim, alpha):
        assert claim not in self.open_now, "it was open"
        assert alpha == self.level()
        self.open_now[claim] = alpha
        self.told.append((claim, alpha))

    def settle(self, claim, e_value, kept):
        if claim in self.open_now:
            alpha = self.open_now.pop(claim)
            assert math.isfinite(e_value) and (not kept or alpha * e_value >= 1)


def test_a_coordinator_s_wealth_gives_the_levels_and_is_told_of_every_end():
    wealth = Elsewhere()
    found = night(lucky, 3, lab=functools.partial(Lab, wealth=wealth))
    claims, ended = of(found.events, Claimed), of(found.events, Judged)
    assert [(e.experiment, e.claim.alpha) for e in claims] == wealth.told and len(claims) > 5
    assert wealth.open_now.keys() == {e.id for e in found.lab.state.open.values() if e.claim}
    twice = [e.experiment for e in of(found.events, Rebased) if sum(c.experiment == e.experiment for c in claims) > 1]
    assert ended and twice  # claims that a rebase withdrew, and that were made anew
