"""Configurations of old experiments are recovered from notes, from today's frontier backwards."""

from overnight.contracts import Past
from overnight.researchers.knobs.history import SEEN, read

VALUES = {"a": 4, "b": 0.1}


def past(number: int, base: int, verdict: str, effect: float | None = 0.1, **turned: list) -> Past:
    return Past(number, base, "knobs", verdict, "", effect, 1, "", {"kind": "knobs", "set": turned})


def test_bases_follow_from_undoing_keeps():
    history = [past(1, 0, "keep", a=[1, 2]), past(2, 1, "discard", b=[0.1, 0.2]), past(3, 1, "keep", a=[2, 4])]
    trials = read(history, 3, VALUES).trials
    assert [trial.base for trial in trials] == [{"a": 1}, {"a": 2}, {"a": 2}]
    assert [trial.made for trial in trials] == [{"a": 2}, {"a": 2, "b": 0.2}, {}]


def test_bases_off_the_line_are_reached_forwards():
    history = [past(1, 0, "keep", a=[2, 4]), past(2, 0, "discard", b=[0.1, 0.3]), past(3, 2, "discard", a=[2, 8])]
    assert read(history, 1, VALUES).trials[2].made == {"a": 8, "b": 0.3}


def test_a_note_outweighs_the_chain():
    history = [Past(1, 0, "llm", "keep", "rewrote it"), past(2, 0, "discard", a=[16, 32])]
    assert read(history, 1, VALUES).trials[0].base == {"a": 16}


def test_trials_of_vanished_knobs_and_strange_notes_are_left_out():
    notes = [{"kind": "knobs"}, {"kind": "knobs", "set": 3}, {"kind": "knobs", "set": {"a": 1}}, {"set": {}}, {}]
    strange = [Past(number, 0, "x", "discard", "", note=note) for number, note in enumerate(notes, 2)]
    assert read([past(1, 0, "discard", gone=[1, 2]), *strange], 0, VALUES).trials == []


def test_what_was_tried_on_this_frontier_is_known_even_when_it_is_long_ago():
    history = [past(1, 0, "open", None, a=[4, 5]), *(past(n, 0, "discard", b=[0.1, n]) for n in range(2, 2 * SEEN))]
    evidence = read(history, 0, VALUES)
    assert len(evidence.trials) == SEEN
    assert frozenset({("a", 5)}) in evidence.tried


def test_kept_and_tried_are_counted_by_kind():
    mutations = [Past(n, 0, "knobs", "crash", "", note={"kind": "mutation", "id": str(n)}) for n in (7, 8)]
    evidence = read([past(1, 0, "keep", a=[1, 4]), *mutations], 1, VALUES)
    assert (evidence.turned, evidence.mutated) == ((1, 1), (2, 0))
    assert set(evidence.mutations) == {"7", "8"}
