"""A proposed section for `track.toml`, as what it adds to the contract: a further metric or a guard, and nothing else. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from overnight.errors import TrackError
from overnight.track.spec import FILE, Track, parse

MOST_SECTION_CHARACTERS = 2_000


def with_section(text: str, section: str) -> str:
    """The text of a contract with a section at its end, which may add [[watch]] and [[guard]] alone. Raises TrackError."""
    if len(section) > MOST_SECTION_CHARACTERS:
        raise TrackError(f"the section is longer than {MOST_SECTION_CHARACTERS:,} characters: propose one metric.")
    after = f"{text.rstrip()}\n\n{section.strip()}\n"
    if not adds(parse(text), parse(after)):
        raise TrackError(f"the section does not only add a [[watch]] or a [[guard]] to {FILE}: write it by hand.")
    return after


def adds(before: Track, after: Track) -> bool:
    """Whether a contract is another one with further metrics or guards, and otherwise the same."""
    more = len(after.watch) + len(after.guard) > len(before.watch) + len(before.guard)
    starts = after.watch[:len(before.watch)] == before.watch and after.guard[:len(before.guard)] == before.guard
    return more and starts and replace(after, watch=before.watch, guard=before.guard) == before
