"""The two tables of a track: a row for each experiment, or for each run. Rows are made one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from overnight.export.columns import EXPERIMENTS, RUNS, Column, ExperimentRow, RunRow, metric_names, metrics
from overnight.lab.state import State
from overnight.untrusted import line
from overnight.views import holdout
from overnight.views import runs as all_runs
from overnight.views.experiment import ExperimentView, Views
from overnight.views.unseen import scrubbed, without_seeds

MOST_WORDS = 200  # characters of a track's name or unit
FORMAT = "1"  # goes up where a column changes what it means


class Table(NamedTuple):
    """A table that is not made yet: its columns, its rows (to be read once), and what else there is to know, by name."""

    columns: tuple[Column[Any], ...]
    rows: Iterable[Any]
    about: Mapping[str, str]


def experiments(state: State, private: bool) -> Table:
    """A row for each experiment, in the order of their numbers."""
    names = metric_names(state, (each.metrics for each in state.experiments.values()))
    own = [*metrics(names, _of_experiment, _unit(state), state.track.metric.name)]
    return Table(_seen([*EXPERIMENTS, *own], private), _experiments(state, private), _about(state))


def runs(state: State, events: all_runs.Events, private: bool) -> Table:
    """A row for each run, in the order in which they ended. `events` gives the journal's, as views.runs takes them."""
    names = metric_names(state, (run.run.metrics for run in all_runs.runs(state, events)))
    own = [*metrics(names, _of_run, _unit(state), state.track.metric.name)]
    return Table(_seen([*RUNS, *own], private), _runs(state, events, private), _about(state))


def _of_experiment(row: ExperimentRow) -> Mapping[str, float]:
    return row.found.metrics


def _of_run(row: RunRow) -> Mapping[str, float]:
    return row.found.run.metrics


def listed(state: State, private: bool) -> Iterator[ExperimentView]:
    """Every experiment as it is shown; unless `private`, without numbers that may be seeds in what quotes a candidate."""
    views = Views(state)
    for chosen in state.experiments.values():
        yield views.of(chosen) if private else without_seeds(views.of(chosen))


def _experiments(state: State, private: bool) -> Iterator[ExperimentRow]:
    told = holdout.holdout(state) if private else None
    asked = {each.experiment: each for each in told.questions} if told else {}
    name = _words(state.track.name)
    for found in listed(state, private):
        yield ExperimentRow(name, found, asked.get(found.id))


def _runs(state: State, events: all_runs.Events, private: bool) -> Iterator[RunRow]:
    name = _words(state.track.name)
    for found in all_runs.runs(state, events):
        if not private:
            run = replace(found.run, reason=scrubbed(found.run.reason, [str(found.run.seed)]))
            found = found._replace(run=run)
        yield RunRow(name, found)


def _seen(columns: Iterable[Column[Any]], private: bool) -> tuple[Column[Any], ...]:
    return tuple(each for each in columns if private or not each.private)


def _about(state: State) -> dict[str, str]:
    """What a table itself does not say."""
    metric = state.track.metric
    return {"format": FORMAT, "track": _words(state.track.name), "metric": _words(metric.name), "unit": _unit(state),
            "direction": str(metric.direction), "records": str(state.records)}


def _unit(state: State) -> str:
    return _words(state.track.metric.unit)


def _words(text: str) -> str:
    return line(text, MOST_WORDS)
