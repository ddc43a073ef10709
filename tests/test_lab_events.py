"""The records: each one survives the journal's format."""

import inspect
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import nights
from overnight.contracts import Call, Suggestion
from overnight.lab import events
from overnight.lab.events import (
    Called,
    Claimed,
    Climbed,
    Dropped,
    Event,
    Faulted,
    Judged,
    Learnt,
    Measured,
    Moved,
    Noted,
    Opened,
    Ordered,
    Organised,
    Passed,
    Probed,
    Programmed,
    Proposed,
    Rebased,
    Reopened,
    Stacked,
    Started,
    Stopped,
    Suggested,
    Vetoed,
    Watched,
    Weighed,
)
from overnight.referee.decision import Claim
from overnight.referee.further import Further, KeepEffect, Scored
from overnight.referee.scaling import Carried, Foretold
from overnight.testing.events import EventSuite, there_and_back

KINDS = typing.get_args(Event)
EXAMPLES = [
    Opened(1.5, "microgpt", "a" * 40, "[track]\nname = 'ü'\n", "00ff"),
    Started(2.0, 4, "bubblewrap", "0.1.0", ("knobs", "llm")),
    Stopped(3.0, 28800.5, "stopped by SIGINT", 1e-5, 2e-4),
    Proposed(4.0, 1, 0, "a" * 40, "knobs", "LR 1 -> 2\n\nbecause", {"knob": ["x", 1, None, 2.5]}, commit="b" * 40,
             patch="-1\n+2\n"),
    Proposed(4.1, 3, 1, "b" * 40, "llm", "a loop\n\nmade on a lead", commit="d" * 40, lead=7, handicap=0.25),
    Proposed(4.2, 2, 1, "b" * 40, "person", "Without LR 1 -> 2 of #1", commit="c" * 40, request="1-a", patient=0.0, takes_back=1),
    Probed(4.5, 1, "a" * 40, "knobs", "LR 2 -> 3", {"knob": ["x", 2]}, 17, 0.25, commit="b" * 40, patch="-2\n+3\n"),
    Passed(5.0, "knobs", 0, "nothing left to try"),
    Rebased(6.0, 1, 2, "c" * 40, "d" * 40),
    Stacked(6.5, (1, 3), ("e" * 40, "f" * 40), "c" * 40, 17, (2,)),
    Measured(7.0, 9, 1, "d" * 40, 2**31 - 1, "confirm", "9.log", outcome="ok", metrics={"y": 1e-300}, busy=3.2,
             overhead={"sandbox": 0.01}, worker=3, paired_metrics={"y": 1.25}, curve=((1.0, 2.5), (2.0, 2.25))),
    Measured(7.3, 9, 1, "d" * 40, 4, "race", outcome="ok", metrics={"y": 1.5}, weighed=(Weighed(1, 2, 0, 3.5, 8.0),)),
    Measured(7.5, 10, 1, "d" * 40, 0, "race", outcome="timeout", reason="it took longer than 30s"),
    Measured(7.6, 11, 1, "d" * 40, 0, "race", outcome="behind", reason="fell behind", curve=((1.0, 2.5),)),
    Claimed(7.7, 1, Claim(0.0125, 1.5, 0.4)),
    Judged(8.0, 1, "keep", "better on fresh seeds", 0.1, (0.05, 0.15), 8, 3, 41.0, 0.002, 0.1),
    Judged(8.5, 2, "foul", "it touches score.py"),
    Reopened(8.7, 1),
    Faulted(9.0, "measure", "the disk is full"),
    Organised(10.0, "ab" * 32, {"tuner": "knobs"}),
    Called(10.5, Call("author", "openai:x", "propose", 7, 1200, 80, 1000, 0.002, 3.5)),
    Noted(11.0, 1, "tie the embeddings", "as in ...", "arxiv:1", "1-a"),
    Organised(10.1, "ac" * 32, {"tuner": "knobs"}, "Try small steps.", True),
    Programmed(10.2, "Try small steps.", "ac" * 32, "ab" * 32, "person", "5-a"),
    Dropped(11.5, 1, "2-a"),
    Moved(11.7, 1, 3, "6-a"),
    Learnt(12.0, "standup", "- wider is better"),
    Ordered(12.5, "3-a", "try", "nothing is changed"),
    Vetoed(13.0, 4, "unreadable", "4-a"),
    Suggested(13.2, 1, "rules", Suggestion("A guard on memory", "it grew", "peak_memory", "[[guard]]\n", experiments=(1, 4))),
    Watched(13.5, "a" * 40, 12, (Scored(Further("unseen", "maximize", "watch", "%", 0.5), (
        KeepEffect(1, -2.0, (-2.5, -1.5), 12, 81.0, "unseen is worse by 2 %"), KeepEffect(4)), -2.0, (-2.5, -1.5), 83.0, 81.0),)),
    Climbed(14.0, "large", 8.0, "overnight/microgpt@large", (
        Carried(1, "holds", 0, "LR 1 -> 2", 0.1, (0.05, 0.15), 8, 3, (4,), value=5, foretold=Foretold(0.1, (0.0, 0.2), -0.01)),
        Carried(4, "unknown", reason="no"))),
]
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts, spans = st.integers(0, 2**53), st.tuples(numbers, numbers)
FURTHER = st.builds(Further, st.text(), st.just("minimize"), st.just("watch"), st.text(), numbers, st.text() | numbers)
KEPT = st.builds(KeepEffect, counts, numbers, spans, counts, numbers, st.text())
SCORED = st.builds(Scored, FURTHER, st.lists(KEPT, max_size=2).map(tuple), numbers, spans, numbers, numbers)
FINITE = {  # what a record cannot do without and that holds numbers
    Claimed: {"claim": st.builds(Claim, numbers, numbers, numbers)},
    Watched: {"found": st.lists(SCORED, max_size=2).map(tuple)},
}


class TestEvents(EventSuite):
    """Of each kind the first one in the golden nights."""

    @pytest.fixture(autouse=True, params=KINDS, ids=lambda kind: kind.__name__)
    def kind(self, request):
        told = (nights.load(name) for name in nights.names())
        self.events = next(events[:number + 1] for events in told for number, event in enumerate(events) if type(event) is request.param)

    def story(self):
        return self.events


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda e: type(e).__name__)
def test_a_record_survives_being_written(event):
    assert there_and_back(event) == event


def test_there_is_an_example_of_every_record():
    assert {type(e) for e in EXAMPLES} == set(KINDS)


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.builds(kind, at=numbers, **FINITE.get(kind, {}))))
def test_any_record_survives_being_written(event):
    assert there_and_back(event) == event


@given(st.dictionaries(st.text(), numbers), st.text())
def test_any_finite_number_and_any_text_survive(metrics, reason):
    event = Measured(0.0, 1, 1, "c", 1, "race", outcome="ok", metrics=metrics, reason=reason)
    assert there_and_back(event) == event


def test_every_record_of_the_module_is_an_event():
    found = {kind for _, kind in inspect.getmembers(events, inspect.isclass)
             if issubclass(kind, msgspec.Struct) and kind.__module__ == events.__name__ and kind.__struct_config__.tag} - {events.Recorded}
    assert found == set(KINDS)


@pytest.mark.parametrize("body", [b'{"kind":"unheard","at":1}', b'{"kind":"judged","at":1,"experiment":1}',
                                  b'{"kind":"judged","at":1,"experiment":1,"verdict":"maybe","reason":""}'])
def test_a_record_that_is_none_is_refused(body):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Event)
