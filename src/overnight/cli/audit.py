"""Commands that measure again what was kept: audit, explain."""

from __future__ import annotations

import statistics
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
from msgspec.structs import replace

from overnight import sandbox
from overnight.audit import run, worth
from overnight.audit.arithmetic import Audit, Plan, Run, conclude
from overnight.audit.worth import Division, Explanation
from overnight.cli.base import FOLDER, JSON, RUNG, SANDBOX, WORKERS, main, say, stopping, tell
from overnight.cli.outside import STOPPED, Told
from overnight.cli.trust import allowed
from overnight.contracts import Sandbox
from overnight.errors import TrackError
from overnight.lab.events import Measured
from overnight.lab.experiment import Experiment
from overnight.night import dispatch
from overnight.night import seeds as places
from overnight.night.effects import keep_logs
from overnight.night.night import Night
from overnight.night.session import Session, opened
from overnight.referee.decision import LEAST_VISIBLE
from overnight.report import audit as audited
from overnight.report import worth as worded
from overnight.report.live import RunCounter, Terminal
from overnight.track.load import load
from overnight.track.seeding import recorded
from overnight.track.units import number
from overnight.views import track
from overnight.views.experiment import experiment as view
from overnight.views.experiment import line, named

RUNS = 60  # of an explanation, where none are given
Which = TypeVar("Which", Plan, Division)

@main.command()
@FOLDER
@RUNG
@JSON
@click.option("--seeds", type=click.IntRange(min=2), default=20, show_default=True,
              help="Run each commit on so many fresh seeds.")
@WORKERS
@SANDBOX
def audit(folder: Path, rung: str, as_json: bool, seeds: int, workers: int | None, sandbox_name: str) -> None:
    """Check a night: measure what was kept again on fresh seeds, together and by leaving each keep out."""
    session = Session(folder, rung=rung)
    contract = session.contract()
    allowed(session, contract)
    box = sandbox.choose(sandbox_name, contract.run.gpus)
    with session.scratch():
        if not session.read().frontier:
            raise TrackError("nothing was kept yet, so there is nothing to audit.")
        found = _audit(session, box, seeds, workers)
        if as_json:
            say(found)
        else:
            for text in audited.lines(found):
                tell(text)
        audited.save(found, session.home / audited.FILE)


def _audit(session: Session, box: Sandbox, seeds: int, workers: int | None) -> Audit:
    """Plan, say what it will take, measure, conclude."""
    state, measured = session.state, _measured(session)
    planned = run.planned(state, session.repo, state.chain(), run.draw(seeds, measured), _marks(session, box), _fixed(session))
    plan, runs = _carried_out(session, box, workers, planned, f"audit of {state.track.name}", "audit")
    return conclude(plan, runs, time.time())


def _carried_out(session: Session, box: Sandbox, workers: int | None, planned: AbstractContextManager[Which], what: str,
                 logs: str) -> tuple[Which, list[Run]]:
    """Say what it will take, and measure; the logs go into a folder of their own, for the night's stay as they are."""
    with Night(session, box, workers, edit_slots=0) as night, planned as plan, \
            stopping(night.lab, "nothing was written, so run it again from the start"):
        place = audited.folder(session.home / logs)
        console, flight = Terminal(stderr=True), night.lab.flight
        console.say(f"{what}: {_expected(plan, _measured(session), flight.measure_slots)}")
        with RunCounter(len(plan.commits) * len(plan.seeds), console) as count:
            runs = run.measure(plan, night.places, lambda: bool(flight.stopping), count, session.state.known.key,
                               partial(keep_logs, place))
    if flight.stopping:
        raise TrackError(f"{flight.stopping}.")
    return plan, runs


def _measured(session: Session) -> list[Measured]:
    """Every run that the track's record holds."""
    return [event for event in session.journal.replay() if isinstance(event, Measured)]


def _marks(session: Session, box: Sandbox) -> list[str]:
    """What must stand beside numbers that are measured now."""
    state = session.state
    return list(dict.fromkeys([*track.marks(state), *[track.ONE_SEED] * bool(_fixed(session)),
                               *["unsandboxed"] * (box.name == "none"),
                               *["estimated guards"] * (box.accounting == "estimate" and bool(state.track.counted_guards))]))


def _fixed(session: Session) -> tuple[str, ...]:
    """Where the program fixes its own seed, if every seed gave one number; also of a track that was opened before this was
    recorded."""
    state = session.state
    if state.opened is None or not state.known.one_number:
        return ()
    return state.opened.fixed_seeds or recorded(
        places.at(session.repo, state.opened.commit, state.track, state.opened.contract)[0])


