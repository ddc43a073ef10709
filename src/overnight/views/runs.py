"""Every run of a track, one after the other, as `overnight show` compares those of one experiment: for tables of all of them.

The record is read three times from its beginning, so that no more is held than what bases measured. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from itertools import islice
from typing import NamedTuple

from overnight.lab.events import Event, Measured, Opened, Probed, Proposed, Rebased
from overnight.lab.experiment import Metrics
from overnight.lab.state import State
from overnight.views.experiment import RunDetailView, compared_run

Events = Callable[[], Iterable[Event]]


class TrackRun(NamedTuple):
    """One run with what it is a run of.

    experiment  whose commit ran; 0: the baseline's, None: a point's, whose number is in `run`
    commit      what ran
    at          when its end was recorded, in seconds since 1970
    run         the run beside its base's
    """

    experiment: int | None
    commit: str
    at: float
    run: RunDetailView


def runs(state: State, events: Events) -> Iterator[TrackRun]:
    """Every run since the track was begun, or begun anew, in the order in which they ended. `events` gives those of the journal
    from its first on, each time that it is called, as many as the state knows."""
    begins, bases = 0, set[str]()
    for number, event in enumerate(events()):
        if isinstance(event, Opened):
            begins = number
            bases.clear()
        elif isinstance(event, Proposed | Rebased | Probed):
            bases.add(event.base_commit)
    made = _Made(state, _measured(islice(events(), begins, None), bases))
    for event in islice(events(), begins, None):
        if isinstance(event, Measured):
            yield made.run(event)
        else:
            made.note(event)


def _measured(events: Iterable[Event], bases: Set[str]) -> dict[tuple[str, int], Metrics]:
    """What bases measured, by commit and seed: the first time that it ended well."""
    known: dict[tuple[str, int], Metrics] = {}
    for event in events:
        if isinstance(event, Measured) and event.outcome == "ok" and event.commit in bases:
            known.setdefault((event.commit, event.seed), event.metrics)
    return known


class _Made:
    """What was made so far of a track, by which its runs are compared."""

    def __init__(self, state: State, known: dict[tuple[str, int], Metrics]) -> None:
        self.state, self.known = state, known
        self._bases: dict[tuple[int, str], str] = {}  # of each form of an experiment
        self._points: dict[int, str] = {}
        self._fronts = {state.commit, *(each.commit for each in state.open.values())}

    def note(self, event: Event) -> None:
        """Take up what an event makes."""
        if isinstance(event, Proposed | Rebased):
            self._bases[event.experiment, event.commit] = event.base_commit
        elif isinstance(event, Probed):
            self._points[event.probe] = event.base_commit

    def run(self, event: Measured) -> TrackRun:
        """A run beside its base's."""
        if event.stage == "explore":
            base = self.known.get((self._points.get(event.experiment, ""), event.seed), {})
            shown = compared_run(self.state, event, base, False, False, event.experiment)
            return TrackRun(None, event.commit, event.at, shown)
        form = self._bases.get((event.experiment, event.commit))
        base = self.known.get((form or "", event.seed), {})
        kept, now = self._stands(event.experiment)
        shown = compared_run(self.state, event, base, form is not None and event.commit != now, kept, None)
        return TrackRun(event.experiment, event.commit, event.at, shown)

    def _stands(self, number: int) -> tuple[bool, str]:
        """Whether an experiment is kept, and the commit whose pairs count for it now; "" where none does."""
        chosen = self.state.experiments.get(number)
        if chosen is None:
            return False, ""
        bound = chosen.verdict != "open" or chosen.base_commit in self._fronts
        return chosen.verdict == "keep", chosen.commit if bound else ""
