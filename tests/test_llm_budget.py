"""Budgets: no call past a bound, however many are under way; each call on record with what it took."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.contracts import Call
from overnight.errors import Away, EditError, TrackError
from overnight.researchers.llm.budget import BudgetBounds, ModelBudget, Spending, total
from overnight.researchers.llm.model import Model, ModelAnswer, Request
from overnight.testing.models import Scripted
from overnight.testing.server import Faults, Server


def asking(seed=1, words=20, most=30, **more):
    return Request("author", "propose", seed, "stable " * words, "now", max_tokens=most, **more)


def tried(budget, model, request):
    """What became of a call: its answer, or the error's class."""
    try:
        return budget.ask(model, request)
    except (Away, EditError) as error:
        return error


def fits(budget):
    """Whether there is room for one more call."""
    return isinstance(tried(budget, Scripted(lambda messages: "a"), asking(99)), ModelAnswer)


def night(bounds, answer=lambda messages: "a b c", **more):
    calls = []
    return ModelBudget(bounds, calls.append, **more), Scripted(answer), calls


def test_a_call_is_on_record_with_what_it_took():
    ticks = iter([10.0, 12.5])
    budget, model, calls = night(BudgetBounds(), clock=lambda: next(ticks))
    assert budget.ask(model, asking(seed=9)).text == "a b c"
    assert calls == [Call("author", "scripted:model", "propose", 9, 21, 3, 0, (21 * 1 + 3 * 4) / 1e6, 2.5, "ok")]
    assert budget.used == Spending(24, calls[0].dollars) == total(calls)


@pytest.mark.parametrize("bounds", [BudgetBounds(tokens=2_000), BudgetBounds(dollars=0.004)])
def test_a_call_that_does_not_fit_is_never_made(bounds):
    budget, model, calls = night(bounds)
    ends = [tried(budget, model, asking(n)) for n in range(200)]
    assert isinstance(ends[0], ModelAnswer) and isinstance(ends[-1], Away) and ends[-1].wait is None
    assert len(calls) == sum(isinstance(end, ModelAnswer) for end in ends) < 200
    assert budget.used.within(bounds.tokens, bounds.dollars)
    assert "the night's budget" in str(ends[-1]) and str(ends[-1]).endswith(".")


def test_a_budget_that_holds_no_call_at_all_makes_none():
    budget, model, calls = night(BudgetBounds(tokens=10))
    assert tried(budget, model, asking()).wait is None and not calls and budget.used == Spending()


@pytest.mark.parametrize("bounds", [BudgetBounds(tokens_each=300), BudgetBounds(dollars_each=0.0005)])
def test_an_experiment_has_a_budget_of_its_own(bounds):
    budget, model, calls = night(bounds)
    ends = [tried(budget, model, asking(seed=1)) for _ in range(50)]
    assert isinstance(ends[0], ModelAnswer) and isinstance(ends[-1], EditError) and "one experiment" in str(ends[-1])
    assert total(calls).within(bounds.tokens_each, bounds.dollars_each)
    assert isinstance(budget.ask(model, asking(seed=2)), ModelAnswer), "the next experiment may go on"


def test_a_night_that_is_taken_up_again_goes_on_from_what_was_spent():
    budget, model, calls = night(BudgetBounds(tokens=2_000), used=Spending(1_990, 0.0))
    assert tried(budget, model, asking()).wait is None and not calls
    assert budget.used == Spending(1_990, 0.0)


def test_without_a_price_dollars_cannot_be_bounded():
    budget, calls = ModelBudget(BudgetBounds(dollars_each=1.0), []), []
    unknown = Scripted(lambda messages: "a", price=None)
    with pytest.raises(TrackError, match="give its price") as error:
        budget.check(unknown)
    assert str(error.value).endswith(".")
    assert tried(budget, unknown, asking()).wait is None and not calls
    ModelBudget(BudgetBounds(tokens=5), calls.append).check(unknown)


def test_a_call_that_may_fit_later_waits_for_those_under_way():
    gate, held = threading.Event(), threading.Event()

    def slow(messages):
        held.set()
        assert gate.wait(timeout=30)
        return "a"

    budget, model, calls = night(BudgetBounds(tokens=120), slow)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(budget.ask, model, asking(1))
        assert held.wait(timeout=30)
        second = threads.submit(budget.ask, model, asking(2))
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
        model, budget = Model(f"server:any@{server.url}"), ModelBudget(BudgetBounds(tokens=120), calls.append)
        assert tried(budget, model, asking(timeout=0.3)).outcome == "timeout"
        server.faults = Faults()
        assert tried(budget, model, asking()).wait is None
        assert server.tally.requests == 1
    assert [c.outcome for c in calls] == ["timeout"] and 60 < budget.used.tokens <= 120