def _expected(plan: Plan | Division, measured: list[Measured], measure_slots: int) -> str:
    """How many runs there will be, and about how long they take."""
    runs, seeds = len(plan.commits) * len(plan.seeds), len(plan.seeds)
    each = statistics.median(e.busy + sum(e.overhead.values()) for e in measured) if measured else 0.0
    return (f"{len(plan.commits)} commits on {seeds} fresh seed{'s' * (seeds > 1)} are {runs} runs, about "
            f"{track.duration(each * -(-runs // measure_slots))} with {measure_slots} at a time")


# ---- one keep --------------------------------------------------------------------------------------------------


@main.command()
@click.argument("experiment", metavar="ID")
@FOLDER
@JSON
@click.option("--runs", type=click.IntRange(min=1), help=f"At most so many runs, of all commits together (default: {RUNS}).")
@click.option("--propose", is_flag=True, help="Try the frontier without the parts that are worth nothing, as a simplification. "
              "What was explained before is not measured again, unless --runs is given.")
@WORKERS
@SANDBOX
def explain(experiment: str, folder: Path, as_json: bool, runs: int | None, propose: bool, workers: int | None,
            sandbox_name: str) -> None:
    """Say what each part of a kept change is worth: it is left out, and both are run on fresh seeds.

    Nothing is recorded and nothing is changed, unless --propose is given: then the referee judges the frontier without what is
    worth nothing, which is kept where it is shown to be no worse. What was kept before stays as it is.
    """
    session = opened(folder)
    keep = _kept(session, experiment)
    allowed(session, load(session.repo.folder))
    if propose:
        session.refuse_other_contract()
    place = worded.place(session.home, keep.id)
    found = worded.load(place, keep.commit) if propose and runs is None else None
    if found is None:
        found = _explain(session, keep, sandbox_name, runs or RUNS, workers)
        audited.save(found, place)
    for text in () if as_json else worded.lines(found):
        tell(text)
    if found.to_take_out and (unseen := _unseen(session)):
        tell(unseen, err=True)
    if propose and found.to_take_out:
        found = _take_out(session, keep, found, sandbox_name, workers, quiet=as_json)
    elif propose and not as_json:
        tell("So nothing is proposed.")
    elif found.to_take_out and not as_json:
        tell(f"`overnight explain {keep.id} --propose` tries the frontier without "
             f"{'them' if len(found.to_take_out) > 1 else 'it'}, which is kept if it is no worse.")
    if as_json:
        say(found)


def _kept(session: Session, name: str) -> Experiment:
    """The keep of this name that still counts. Raises TrackError."""
    state = session.read()
    chosen = named(state.experiments.values(), name)
    if chosen is None:
        raise TrackError(f"there is no experiment {name}: `overnight log` lists them.")
    if chosen not in state.chain():
        kept = ", ".join(f"#{each.id}" for each in state.chain()) or "nothing yet"
        raise TrackError(f"#{chosen.id} is not among what is kept ({kept}), so no part of it is in the frontier.")
    return chosen


def _unseen(session: Session) -> str:
    """Why the referee will hardly keep a simplification that does not give the very same numbers; "" where it may."""
    noise, worthwhile = session.state.noise or 0.0, session.state.track.metric.worthwhile
    if session.state.known.kind.name == "deterministic" or worthwhile >= LEAST_VISIBLE * noise:
        return ""
    return (f"note: as the referee knows them so far, pairs of this track scatter by {number(noise, 3)}, so that being worse "
            f"by less than {worthwhile:g} ([metric] worthwhile) cannot be shown. Without it there have to be the same numbers, "
            "or better ones.")


def _explain(session: Session, keep: Experiment, sandbox_name: str, runs: int, workers: int | None) -> Explanation:
    """Divide, say what it will take, measure, conclude."""
    box = sandbox.choose(sandbox_name, session.state.track.run.gpus)
    with session.scratch():
        planned = run.divided(session.state, session.repo, keep, runs, _measured(session), _marks(session, box),
                              _fixed(session))
        plan, made = _carried_out(session, box, workers, planned, f"parts of #{keep.id}", "explain")
    return worth.conclude(plan, made, time.time())


def _take_out(session: Session, keep: Experiment, found: Explanation, sandbox_name: str, workers: int | None,
              quiet: bool) -> Explanation:
    """Have the frontier judged without the parts that are not worth having."""
    wish = dispatch.take_back(session, keep, found.to_take_out, partial(worded.message, found))
    if left := [found.parts[number].part.title for number in found.to_take_out if number not in wish.parts]:
        tell(f"left in, because later keeps changed those lines again: {', '.join(left)}", err=True)
    try:
        came = dispatch.attempt(session, wish, sandbox_name, workers, Told(), tell=partial(tell, err=True))
    except KeyboardInterrupt as stopped:
        raise TrackError(STOPPED) from stopped
    state = opened(session.repo.folder).read()
    if not quiet:
        tell(line(view(state, state.experiments[came.experiment])))
    return replace(found, proposed=came.experiment, came=came.verdict)
