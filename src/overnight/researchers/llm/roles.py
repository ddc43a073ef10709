"""Roles beside proposing: a scientist fills the queue of ideas, a critic reads a change before it runs, a standup writes down
what was learnt. What they say is advice: it is cleaned and bounded here, and decides nothing."""

from __future__ import annotations

import re

from overnight.contracts import Brief, Change
from overnight.researchers.llm.client import ModelClient
from overnight.untrusted import fenced, line, plain, quoted

MOST_IDEAS = 10  # ideas of one call
TITLE = 120  # characters of an idea's title
TEXT = 1_500
ADVICE = 1_500
NOTES = 6_000
DIFF = 24_000  # characters of a diff that a critic reads
OTHER = "## Your part\n\nWhat to do now, as said above, is for the authors of changes. You write none. "
IDEA = re.compile(r"^[ \t]*(?:[#*\d.-]+[ \t]*)?IDEA[ \t]*\d*[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
BACK = re.compile(r"^[ \t#*`]*SEND BACK[ \t*`]*:?[ \t*`]*", re.IGNORECASE | re.MULTILINE)


def scientist(client: ModelClient, brief: Brief) -> tuple[tuple[str, str], ...]:
    """New ideas as (title, text), without those that have a title of the queue. Raises Away, EditError."""
    answer = client.ask("scientist", brief, f"{OTHER}Write new ideas for the queue.")
    return ideas(answer.text, {_same(idea.title) for idea in brief.ideas})


def ideas(answer: str, known: set[str]) -> tuple[tuple[str, str], ...]:
    """The ideas in an answer."""
    parts = IDEA.split(answer)[1:]
    found: dict[str, tuple[str, str]] = {}
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        short = line(title.strip(" \t*"), TITLE)
        if short and _same(short) not in known:
            found.setdefault(_same(short), (short, plain(text.strip(), TEXT)))
    return tuple(found.values())[:MOST_IDEAS]


def _same(title: str) -> str:
    return " ".join(re.findall(r"\w+", title.lower()))


def critic(client: ModelClient, brief: Brief, change: Change, patch: str) -> str:
    """Advice with which a change goes back to its author; "": nothing against it. Raises Away, EditError."""
    title = quoted(change.message.partition("\n")[0], 200)
    wanted = f" It was asked to try idea {change.idea}." if change.idea else ""
    task = f"{OTHER}Judge whether this change should go back: {title}.{wanted}\n\n"
    task += fenced(f"{change.message}\n\n{patch}", "the change", DIFF)
    return advice(client.ask("critic", brief, task).text)


def advice(answer: str) -> str:
    """What a critic's answer says against a change; "" unless it says plainly that it should go back."""
    found = BACK.search(answer)
    return plain(answer[found.end():].strip(), ADVICE) if found else ""


def standup(client: ModelClient, brief: Brief) -> str:
    """Notes that take the place of those of last time; "" where the model has nothing to say. Raises Away, EditError."""
    answer = client.ask("standup", brief, f"{OTHER}Write the lab's notes anew.")
    return plain(answer.text.strip(), NOTES)
