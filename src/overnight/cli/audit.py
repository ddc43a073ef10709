"""`overnight audit`."""

from __future__ import annotations

import statistics
import time
from functools import partial
from pathlib import Path

import click

from overnight import sandbox
from overnight.audit import run
from overnight.audit.arithmetic import Audit, Plan, conclude
from overnight.cli.base import FOLDER, JSON, SANDBOX, WORKERS, main, say, stopping, tell
from overnight.cli.trust import allowed
from overnight.contracts import Sandbox
from overnight.errors import TrackError
from overnight.lab.events import Measured
from overnight.night import seeds as places
from overnight.night.effects import keep_logs
from overnight.night.night import Night
from overnight.night.session import Session
from overnight.report import audit as audited
from overnight.report.live import RunCounter, Terminal
from overnight.track.load import load
from overnight.track.seeding import recorded
from overnight.views import track


@main.command()
@FOLDER
@JSON
@click.option("--seeds", type=click.IntRange(min=2), default=20, show_default=True,
              help="Run each commit on so many fresh seeds.")
@WORKERS
@SANDBOX
def audit(folder: Path, as_json: bool, seeds: int, workers: int | None, sandbox_name: str) -> None:
    """Check a night: measure what was kept again on fresh seeds, together and by leaving each keep out."""
    session = Session(folder)
    contract = load(folder)
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
    state = session.state
    measured = [e for e in session.journal.replay() if isinstance(e, Measured)]
    fresh = run.draw(seeds, measured)
    fixed = _fixed(session)
    marks = list(dict.fromkeys([*track.marks(state), *[track.ONE_SEED] * bool(fixed),
                                *["unsandboxed"] * (box.name == "none"),
                                *["estimated guards"] * (box.accounting == "estimate" and bool(state.track.counted_guards))]))
    planned = run.planned(state, session.repo, state.chain(), fresh, marks, fixed)
    with Night(session, box, workers, edit_slots=0) as night, planned as plan, \
            stopping(night.lab, "nothing was written, so run it again from the start"):
        logs = audited.folder(session.home / "audit")  # the night's own logs stay as they are
        console, flight = Terminal(stderr=True), night.lab.flight
        console.say(_expected(plan, measured, flight.measure_slots))
        with RunCounter(len(plan.commits) * seeds, console) as count:
            runs = run.measure(plan, night.places, lambda: bool(flight.stopping), count, state.known.key,
                               partial(keep_logs, logs))
    if flight.stopping:
        raise TrackError(f"{flight.stopping}.")
    return conclude(plan, runs, time.time())


def _fixed(session: Session) -> tuple[str, ...]:
    """Where the program fixes its own seed, if every seed gave one number; also of a track that was opened before this was
    recorded."""
    state = session.state
    if state.opened is None or not state.known.one_number:
        return ()
    return state.opened.fixed_seeds or recorded(
        places.at(session.repo, state.opened.commit, state.track, state.opened.contract)[0])


def _expected(plan: Plan, measured: list[Measured], measure_slots: int) -> str:
    """How many runs there will be, and about how long they take."""
    runs = len(plan.commits) * len(plan.seeds)
    each = statistics.median(e.busy + sum(e.overhead.values()) for e in measured) if measured else 0.0
    return (f"audit of {plan.track}: {len(plan.commits)} commits on {len(plan.seeds)} fresh seeds are {runs} runs, about "
            f"{track.duration(each * -(-runs // measure_slots))} with {measure_slots} at a time")
