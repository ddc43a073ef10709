"""`overnight run`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from overnight import __version__, loop, sandbox
from overnight.cli.base import FOLDER, SANDBOX, WORKERS, Count, Price, main, stopping
from overnight.errors import TrackError
from overnight.lab.events import Started, Stopped
from overnight.lab.jobs import Letter
from overnight.lab.lab import Lab
from overnight.lab.proposing import Budget
from overnight.night.session import Hands, Session, organised
from overnight.report.live import Lines, Panel
from overnight.researchers.team import Money
from overnight.track.load import load
from overnight.track.program import Program
from overnight.track.roles import Role, needs_model
from overnight.track.units import seconds
from overnight.views import track
from overnight.workers.local import LocalWorkers, available


@main.command()
@FOLDER
@click.option("--for", "lasting", metavar="8h", help="Start nothing new after this time, like 90s, 30min or 8h.")
@click.option("--experiments", type=click.IntRange(min=1), help="Try at most so many in this session.")
@WORKERS
@SANDBOX
@click.option("--researcher", "names", multiple=True, help="Who proposes (default: the team in program.md).")
@click.option("--thinkers", type=click.IntRange(min=1), default=4, show_default=True,
              help="Models and agents that think at a time.")
@click.option("--model", default="", help="Of the roles that name none, like openai:gpt-5-mini or ollama:qwen3; without a "
                                          "team in program.md, an `llm` joins.")
@click.option("--price", type=Price(), help="Dollars per million tokens of a model that the price list does not know.")
@click.option("--tokens", type=Count(), help="Use at most so many tokens in this session, like 500k or 2M.")
@click.option("--dollars", type=click.FloatRange(min=0), help="Spend at most so much on models in this session.")
@click.option("--tokens-each", type=Count(), help="The same for one experiment, with its repairs.")
@click.option("--dollars-each", type=click.FloatRange(min=0), help="The same for one experiment, with its repairs.")
@click.option("--restart", is_flag=True, help="Begin the track anew at the commit that is checked out.")
def run(folder: Path, lasting: str | None, experiments: int | None, workers: int | None, sandbox_name: str,
        names: tuple[str, ...], thinkers: int, restart: bool, **money: Any) -> None:
    """Try ideas until the time is over; Ctrl-C stops, running it again goes on."""
    lasts = seconds(lasting) if lasting else None
    session = Session(folder)
    box = sandbox.choose(sandbox_name, load(folder).run.gpus)
    with session.writing(again=restart) as lab:
        cpus = lab.track.run.cpus
        benches = workers or max(1, len(available()) // cpus)
        lab.benches = benches
        cast = partial(_team, names, money["model"])
        team = cast(session.program)
        lab.prose = session.program.prose
        lab.organise(team)
        for note in _notes(session, lab, benches * cpus, sandbox.advice(box)):
            click.echo(note, err=True)
        hands = Hands(session, box, Money(**money))
        session.record([Started(time.time(), benches, box.name, __version__, lab.researchers, box.identity, box.findings),
                        organised(session.program.sha256, team)])
        places = LocalWorkers(hands.work, benches, cpus, thinkers=thinkers)
        until = time.monotonic() + lasts if lasts else None
        with stopping(lab):
            _night(session, lab, hands, places, Budget(until, experiments, money["tokens"], money["dollars"]), cast)
        session.agree()
    _say_end(lab)


def _team(names: tuple[str, ...], model: str, program: Program) -> tuple[Role, ...]:
    """Who is on the team tonight: those that are named, or those of the program. Raises TrackError."""
    if names:
        return program.named(names)
    named = program.roles
    return (*named, Role("llm", "llm")) if model and not any(needs_model(role) for role in named) else named


def _night(session: Session, lab: Lab, hands: Hands, places: LocalWorkers, budget: Budget,
           cast: Callable[[Program], tuple[Role, ...]]) -> None:
    """The loop between its two records. An edit of program.md takes effect at the next proposal; `cast` says who is on the
    team by it."""
    console = Console()

    def letters() -> Iterator[Letter]:
        if sentence := hands.organise(cast):
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        yield from hands.letters()

    view = Panel(lab, console, list(places.places), budget.until) if console.is_terminal else Lines(lab, console)
    began, pace = time.monotonic(), loop.Pace()
    try:
        with view:
            late = lab.begin(budget, time.time())
            session.journal.extend(late)
            for event in late:
                hands.follow(event)
            pace = loop.run(lab, places, session.journal, hands.follow, view, letters)
    finally:
        lasted = time.monotonic() - began
        hands.close()
        places.close()
        session.record(hands.unheard())
        why = lab.why(time.monotonic())
        session.record([Stopped(time.time(), lasted, why, *pace.means())])
        console.print(f"ended: {why or 'broken off'}", markup=False, highlight=False, soft_wrap=True)
    if lab.problem:
        raise TrackError(f"{lab.problem.rstrip('.')}; nothing is lost, so mend it and run again.")


def _notes(session: Session, lab: Lab, cores: int, advice: str) -> Iterator[str]:
    """What a user may not expect of this night."""
    if advice:
        yield f"note: {advice}"
    head = session.repo.head()
    if head not in session.own_commits():
        yield (f"note: you are at {head[:7]}, which this track does not know; it goes on from {lab.commit[:7]} "
               "(`--restart` begins anew at your commit)")
    if (carried := lab.tally.carried).calls:
        yield f"note: the last session was killed; what it used of its budget counts: {track.paid('', carried)}"
    if cores > len(available()):
        yield f"note: these workers want {cores} cores and there are {len(available())}, so runs will disturb each other"


def _say_end(lab: Lab) -> None:
    state = track.status(lab)
    unit = f" {state['unit']}" if state["unit"] else ""
    click.echo(f"{state['experiments']} experiments, {state['kept']} kept: {state['metric']} "
               f"{track.number(state['baseline'], 5)} -> {track.number(state['frontier'], 5)}{unit} "
               f"on branch {state['branch']}" + "".join(f" ({m})" for m in state["marks"]))
    if lab.tally.session.calls:
        click.echo(f"models in this session: {track.paid('', lab.tally.session)}")
