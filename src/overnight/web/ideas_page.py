"""The queue of ideas: what comes next, what was tried, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overnight.contracts import Idea
from overnight.track.roles import READ
from overnight.untrusted import line
from overnight.views.rows import named
from overnight.web.fragments import places
from overnight.web.frame import framed
from overnight.web.seen import Seen


def ideas(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of ideas."""
    state = seen.state
    order = [entry.id for entry in state.ideas.waiting()]
    every = {entry.id: state.idea(entry) for entry in state.ideas}
    waiting = [every[number] for number in order]
    known = named(seen.history.experiments, [number for each in every.values() for number in each.tried])
    return framed(
        seen, "ideas.html", "Ideas", "ideas", waiting=waiting, readers=_readers(seen), places=places(seen),
        origins={each.id: _origin(each) for each in every.values()},
        moves={each.id: (("up", "↑", place), ("down", "↓", place + 2)) for place, each in enumerate(waiting)},
        came={each.id: [known[number] for number in each.tried if number in known] for each in every.values()},
        groups=_groups([each for each in every.values() if each.id not in set(order)]))


def _groups(others: Sequence[Idea]) -> list[tuple[str, str, list[Idea], str]]:
    """Heading, key, ideas and the sentence where there are none, newest first."""
    newest = others[::-1]
    tried = [each for each in newest if each.state in ("tried", "leased")]
    dropped = [each for each in newest if each.state == "dropped"]
    shown = [("Tried", "tried", tried, "None yet. The experiments that came of an idea will stand here, with their verdicts.")]
    return shown + ([("Dropped", "dropped", dropped, "")] if dropped else [])


def _origin(each: Idea) -> str:
    return f"idea {each.id}, from {'a person' if each.source == 'person' else line(each.source, 80)}"


def _readers(seen: Seen) -> str:
    """Which researchers take ideas."""
    tonight = [line(name, 60) for name in seen.state.researchers]
    names = [name for name in tonight if seen.state.roles.get(name) in READ]
    if names:
        return f"{', '.join(names)}: each takes the first that was not tried. A person's ideas come first."
    doubt = f"for {' and '.join(tonight)} {'do' if len(tonight) > 1 else 'does'} not read" if tonight else "for none was begun"
    return f"No idea is taken in this night, {doubt}. A role of the kind llm or agent in program.md does."
