"""What was found elsewhere, as an idea: cleaned, bounded, and each only once. Pure.

Covered: characters that steer a terminal or hide, titles and texts of any length, the same idea in other words.
Not covered: instructions in an idea's text, which is data and authorises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from overnight.errors import TrackError
from overnight.ideas.similarity import alike
from overnight.lab.queue import MOST_TEXT_CHARACTERS, MOST_TITLE_CHARACTERS
from overnight.untrusted import line, plain

MOST_SOURCE_CHARACTERS = 512 << 10  # characters of one file or one idea; more is a mistake, not an idea


class FoundIdea(Struct, frozen=True):
    """An idea from elsewhere: a title, the rest below it ("" if the title says it all), and where it is from."""

    title: str
    text: str
    source: str


def found(title: str, text: str, source: str) -> FoundIdea:
    """Words from outside as an idea. A title that is too long goes on in the text."""
    short = line(title, MOST_TITLE_CHARACTERS)
    if short.endswith("…"):
        text = f"{title}\n\n{text}" if text.strip() else title
    return FoundIdea(short, plain(text, MOST_TEXT_CHARACTERS).strip(), line(source, MOST_TITLE_CHARACTERS))


def written(text: str, source: str = "person") -> FoundIdea:
    """A typed text as an idea: its first line is the title. Raises TrackError where it is none."""
    if len(text) > MOST_SOURCE_CHARACTERS:
        raise TrackError(f"an idea of {len(text):,} characters is too long: say it in a few sentences, or import a file.")
    title, _, rest = text.strip().partition("\n")
    idea = found(title, rest, source)
    if not idea.title:
        raise TrackError("the idea is empty: say in a few words what should be tried.")
    return idea


def distinct(ideas: Iterable[FoundIdea], most: int) -> list[FoundIdea]:
    """The first so many of them that have a title and are not another one in other words."""
    kept: list[FoundIdea] = []
    texts: list[str] = []
    for idea in ideas:
        if len(kept) >= most:
            break
        text = f"{idea.title}\n{idea.text}"
        if idea.title and not alike(text, texts):
            kept.append(idea)
            texts.append(text)
    return kept
