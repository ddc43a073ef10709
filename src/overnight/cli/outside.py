"""Commands that speak to a track from outside: try, idea, pause, resume, stop, veto, brief."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from overnight.cli.base import DONE, FOLDER, JSON, JSON_LINES, RUNG, SANDBOX, WORKERS, main, say, tell
from overnight.cli.trust import allowed
from overnight.errors import Foul, TrackError
from overnight.ideas import similarity
from overnight.ideas.found import written
from overnight.ideas.source import gather
from overnight.lab.events import Event, Judged, Measured, Vetoed
from overnight.lab.jobs import PATIENT, DropIdea, MoveIdea, Steer, Veto
from overnight.lab.lab import Lab
from overnight.night import dispatch, rungs
from overnight.night.dispatch import KnownIdea
from overnight.night.inbox import request
from overnight.night.session import Session, opened
from overnight.report.live import sentence
from overnight.track.units import seconds
from overnight.views import public
from overnight.views.answers import Queued
from overnight.views.experiment import experiment as view
from overnight.views.experiment import line, named, resumable
from overnight.views.progress import so_far

STATUS = {"keep": 0, "discard": 10, "crash": 11, "foul": 12}  # exit statuses of `overnight try`
STOPPED = "you stopped waiting: what was begun is judged by the next `overnight run` or `try`."


@main.command("try")
@FOLDER
@RUNG
@click.option("-m", "--message", default="", help="What the change is and why it should help; the commit's message.")
@click.option("--by", default="person", show_default=True, help="Name of the change's author.")
@click.option("--idea", type=click.IntRange(min=1), default=None, help="The idea of the queue that it tries.")
@click.option("--patient", metavar="30min", help="Time of runs that a promising change may take; 0: the quick verdict "
              "(default: until it is proven or hardly worth having).")
@click.option("--wait", "final", is_flag=True, help="Where a night is at work, wait on while a change is promising.")
@SANDBOX
@WORKERS
@JSON
@click.pass_context
def attempt(ctx: click.Context, folder: Path, rung: str, message: str, by: str, idea: int | None, patient: str | None,
            final: bool, sandbox_name: str, workers: int | None, as_json: bool) -> None:
    """Have the present change of a work tree measured, wait, and print the verdict.

    Takes what the editable files are now, committed or not, and touches neither them nor the branch. What is promising but
    not proven goes on while nothing else waits for a measure slot; the same change handed in again goes on from its evidence.
    Exit status: 0 keep, 10 discard, 11 crash, 12 foul; 2 where there is no verdict.
    """
    session = rungs.on(opened(folder), rung) if rung else opened(folder)
    allowed(session, session.contract())
    lasting = PATIENT if patient is None else 0.0 if patient == "0" else seconds(patient)
    try:
        wish = dispatch.change(session, folder, message or "A change by hand", by, idea or 0, lasting,
                               partial(tell, err=True))
        experiment, verdict, unproven = dispatch.attempt(session, wish, sandbox_name, workers, Told(), final,
                                                         partial(tell, err=True))
    except Foul as foul:
        tell(f"overnight: {foul}", err=True)
        ctx.exit(STATUS["foul"])
    except KeyboardInterrupt as stopped:
        raise TrackError(STOPPED) from stopped
    state = opened(folder, rung).read()
    chosen = state.experiments[experiment]
    if as_json:
        say(public.experiment(state, chosen, list(session.journal.replay()), session.log))
    else:
        tell(line(view(state, chosen)))
        if unproven:
            tell(resumable(chosen))
        tell(f"frontier {state.commit[:7]}; `overnight show {chosen.id}` has the runs and the diff")
    ctx.exit(STATUS[verdict])


class Told:
    """Prints events to standard error, but no seeds of runs, because agents read this output as well, and no verdict that is
    the result; now and then how far the change is."""

    def __init__(self) -> None:
        self._last, self._said = time.monotonic(), ""

    def __call__(self, lab: Lab, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Judged) and lab.state.experiments[event.experiment].awaited:
                continue
            if not isinstance(event, Measured) and (text := sentence(lab.state, event)):
                tell(text, err=True)
        waited = next((each for each in lab.state.open.values() if each.awaited), None)
        if waited and time.monotonic() >= self._last + dispatch.TELLS and (text := so_far(lab.state, waited)) != self._said:
            self._last, self._said = time.monotonic(), text
            tell(text, err=True)


# ---- ideas -----------------------------------------------------------------------------------------------------


@main.group()
def idea() -> None:
    """The queue of ideas, from people, models, papers and repositories."""


ANYWAY = click.option("--anyway", is_flag=True, help="Also what the queue holds already, in these or other words.")


def _compared() -> None:
    """Say, beside the result, where ideas are only compared by their own words."""
    if missing := similarity.missing():
        tell(f"overnight: {missing}", err=True)


@idea.command("add")
@click.argument("title")
@FOLDER
@click.option("--text", default="", help="More about it, below the title.")
@ANYWAY
@JSON
def add(title: str, folder: Path, text: str, anyway: bool, as_json: bool) -> None:
    """Put an idea into the queue, unless it is there already."""
    _compared()
    done = dispatch.note(opened(folder), written(f"{title}\n{text}"), anyway)
    if as_json:
        say(Queued(done.idea, done.title, done.source))
    else:
        tell(f"idea {done.idea}: {done.title}")


@idea.command("import")
@click.argument("source")
@FOLDER
@click.option("--most", type=click.IntRange(min=1), default=20, show_default=True, help="Ideas at most.")
@ANYWAY
@JSON_LINES
def imported(source: str, folder: Path, most: int, anyway: bool, as_json: bool) -> None:
    """Take ideas from arxiv:QUERY, github:OWNER/NAME, the folder of a clone, or a markdown file."""
    session = opened(folder)
    _compared()
    for each in gather(source, most):
        try:
            done = dispatch.note(session, each, anyway)
        except KnownIdea as known:
            row, shown = Queued(None, each.title, each.source, str(known)), f"left out: {known}"
        else:
            row, shown = Queued(done.idea, done.title, done.source), f"idea {done.idea}: {done.title}  ({done.source})"
        if as_json:
            say(row)
        else:
            tell(shown)


@idea.command("list")
@FOLDER
@JSON_LINES
def ideas(folder: Path, as_json: bool) -> None:
    """Every idea with its state and what came of it."""
    session = opened(folder)
    state = session.look()
    for each in (state.idea(entry) for entry in state.ideas):
        if as_json:
            say(each)
        else:
            outcome = f" -> {each.outcome}" if each.outcome else ""
            tell(f"{each.id:4} {each.state:8} {each.title}  ({each.source}){outcome}")


@idea.command("drop")
@click.argument("number", type=click.IntRange(min=1))
@FOLDER
@DONE
def drop(number: int, folder: Path) -> None:
    """Take an idea out of the queue."""
    dispatch.order(opened(folder), DropIdea(request(), number))
    tell(f"idea {number} is dropped")


@idea.command("move")
@click.argument("number", type=click.IntRange(min=1))
@click.argument("position", type=click.IntRange(min=1))
@FOLDER
@DONE
def move(number: int, position: int, folder: Path) -> None:
    """Move an idea to a place among those that wait; the first is tried next."""
    dispatch.order(opened(folder), MoveIdea(request(), number, position))
    tell(f"idea {number} is number {position} of those that wait")


# ---- commands to the night at work --------------------------------------------------------------------------------


def _working(folder: Path) -> Session:
    """The track, or the rung of it on which a climb is at work."""
    session = opened(folder)
    return session if session.at_work() else rungs.at_work(session) or session


@main.command()
@FOLDER
@DONE
def pause(folder: Path) -> None:
    """Start nothing new until `overnight resume`; what runs goes on to its end."""
    dispatch.order(_working(folder), Steer(request(), "pause"))
    tell("paused: `overnight resume` goes on")


@main.command()
@FOLDER
@DONE
def resume(folder: Path) -> None:
    """Go on after a pause."""
    dispatch.order(_working(folder), Steer(request(), "resume"))
    tell("it goes on")


@main.command()
@FOLDER
@DONE
def stop(folder: Path) -> None:
    """End the night that is at work; `overnight run` goes on from there."""
    dispatch.order(_working(folder), Steer(request(), "stop"))
    tell("it stops")


@main.command()
@click.argument("experiment", metavar="ID")
@FOLDER
@RUNG
@click.option("-m", "--message", default="", help="Why.")
@DONE
def veto(experiment: str, folder: Path, rung: str, message: str) -> None:
    """Take back a commit that was kept. What was kept after it is confirmed anew without it."""
    session = opened(folder, rung)
    kept = session.read().chain()
    chosen = named(kept, experiment)
    if chosen is None:
        raise TrackError(f"{experiment} is not among what is kept: `overnight log` lists the experiments.")
    done = dispatch.order(session, Veto(request(), chosen.id, message.strip()))
    assert isinstance(done, Vetoed)
    later = len(kept) - kept.index(chosen) - 1
    tell(f"#{chosen.id} is taken back: the frontier is {chosen.base_commit[:7]}"
               + (f"; {later} later ones are confirmed anew" if later else ""))
