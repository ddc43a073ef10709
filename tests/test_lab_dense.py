"""Records that lie packed are what they would be as objects, and take little memory."""

import gc
import tracemalloc

import msgspec
import pytest

from fakes import held
from overnight.lab import snapshot
from overnight.lab.dense import Dense
from overnight.lab.events import Opened
from overnight.lab.experiment import Experiment, Experiments
from overnight.lab.state import State
from overnight.testing.journals import CONTRACT, LongNight

MANY = 1000
MOST_BYTES = 250  # of a judged experiment that lies packed, with its number


def commit(base, message, number):
    return f"{number:040x}", f"+{message}"


@pytest.fixture(scope="module")
def record():
    """The record of a long night, and its state as objects."""
    state = State()
    opened = Opened(0.0, "long", "0" * 40, CONTRACT, key="00" * 32)
    state.apply(opened)
    return [opened, *LongNight(state, commit).go(MANY)], state


def followed(events):
    state = snapshot.empty({}, dense=True)
    for event in events:
        state.apply(event)
    return state


def told(state):
    """All that a state holds, its experiments as objects."""
    return held(snapshot.decode(snapshot.encode(state)))


def test_a_replay_gives_the_same_whether_experiments_lie_packed_or_not(record):
    events, state = record
    found = followed(events)
    assert isinstance(found.experiments, Experiments) and list(found.experiments) == list(state.experiments)
    assert list(found.experiments.values()) == list(state.experiments.values())
    assert list(reversed(found.experiments.values())) == list(state.experiments.values())[::-1]
    assert told(found) == told(state) and found.chain() == state.chain()


@pytest.mark.parametrize("cut", [0.3, 0.7])
def test_a_state_whose_experiments_stay_packed_goes_on_as_any_other(record, cut):
    events, state = record
    begin = int(cut * len(events))
    halfway = State()
    for event in events[:begin]:
        halfway.apply(event)
    found = snapshot.decode(snapshot.encode(halfway), dense=True)
    for event in events[begin:]:
        found.apply(event)
    found.keys = state.keys
    assert told(found) == told(state)


def test_what_is_changed_in_a_record_that_was_asked_for_is_kept():
    known = Dense(Experiment, lambda each: each.verdict == "open", loose=4)
    for number in range(1, 101):
        known[number] = Experiment(number, 0, "b", f"c{number}", "ada", f"title {number}", verdict="discard")
    known[3].reason, known[70].verdict = "changed", "open"
    assert known[3] is known[3]
    for number in range(101, 201):
        known[number] = Experiment(number, 0, "b", f"c{number}", "ada", f"title {number}", verdict="discard")
    assert known[3].reason == "changed" and known[70].verdict == "open" and len(known) == 200
    assert [each.id for each in known.values() if each.verdict == "open"] == [70]


def test_it_is_as_a_dict_in_the_order_of_the_numbers():
    known, numbers = Dense(Experiment, loose=2), [5, 1, 900, 33, 32, 31, 2]
    for number in numbers:
        known[number] = Experiment(number, 0, "b", "c", "ada", "title")
        known[number] = Experiment(number, 0, "b", "c", "ada", f"title {number}")
    assert list(known) == [each.id for each in known.values()] == sorted(numbers) and len(known) == 7
    assert 33 in known and 34 not in known and "33" not in known and known.get(34) is None
    assert known == {number: Experiment(number, 0, "b", "c", "ada", f"title {number}") for number in numbers}
    with pytest.raises(KeyError):
        known[34]


def grown(make):
    """Bytes that something takes, for each experiment."""
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(kept) == MANY
    return taken / MANY


def test_a_judged_experiment_takes_little_memory(record):
    body = msgspec.msgpack.encode(dict(record[1].experiments))

    def packed():
        found = Experiments()
        found.fill(msgspec.msgpack.decode(body, type=dict[int, msgspec.Raw]))
        return found

    assert grown(packed) < MOST_BYTES < grown(lambda: msgspec.msgpack.decode(body, type=dict[int, Experiment])) / 4
