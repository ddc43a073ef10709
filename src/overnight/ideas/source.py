"""Where ideas can be imported from, and what a name means: `arxiv:QUERY`, `github:OWNER/NAME`, a clone's folder, a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from overnight.errors import TrackError
from overnight.ideas import commits, notes, papers
from overnight.ideas.found import MOST_SOURCE_CHARACTERS, FoundIdea, distinct

MOST_PATH_CHARACTERS = 1000
MOST_IDEAS = 20  # of one import, by default


def gather(source: str, most: int = MOST_IDEAS, arxiv: str | None = None, github: str = commits.GITHUB) -> list[FoundIdea]:
    """The ideas of a source, each once, at most so many; `arxiv` and `github` are other servers. Raises TrackError."""
    if most < 1:
        raise TrackError("at least one idea has to be asked for.")
    kind, colon, rest = source.partition(":")
    if colon and kind == "arxiv":
        ideas = papers.from_arxiv(rest, most, arxiv)
    elif colon and kind == "github":
        ideas = commits.from_github(rest.strip(), base=github)
    else:
        ideas = _from_path(source)
    kept = distinct(ideas, most)
    if not kept:
        raise TrackError(f"{source[:80]} holds no ideas: nothing was imported.")
    return kept


def _from_path(source: str) -> list[FoundIdea]:
    path = Path(source).expanduser()
    if not source.strip():
        raise TrackError("the source is empty: give arxiv:QUERY, github:OWNER/NAME, a clone's folder or a markdown file.")
    if "\0" in source or len(source) > MOST_PATH_CHARACTERS or not path.exists():
        raise TrackError(f"there is no file or folder {source[:200]!r}: give arxiv:QUERY, github:OWNER/NAME or a path.")
    return commits.from_clone(path) if path.is_dir() else list(notes.ideas(_text(path), f"file {path.name}"))


def _text(path: Path) -> str:
    """The text of a file: an ordinary one, not too large, UTF-8."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TrackError(f"{path.name} is no ordinary file: give a markdown file.")
            content = file.read(MOST_SOURCE_CHARACTERS + 1)
    except OSError as error:
        raise TrackError(f"{path.name} cannot be read: {error.strerror}.") from error
    if len(content) > MOST_SOURCE_CHARACTERS:
        raise TrackError(f"{path.name} is larger than {MOST_SOURCE_CHARACTERS >> 10} KiB: split it, or take "
                         "the part with the ideas.")
    if b"\0" in content:
        raise TrackError(f"{path.name} is no text: give a markdown file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TrackError(f"{path.name} is no text: give a markdown file in UTF-8.") from error
