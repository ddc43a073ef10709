"""A state as bytes: whatever happened on a track, what is decoded is what a replay gives, and it goes on in the same way."""

import random

import msgspec
import pytest

from fakes import FakeWorld, Idea, Night, held, team
from golden import nights, reading
from overnight.lab import snapshot
from overnight.lab.events import Started
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.track.spec import Track

FOLLOWS = {"track", "policy", "_known", "keys"}  # in a State, from the record `opened` and what lies beside the journal
FOLLOWS_TOO = {"track", "secret", "baseline_commit", "_kind"}  # in its runs, from that and the calibration
STATES = [pytest.param(name, place, id=f"{name}-{place}") for name in nights.names()
          for place in (0, *nights.stations(nights.load(name)))]


def thawed(state):
    return snapshot.decode(snapshot.encode(state))


def replayed(events):
    state = State()
    for event in events:
        state.apply(event)
    return state


@pytest.mark.parametrize(("name", "place"), STATES)
def test_at_every_station_a_decoded_state_is_the_replayed_one_and_goes_on_as_it_does(name, place):
    events = nights.load(name)
    state = replayed(events[:place])
    found = thawed(state)
    assert held(found) == held(state)
    if state.opened:
        assert [found.known.own_seeds(e) for e in found.open.values()] == [state.known.own_seeds(e) for e in state.open.values()]
        assert (found.known.variance, found.known.kind, found.alpha) == (state.known.variance, state.known.kind, state.alpha)
    for event in events[place:]:
        state.apply(event)
        found.apply(event)
    assert held(found) == held(state)


@pytest.mark.parametrize(("name", "place"), STATES)
def test_a_session_that_begins_on_a_decoded_state_asks_for_the_same(name, place):
    events, team_ = nights.load(name)[:place], nights.TEAMS.get(name, ())
    names = next((e.researchers for e in reversed(events) if isinstance(e, Started)), ())

    def begun(state):
        lab = Lab(state, [reading.Role(each, each) for each in names], 2)
        if team_:
            lab.organise(team_)
        return lab

    def coming(make):
        return reading.jobs(begun(make())), reading.unwritten(begun(make()))

    assert coming(lambda: thawed(replayed(events))) == coming(lambda: replayed(events))


def test_a_night_that_goes_on_from_a_decoded_state_makes_the_same_record():
    def mixed(lots):
        return Idea(lots.choice((2.0, 0.0, -1.0)), 0.9, outcome=lots.choice(("ok",) * 9 + ("crash",)), conflicts=lots.random() < 0.3)

    past = Night(FakeWorld(4, mixed), measure_slots=3).go(experiments=60).events
    for cut in (10, len(past) // 3, len(past) // 2, len(past) - 1):
        plain, other = (Night(FakeWorld(4, mixed), measure_slots=3, past=past[:cut]) for _ in range(2))
        for night in (plain, other):
            night.world = Night(FakeWorld(4, mixed), measure_slots=3).go(experiments=60).world
        other.lab = Lab(thawed(other.lab.state), team("r"), 3)
        plain.go(experiments=8)
        other.go(experiments=8)
        assert plain.events == other.events and plain.jobs == other.jobs and len(plain.jobs) > 20


def test_nothing_that_is_held_is_left_out():
    opened = replayed(nights.load("ordinary")[:1])
    assert isinstance(opened.track, Track)
    assert {*vars(opened)} - FOLLOWS == {*snapshot.Record.__struct_fields__} - {"known"}
    assert {*vars(opened.known)} - FOLLOWS_TOO == {*snapshot.Known.__struct_fields__}


def test_what_stands_twice_is_one():
    state = thawed(replayed(nights.load("ordinary")[:100]))
    assert state.open and all(state.open[number] is state.experiments[number] for number in state.open)


def test_a_decoded_state_is_a_state_of_its_own():
    state = replayed(nights.load("team"))
    before, found = held(thawed(state)), thawed(state)
    for event in nights.load("team")[1:60]:
        found.apply(msgspec.structs.replace(event, at=1e12))
    assert held(state) == before != held(found)


def test_bytes_that_are_no_state_are_refused():
    whole = snapshot.encode(replayed(nights.load("orders")))
    for length in (*range(200), *range(200, len(whole), 97)):
        with pytest.raises(ValueError, match="no state"):
            snapshot.decode(whole[:length])
    for bad in (b"\x90", b"\xc0", b"\x81\x01\x02", b"words", msgspec.msgpack.encode([1] * 26), b"\x80\x04\x95."):
        with pytest.raises(ValueError, match="no state"):
            snapshot.decode(bad)


def test_altered_bytes_are_a_state_or_are_refused_and_nothing_else():
    whole, lots, refused = snapshot.encode(replayed(nights.load("orders"))), random.Random(1), 0
    for _ in range(400):
        place = lots.randrange(len(whole))
        try:
            assert isinstance(snapshot.decode(whole[:place] + bytes([lots.randrange(256)]) + whole[place + 1:]), State)
        except ValueError:
            refused += 1
    assert refused > 20
