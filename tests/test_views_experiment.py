"""An experiment as it is shown: why it was not kept, when, how its evidence grew, how it met its guards, whence it comes."""

import time

import msgspec
import pytest

from fakes import FakeWorld, Idea, Night
from golden import nights
from overnight.lab.events import Claimed, Judged, Measured, Rebased
from overnight.lab.experiment import GUARDED, Experiment
from overnight.lab.state import State
from overnight.referee.findings import Finding
from overnight.untrusted import readable
from overnight.views.causes import WORDS, Cause, cause
from overnight.views.experiment import Views, detail, experiment, history

KINDS = (Idea(gain=2.0, correlation=0.9), Idea(), Idea(gain=-1.0), Idea(outcome="crash"), Idea(foul="touches score.py"))


@pytest.fixture(scope="module")
def night():
    """A simulated night of thirty experiments that end in every way."""
    return Night(FakeWorld(1, lambda lots: lots.choice(KINDS))).go(experiments=30)


def state_of(events):
    """The state that these events tell."""
    state = State()
    for event in events:
        state.apply(event)
    return state


def shown(state, events):
    """Every experiment with its details."""
    return [detail(state, each, events, lambda name: "") for each in state.experiments.values()]


def judged(verdict="discard", reason="", effect=None, pairs=0, word=""):
    """An experiment with a verdict."""
    found = Finding(word, 0.1, 0.0, 1.0) if word else None
    return Experiment(1, 0, "b", "c", "knobs", "title", verdict=verdict, reason=reason, effect=effect, pairs=pairs, finding=found)


@pytest.mark.parametrize(("made", "code"), [
    (judged("open"), ""), (judged("keep"), ""), (judged("crash"), "crash"), (judged("foul"), "foul"),
    (judged(reason="no sign of an improvement", effect=-1.0, pairs=3, word="worse"), "worse"),
    (judged(reason="no sign of an improvement", effect=-1.0, pairs=3), "worse"),
    (judged(reason="no sign of an improvement", effect=0.1, pairs=3, word="no different"), "no_different"),
    (judged(reason="not confirmed on fresh seeds", effect=0.4, pairs=9, word="promising"), "promising"),
    (judged(reason=f"{GUARDED[0]} on cpu_seconds: 1.9x", effect=0.4, pairs=1, word="promising"), "guard"),
    (judged(reason=f"{GUARDED[0]} on cpu_seconds: 1.9x", effect=-0.4, pairs=1, word="worse"), "worse"),
    (judged(reason="no sign of an improvement: together with 3 more it came out -1 on one seed"), "stack"),
    (judged(reason="conflicts with what was kept meanwhile"), "conflict"),
    (judged(reason="vetoed by a person: no"), "taken_back"),
    (judged(reason="something else"), "not_settled"),
])
def test_why_it_was_not_kept_is_one_word(made, code):
    assert cause(made) == code and code in (*WORDS, "")


def test_every_code_has_its_words():
    assert {"", *WORDS} == set(Cause.__args__)


def test_losers_of_a_night_all_have_a_cause_and_winners_none(night):
    told = history(night.lab.state).experiments
    assert {bool(each.cause) for each in told if each.verdict.verdict in ("keep", "open")} == {False}
    assert all(each.cause for each in told if each.verdict.verdict in ("discard", "crash", "foul"))


def test_a_change_that_scored_better_and_broke_a_guard_is_told_apart():
    events = nights.load("guarded")
    causes = [each.cause for each in history(state_of(events)).experiments]
    assert "guard" in causes


def test_times_are_those_of_the_records(night):
    last = {e.experiment: e.at for e in night.events if isinstance(e, Judged)}
    for each in history(night.lab.state).experiments:
        assert each.proposed_at is not None
        assert each.judged_at == (last[each.id] if each.verdict.verdict != "open" else None)


def test_a_change_that_was_handed_in_was_proposed_by_hand():
    state = state_of(nights.load("orders"))
    assert {each.role for each in history(state).experiments} >= {"by hand"}


def test_the_evidence_of_a_keep_ends_where_its_verdict_says_and_passed_what_was_wanted(night):
    keeps = [each for each in shown(night.lab.state, night.events) if each.verdict.verdict == "keep"]
    assert keeps
    for each in keeps:
        last = each.evidence_path[-1]
        assert last.fresh and not last.estimated and last.e_value == pytest.approx(each.verdict.e_value)
        assert last.wanted == pytest.approx(1 / each.alpha) and last.e_value >= last.wanted


