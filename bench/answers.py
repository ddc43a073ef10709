"""A script for the scripted server in which no two changes are the same: one number of the code on the page, turned by lot.

    python -m overnight.testing.server --script bench/answers.py
"""

from __future__ import annotations

import random

from overnight.researchers.llm.edits import Edit, ParsedAnswer, render
from overnight.testing.models import NUMBER, Messages, code

LOTS = random.SystemRandom()  # started again, it says nothing that it said before


def answer(messages: Messages) -> str:
    """A change that nobody made before."""
    page = next(message["content"] for message in messages if message["role"] == "user")
    path, line, found = LOTS.choice([(path, line, found) for path, line in code(page) if (found := NUMBER.fullmatch(line))])
    value = float(found[2])
    new = f"{value * 2 ** LOTS.uniform(-1, 0.1 if 0 < value < 1 else 1.0):.12g}"
    title = f"{found[1].rstrip(' =')} {found[2]} -> {new}"
    return render(ParsedAnswer(title, "Drawn by lot.", (Edit(path, "edit", (line,), (f"{found[1]}{new}{found[3]}",)),)))
