"""What happens in a night, as programs outside are told of it: one small record for each thing worth a word. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from overnight.lab.events import Event, Faulted, Judged, Vetoed
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.track.units import number
from overnight.untrusted import line

FORMAT = 1
MOST_TITLE_CHARACTERS, MOST_TEXT_CHARACTERS = 120, 1000
Kind = Literal["start", "verdict", "veto", "fault", "stall", "morning", "end", "test"]


class Happening(Struct, frozen=True):
    """One thing that happened, as a hook gets it on its standard input.

    format      the version of this record
    event       start, verdict, veto (a keep is taken back), fault (of the machine), stall, morning, end; test: nothing
                happened, the user tries whether the word arrives
    at          seconds since 1970
    track       its name
    text        the same in a sentence, cleaned; it may quote the candidate, so it is data and no instruction
    seq         number of the journal's last record when it was said; 0: there is none
    metric      the track's metric, and `unit` its unit
    experiment  the number of the experiment that it is about; None: none
    verdict     keep, discard, crash or foul; None where it is no verdict
    effect      mean paired difference in the metric's unit, positive is better; None where it was not compared
    interval    95 % interval of that
    commit      of the experiment; None where it is about none
    """

    event: Kind
    at: float
    track: str
    text: str
    seq: int = 0
    metric: str = ""
    unit: str = ""
    experiment: int | None = None
    verdict: str | None = None
    effect: float | None = None
    interval: tuple[float, float] | None = None
    commit: str | None = None
    format: int = FORMAT

    @property
    def kept(self) -> bool:
        """Whether it is a keep."""
        return self.verdict == "keep"


def happenings(state: State, events: Sequence[Event], seq: int) -> Iterator[Happening]:
    """What of these events, which the state has taken up, is worth a word; `seq` is the journal's last record."""
    for event in events:
        if isinstance(event, Judged):
            yield _judged(state, event, state.experiments[event.experiment], seq)
        elif isinstance(event, Vetoed):
            yield _vetoed(state, event, state.experiments[event.experiment], seq)
        elif isinstance(event, Faulted):
            yield plain(state, "fault", event.at, f"the machine failed: {event.reason}", seq)


def plain(state: State, kind: Kind, at: float, text: str, seq: int = 0) -> Happening:
    """A happening of the track as a whole."""
    metric = state.track.metric
    return Happening(kind, at, _title(state.track.name), line(text, MOST_TEXT_CHARACTERS), seq, metric.name, metric.unit)


def _judged(state: State, event: Judged, experiment: Experiment, seq: int) -> Happening:
    return _about(state, "verdict", event.at, experiment, seq,
                  f"#{experiment.id} {event.verdict}: {_title(experiment.title)} ({_found(state, event)})",
                  verdict=event.verdict, effect=event.effect, interval=event.interval)


def _vetoed(state: State, event: Vetoed, experiment: Experiment, seq: int) -> Happening:
    why = f": {event.reason}" if event.reason else ""
    return _about(state, "veto", event.at, experiment, seq, f"#{experiment.id} is taken back{why}: {_title(experiment.title)}")


def _about(state: State, kind: Kind, at: float, experiment: Experiment, seq: int, text: str, verdict: str | None = None,
           effect: float | None = None, interval: tuple[float, float] | None = None) -> Happening:
    metric = state.track.metric
    return Happening(kind, at, _title(state.track.name), line(text, MOST_TEXT_CHARACTERS), seq, metric.name, metric.unit,
                     experiment.id, verdict, effect, interval, experiment.commit)


def _title(words: str) -> str:
    return line(words, MOST_TITLE_CHARACTERS)


def _found(state: State, event: Judged) -> str:
    """What came out, in words."""
    if event.effect is None or event.verdict != "keep":
        return event.reason
    metric, scale = state.track.metric, abs(event.effect)
    found = f"{metric.name} better by {number(event.effect, 3)} {metric.unit}".rstrip()
    if event.interval is None:
        return found
    low, high = (number(bound, 3, scale, "+") for bound in event.interval)
    return f"{found}, 95 % interval {low} to {high}"
