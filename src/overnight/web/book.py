"""Views of a track that are remembered from one look to the next, and made anew only where a record touched them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from msgspec.structs import replace

from overnight.lab.events import Event, Opened
from overnight.lab.state import State
from overnight.night.session import Session
from overnight.views.experiment import DetailView, History, Views, detail
from overnight.views.points import points
from overnight.views.program import Versions
from overnight.views.rows import Hide, OnDemand, row, table
from overnight.views.track import track
from overnight.views.unseen import seedless, unseen, without_seeds
from overnight.web.index import Index

MOST_DETAILS = 64  # experiments whose details are remembered


class Book:
    """The history of one track. Of many thousands of experiments few change, the open ones and what the last records name, and
    only their rows are remembered."""

    def __init__(self) -> None:
        self._rows = table()
        self._touched: set[int] | None = None  # whose rows are out of date; None: those of all
        self._common: tuple[Any, ...] = ()
        self._told: tuple[int, History] | None = None

    def touch(self, state: State, event: Event) -> None:
        """Note what a record changes. Called before and after it is applied, for it may open or judge others too."""
        if isinstance(event, Opened):
            self._touched = None
        elif self._touched is not None:
            self._touched.update(state.open, named(event))

    def history(self, state: State, seq: int, full: bool) -> History:
        """The track with its experiments, as it is after record `seq`; without the holdout unless `full`."""
        if self._told is None or self._told[0] != seq:
            self._told = seq, self._made(state)
        told = self._told[1]
        return told if full else self._unseen(state, told)

    def _unseen(self, state: State, told: History) -> History:
        return replace(told, experiments=self._shown(state, Views(state), seedless), kept=tuple(map(without_seeds, told.kept)),
                       track=unseen(told.track))

    def _shown(self, state: State, views: Views, hide: Hide | None = None) -> OnDemand:
        return OnDemand(views, state.experiments, self._rows, hide)

    def _made(self, state: State) -> History:
        views = Views(state)
        common = state.opened, dict(state.roles)
        if common != self._common or self._touched is None:
            self._rows, self._touched = table(), None
        shown = self._shown(state, views)
        for each in shown if self._touched is None else shown.of(sorted(n for n in self._touched if n in state.experiments)):
            self._rows[each.id] = row(each)
        self._common, self._touched = common, set()
        return History(track(state), shown, tuple(map(views.of, state.chain())), points(state))


class Memory:
    """What was made of a track at one record, by a key that says all else that it depends on."""

    def __init__(self) -> None:
        self._at, self._made = (-1, -1), dict[Hashable, Any]()

    def at(self, edition: int, seq: int) -> Callable[[Hashable, Callable[[], Any]], Any]:
        """What remembers after this record. It forgets what was made at others."""
        if self._at != (edition, seq):
            self._at, self._made = (edition, seq), {}
        made = self._made

        def once(key: Hashable, make: Callable[[], Any]) -> Any:
            if key not in made:
                made[key] = make()
            return made[key]

        return once


class Shelf:
    """Experiments with their details, the ones last asked for."""

    def __init__(self) -> None:
        self._found: OrderedDict[int, DetailView] = OrderedDict()
        self._index = Index()

    def prepare(self, session: Session, most: int) -> bool:
        """Read on in the journal for what will be asked for, at most so many records; whether there may be more. Raises
        JournalError."""
        return session.begun and self._index.read(session.journal, most)

    def versions(self, session: Session) -> Versions:
        """The versions of the program. Raises JournalError."""
        return self._index.versions(session.journal) if session.begun else Versions()

    def touch(self, event: Event) -> None:
        """Forget what a record changes; one that names several may change any."""
        numbers = named(event)
        if len(numbers) == 1:
            self._found.pop(next(iter(numbers)), None)
        elif numbers or isinstance(event, Opened):
            self._found.clear()

    def detail(self, state: State, number: int, session: Session, full: bool) -> DetailView:
        """One experiment with its details, without what a reader may not see unless `full`. Raises JournalError."""
        chosen = state.experiments[number]
        found = self._found.get(number)
        if found is None or chosen.verdict == "open":
            found = detail(state, chosen, self._index.events(session.journal, state, number), session.log)
            self._found[number] = found
            while len(self._found) > MOST_DETAILS:
                self._found.popitem(last=False)
        return found if full else unseen(found)


def named(event: Event) -> set[int]:
    """The experiments that a record names; a point of a campaign has a number of its own, and is none."""
    if getattr(event, "stage", "") == "explore":
        return set()
    return {*getattr(event, "experiments", ()), getattr(event, "experiment", 0)} - {0}
