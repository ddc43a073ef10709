"""A scripted model that plays a small team at tracks/microgpt, so that a night can be rehearsed without a key.

    python -m overnight.testing.server --script bench/rehearsal/answers.py

The author's answers lie in answers/ and come in the order of their names. Some are good, some bad; one quotes a line that is
not there, one leaves the boundary, one crashes, one is too slow for the guard. What is sent back is answered with
NAME.again.md. Then numbers are turned by lot. The critic knows one objection, the standup copies what was kept.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

from overnight.researchers.llm.client import text
from overnight.testing.models import Messages, tinker

HERE = Path(__file__).parent
WRITTEN = {path.stem: path.read_text(encoding="utf-8") for path in sorted((HERE / "answers").glob("*.md"))}
OBJECTION = "numpy"
ADVICE = "SEND BACK:\nThere is no numpy: the program says that Python's standard library is all there is."
TASK = "## What to do now"

_lock = threading.Lock()
_gone: set[str] = set()


def answer(messages: Messages) -> str:
    """What whoever is asked says."""
    prompt, page = messages[0]["content"], messages[1]["content"]
    if prompt.startswith(text("critic")):
        return ADVICE if OBJECTION in page.partition("Judge whether this change should go back")[2] else "OK"
    if prompt.startswith(text("standup")):
        return notes(page)
    return author(messages, page.partition(TASK)[2])


def author(messages: Messages, task: str) -> str:
    """An author's change: the second version of one that was sent back, the one that is asked for, or the next."""
    if len(messages) > 2:  # a repair
        said = next((name for name, known in WRITTEN.items() if known == messages[-2]["content"]), "")
        return WRITTEN.get(f"{said}.again") or following(messages)
    name = next((name for name in WRITTEN if title(name) in task), "")
    return WRITTEN.get(f"{name}.again") or WRITTEN.get(name) or following(messages)


def title(name: str) -> str:
    """What an answer calls its change."""
    return WRITTEN[name].partition("\n")[0].removeprefix("TITLE: ")


def following(messages: Messages) -> str:
    """The next answer that was not given yet; then a number that is turned."""
    with _lock:
        name = next((name for name in WRITTEN if "." not in name and name not in _gone), "")
        _gone.add(name)
    return WRITTEN[name] if name else tinker(messages)


def notes(page: str) -> str:
    """What the page says was kept, as notes."""
    kept = re.findall(r"^- .*$", page.partition("## What was kept")[2].partition("\n## ")[0], re.MULTILINE)
    return "\n".join(["What works here so far:", *kept]) if kept else "Nothing was kept yet: small changes drown in the noise."
