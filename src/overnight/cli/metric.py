"""`overnight metric`: further metrics, which decide nothing until the user grants them, and what was kept measured by them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import click

from overnight import sandbox
from overnight.audit import run
from overnight.cli.base import DONE, FOLDER, JSON, RUNG, SANDBOX, WORKERS, main, say, stopping, tell
from overnight.cli.trust import allowed
from overnight.contracts import Sandbox
from overnight.errors import OvernightError, TrackError
from overnight.lab.events import Measured, Suggested
from overnight.lab.experiment import Experiment
from overnight.lab.jobs import Result
from overnight.night import metrics
from overnight.night.effects import keep_logs
from overnight.night.executor import Judge
from overnight.night.night import Night
from overnight.night.session import Session, opened
from overnight.report import audit as audited
from overnight.report.live import RunCounter, Terminal
from overnight.track.spec import FILE
from overnight.views import further, track
from overnight.views.further import FurtherView, MetricsView, SuggestionView

NUMBER = click.argument("number", type=click.IntRange(min=1))
NONE = ("no further metric is named: write a [[watch]] into track.toml, or grant one of `overnight metric list`, commit, and "
        "say it again")


@main.group()
def metric() -> None:
    """Further metrics: what is suggested, what you grant, and what was kept measured by it."""


@metric.command("list")
@FOLDER
@RUNG
@JSON
def listed(folder: Path, rung: str, as_json: bool) -> None:
    """What further metrics say of what was kept, and every suggestion."""
    session = opened(folder, rung)
    state = session.read()
    found = MetricsView(further.further(state), tuple(_view(session, each) for each in state.suggested))
    if as_json:
        say(found)
        return
    for text in (*further.lines(found.further), *map(further.suggested, found.suggestions)):
        tell(text)
    if not found.further and not found.suggestions:
        tell("nothing is suggested and nothing was measured: `overnight metric suggest` looks at what was kept")


def _view(session: Session, each: Suggested) -> SuggestionView:
    return SuggestionView(each.suggestion, each.by, each.suggested, metrics.granted(session, each.suggested))


def _found(session: Session, number: int) -> Suggested:
    """The suggestion of a number. Raises TrackError."""
    chosen = next((each for each in session.read().suggested if each.suggestion == number), None)
    if chosen is None:
        raise TrackError(f"there is no suggestion {number}: `overnight metric list` shows them.")
    return chosen


@metric.command("show")
@NUMBER
@FOLDER
@JSON
def shown(number: int, folder: Path, as_json: bool) -> None:
    """A suggestion: why, on which keeps it rests, and what it would put into which file."""
    session = opened(folder)
    chosen = _found(session, number)
    if as_json:
        say(_view(session, chosen))
    else:
        _tell(chosen)


def _tell(chosen: Suggested) -> None:
    """A suggestion in words; those of a role are words from outside."""
    suggested = chosen.suggested
    tell(f"suggestion {chosen.suggestion} by {chosen.by}: {suggested.title}")
    tell(suggested.reason, page=True)
    if suggested.experiments:
        tell(f"it rests on {', '.join(f'#{each}' for each in suggested.experiments)}")
    if suggested.section:
        tell(f"\nat the end of {FILE}:", page=True)
        tell("\n".join(f"+{row}" for row in suggested.section.splitlines()), page=True)
    if suggested.patch:
        tell(f"\n{suggested.patch.rstrip()}", page=True)


@metric.command("suggest")
@FOLDER
@JSON
def suggest(folder: Path, as_json: bool) -> None:
    """Look at what was kept for what researchers exploit, by rules and without a model, and note what would show it."""
    session = opened(folder)
    session.read()
    with session.writing(changed=True, foreign=True):
        new = metrics.suggest(session)
    found = MetricsView(None, tuple(_view(session, each) for each in new))
    if as_json:
        say(found)
        return
    for each in found.suggestions:
        tell(further.suggested(each))
    tell("`overnight metric show N` has one in full, and `overnight metric grant N` takes it" if new else
         "nothing new is suggested")


@metric.command("grant")
@NUMBER
@FOLDER
@DONE
def grant(number: int, folder: Path) -> None:
    """Put a suggestion into your own files: read it, then commit them. Nothing else does."""
    session = opened(folder)
    chosen = _found(session, number)
    changed = metrics.grant(session, chosen.suggested)
    _tell(chosen)
    again = " It is a guard, which decides, so the next night begins anew: measure first what was kept." \
        if "[[guard]]" in chosen.suggested.section else ""
    tell(f"{' and '.join(changed)} {'are' if len(changed) > 1 else 'is'} changed: read that, commit it, then `overnight "
         f"metric score`.{again}")


@metric.command("score")
@FOLDER
@RUNG
@click.option("--seeds", type=click.IntRange(min=2), help=f"Run each commit on so many fresh seeds (default: "
              f"{metrics.SEEDS}, or {metrics.EXACT_SEEDS} where every run of the same code gives the same number).")
@click.option("--all", "everything", is_flag=True, help="Also the keeps that were measured so before.")
@WORKERS
@SANDBOX
@JSON
def score(folder: Path, rung: str, seeds: int | None, everything: bool, workers: int | None, sandbox_name: str,
          as_json: bool) -> None:
    """Measure what was kept by the further metrics of the contract and the scorer that are committed now.

    Every kept commit is run beside the one before it on fresh seeds, in the sandbox. No verdict changes: a keep that a further
    metric disowns is named, and `overnight veto` is yours.
    """
    session = opened(folder, rung)
    if not session.read().chain():
        raise TrackError("nothing was kept yet, so there is nothing to measure.")
    contract = session.contract()
    allowed(session, contract)
    box = sandbox.choose(sandbox_name, contract.run.gpus)
    with session.writing(foreign=True, changed=True):
        judge = metrics.judge(session)
        if len(metrics.by(session, judge)) < 2:
            raise TrackError(f"{NONE}.")
        keeps = session.state.chain() if everything else metrics.waiting(session, judge)
        if keeps and (stopped := _scored(session, judge, keeps, box, seeds, workers)):
            raise TrackError(f"{stopped}.")
    found = further.further(session.state)
    if as_json:
        say(MetricsView(found, tuple(_view(session, each) for each in session.state.suggested)))
        return
    for text in told(found):
        tell(text)


def told(found: FurtherView | None) -> Sequence[str]:
    """What was found, a line each."""
    said = list(further.lines(found))
    return said if found is None or found.disowned else [*said, "no keep is disowned"]


def _scored(session: Session, judge: Judge, keeps: Sequence[Experiment], box: Sandbox, seeds: int | None,
            workers: int | None) -> str:
    """Measure these keeps, on a track that is held for writing; why the user stopped it, and nothing was written; ""."""
    measured = [event for event in session.journal.replay() if isinstance(event, Measured)]
    count = seeds or metrics.seeds(session.state)
    plan, values = metrics.plan(session, keeps, count, measured), metrics.Values()
    with Night(session, box, workers, edit_slots=0, judge=judge) as night, \
            stopping(night.lab, "nothing was written, so say it again from the start"):
        place, console, flight = audited.folder(session.home / metrics.LOGS), Terminal(stderr=True), night.lab.flight
        each = statistics.median(e.busy + sum(e.overhead.values()) for e in measured) if measured else 0.0
        runs = len(plan.commits) * count
        console.say(f"further metrics of {len(keeps)} keep{'s' * (len(keeps) > 1)}: {len(plan.commits)} commits on {count} "
                    f"fresh seeds are {runs} runs, about {track.duration(each * -(-runs // flight.measure_slots))}")

        def take(result: Result) -> None:
            values.add(result)
            keep_logs(place, result)

        with RunCounter(runs, console) as counter:
            run.measure(plan, night.places, lambda: bool(flight.stopping), counter, session.state.known.key, take)
    if not flight.stopping:
        metrics.conclude(session, judge, keeps, count, values)
    return flight.stopping


def first(session: Session, box: Sandbox, workers: int | None) -> float:
    """Before a night goes on: measure what was kept and was not measured by the further metrics that are committed now; returns
    the seconds that it took. What goes wrong is a note, for a night needs none of it. Raises TrackError and JournalError where
    the track itself cannot be read."""
    began, stopped = time.monotonic(), ""
    if session.look().opened is None or not session.state.chain() or not session.contract().watch:
        return 0.0
    try:
        judge = metrics.judge(session)
        if metrics.waiting(session, judge):
            with session.writing(foreign=True, changed=True):
                stopped = _scored(session, judge, metrics.waiting(session, judge), box, None, workers)
            for text in told(further.further(session.state)):
                tell(text, err=True)
    except OvernightError as error:
        tell(f"note: further metrics were not measured: {error}", err=True)
    if stopped:
        raise TrackError(f"{stopped}.")
    return time.monotonic() - began
