"""The columns of tables: what each holds, its type and its unit, and its value of a record. Pure.

Covered: texts from outside are as the views clean them; a metric's name is made a plain one that no other column has.
Not covered: what a spreadsheet makes of a text; that is the matter of csv.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from overnight.lab.state import State
from overnight.track.spec import HARNESS_METRICS
from overnight.untrusted import line
from overnight.views.experiment import ExperimentView
from overnight.views.holdout import QuestionView
from overnight.views.runs import TrackRun

Type = Literal["integer", "number", "text", "boolean", "time"]
MOST_NAME_CHARACTERS = 100  # of a metric, in a column's name
PREFIX = "metrics."  # of the columns of metrics, as in the tables of MLflow
METRIC = "of the metric"  # the unit that a contract names
UNITS = {name: "bytes" if name == "peak_memory" else "seconds" for name in HARNESS_METRICS}


class ExperimentRow(NamedTuple):
    """One experiment of a track, and what the holdout said of it; None where it was not asked, or that is not to be told."""

    track: str
    found: ExperimentView
    asked: QuestionView | None


class RunRow(NamedTuple):
    """One run of a track."""

    track: str
    found: TrackRun


Row = TypeVar("Row", ExperimentRow, RunRow)


class Column(NamedTuple, Generic[Row]):
    """One column.

    name     of the column
    type     integer, number, text, boolean, or time (an instant, in UTC)
    meaning  what it holds, in words
    value    gives its value of a row; None: there is none. A time is given in seconds since 1970
    unit     of the numbers in it; "" where they have none
    private  only the track's user may see it
    """

    name: str
    type: Type
    meaning: str
    value: Callable[[Row], Any]
    unit: str = ""
    private: bool = False


def _experiment(path: str) -> Callable[[ExperimentRow], Any]:
    return attrgetter(f"found.{path}")


def _within(path: str, name: str) -> Callable[[ExperimentRow], Any]:
    """The value of a record that may not be there."""
    outer = attrgetter(f"found.{path}")

    def value(row: ExperimentRow) -> Any:
        found = outer(row)
        return None if found is None else getattr(found, name)

    return value


def _end(side: int) -> Callable[[ExperimentRow], Any]:
    return lambda row: row.found.verdict.interval and row.found.verdict.interval[side]


def _asked(name: str) -> Callable[[ExperimentRow], Any]:
    return lambda row: None if row.asked is None else getattr(row.asked, name)


EXPERIMENTS: tuple[Column[ExperimentRow], ...] = (
    Column("track", "text", "name of the track", attrgetter("track")),
    Column("id", "integer", "number of the experiment", _experiment("id")),
    Column("commit", "text", "what was tried", _experiment("commit")),
    Column("base", "text", "the commit that it stands on", _experiment("base")),
    Column("parent", "integer", "the experiment whose commit that is; 0: the baseline", _experiment("parent")),
    Column("researcher", "text", "name of its proposer", _experiment("researcher")),
    Column("role", "text", "kind of that role; by hand: it was handed in", _experiment("role")),
    Column("title", "text", "first line of its message, in the proposer's words", _experiment("title")),
    Column("message", "text", "the whole message", _experiment("message")),
    Column("verdict", "text", "keep, discard, crash, foul; open: none yet", _experiment("verdict.verdict")),
    Column("word", "text", "what was found of a discarded one, in a few words", _experiment("verdict.word")),
    Column("cause", "text", "why it was not kept, as one word to group by", _experiment("cause")),
    Column("reason", "text", "why, in words; may quote the candidate", _experiment("verdict.reason")),
    Column("effect", "number", "mean paired difference, positive is better", _experiment("verdict.effect"), METRIC),
    Column("effect_low", "number", "lower end of the 95 % interval of the true gain", _end(0), METRIC),
    Column("effect_high", "number", "upper end of it", _end(1), METRIC),
    Column("pairs", "integer", "paired runs that were compared", _experiment("verdict.pairs")),
    Column("fresh_pairs", "integer", "those on seeds drawn after the commit existed", _experiment("verdict.fresh_pairs")),
    Column("older_pairs", "integer", "those of them against an older frontier", _experiment("verdict.older_pairs")),
    Column("e_value", "number", "evidence that it is better", _experiment("verdict.e_value"), "odds to 1"),
    Column("finding_chance", "number", "chance that its effect is worth having", _within("verdict.finding", "chance")),
    Column("finding_effect", "number", "posterior mean of its effect", _within("verdict.finding", "effect"), METRIC),
    Column("finding_within", "number", "by how much that may differ", _within("verdict.finding", "within"), METRIC),
    Column("finding_pairs", "integer", "further pairs that a proof would take", _within("verdict.finding", "pairs")),
    Column("level", "number", "the metric of its commit, mean over its own runs", _experiment("level"), METRIC),
    Column("ratio", "number", "median of what it measured over what its base did", _experiment("ratio")),
    Column("measured", "integer", "runs that its metrics are the mean of", _experiment("measured")),
    Column("size_delta", "integer", "nodes of syntax by which it makes the code larger", _experiment("size_delta")),
    Column("idea", "integer", "the idea of the queue that it tries", _experiment("idea")),
    Column("takes_back", "integer", "the kept experiment that it leaves parts out of", _experiment("takes_back")),
    Column("lead", "integer", "the explored point that it was made on", _experiment("lead")),
    Column("handicap", "number", "by how much that was expected to be better", _experiment("handicap"), METRIC),
    Column("one_seed", "boolean", "kept, and nothing is known of any other seed", _experiment("one_seed")),
    Column("leap", "number", "a gain of so many standard deviations of a pair, to be looked at", _experiment("leap")),
    Column("model_calls", "integer", "calls to language models for it", _within("model", "calls")),
    Column("model_failed", "integer", "those of them without an answer", _within("model", "failed")),
    Column("model_tokens_in", "integer", "tokens sent", _within("model", "tokens_in"), "tokens"),
    Column("model_tokens_out", "integer", "tokens received", _within("model", "tokens_out"), "tokens"),
    Column("model_dollars", "number", "what the calls cost", _within("model", "dollars"), "dollars"),
    Column("proposed_at", "time", "when it was proposed", _experiment("proposed_at")),
    Column("judged_at", "time", "when it got its verdict", _experiment("judged_at")),
    Column("estimated", "text", "the metrics that are estimates", lambda row: " ".join(map(plain_name, row.found.estimated))),
    Column("holdout_effect", "number", "its mean gain on the holdout", _asked("holdout"), METRIC, True),
    Column("holdout_runs", "integer", "runs that were compared there", _asked("runs"), "", True),
)


def _run(path: str) -> Callable[[RunRow], Any]:
    return attrgetter(f"found.{path}")



RUNS: tuple[Column[RunRow], ...] = (
    Column("track", "text", "name of the track", attrgetter("track")),
    Column("run", "integer", "number of the run", _run("run.run")),
    Column("experiment", "integer", "whose commit ran; 0: the baseline", _run("experiment")),
    Column("point", "integer", "the explored point that ran, in the place of an experiment", _run("run.point")),
    Column("commit", "text", "what ran", _run("commit")),
    Column("stage", "text", "calibrate, null, screen, race, confirm, check, trace; explore: of a point", _run("run.stage")),
    Column("outcome", "text", "ok, or how it ended otherwise", _run("run.outcome")),
    Column("reason", "text", "why, in words; may quote the candidate", _run("run.reason")),
    Column("base", "number", "the metric of its base's run on the same seed, or beside it", _run("run.base"), METRIC),
    Column("better_by", "number", "by how much it is better than that", _run("run.better_by"), METRIC),
    Column("ratio", "number", "what it measured over what its base did", _run("run.ratio")),
    Column("older", "boolean", "its base is an older frontier", _run("run.older")),
    Column("as_frontier", "boolean", "made as the frontier's, beside a later change", _run("run.as_frontier")),
    Column("seconds", "number", "how long it took", _run("run.seconds"), "seconds"),
    Column("ended_at", "time", "when it ended", _run("at")),
    Column("seed", "integer", "that both runs had", _run("run.seed"), "", True),
    Column("sandbox", "text", "where it ran", _run("run.sandbox"), "", True),
    Column("accounting", "text", "how its resources were counted", _run("run.accounting"), "", True),
    Column("artifacts", "text", "SHA-256 of what it left", _run("run.artifacts"), "", True),
)


def plain_name(name: str) -> str:
    """A metric's name as one line that cannot be taken for two."""
    return line(name, MOST_NAME_CHARACTERS).replace(" ", "_")


def metric_names(state: State, measured: Iterable[Mapping[str, float]]) -> tuple[str, ...]:
    """The metrics of a track's tables: the contract's first, then what else was measured, in the order of the alphabet."""
    contract = state.track
    named = [contract.metric.name, *(each.metric for each in contract.guard), *(each.metric for each in contract.watch)]
    return tuple(dict.fromkeys([*named, *sorted({name for each in measured for name in each})]))


def metrics(names: Iterable[str], of: Callable[[Row], Mapping[str, float]], unit: str, metric: str) -> Iterator[Column[Row]]:
    """A column for each metric; two whose plain names are the same are told apart by a number."""
    taken = set[str]()
    for name in names:
        shown = f"{PREFIX}{plain_name(name)}"
        shown = next(each for n in range(1, len(taken) + 2) if (each := f"{shown}_{n}" if n > 1 else shown) not in taken)
        taken.add(shown)
        yield Column(shown, "number", f"the metric {plain_name(name)}", _metric(of, name),
                     UNITS.get(name, METRIC if name == metric and unit else ""))


def _metric(of: Callable[[Row], Mapping[str, float]], name: str) -> Callable[[Row], float | None]:
    return lambda row: of(row).get(name)
