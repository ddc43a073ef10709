"""Reads an answer: its thoughts are cut, its drafts told apart, and at each line one reader after the other may take what
stands there. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from overnight.errors import EditError
from overnight.researchers.llm.edits import blocks, fences, hunks, pairs, spot, structured
from overnight.researchers.llm.edits.form import MOST_ANSWER_CHARACTERS, MOST_BLOCKS, Edit, ParsedAnswer, unix
from overnight.researchers.llm.edits.spot import Head, Read, Spot

TITLE = 120  # characters
WHY = 2_000
MOST_DRAFTS = 50
THOUGHT = re.compile(r"</(?:think|thinking|thought|thoughts|reasoning|reflection)>(?![\"'`\\])")
THINKS = re.compile(r"\s*<(?:think|thinking|thought|thoughts|reasoning|reflection)>")
MARKS = re.compile(r"[ \t]*(?:[#*]+[ \t]*)?(TITLE[ \t*]*:)?", re.IGNORECASE)  # before the words of a title
READERS: tuple[Callable[[Spot], Read | None], ...] = (blocks.read, hunks.read, pairs.read, fences.read)


class Draft(Struct):
    """A change as far as it was read; `broken` says why it is none."""

    prose: list[str] = []
    edits: list[Edit] = []
    head: Head | None = None
    broken: EditError | None = None


def parse(text: str, files: Mapping[str, str] | None = None) -> ParsedAnswer:
    """Take an answer apart; `files` are those that may be edited, by path. Raises EditError where it is no change."""
    if len(text) > MOST_ANSWER_CHARACTERS:
        raise EditError(f"the answer is longer than {MOST_ANSWER_CHARACTERS:,} characters: make a smaller change.")
    said = spoken(unix(text))
    lines = said.split("\n")
    quoted = any(spot.BLOCK.fullmatch(line) or line.startswith("@@ ") for line in lines)  # then its JSON is an example
    if not quoted and (written := structured.read(said)) is not None:
        return written
    drafts = _drafts(lines, files or {})
    draft = next((each for each in reversed(drafts) if each.edits and not each.broken), None)
    if draft is None:
        raise next((each.broken for each in reversed(drafts) if each.broken), EditError(
            "there is no edit in the answer: write 'FILE: path' and a SEARCH/REPLACE block below it."))
    return _titled(draft)


def spoken(text: str) -> str:
    """An answer without what a model thought before it. Raises EditError where it did nothing but think."""
    ends = [found.end() for found in THOUGHT.finditer(text)]
    text = text[ends[-1]:] if ends else text
    if THINKS.match(text):
        raise EditError("the answer ends before its thoughts do: think less, and write the change.")
    return text.removeprefix("\ufeff")


def _drafts(lines: Sequence[str], files: Mapping[str, str]) -> list[Draft]:
    """The drafts of an answer, the last one last: each begins with a title. Of a broken one the rest is not read."""
    drafts, at, marks = [Draft()], 0, 0
    while at < len(lines):
        draft = drafts[-1]
        if spot.TITLE.match(lines[at]) and (draft.edits or draft.broken):
            drafts.append(draft := Draft())
        if draft.broken:
            at += 1
            continue
        here = Spot(lines, at, draft.head, marks % 2 == 1, files, len(draft.edits) + 1)
        try:
            found = next((found for reader in READERS if (found := reader(here))), None)
        except EditError as error:
            draft.broken, found = error, None
        if found:
            draft.edits += found.edits
            draft.head = draft.head and replace(draft.head, fresh=False)
            at = found.end
        else:
            marks += spot.FENCE.fullmatch(lines[at]) is not None
            _noted(draft, here)
            at += 1
        if len(draft.edits) > MOST_BLOCKS or marks > 2 * MOST_BLOCKS or len(drafts) > MOST_DRAFTS:
            raise EditError(f"the answer has more than {MOST_BLOCKS} blocks: make a smaller change.")
    return drafts


def _noted(draft: Draft, here: Spot) -> None:
    """A line that no reader takes: the name of a file, or words."""
    line, below = here.lines[here.at], _next(here)
    opens = spot.BLOCK.fullmatch(below) or spot.FENCE.fullmatch(below)
    named = spot.head(line, here.files)
    if named and (opens or named.marked):
        draft.head = named
        draft.edits += [Edit(named.path, "delete")] if named.kind == "delete" else []
    elif opens and not spot.FENCE.fullmatch(line) and (found := spot.mentioned(line, here.files)):
        draft.head = found
    elif draft.head is None and not draft.edits:
        draft.prose.append(line)


def _next(here: Spot) -> str:
    """The next line that is not blank; "" where none is near."""
    return next((line for line in here.lines[here.at + 1:here.at + 4] if line.strip()), "")


def _titled(draft: Draft) -> ParsedAnswer:
    said = [line for line in draft.prose if not line.lstrip().startswith("```")]
    first = next((n for n, line in enumerate(said) if spot.TITLE.match(line)), 0)
    names = ((n, MARKS.sub("", said[n], count=1).strip(" \t*")) for n in range(first, len(said)))
    at, title = next(((n, name) for n, name in names if name), (0, ""))
    return ParsedAnswer(title[:TITLE], "\n".join(said[at + 1:]).strip()[:WHY], tuple(draft.edits))
