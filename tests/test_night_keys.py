"""The key that seeds are drawn from: a file beside the journal. What was recorded reads without it, and no seed is drawn."""

import msgspec
import pytest

from fakes import FakeWorld, Night
from golden import nights, reading
from overnight.errors import TrackError
from overnight.lab import snapshot
from overnight.lab.events import Opened
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.night import keys
from overnight.views import holdout
from overnight.views.experiment import history

EVERY = 10  # events between two looks


def published(events):
    """The same record as it is written today, and the keys that lie beside it."""
    held = {keys.digest(e.key): e.key for e in events if isinstance(e, Opened)}
    return [msgspec.structs.replace(e, key="", key_hash=keys.digest(e.key)) if isinstance(e, Opened) else e for e in events], held


def known(lab):
    """All that the record shows of a track; what would be drawn next is left out."""
    state = lab.state
    evidence = {n: (state.known.pairs(e), state.known.on_holdout(e), e.confirming, e.priority, e.decided) for n, e in state.open.items()}
    held = state.monitor.read()
    return {**reading._track(lab), **reading._team(lab), "evidence": evidence,
            "experiments": [reading._experiment(lab, number) for number in state.experiments],
            "numbers": (state.calibrated, state.known.kind, state.known.variance, state.alpha, state.noise, state.hits, held),
            "views": (history(state), holdout.holdout(state))}


@pytest.mark.parametrize("name", nights.names())
def test_a_published_journal_reads_the_same_without_its_key(name):
    events, held = published(nights.load(name))
    open_, shut = Lab(State(held)), Lab(State())
    for place, event in enumerate(events):
        open_.apply(event)
        shut.apply(event)
        if place % EVERY == 0 or place == len(events) - 1:
            assert known(shut) == known(open_), f"after {place + 1} events"


@pytest.mark.parametrize("name", nights.names())
def test_a_snapshot_that_the_owner_of_the_key_made_reads_the_same_without_it(name):
    events, held = published(nights.load(name))
    open_, shut = Lab(State(held)), Lab(State())
    for event in events:
        open_.apply(event)
        shut.apply(event)
    body = snapshot.encode(open_.state)
    assert known(Lab(snapshot.decode(body))) == known(shut) == known(open_)
    assert snapshot.decode(body, held).known.calibration == open_.state.known.calibration


def test_a_snapshot_does_not_hold_the_key():
    events, held = published(Night(FakeWorld(1), key="a key of its own").go(experiments=4).events)
    lab = Lab(State(held))
    for event in events:
        lab.apply(event)
    assert b"a key of its own" not in snapshot.encode(lab.state) and lab.state.known.key == "a key of its own"


def test_a_night_with_its_key_beside_the_journal_draws_the_seeds_that_it_always_drew():
    events = Night(FakeWorld(1), key="one key").go(experiments=4).events
    sealed, held = published(events)
    inside, beside = reading.replay(events), Lab(State(held))
    for event in sealed:
        beside.apply(event)
    assert reading.summary(beside)["calibration"] == reading.summary(inside)["calibration"]
    assert beside.state.known.draw("common", 1) == inside.state.known.draw("common", 1)


def test_without_the_key_no_seed_is_drawn():
    sealed, _ = published(Night(FakeWorld(1)).go(experiments=2).events)
    lab = Lab(State())
    for event in sealed:
        lab.apply(event)
    for draw in (lambda: lab.state.known.draw("common"), lambda: lab.state.known.key):
        with pytest.raises(TrackError, match="the key from which this track's seeds are drawn is not here"):
            draw()


def test_the_journal_of_today_holds_no_key():
    body = msgspec.json.encode(Opened(1.0, "t", "c", "", key_hash="ab"))
    assert msgspec.json.decode(body) == {"kind": "opened", "at": 1.0, "track": "t", "commit": "c", "contract": "", "key_hash": "ab"}


def test_a_key_is_a_file_for_its_owner_alone(tmp_path):
    name = keys.make(tmp_path)
    path = keys.place(tmp_path, name)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    key = path.read_text().strip()
    assert keys.digest(key) == name and len(key) == 32 and keys.found(tmp_path) == {name: key}


def test_every_key_is_another_one_and_all_of_them_stay(tmp_path):
    names = {keys.make(tmp_path) for _ in range(3)}
    assert len(names) == 3 and keys.found(tmp_path).keys() == names


def test_a_file_that_holds_another_key_does_not_pass_for_it(tmp_path):
    name = keys.make(tmp_path)
    keys.place(tmp_path, name).write_bytes(b"\xff" * 32)
    assert name not in keys.found(tmp_path)


def test_a_key_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / keys.FOLDER).write_text("in the way")
    with pytest.raises(TrackError, match="the key of the track cannot be written"):
        keys.make(tmp_path)