def test_the_evidence_goes_on_pair_by_pair_and_the_race_is_wanted_less_than_the_proof(night):
    for each in shown(night.lab.state, night.events):
        path = each.evidence_path
        assert [point.pair for point in path] == list(range(1, len(path) + 1))
        assert all(point.wanted == night.lab.state.policy.screen for point in path if not point.fresh)


def test_what_an_old_journal_does_not_hold_is_worked_out_and_said_to_be(night):
    old = [msgspec.structs.replace(e, weighed=msgspec.UNSET) if isinstance(e, Measured) else e for e in night.events]
    for mine, theirs in zip(shown(night.lab.state, night.events), shown(night.lab.state, old), strict=True):
        assert all(point.estimated for point in theirs.evidence_path)
        if mine.verdict.verdict == "keep" and not mine.rebased and not mine.stacks:
            assert len(theirs.evidence_path) == len(mine.evidence_path)
            assert theirs.evidence_path[-1].e_value == pytest.approx(mine.evidence_path[-1].e_value, rel=0.05)


def test_the_record_of_the_evidence_changes_nothing_that_is_replayed(night):
    old = [msgspec.structs.replace(e, weighed=msgspec.UNSET) if isinstance(e, Measured) else e for e in night.events]
    assert msgspec.json.encode(history(state_of(old))) == msgspec.json.encode(history(state_of(night.events)))
    assert any(isinstance(e, Measured) and e.weighed for e in night.events)
    claims = [e for e in night.events if isinstance(e, Claimed)]
    assert claims


def test_pairs_with_an_older_base_are_told_apart(night):
    moved = {e.experiment for e in night.events if isinstance(e, Rebased)}
    paths = {each.id: each.evidence_path for each in shown(night.lab.state, night.events)}
    assert moved and all(not any(point.older for point in path) for number, path in paths.items() if number not in moved)


def test_guards_are_shown_beside_their_bounds():
    events = nights.load("guarded")
    found = shown(state_of(events), events)
    broken = [each for each in found if each.cause == "guard"]
    assert broken and all(any(guard.broken for guard in each.guards) for each in broken)
    for guard in (guard for each in found for guard in each.guards):
        assert guard.allowed.startswith("at ") and (guard.value is None) == (guard.base is None)
    kept = [guard for each in found if each.verdict.verdict == "keep" for guard in each.guards if guard.ratio is not None]
    assert kept and not [guard for guard in kept if guard.broken]
    assert all(guard.ratio <= guard.bound for guard in kept if guard.most and guard.bound is not None)


def test_lineage_is_the_chain_below_and_above(night):
    chain = [each.id for each in night.lab.state.chain()]
    assert len(chain) > 1
    first, last = (detail(night.lab.state, night.lab.state.experiments[number], night.events, str) for number in (chain[0], chain[-1]))
    assert [kin.id for kin in last.lineage.parents] == chain[:-1] and last.lineage.later == ()
    assert [kin.id for kin in first.lineage.later] == chain[1:] and first.lineage.parents == ()


def test_a_view_is_made_readable_and_its_title_is_cut(night):
    hostile = msgspec.structs.replace(night.lab.state.experiments[1], message="\x1b[31mred\ud800 \u202eleft" + "x" * 500)
    found = experiment(night.lab.state, hostile)
    assert found.message.startswith("red\ufffd [U+202E]left") and len(found.title) <= 200
    msgspec.json.encode(found)


@pytest.mark.parametrize(("text", "read"), [
    ("plain\ttext\nof two lines", "plain\ttext\nof two lines"), ("\x1b[1mbold\x1b[0m", "bold"), ("a\r\nb\rc", "a\nb c"),
    ("\ud83d\ude00", "\ufffd\ufffd"), ("\u2067x\u2069", "[U+2067]x[U+2069]"), ("nul\x00bell\x07", "nulbell"), ("ü ✓ 日本", "ü ✓ 日本"),
])
def test_a_text_is_readable(text, read):
    assert readable(text) == read and readable(read) == read
    assert readable(text * 100, 20) == readable(text * 100, 20)[:400] and len(readable("x" * 50, 20)) == 20


def test_a_view_is_made_within_microseconds(night):
    view, every, best = Views(night.lab.state).of, list(night.lab.state.experiments.values()), 1.0
    for _ in range(50):
        begin = time.process_time()
        for each in every:
            view(each)
        best = min(best, (time.process_time() - begin) / len(every))
    assert best < 60e-6  # 5 on an idle core
