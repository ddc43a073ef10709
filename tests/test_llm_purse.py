"""Budgets: no call past a bound, however many are under way; each call on record with what it took."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.contracts import Call, Left
from overnight.errors import Away, EditError, TrackError
from overnight.researchers.llm.model import Answer, Model, Request
from overnight.researchers.llm.purse import Bounds, Purse, Used, total
from overnight.testing.models import Scripted
from overnight.testing.server import Faults, Server


def asking(seed=1, words=20, most=30, **more):
    return Request("author", "propose", seed, "stable " * words, "now", max_tokens=most, **more)


def tried(purse, model, request):
    """What became of a call: its answer, or the error's class."""
    try:
        return purse.ask(model, request)
    except (Away, EditError) as error:
        return error


def night(bounds, answer=lambda messages: "a b c", **more):
    calls = []
    return Purse(bounds, calls.append, **more), Scripted(answer), calls


def test_a_call_is_on_record_with_what_it_took():
    ticks = iter([10.0, 12.5])
    purse, model, calls = night(Bounds(), clock=lambda: next(ticks))
    assert purse.ask(model, asking(seed=9)).text == "a b c"
    assert calls == [Call("author", "scripted:model", "propose", 9, 21, 3, 0, (21 * 1 + 3 * 4) / 1e6, 2.5, "ok")]
    assert purse.used == Used(24, calls[0].dollars) == total(calls)


@pytest.mark.parametrize("bounds", [Bounds(tokens=2_000), Bounds(dollars=0.004)])
def test_a_call_that_does_not_fit_is_never_made(bounds):
    purse, model, calls = night(bounds)
    ends = [tried(purse, model, asking(n)) for n in range(200)]
    assert isinstance(ends[0], Answer) and isinstance(ends[-1], Away) and ends[-1].wait is None
    assert len(calls) == sum(isinstance(end, Answer) for end in ends) < 200
    assert purse.used.within(bounds.tokens, bounds.dollars)
    assert "the night's budget" in str(ends[-1]) and str(ends[-1]).endswith(".")


def test_a_budget_that_holds_no_call_at_all_makes_none():
    purse, model, calls = night(Bounds(tokens=10))
    assert tried(purse, model, asking()).wait is None and not calls and purse.used == Used()


@pytest.mark.parametrize("bounds", [Bounds(tokens_each=300), Bounds(dollars_each=0.0005)])
def test_an_experiment_has_a_budget_of_its_own(bounds):
    purse, model, calls = night(bounds)
    ends = [tried(purse, model, asking(seed=1)) for _ in range(50)]
    assert isinstance(ends[0], Answer) and isinstance(ends[-1], EditError) and "one experiment" in str(ends[-1])
    assert total(calls).within(bounds.tokens_each, bounds.dollars_each)
    assert isinstance(purse.ask(model, asking(seed=2)), Answer), "the next experiment may go on"


def test_a_night_that_is_taken_up_again_goes_on_from_what_was_spent():
    purse, model, calls = night(Bounds(tokens=2_000), used=Used(1_990, 0.0))
    assert tried(purse, model, asking()).wait is None and not calls
    assert purse.left == Left(tokens=10)


def test_without_a_price_dollars_cannot_be_bounded():
    purse, calls = Purse(Bounds(dollars_each=1.0), []), []
    unknown = Scripted(lambda messages: "a", price=None)
    with pytest.raises(TrackError, match="give its price") as error:
        purse.check(unknown)
    assert str(error.value).endswith(".")
    assert tried(purse, unknown, asking()).wait is None and not calls
    Purse(Bounds(tokens=5), calls.append).check(unknown)


def test_a_call_that_may_fit_later_waits_for_those_under_way():
    gate, held = threading.Event(), threading.Event()

    def slow(messages):
        held.set()
        assert gate.wait(timeout=30)
        return "a"

    purse, model, calls = night(Bounds(tokens=120), slow)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(purse.ask, model, asking(1))
        assert held.wait(timeout=30)
        second = threads.submit(purse.ask, model, asking(2))
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        assert not calls
        gate.set()
        assert (first.result().text, second.result().text) == ("a", "a")
    assert [call.outcome for call in calls] == ["ok", "ok"]


