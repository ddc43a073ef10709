"""`overnight climb`, and the part of a night that climbs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from overnight import sandbox
from overnight.cli.base import FOLDER, JSON_LINES, SANDBOX, WORKERS, main, say, stopping, tell
from overnight.cli.trust import allowed
from overnight.errors import Busy, TrackError
from overnight.lab.events import Climbed
from overnight.lab.flight import Budget
from overnight.night import climb as climbing
from overnight.night import rungs
from overnight.night.night import Night
from overnight.night.session import Session
from overnight.report.live import Lines, Terminal
from overnight.track.units import seconds
from overnight.views import ladder

ALL = 1 << 30  # changes that may be tried together


@main.command()
@FOLDER
@click.option("--rung", default="", help="Climb to this rung alone (default: to each, from the lowest up).")
@click.option("--for", "lasting", metavar="8h", help="Start nothing new after this time, like 90s, 30min or 8h.")
@click.option("--each", is_flag=True, help="Try every change by itself: it takes more runs, and shows how "
                                           "its effect goes with size.")
@WORKERS
@SANDBOX
@JSON_LINES
def climb(folder: Path, rung: str, lasting: str | None, each: bool, workers: int | None, sandbox_name: str,
          as_json: bool) -> None:
    """Confirm what was kept at the larger sizes of [ladder], one rung after the other.

    On each rung the same referee judges what held on the rung below, first all changes together, then in halves where that
    is no keep. What holds is on the branch overnight/<track>@<rung>; `overnight status` and `show` say what is known of each
    change.
    """
    session = Session(folder)
    names = rungs.names(session, rung)
    if not session.read().chain() and not session.state.ladder:
        raise TrackError("nothing was kept yet, so nothing can climb: `overnight run` first.")
    if session.at_work():
        raise Busy("a night is at work on this track: wait for it, or stop it with `overnight stop`, and climb then.")
    if other := rungs.at_work(session):
        raise Busy(f"a climb is at work on the rung {other.rung}: wait for it, or stop it with `overnight stop`.")
    if session.state.ladder.keys() - {each.name for each in session.contract().ladder.rung}:
        with session.writing(changed=True):
            rungs.removed(session)
    until = time.monotonic() + seconds(lasting) if lasting else None
    found = up(session, names, sandbox_name, workers, until, 1 if each else ALL, quiet=as_json)
    for event in found if as_json else ():
        say(ladder.view(event))


def up(session: Session, names: Sequence[str], sandbox_name: str, workers: int | None, until: float | None,
       together: int = ALL, least: int = 1, quiet: bool = False) -> list[Climbed]:
    """Climb to these rungs, one after the other, where at least so many changes wait; what is known of each then."""
    done = list[Climbed]()
    for name in names:
        if until is not None and time.monotonic() >= until:
            break
        orders = climbing.Orders(session, rungs.on(session, name), together)
        event, stopped = _rung(session, orders, sandbox_name, workers, until, least)
        if event:
            done.append(event)
            for text in () if quiet else ladder.lines(ladder.view(event), session.state.track.metric.unit):
                tell(text)
        elif not quiet:
            tell(f"{name}: {ladder.nothing(len(orders.climbers))}")
        if stopped:
            break
    return done


def _rung(session: Session, orders: climbing.Orders, sandbox_name: str, workers: int | None, until: float | None,
          least: int) -> tuple[Climbed | None, bool]:
    """Climb to one rung: what is known of it then, None where that is nothing new, and whether the user stopped it."""
    rung = orders.rung
    again = rungs.anew(session, rung)
    waiting = len(orders.climbers) if again or rung.state.opened is None else orders.climb().waiting
    if not waiting or waiting < least:
        return (climbing.record(session, orders) if not again and climbing.unrecorded(session, orders) else None), False
    contract = rung.contract()
    allowed(rung, contract)
    console, box = Terminal(stderr=True), sandbox.choose(sandbox_name, contract.run.gpus)
    with rung.writing(again=again, changed=True), Night(rung, box, workers, say=console.say, orders=orders) as night:
        console.say(f"climbing to {rung.rung}: {len(orders.climbers)} change{'s' * (len(orders.climbers) > 1)}")
        lines = Lines(rung.state, console)
        with stopping(night.lab):
            night.run(Budget(until), lines)
        if night.lab.problem:
            raise TrackError(f"on the rung {rung.rung}: {night.lab.problem.rstrip('.')}; nothing is lost, so mend it and climb "
                             "again.")
    return climbing.record(session, orders), bool(night.lab.flight.stopping)
