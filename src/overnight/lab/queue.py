"""The queue of ideas: what came in, which role works on it, what was tried of it. Pure; told by the Lab what is recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from overnight.contracts import Idea
from overnight.lab.events import Dropped, Moved, Noted, Passed, Proposed
from overnight.lab.experiment import Experiment

MOST_TITLE_CHARACTERS, MOST_TEXT_CHARACTERS = 200, 4000
MOST_PASSES_PER_IDEA = 2  # times that a researcher may fail to make a change of an idea before it is left alone
OWN_IDEA_EVERY = 3  # of so many proposals, one is left to the researcher's own idea although the queue holds some


class Entry(Struct):
    """One idea. `tried` are its experiments, `passes` how often no researcher could make a change of it; `moved`: a person put
    it where it stands."""

    id: int
    title: str
    text: str
    source: str
    dropped: bool = False
    tried: list[int] = []
    passes: int = 0
    moved: bool = False

    @property
    def hopeless(self) -> bool:
        """Whether it was given up without an experiment."""
        return not self.tried and self.passes >= MOST_PASSES_PER_IDEA

    @property
    def untried(self) -> bool:
        """Whether it still waits for a researcher."""
        return not (self.dropped or self.tried or self.hopeless)


def told(entry: Entry, tried: Sequence[Experiment], leased: bool) -> Idea:
    """An idea as researchers may know it, with the experiments that tried it; `leased`: a researcher works on it."""
    busy = leased or any(e.verdict == "open" for e in tried)
    state = "dropped" if entry.dropped else "leased" if busy else "open" if entry.untried else "tried"
    given_up = "no researcher could make a change of it" if entry.hopeless else ""
    came = (f"#{e.id} {e.verdict}{'' if e.effect is None else f' {e.effect:+.3g}'}" for e in tried)
    return Idea(entry.id, entry.title, entry.text, entry.source, state, tuple(entry.tried), "; ".join(came) or given_up)


class Ideas(Struct):
    """All ideas that ever came in, oldest first; `order` has their numbers as they are to be tried: a person's first, then the
    oldest, but for those that were moved."""

    entries: dict[int, Entry] = {}
    next: int = 1
    order: list[int] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def noted(self, event: Noted) -> None:
        """One came in."""
        self.entries[event.idea] = Entry(event.idea, event.title, event.text, event.source)
        self.next = event.idea + 1
        persons = [at for at, number in enumerate(self.order, 1) if self.entries[number].source == "person"]
        self.order.insert(max(persons, default=0) if event.source == "person" else len(self.order), event.idea)

    def moved(self, event: Moved) -> None:
        """One was moved to a place among those that wait."""
        others = [entry.id for entry in self.waiting() if entry.id != event.idea]
        self.order.remove(event.idea)
        place = self.order.index(others[event.position - 1]) if event.position <= len(others) else len(self.order)
        self.order.insert(place, event.idea)
        self.entries[event.idea].moved = True

    def dropped(self, event: Dropped) -> None:
        """One was taken out."""
        self.entries[event.idea].dropped = True

    def proposed(self, event: Proposed) -> None:
        """An experiment tries one."""
        if event.idea in self.entries:
            self.entries[event.idea].tried.append(event.experiment)

    def passed(self, event: Passed) -> None:
        """No researcher could make a change of one; that a researcher was away says nothing of it."""
        if event.idea in self.entries and not event.away:
            self.entries[event.idea].passes += 1

    def waiting(self, leased: Collection[int] = ()) -> list[Entry]:
        """Those that were not tried and that no researcher works on, in the order in which they are to be tried."""
        every = map(self.entries.__getitem__, self.order)
        return [entry for entry in every if entry.untried and entry.id not in leased]

    def lease(self, leased: Collection[int], asked: int) -> Entry | None:
        """The idea that a researcher is asked to try when it was asked so often before; None: its own. A person's is
        always tried next."""
        free = self.waiting(leased)
        if not free or (free[0].source != "person" and not free[0].moved and asked % OWN_IDEA_EVERY == OWN_IDEA_EVERY - 1):
            return None
        return free[0]
