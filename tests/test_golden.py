"""Nights of format 1 replay to the state that they always replayed to: tests/golden/ has them, generate.py made them."""

import shutil

import msgspec
import pytest

from golden import nights, reading
from overnight.journal import open as open_journal
from overnight.lab.events import Claimed, Event, Judged, Probed, Rebased
from overnight.lab.state import State

HEAD = (221, "3459a0d5f3811672faf7df5bbca815b5fa3b9043ac45f5e7e725889b0de7224a")  # number and hash of the last record of the file


@pytest.fixture
def journal(tmp_path):
    """The file of format 1, where it may be written to."""
    shutil.copy(nights.HERE / nights.FILE, tmp_path)
    opened = open_journal(tmp_path / nights.FILE)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", nights.names())
def test_a_night_replays_to_its_recorded_state_at_every_station(name):
    recorded = nights.recorded(name)
    told = dict(nights.states(name, nights.load(name)))
    assert told.keys() == recorded.keys()
    for place, state in told.items():
        assert nights.differences(nights.flat(state), recorded[place]) == [], f"after {place} events"


def test_the_file_of_format_1_holds_its_night_and_the_chain_of_hashes_that_it_had(journal):
    assert list(journal.replay()) == nights.load(nights.FILED)
    assert journal.head == HEAD


def test_the_file_of_format_1_replays_to_the_recorded_state_and_is_written_on(journal, tmp_path):
    record = list(journal.replay())
    *_, (place, state) = nights.states(nights.FILED, record)
    assert nights.differences(nights.flat(state), nights.recorded(nights.FILED)[place]) == []
    journal.extend(record[-1:])
    journal.close()
    again = open_journal(tmp_path / nights.FILE)
    assert list(again.replay()) == [*record, record[-1]]
    again.close()


@pytest.mark.parametrize("name", nights.names())
def test_events_are_written_as_they_were(name):
    lines = (nights.HERE / f"{name}.jsonl").read_bytes().splitlines()
    written = [msgspec.json.decode(msgspec.json.encode(event)) for event in nights.load(name)]
    assert written == [msgspec.json.decode(line) for line in lines]  # names and values: their order says nothing


def test_the_nights_hold_every_kind_of_event():
    found = {type(event) for name in nights.names() for event in nights.load(name)}
    assert found == set(Event.__args__)


def test_a_difference_is_said_with_where_it_is():
    events = nights.load("exact")
    lab = reading.replay(events)
    lab.state.experiments[1].reason = "another"
    mine, theirs = (nights.flat(nights.plain(reading.summary(each))) for each in (lab, reading.replay(events)))
    assert [line.partition(":")[0] for line in nights.differences(mine, theirs)] == ["/experiments/1/reason"]


def test_a_night_has_claims_that_are_kept_given_up_and_withdrawn():
    made, ends = set(), set()
    for event in nights.load("claimed"):
        if isinstance(event, Claimed):
            assert event.experiment not in made
            made.add(event.experiment)
        elif isinstance(event, Judged | Rebased) and event.experiment in made:
            made.remove(event.experiment)
            ends.add(event.verdict if isinstance(event, Judged) else "withdrawn")
    assert ends == {"keep", "discard", "withdrawn"} and not made


def test_points_of_a_campaign_are_known_by_their_runs_and_change_nothing_else():
    state, before = State(), None
    for event in nights.load("explored"):
        before = before or (state.counts.copy(), state.commit, len(state.experiments)) if isinstance(event, Probed) else before
        state.apply(event)
    assert {n: p.runs for n, p in state.probes.made.items()} == {1: {7: {"y": 1.0}, 8: {"y": 2.0}}, 2: {9: {}}, 3: {}}
    assert (state.counts, state.commit, len(state.experiments)) == before and state.probes.next == 4
