"""The form in which a model is asked to write a change, and what an answer amounts to. Pure.

    TITLE: Warm the learning rate up
    The first steps diverge on two seeds of five.

    FILE: train.py
    <<<<<<< SEARCH
    RATE = 0.1
    =======
    RATE = 0.05
    >>>>>>> REPLACE

    NEW FILE: schedule.py       (a block without search lines)
    DELETE FILE: old.py         (no block)

Blocks hold whole lines and apply in order, each on what the ones before left. Where the text itself has such marks, all
three of a block are made longer alike.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

SHOWN = 160  # characters of a line that a reason shows
MOST_ANSWER_CHARACTERS = 1 << 20  # characters of an answer
MOST_BLOCKS = 200  # blocks of it

Lines = tuple[str, ...]
Kind = Literal["edit", "new", "delete", "whole"]


class Edit(Struct, frozen=True):
    """One step of a change: lines of a file that others replace; a new file; a file's end; or the whole text of a file.

    path  as the answer has it; "" where it names none
    line  where the answer says that the lines stand, from 1 on; 0: it says nothing
    """

    path: str
    kind: Kind = "edit"
    search: Lines = ()
    replace: Lines = ()
    line: int = 0


class ParsedAnswer(Struct, frozen=True):
    """An answer, taken apart. `title` is "" where the answer has none."""

    title: str
    why: str
    edits: tuple[Edit, ...]

    @property
    def message(self) -> str:
        """As a commit's message: the title, and why below it."""
        return f"{self.title}\n\n{self.why}" if self.why else self.title


def unix(text: str) -> str:
    """A text whose lines all end with CR LF, with LF alone; any other as it is."""
    return text.replace("\r\n", "\n") if text.count("\r") == text.count("\n") == text.count("\r\n") else text


def render(written: ParsedAnswer) -> str:
    """An answer that `parse` reads as this."""
    parts = [f"TITLE: {written.title}", written.why, *map(_rendered, written.edits)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rendered(edit: Edit) -> str:
    if edit.kind == "delete":
        return f"DELETE FILE: {edit.path}"
    longest = max((len(run) for line in (*edit.search, *edit.replace) for run in re.findall(r"<+|=+|>+|`+", line)), default=0)
    width = max(7, longest + 1)
    if edit.kind == "whole":
        return "\n".join([f"FILE: {edit.path}", "`" * width, *edit.replace, "`" * width])
    head = "NEW FILE" if edit.kind == "new" else "FILE"
    return "\n".join([f"{head}: {edit.path}", "<" * width + " SEARCH", *edit.search, "=" * width, *edit.replace,
                      ">" * width + " REPLACE"])
