"""The journal, a page of records at a time, in words that every reader may see.

Covered: no seed, no key and no number of the holdout is told, whatever a record holds; words from outside are one bounded line.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from overnight.contracts import Journal
from overnight.lab import events as records
from overnight.lab.events import Event
from overnight.track.units import number
from overnight.untrusted import line
from overnight.views.unseen import seedless
from overnight.web.rendering import said, stamp

EACH, AT_A_TIME, MOST_READ = 100, 2000, 200_000  # records of a page; that are read at once, and for one page
SHOWN = 200  # characters of words from outside
HASH = 10  # characters of a commit


class Row(NamedTuple):
    """A record: its number, when it was made, its kind, the experiment that it is about (0: none), what it says."""

    seq: int
    at: str
    kind: str
    experiment: int
    words: str


def kinds() -> tuple[str, ...]:
    """Every kind of record, in the order in which a track comes to have them."""
    return tuple(str(each.__struct_config__.tag) for each in Event.__args__)


def before(journal: Journal[Event], last: int, kind: str = "") -> list[Row]:
    """The newest records up to number `last`, newest first; of one kind, or of all. Raises JournalError."""
    found, end = list[Row](), last
    while end > 0 and len(found) < EACH and last - end < MOST_READ:
        begin = max(0, end - (AT_A_TIME if kind else EACH))
        several = islice(journal.replay(after=begin), end - begin)
        found += reversed([row(seq, each) for seq, each in enumerate(several, begin + 1) if kind in ("", _kind(each))])
        end = begin
    return found[:EACH]


def row(seq: int, event: Event) -> Row:
    """A record as it is shown."""
    words = said("; ".join(filter(None, _words(event))))
    return Row(seq, stamp(event.at), _kind(event), getattr(event, "experiment", 0) or 0, words)


def _kind(event: Event) -> str:
    return str(type(event).__struct_config__.tag)


def _short(words: str) -> str:
    return line(words, SHOWN)


def _quoted(reason: str) -> str:
    """A reason, which may quote what a candidate said of its seed."""
    return seedless(_short(reason))


def _words(event: Event) -> Iterator[str]:
    """What a record says, part by part."""
    match event:
        case records.Opened():
            yield f"the track {_short(event.track)} begins at {event.commit[:HASH]}"
        case records.Started():
            yield f"a night begins with {event.workers} at a time in {_short(event.sandbox)}"
        case records.Stopped():
            yield f"it ends after {event.seconds:.0f} s"
            yield _quoted(event.reason)
        case records.Proposed():
            yield f"{line(event.researcher, 60)} proposes: {_short(event.message.partition(chr(10))[0])}"
        case records.Probed():
            yield f"point {event.probe}, to learn from: {_short(event.message.partition(chr(10))[0])}"
        case records.Measured():
            yield f"run {event.run}, {event.stage}: {event.outcome} in {event.busy:.2g} s"
            yield _quoted(event.reason)
        case records.Judged():
            yield f"{event.verdict}{'' if event.effect is None else f' {number(event.effect, 3, 0.0, chr(43))}'}"
            yield _quoted(event.reason)
        case records.Called():
            yield f"{line(event.call.role, 60)} asked {_short(event.call.model)}: {line(event.call.outcome, 60)}"
        case _:
            yield from _rarer(event)


def _rarer(event: Event) -> Iterator[str]:
    match event:
        case records.Claimed():
            yield f"its race claims that it is better, at the level {event.claim.alpha:.2g}"
        case records.Rebased():
            yield f"put on {event.base_commit[:HASH]}{', made anew' if event.again else ''}"
        case records.Stacked():
            yield f"together in one run: {', '.join(f'#{each}' for each in event.experiments) or 'none goes with another'}"
        case records.Noted() | records.Dropped():
            yield f"idea {event.idea}{f': {_short(event.title)}' if isinstance(event, records.Noted) else ' is taken out'}"
        case records.Reopened():
            yield "it is measured further"
        case records.Moved():
            yield f"idea {event.idea} is moved to place {event.position}"
        case records.Programmed():
            yield f"program.md is written by {line(event.by, 60)}: version {event.sha256[:HASH]}"
        case records.Suggested():
            yield f"suggestion {event.suggestion} of {line(event.by, 60)}: {_short(event.suggested.title)}"
        case records.Watched():
            yield f"what was kept is measured by further metrics on {event.seeds} seeds"
        case records.Organised():
            yield f"the team: {', '.join(f'{line(name, 60)} ({line(kind, 60)})' for name, kind in event.roles.items())}"
        case records.Learnt():
            yield f"{line(event.role, 60)} wrote down what was learnt"
        case records.Climbed():
            yield f"rung {_short(event.rung)}: {len(event.carried)} changes"
        case records.Ordered():
            yield f"{_short(event.order)}{' is declined' if event.reason else ''}"
            yield _quoted(event.reason)
        case _:
            yield _short(getattr(event, "researcher", ""))
            yield _quoted(getattr(event, "reason", ""))
