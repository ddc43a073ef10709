"""The queue of ideas as it is shown: those that wait, in the order in which they are to be tried, then what became of the
others. Pure."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from overnight.lab.state import State
from overnight.untrusted import readable


class IdeaView(Struct, frozen=True):
    """One idea.

    id         its number
    title, text, source   in the words of its source
    state      open, leased (a researcher works on it, or its experiments are measured), tried or dropped
    position   its place among those that wait, from 1 on; None where it does not wait
    moved      whether a person put it where it stands
    tried      the experiments that tried it, and `outcome` what came of them; "" before that
    """

    id: int
    title: str
    text: str
    source: str
    state: str
    position: int | None
    moved: bool
    tried: tuple[int, ...]
    outcome: str


def ideas(state: State, leased: Collection[int] = ()) -> tuple[IdeaView, ...]:
    """Every idea, first those that wait; `leased` are those that a researcher works on, where that is known."""
    places = {entry.id: place for place, entry in enumerate(state.ideas.waiting(), 1)}
    views = []
    for entry in state.ideas:
        told = state.idea(entry, frozenset(leased))
        views.append(IdeaView(entry.id, readable(told.title), readable(told.text), readable(told.source), told.state,
                              places.get(entry.id), entry.moved, told.tried, readable(told.outcome)))
    return tuple(sorted(views, key=lambda each: (each.position is None, each.position or -each.id)))