@pytest.mark.services
def test_what_a_timeout_may_have_cost_stays_set_aside():
    calls = []
    with Server(lambda messages: "a", Faults(timeouts=1.0)) as server:
        model, purse = Model(f"server:any@{server.url}"), Purse(Bounds(tokens=120), calls.append)
        assert tried(purse, model, asking(timeout=0.3)).outcome == "timeout"
        server.faults = Faults()
        assert tried(purse, model, asking()).wait is None
        assert server.tally.requests == 1
    assert [c.outcome for c in calls] == ["timeout"] and purse.used == Used() and purse.left.tokens < 120


@pytest.mark.services
@pytest.mark.parametrize(("faults", "outcome"), [(Faults(limits=1.0), "limit"), (Faults(outages=1.0), "outage")])
def test_a_refused_call_is_on_record_and_costs_nothing(faults, outcome):
    calls = []
    with Server(lambda messages: "a", faults) as server:
        purse = Purse(Bounds(tokens=120), calls.append)
        assert tried(purse, Model(f"server:any@{server.url}"), asking()).outcome == outcome
    assert [(c.outcome, c.tokens_in, c.dollars) for c in calls] == [(outcome, 0, None)] and purse.left.tokens == 120


def test_an_error_of_ours_leaves_nothing_set_aside():
    def broken(messages):
        raise ZeroDivisionError

    purse, model, calls = night(Bounds(tokens=120), broken)
    with pytest.raises(ZeroDivisionError):
        purse.ask(model, asking())
    assert purse.left.tokens == 120 and [c.outcome for c in calls] == ["outage"]


def test_where_the_server_does_not_count_the_estimate_counts():
    class Silent(Scripted):
        def ask(self, request):
            return Answer("a b c", counted=False)

    calls = []
    purse = Purse(Bounds(), calls.append)
    purse.ask(Silent(None), asking(words=20))
    assert calls[0].tokens_in >= 20 and calls[0].tokens_out >= 3 and calls[0].dollars > 0


def test_a_model_that_counts_more_than_the_estimate_raises_the_estimate():
    class Dense(Scripted):
        def ask(self, request):
            return Answer("a", 10_000, 1, dollars=0.0)

    calls = []
    purse = Purse(Bounds(tokens=15_000), calls.append)
    purse.ask(Dense(None), asking())
    assert isinstance(tried(purse, Dense(None), asking(2)), Away) and len(calls) == 1


# ---- many at once, over sockets --------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("bounds", [Bounds(tokens=6_000), Bounds(dollars=0.012), Bounds(tokens=6_000, dollars=0.01, tokens_each=400)])
def test_four_threads_never_pass_a_bound_together_and_the_totals_are_the_servers(bounds):
    lots = random.Random(3)
    answers = ["word " * lots.randrange(1, 60) for _ in range(40)]
    calls = []
    with Server(answers, Faults(limits=0.1, outages=0.1, malformed=0.1), latency=0.005) as server:
        model = Model(f"server:any@{server.url}", price=(1.0, 4.0))
        purse = Purse(bounds, calls.append)
        with ThreadPoolExecutor(4) as threads:
            ends = list(threads.map(lambda n: tried(purse, model, asking(n, words=10 + n % 50, most=60)), range(300)))
        tally = server.tally
    assert tally.requests == len(calls) < 300 and isinstance(ends[-1], Away)
    assert (tally.answered, tally.limits, tally.outages) == tuple(
        sum(c.outcome == outcome for c in calls) for outcome in ("ok", "limit", "outage"))
    assert (tally.tokens_in, tally.tokens_out, tally.cached) == tuple(
        sum(getattr(c, name) for c in calls) for name in ("tokens_in", "tokens_out", "cached"))
    assert total(calls).dollars == pytest.approx(tally.dollars, abs=1e-12) and purse.used.tokens == total(calls).tokens
    assert total(calls).within(bounds.tokens, bounds.dollars)
    assert total(calls).tokens > 3_000, "most of the bound is used"


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.integers(1, 80), st.integers(0, 90)), max_size=30),
       st.integers(0, 2_000), st.integers(0, 500))
def test_no_series_of_calls_passes_a_bound(series, night_bound, each):
    purse, _, calls = night(Bounds(tokens=night_bound, tokens_each=each))
    for seed, words, most, out in series:
        tried(purse, Scripted(lambda messages, out=out: "w " * out), asking(seed, words, most))
        assert total(calls).tokens <= night_bound
        assert all(total([c for c in calls if c.asked == n]).tokens <= each for n in (1, 2, 3))
