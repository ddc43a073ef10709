"""A script for the scripted server in which no two changes are the same: one number of the code on the page, turned by lot.

    python -m overnight.testing.server --script bench/answers.py
"""

from __future__ import annotations

import random
import re

from overnight.researchers.llm.edits import Edit, ParsedAnswer, render
from overnight.testing.models import NUMBER, SHOWN, Messages, code

PART = re.compile(r'"([^"\n]+)", lines (\d+) to (\d+)')  # where the page asks for a change, because others are at the rest
TAKEN, ROWS = re.compile(r'"([^"\n]+)", lines ([\d, -]+)'), re.compile(r"(\d+)(?:-(\d+))?")  # and where for none
LOTS = random.SystemRandom()  # started again, it says nothing that it said before


def answer(messages: Messages) -> str:
    """A change that nobody made before."""
    page = next(message["content"] for message in messages if message["role"] == "user")
    turns = [(path, line, found) for path, line in code(page) if (found := NUMBER.fullmatch(line))]
    path, line, found = LOTS.choice([turn for turn in turns if asked(page, *turn[:2])] or turns)
    value = float(found[2])
    new = f"{value * 2 ** LOTS.uniform(-1, 0.1 if 0 < value < 1 else 1.0):.12g}"
    title = f"{found[1].rstrip(' =')} {found[2]} -> {new}"
    return render(ParsedAnswer(title, "Drawn by lot.", (Edit(path, "edit", (line,), (f"{found[1]}{new}{found[3]}",)),)))


def asked(page: str, path: str, line: str) -> bool:
    """Whether a line lies where the page asks for a change, and not where it asks for none."""
    task = page.rpartition("## What to do now")[2]
    number = next(found[3].split("\n").index(line) + 1 for found in SHOWN.finditer(page) if found[1] == path)
    taken = [(name, int(first), int(last or first)) for name, rows in TAKEN.findall(task.partition("look first here")[0])
             for first, last in ROWS.findall(rows)]
    parts = [(name, int(first), int(last)) for name, first, last in PART.findall(task)]

    def lies_in(places: list[tuple[str, int, int]]) -> bool:
        return any(path == name and first <= number <= last for name, first, last in places)

    return (not parts or lies_in(parts)) and not lies_in(taken)
