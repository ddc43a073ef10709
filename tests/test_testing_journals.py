"""Records of long tracks that are made up: they replay, hold whatever happens on a track, and the referee judged them."""

import subprocess
import sys
from collections import Counter

import pytest

from bench import long
from conftest import ROOT
from overnight.audit.arithmetic import Audit
from overnight.lab.events import Judged, Opened
from overnight.lab.state import State
from overnight.night.session import Session
from overnight.report.audit import FILE
from overnight.testing.journals import CONTRACT, DUSK, HOSTILE, LongNight
from overnight.views.experiment import history

OPENED = Opened(DUSK, "long", "c0", CONTRACT, "key")


def told(experiments, **more):
    """The state after so many experiments, and their events."""
    state = State()
    state.apply(OPENED)
    return state, list(LongNight(state, **more).go(experiments))


@pytest.fixture(scope="module")
def night():
    return told(1500)


def test_a_replay_knows_what_the_record_was_made_with(night):
    state, events = night
    again = State()
    for event in (OPENED, *events):
        again.apply(event)
    assert again.counts == state.counts and again.commit == state.commit and len(again.experiments) == 1500
    assert [each.effect for each in again.chain()] == [each.effect for each in state.chain()]


def test_everything_happens_on_it(night):
    state, events = night
    kinds, verdicts = Counter(type(event).__name__ for event in events), {e.verdict for e in events if isinstance(e, Judged)}
    assert verdicts == {"keep", "discard", "crash", "foul"} and state.calibrated
    assert {"Claimed", "Rebased", "Stacked", "Probed", "Noted", "Passed", "Called"} <= kinds.keys()
    reasons = " ".join(e.reason for e in events if isinstance(e, Judged))
    for cause in ("no sign of an improvement", "together with", "breaks the guard", "conflicts", "fell behind", "took longer"):
        assert cause in reasons
    assert len(state.open) == 3 and {each.researcher for each in state.experiments.values()} == {"tuner", "author", "critic", "ada"}


def test_what_is_kept_really_is_better_and_its_intervals_say_so(night):
    state, events = night
    kept = [event for event in events if isinstance(event, Judged) and event.verdict == "keep"]
    assert len(kept) >= len(state.chain()) >= 5
    for keep in kept:
        assert keep.fresh_pairs >= 2 and keep.interval[0] <= keep.effect <= keep.interval[1] and keep.e_value >= 1 / keep.alpha
    assert state.levels.gain > 0


def test_the_same_lots_give_the_same_record(night):
    assert told(100)[1] == told(100)[1] != told(100, lots=2)[1]


def test_hostile_words_stand_wherever_words_from_outside_stand():
    state, events = told(600, hostile=True)
    seen = {text for text in HOSTILE if any(text in each.message for each in state.experiments.values())}
    assert len(seen) == len(HOSTILE)
    assert any(text in idea.title for idea in state.ideas for text in HOSTILE)
    assert any(text in event.reason for event in events if isinstance(event, Judged) for text in HOSTILE)


def test_a_record_that_ended_goes_on():
    state, first = told(60)
    more = list(LongNight(state, lots=5).go(40))
    assert len(state.experiments) == 100 and more[0].at >= first[-1].at


@pytest.mark.night
def test_a_long_track_on_the_disk_is_one_that_commands_read(tmp_path):
    folder = tmp_path / "long"
    session = long.write(folder, 300, hostile=True)
    audit = long.audited(session)
    assert isinstance(audit, Audit) and (session.home / FILE).exists() and len(audit.findings) == len(session.state.chain()) > 0
    for words in (["status"], ["log", "--verify"], ["report"]):
        done = subprocess.run([sys.executable, "-m", "overnight.cli", *words, folder], capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
    long.write(folder, 50)
    again = Session(folder)
    assert len(again.read(whole=True).experiments) == 350
    again.verify()
    assert len(history(again.state).kept) == len(again.state.chain())
