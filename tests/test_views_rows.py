"""Rows and views that are made when they are read say what the views of a whole history say, in little memory."""

import gc
import tracemalloc

import msgspec
import pytest

from overnight.lab import snapshot
from overnight.lab.events import Opened
from overnight.lab.state import State
from overnight.testing.journals import CONTRACT, LongNight
from overnight.views import rows
from overnight.views.experiment import history
from overnight.views.rows import OnDemand
from overnight.views.timeline import progress, scene
from overnight.views.unseen import seedless, without_seeds
from overnight.web.book import Book
from overnight.web.choosing import choice, chosen, counts
from overnight.web.listing import ASKED

MANY = 2000
MOST_BYTES = 200  # of the row of an experiment that lies packed
ASKING = ({}, {"verdict": "discard"}, {"cause": "worse", "sort": "effect"}, {"q": "raise warmup", "sort": "-evidence"}, {"q": "#12"},
          {"researcher": "ada", "sort": "pairs"}, {"q": "nothing has this"}, {"sort": "by"}, {"sort": "at"}, {"sort": "verdict"})


@pytest.fixture(scope="module")
def state():
    """The state of a long night of which some words harm, as objects."""
    found = State()
    found.apply(Opened(0.0, "long", "0" * 40, CONTRACT, key="00" * 32))
    for _ in LongNight(found, lambda base, message, number: (f"{number:040x}", f"+{message}"), hostile=True).go(MANY):
        pass
    return found


@pytest.fixture
def book(monkeypatch):
    """One that keeps few rows as objects, as if there were very many."""
    monkeypatch.setattr(rows, "MOST_ROWS", 50)
    return Book()


def packed(state):
    return snapshot.decode(snapshot.encode(state), state.keys, dense=True)


def test_what_is_made_on_demand_is_what_the_plain_views_are(state, book):
    plain, found = history(state), book.history(packed(state), 1, full=True)
    assert isinstance(found.experiments, OnDemand) and found == plain
    assert found.experiments[-1] == plain.experiments[-1] and tuple(found.experiments[3:9]) == plain.experiments[3:9]
    public = book.history(packed(state), 1, full=False)
    assert list(public.experiments) == [without_seeds(each) for each in plain.experiments]


def test_rows_say_what_the_views_say(state, book):
    plain, found = history(state).experiments, book.history(packed(state), 1, full=True).experiments
    names, of_a_verdict = [*rows.Row.__struct_fields__, "title"], rows.Mark.__struct_fields__
    assert len(rows.rows(found)) == len(plain) == MANY
    for each, view in zip(rows.rows(found), plain, strict=True):
        assert [getattr(each, name) for name in names if name != "verdict"] == [
            getattr(view, name) for name in names if name != "verdict"]
        assert [getattr(each.verdict, name) for name in of_a_verdict] == [getattr(view.verdict, name) for name in of_a_verdict]


@pytest.mark.parametrize("asked", ASKING, ids=str)
def test_a_list_of_rows_is_the_list_of_the_views(state, book, asked):
    wanted, some = choice(asked), book.history(packed(state), 1, full=True).experiments
    assert [each.id for each in chosen(wanted, some)] == [each.id for each in chosen(wanted, history(state).experiments)]


def test_counts_courses_and_charts_are_those_of_the_views(state, book):
    plain, found = history(state), book.history(packed(state), 1, full=True)
    assert counts(found.experiments, ASKED) == counts(plain.experiments, ASKED)
    assert scene(found) == scene(plain) and rows.team(found.experiments) == plain.team
    for timed in (False, True):
        assert progress(found, 100, 300, timed) == progress(plain, 100, 300, timed)
    assert rows.named(found.experiments, [5, 99_999, 1]) == rows.named(plain.experiments, [1, 5])


def test_a_search_tells_a_reader_nothing_that_is_hidden(state, book):
    dense = packed(state)
    dense.experiments[7].verdict, dense.experiments[7].reason = "discard", "seed 1303819899 came out worse"
    full, public = (book.history(dense, 1, full=each).experiments for each in (True, False))
    assert [each.id for each in chosen(choice({"q": "1303819899"}), full)] == [7]
    assert not len(chosen(choice({"q": "1303819899"}), public)) and seedless("seed 1303819899") in public[6].verdict.reason


def test_a_row_takes_little_memory(state, book):
    dense = packed(state)
    gc.collect()
    tracemalloc.start()
    book.history(dense, 1, full=True)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken / MANY < MOST_BYTES < sum(map(len, map(msgspec.msgpack.encode, history(state).experiments))) / MANY