@pytest.mark.services
@pytest.mark.parametrize(("faults", "outcome"), [(Faults(limits=1.0), "limit"), (Faults(outages=1.0), "outage")])
def test_a_refused_call_is_on_record_and_costs_nothing(faults, outcome):
    calls = []
    with Server(lambda messages: "a", faults) as server:
        budget = ModelBudget(BudgetBounds(tokens=120), calls.append)
        assert tried(budget, Model(f"server:any@{server.url}"), asking()).outcome == outcome
    assert [(c.outcome, c.tokens_in, c.dollars) for c in calls] == [(outcome, 0, None)]
    assert budget.used == Spending() and fits(budget)


def test_an_error_of_ours_leaves_nothing_set_aside():
    def broken(messages):
        raise ZeroDivisionError

    budget, model, calls = night(BudgetBounds(tokens=120), broken)
    with pytest.raises(ZeroDivisionError):
        budget.ask(model, asking())
    assert [c.outcome for c in calls] == ["outage"]
    assert budget.used == Spending() and fits(budget)


def test_where_the_server_does_not_count_the_estimate_counts():
    class Silent(Scripted):
        def ask(self, request):
            return ModelAnswer("a b c", counted=False)

    calls = []
    budget = ModelBudget(BudgetBounds(), calls.append)
    budget.ask(Silent(None), asking(words=20))
    assert calls[0].tokens_in >= 20 and calls[0].tokens_out >= 3 and calls[0].dollars > 0


def test_a_model_that_counts_more_than_the_estimate_raises_the_estimate():
    class Dense(Scripted):
        def ask(self, request):
            return ModelAnswer("a", 10_000, 1, dollars=0.0)

    calls = []
    budget = ModelBudget(BudgetBounds(tokens=15_000), calls.append)
    budget.ask(Dense(None), asking())
    assert isinstance(tried(budget, Dense(None), asking(2)), Away) and len(calls) == 1


# ---- many at once, over sockets --------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("bounds", [BudgetBounds(tokens=6_000), BudgetBounds(dollars=0.012), BudgetBounds(tokens=6_000, dollars=0.01, tokens_each=400)])
def test_four_threads_never_pass_a_bound_together_and_the_totals_are_the_servers(bounds):
    lots = random.Random(3)
    answers = ["word " * lots.randrange(1, 60) for _ in range(40)]
    calls = []
    with Server(answers, Faults(limits=0.1, outages=0.1, malformed=0.1), latency=0.005) as server:
        model = Model(f"server:any@{server.url}", price=(1.0, 4.0))
        budget = ModelBudget(bounds, calls.append)
        with ThreadPoolExecutor(4) as threads:
            ends = list(threads.map(lambda n: tried(budget, model, asking(n, words=10 + n % 50, most=60)), range(300)))
        tally = server.tally
    assert tally.requests == len(calls) < 300 and isinstance(ends[-1], Away)
    assert (tally.answered, tally.limits, tally.outages) == tuple(
        sum(c.outcome == outcome for c in calls) for outcome in ("ok", "limit", "outage"))
    assert (tally.tokens_in, tally.tokens_out, tally.cached) == tuple(
        sum(getattr(c, name) for c in calls) for name in ("tokens_in", "tokens_out", "cached"))
    assert total(calls).dollars == pytest.approx(tally.dollars, abs=1e-12) and budget.used.tokens == total(calls).tokens
    assert total(calls).within(bounds.tokens, bounds.dollars)
    assert total(calls).tokens > 3_000, "most of the bound is used"


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.integers(1, 80), st.integers(0, 90)), max_size=30),
       st.integers(0, 2_000), st.integers(0, 500))
def test_no_series_of_calls_passes_a_bound(series, night_bound, each):
    budget, _, calls = night(BudgetBounds(tokens=night_bound, tokens_each=each))
    for seed, words, most, out in series:
        tried(budget, Scripted(lambda messages, out=out: "w " * out), asking(seed, words, most))
        assert total(calls).tokens <= night_bound
        assert all(total([c for c in calls if c.asked == n]).tokens <= each for n in (1, 2, 3))
