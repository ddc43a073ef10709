"""All experiments of a track, without a view of each at hand: what lists, counts and charts need of all of them, and the views
of those that are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar, overload

from msgspec import Struct
from msgspec.structs import replace

from overnight.lab.dense import Dense
from overnight.lab.experiment import Experiment
from overnight.views.causes import Cause
from overnight.views.experiment import ExperimentView, History, Views, title

Hide = Callable[[str], str]
MOST_ROWS = 12_000  # that are objects, so that lists of ten thousand experiments are quick
Shown = TypeVar("Shown", "ExperimentView", "Row")


class Mark(Struct, frozen=True, array_like=True, gc=False):
    """Of a verdict what a list goes by: fields of VerdictView."""

    verdict: str
    reason: str
    effect: float | None
    interval: tuple[float, float] | None
    pairs: int
    fresh_pairs: int
    e_value: float | None


class Row(Struct, frozen=True, array_like=True, gc=False):
    """Of an experiment what lists are filtered, searched and sorted by, and what charts draw: fields of ExperimentView."""

    id: int
    parent: int
    researcher: str
    role: str
    cause: Cause
    idea: int | None
    message: str
    level: float | None
    ratio: float | None
    proposed_at: float | None
    judged_at: float | None
    verdict: Mark

    @property
    def title(self) -> str:
        """The first line of the message, as ExperimentView has it."""
        return title(self.message)


Listed: TypeAlias = ExperimentView | Row


def row(view: ExperimentView) -> Row:
    """The row of an experiment."""
    found = view.verdict
    mark = Mark(found.verdict, found.reason, found.effect, found.interval, found.pairs, found.fresh_pairs, found.e_value)
    return Row(view.id, view.parent, view.researcher, view.role, view.cause, view.idea, view.message, view.level, view.ratio,
               view.proposed_at, view.judged_at, mark)


def hidden(view: Shown, hide: Hide) -> Shown:
    """An experiment, or its row, with what a reader may see of the reason of its verdict."""
    reason = hide(view.verdict.reason)
    return view if reason == view.verdict.reason else replace(view, verdict=replace(view.verdict, reason=reason))


def table() -> Dense[Row]:
    """Rows by the numbers of their experiments, of which there are none yet."""
    return Dense(Row, loose=MOST_ROWS)


class Rows(Sequence[Row]):
    """Some rows in the order of these numbers, decoded when they are read."""

    def __init__(self, table: Dense[Row], numbers: Sequence[int], hide: Hide | None) -> None:
        self._table, self._numbers, self._hide = table, numbers, hide

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Row]:
        found = self._table.read(self._numbers)
        return found if self._hide is None else (hidden(each, self._hide) for each in found)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Rows: ...
    def __getitem__(self, place: int | slice) -> Row | Rows:
        if isinstance(place, slice):
            return Rows(self._table, self._numbers[place], self._hide)
        return next(iter(Rows(self._table, [self._numbers[place]], self._hide)))


class OnDemand(Sequence[ExperimentView]):
    """Experiments as they are shown, in the order of these numbers, each made when it is read: a view takes more memory than
    the experiment, and a page shows a hundred. True as long as nothing is recorded.

    table  the rows of all experiments of the track
    hide   what changes the reasons of verdicts for a reader who may not see them whole; None: nothing does
    """

    def __init__(self, views: Views, experiments: Mapping[int, Experiment], table: Dense[Row], hide: Hide | None = None,
                 numbers: Sequence[int] | None = None) -> None:
        self._views, self._experiments, self._table, self._hide = views, experiments, table, hide
        self.numbers: Sequence[int] = numbers if numbers is not None else (
            experiments.numbers if isinstance(experiments, Dense) else tuple(experiments))

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[ExperimentView]:
        among = self._experiments
        packed = among.read(self.numbers) if isinstance(among, Dense) else map(among.__getitem__, self.numbers)
        made = map(self._views.of, packed)
        return made if self._hide is None else (hidden(view, self._hide) for view in made)

    @overload
    def __getitem__(self, place: int) -> ExperimentView: ...
    @overload
    def __getitem__(self, place: slice) -> OnDemand: ...
    def __getitem__(self, place: int | slice) -> ExperimentView | OnDemand:
        if isinstance(place, slice):
            return self.of(self.numbers[place])
        return next(iter(self.of([self.numbers[place]])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def rows(self, told: bool) -> Rows:
        """The rows of them; `told`: with the reasons of verdicts as the reader may see them."""
        return Rows(self._table, self.numbers, self._hide if told else None)

    def has(self, number: int) -> bool:
        """Whether the track has an experiment of this number."""
        return number in self._experiments

    def of(self, numbers: Sequence[int]) -> OnDemand:
        """Those of these numbers, in their order."""
        return OnDemand(self._views, self._experiments, self._table, self._hide, numbers)


# ---- of all experiments of a history, whether there are views of them or not ------------------------------------


def rows(every: Sequence[ExperimentView], told: bool = False) -> Sequence[Listed]:
    """What lists and charts need of them; a view is a row as well. `told`: the reasons of verdicts are looked at, so that they
    are to be what the reader may see, which takes longer."""
    return every.rows(told) if isinstance(every, OnDemand) else every


def picked(every: Sequence[ExperimentView], places: Sequence[int]) -> Sequence[ExperimentView]:
    """Those at these places, in this order."""
    if isinstance(every, OnDemand):
        return every.of([every.numbers[place] for place in places])
    return [every[place] for place in places]


def named(every: Sequence[ExperimentView], wanted: Iterable[int]) -> dict[int, ExperimentView]:
    """Those of these numbers that there are."""
    if isinstance(every, OnDemand):
        return {each.id: each for each in every.of(sorted(number for number in {*wanted} if every.has(number)))}
    among = {*wanted}
    return {each.id: each for each in every if each.id in among}


def measured(told: History) -> list[float | None]:
    """The effects by whose size numbers are rounded: of what was kept, where nothing was, of all."""
    return [each.verdict.effect for each in told.kept or rows(told.experiments)]


def team(every: Sequence[ExperimentView]) -> tuple[str, ...]:
    """The names of all that proposed one."""
    return tuple(dict.fromkeys(each.researcher for each in rows(every)))
