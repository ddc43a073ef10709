"""Views of a track that are remembered from one look to the next, and made anew only where a record touched them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from msgspec.structs import replace

from overnight.lab.events import Event, Opened
from overnight.lab.state import State
from overnight.night.session import Session
from overnight.views.experiment import DetailView, ExperimentView, History, Views, detail
from overnight.views.points import points
from overnight.views.program import Versions
from overnight.views.track import track
from overnight.views.unseen import unseen, without_seeds
from overnight.web.index import Index

MOST_DETAILS = 64  # experiments whose details are remembered


class Book:
    """The history of one track. Of many thousands of experiments few change: the open ones, those that are kept, and what the
    last records name."""

    def __init__(self) -> None:
        self._views: dict[int, ExperimentView] = {}
        self._public: dict[int, ExperimentView] = {}  # of those that others may not see whole
        self._touched: set[int] = set()
        self._common: tuple[Any, ...] = ()
        self._told: tuple[int, History] | None = None

    def touch(self, state: State, event: Event) -> None:
        """Note what a record changes. Called before and after it is applied, for it may open or judge others too."""
        if isinstance(event, Opened):
            self._forget()
        self._touched.update(state.open)
        self._touched.update(named(event))

    def history(self, state: State, seq: int, full: bool) -> History:
        """The track with its experiments, as it is after record `seq`; without the holdout unless `full`."""
        if self._told is None or self._told[0] != seq:
            self._told = seq, self._made(state)
        told = self._told[1]
        return told if full else self._unseen(told)

    def _unseen(self, told: History) -> History:
        public = self._public
        if public:
            told = replace(told, experiments=tuple(public.get(each.id, each) for each in told.experiments),
                           kept=tuple(public.get(each.id, each) for each in told.kept))
        return told if told.track.holdout is None else replace(told, track=unseen(told.track))

    def _forget(self) -> None:
        self._views.clear()
        self._public.clear()

    def _made(self, state: State) -> History:
        views = Views(state)
        common = state.opened, views.one_seed, views.estimated, dict(state.roles)
        if common != self._common:
            self._forget()
        self._common, kept = common, state.chain()
        stale = {*self._touched, *state.open, *(each.id for each in kept)}
        for number, each in state.experiments.items():
            if number in stale or number not in self._views:
                self._put(views.of(each))
        self._touched.clear()
        every = [self._views[number] for number in state.experiments]
        return History(track(state), tuple(every), tuple(self._views[each.id] for each in kept), points(state))

    def _put(self, view: ExperimentView) -> None:
        public = without_seeds(view)
        self._views[view.id] = view
        self._public.pop(view.id, None)
        if public is not view:
            self._public[view.id] = public


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
