"""The YAML between two `---` lines at the head of a markdown file, with the line of every word. Pure.

Covered: size, depth and number of words are bounded; anchors, aliases and tags are refused, so that nothing is multiplied
or made; a scalar is the text as it stands, so that `no` is no truth value and `1:30` no number.
Not covered: what the words mean, which is the reader's to check.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

import yaml
from msgspec import Struct

from overnight.errors import TrackError

FENCE = "---"
MOST_HEAD_CHARACTERS = 64 << 10  # characters between the fences
MOST_DEPTH = 5  # mappings, lists and the words in them, one in another
MOST_WORDS = 2000  # words, lists and mappings


class Entry(Struct, frozen=True):
    """What stands at a line: a word, a mapping, or a list."""

    line: int
    value: str | dict[str, Entry] | tuple[Entry, ...]


def split(text: str, name: str) -> tuple[Entry | None, str]:
    """The front matter, None where there is none or it is empty, and the prose below it. Raises TrackError."""
    first = text.partition("\n")[0].rstrip()
    if first == "+++":
        raise TrackError(f"{name} (line 1): front matter is YAML now: write --- instead of +++, and below it for example "
                         "researchers: [knobs].")
    if first != FENCE:
        return None, text
    found = re.fullmatch(r"---[ \t]*\n(.*?)^---[ \t]*(?:\n(.*))?", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise TrackError(f"{name}: the front matter opened by {FENCE} on line 1 is never closed: write {FENCE} below it.")
    return _parsed(found[1], name), found[2] or ""


def meant(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest to an unknown one, as the end of a sentence."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f"; known are {', '.join(known)}"


# ---- reading ---------------------------------------------------------------------------------------------------


def _parsed(head: str, name: str) -> Entry | None:
    if len(head) > MOST_HEAD_CHARACTERS:
        raise TrackError(f"{name}: the front matter is longer than {MOST_HEAD_CHARACTERS >> 10} KiB: move prose below the "
                         f"second {FENCE}.")
    try:
        return _Reader(head, name).document()
    except yaml.reader.ReaderError as error:
        raise TrackError(f"{name} (line {head[:error.position].count(chr(10)) + 2}): the front matter holds a character that "
                         "YAML does not allow: take it out.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 2})" if mark else ""
        raise TrackError(f"{name}{where}: the front matter is not YAML: {error.problem or error.context}.") from error


class _Reader:
    """Events to entries."""

    def __init__(self, head: str, name: str) -> None:
        self.name, self.count = name, 0
        self.events: Iterator[yaml.Event] = yaml.parse(head, Loader=yaml.SafeLoader)

    def wrong(self, event: yaml.Event, sentence: str) -> TrackError:
        return TrackError(f"{self.name} (line {_line(event)}): {sentence}")

    def document(self) -> Entry | None:
        """The one document there is."""
        next(self.events)  # the stream begins
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        found = self.node(next(self.events), 1)
        next(self.events)  # the document ends
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self.wrong(after, "the front matter is one document: take out the line that begins another.")
        return None if found.value == "" else found

    def node(self, event: yaml.Event, depth: int) -> Entry:
        """What begins with this event."""
        self.count += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise self.wrong(event, "anchors (&), aliases (*) and tags (!) are not read here: write it out.")
        if depth > MOST_DEPTH or self.count > MOST_WORDS:
            raise self.wrong(event, "the front matter is nested too deeply or too long: a team is a list of roles.")
        line = _line(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return Entry(line, tuple(self.node(e, depth + 1) for e in self.until(yaml.SequenceEndEvent)))
        if isinstance(event, yaml.MappingStartEvent):
            return Entry(line, self.mapping(depth))
        assert isinstance(event, yaml.ScalarEvent)
        plain = event.style is None and event.value in ("~", "null")
        return Entry(line, "" if plain else event.value)

    def mapping(self, depth: int) -> dict[str, Entry]:
        """The keys of a mapping that has begun."""
        found: dict[str, Entry] = {}
        for event in self.until(yaml.MappingEndEvent):
            key = self.node(event, depth + 1).value
            if not isinstance(key, str) or not key:
                raise self.wrong(event, "a key is a word, followed by a colon.")
            if key in found:
                raise self.wrong(event, f"'{key[:80]}' is there twice: take one of them out.")
            found[key] = Entry(_line(event), self.node(next(self.events), depth + 1).value)
        return found

    def until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        """The events up to the one that ends this list or mapping."""
        while not isinstance(event := next(self.events), end):
            yield event


def _line(event: yaml.Event) -> int:
    """Where an event begins; the front matter begins on the second line of its file."""
    assert event.start_mark is not None
    return event.start_mark.line + 2
