"""Models for rehearsals and tests: no key, no network, no price but the one that is given.

    model = Scripted(in_order(["TITLE: ...", ...]))     answers in this order, then from the beginning
    model = Scripted(tinker)                            turns one number in the code that is on the page
    model = Scripted(lambda messages: ...)              whatever you like; it gets every message of the conversation
    Author(ModelClient("author", model, ModelBudget(BudgetBounds(), calls.append))).propose(brief)

`overnight.testing.server` serves the same answers over HTTP.
"""

from __future__ import annotations

import itertools
import random
import re
import runpy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from overnight.errors import TrackError
from overnight.researchers.llm.edits import Edit, ParsedAnswer, render
from overnight.researchers.llm.model import ModelAnswer, Request

Messages = Sequence[Mapping[str, str]]  # each with `role` ("system", "user", "assistant") and `content`, oldest first
Says = Callable[[Messages], str]

PART = re.compile(r"\w+|[^\w\s]")
NUMBER = re.compile(r"([A-Za-z_][\w.\[\]'\"]* *= *)(-?\d+(?:\.\d*)?(?:[eE]-?\d+)?)( *(?:#.*)?)")
SHOWN = re.compile(r'^\[untrusted data \w+: "([^"\n]+)" as it is now[^\n]*\n'  # a file on a page
                   r"(`{3,})\n(.*?)\n\2$", re.MULTILINE | re.DOTALL)


class Scripted:
    """A model in this process. `price`: dollars per million tokens (in, out); None: not known."""

    def __init__(self, answer: Says, name: str = "scripted:model", price: tuple[float, float] | None = (1.0, 4.0),
                 structured: bool = False) -> None:
        self.name, self._answer, self._price, self.structured = name, answer, price, structured

    def price(self, tokens_in: int, tokens_out: int, cached: int = 0, written: int = 0) -> float | None:
        """Dollars for so many tokens."""
        return None if self._price is None else (tokens_in * self._price[0] + tokens_out * self._price[1]) / 1e6

    def ask(self, request: Request) -> ModelAnswer:
        """What the script answers, cut at the longest that was asked for."""
        messages = spoken(request)
        text, cut = shortened(self._answer(messages), request.max_tokens)
        into, out = sum(count(message["content"]) for message in messages), count(text)
        return ModelAnswer(text, into, out, 0, self.price(into, out), cut=cut)


def spoken(request: Request) -> list[dict[str, str]]:
    """A request as the messages that a server gets."""
    said = [{"role": "system", "content": request.stable}, {"role": "user", "content": request.current}]
    for answer, reply in request.conversation:
        said += [{"role": "assistant", "content": answer}, {"role": "user", "content": reply}]
    return said


def count(text: str) -> int:
    """Tokens, as the doubles count them: words and signs."""
    return sum(1 for _ in PART.finditer(text))


def shortened(text: str, most: int) -> tuple[str, bool]:
    """The first so many tokens of a text, and whether that cut it."""
    over = next(itertools.islice(PART.finditer(text), max(0, most), None), None)
    return (text, False) if over is None else (text[:over.start()], True)


# ---- what they say ---------------------------------------------------------------------------------------------


def in_order(texts: Sequence[str]) -> Says:
    """These answers one after the other, and then again. For many threads."""
    if not texts:
        raise TrackError("a script needs at least one answer.")
    lock, turns = threading.Lock(), itertools.cycle(texts)

    def answer(messages: Messages) -> str:
        """The next one."""
        with lock:
            return next(turns)
    return answer


def script(path: Path) -> Sequence[str] | Says:
    """A script from a folder of markdown files (by name), one markdown file, or a Python file with `answer(messages)`.
    Raises TrackError."""
    if path.suffix == ".py" and path.is_file():
        answer = runpy.run_path(str(path)).get("answer")
        if not callable(answer):
            raise TrackError(f"{path} defines no function `answer(messages)`: add one.")
        return answer  # type: ignore[no-any-return]
    files = sorted(path.glob("*.md")) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        raise TrackError(f"{path} is no script: name a folder with *.md answers, one such file, or a Python file.")
    return [file.read_text(encoding="utf-8") for file in files]


def tinker(messages: Messages) -> str:
    """A change of one number in the code on the page, another one for each page: enough to rehearse a night on any track
    whose Python has lines like `RATE = 0.1`."""
    page = next((m["content"] for m in messages if m["role"] == "user"), "")
    lots = random.Random(f"{len(messages)} {page}")
    turns = [(path, line, found) for path, line in code(page) if (found := NUMBER.fullmatch(line))]
    if not turns:
        return "TITLE: nothing\nThere is no line on the page like `NAME = 0.1`."
    path, line, found = lots.choice(turns)
    new = turned(found[2], lots)
    name = found[1].rstrip(" =")
    return render(ParsedAnswer(f"{name} {found[2]} -> {new}", "A rehearsal: the number was drawn by lot.",
                          (Edit(path, "edit", (line,), (f"{found[1]}{new}{found[3]}",)),)))


def turned(text: str, lots: random.Random) -> str:
    """Another number of the same kind, within a factor of two or so."""
    if re.fullmatch(r"-?\d+", text):
        value = int(text)
        return str(value + lots.choice([-1, 1]) * max(1, abs(value) // lots.choice([2, 4, 8])))
    factor = lots.choice([0.5, 0.7, 0.8, 1.25, 1.5, 2.0])
    return f"{float(text) * factor if float(text) else factor / 10:.6g}"


def code(page: str) -> Iterator[tuple[str, str]]:
    """The lines of code on a page that stand only once in their file, each with its path."""
    for found in SHOWN.finditer(page):
        lines = found[3].split("\n")
        yield from ((found[1], line) for line in lines if lines.count(line) == 1)
