"""The YAML between two `---` lines at the head of a markdown file, with the line of every word. Pure.

Covered: size, depth and number of words are bounded; anchors, aliases and tags are refused, so that nothing is multiplied
or made; a scalar is the text as it stands, so that `no` is no truth value and `1:30` no number.
Not covered: what the words mean, which is the reader's to check.
"""

from __future__ import annotations

import re

import yaml
from msgspec import Struct

from overnight.errors import TrackError

FENCE = "---"
HEAD_LINES = 2  # the number in its file of the first line between the fences
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


# ---- reading ---------------------------------------------------------------------------------------------------


def _parsed(head: str, name: str) -> Entry | None:
    if len(head) > MOST_HEAD_CHARACTERS:
        raise TrackError(f"{name}: the front matter is longer than {MOST_HEAD_CHARACTERS >> 10} KiB: move prose below the "
                         f"second {FENCE}.")
    try:
        _check(head, name)
        node = yaml.compose(head, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = head[:error.position].count("\n") + HEAD_LINES
        raise TrackError(f"{name} (line {line}): the front matter holds a character that YAML does not allow: take it "
                         "out.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + HEAD_LINES})" if mark else ""
        raise TrackError(f"{name}{where}: the front matter is not YAML: {error.problem or error.context}.") from error
    found = _entry(node, name) if node else None
    return found if found and found.value != "" else None


def _check(head: str, name: str) -> None:
    """Raise TrackError for what would multiply or make something, before anything is made."""
    depth = words = documents = 0
    for event in yaml.parse(head, Loader=yaml.SafeLoader):
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise _wrong(name, event, "the front matter is one document: take out the line that begins another.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise _wrong(name, event, "anchors (&), aliases (*) and tags (!) are not read here: write it out.")
        words += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth + isinstance(event, yaml.ScalarEvent) > MOST_DEPTH or words > MOST_WORDS:
            raise _wrong(name, event, "the front matter is nested too deeply or too long: a team is a list of roles.")


def _entry(node: yaml.Node, name: str) -> Entry:
    line = node.start_mark.line + HEAD_LINES
    if isinstance(node, yaml.SequenceNode):
        return Entry(line, tuple(_entry(each, name) for each in node.value))
    if not isinstance(node, yaml.MappingNode):
        plain = getattr(node, "style", None) is None and node.value in ("~", "null")
        return Entry(line, "" if plain else node.value)
    found: dict[str, Entry] = {}
    for key, value in node.value:
        word = _entry(key, name).value
        if not isinstance(word, str) or not word:
            raise _wrong(name, key, "a key is a word, followed by a colon.")
        if word in found:
            raise _wrong(name, key, f"'{word[:80]}' is there twice: take one of them out.")
        found[word] = Entry(key.start_mark.line + HEAD_LINES, _entry(value, name).value)
    return Entry(line, found)


def _wrong(name: str, where: yaml.Event | yaml.Node, sentence: str) -> TrackError:
    assert where.start_mark is not None
    return TrackError(f"{name} (line {where.start_mark.line + HEAD_LINES}): {sentence}")
