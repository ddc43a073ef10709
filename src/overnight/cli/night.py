"""`overnight run`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click

from overnight import sandbox
from overnight.cli.base import FOLDER, JSON, SANDBOX, WORKERS, count, main, price, say, stopping, tell
from overnight.cli.climb import up
from overnight.cli.keys import Keys, watching
from overnight.cli.metric import first
from overnight.cli.serving import PORT, served
from overnight.cli.trust import allowed
from overnight.cli.word import Ways, beside, ways
from overnight.errors import OvernightError, TrackError
from overnight.lab.flight import Budget
from overnight.lab.state import State
from overnight.night import missing, rungs
from overnight.night.night import Night
from overnight.night.session import Session
from overnight.report.live import Lines, Panel, Terminal
from overnight.report.tables import headline
from overnight.researchers.team import ModelOptions
from overnight.track.load import load
from overnight.track.program import Program
from overnight.track.roles import Role, needs_model
from overnight.track.units import seconds
from overnight.views import track
from overnight.workers.cores import MACHINE


@main.command()
@FOLDER
@click.option("--for", "lasting", metavar="8h", help="Start nothing new after this time, like 90s, 30min or 8h.")
@click.option("--experiments", type=click.IntRange(min=1), help="Try at most so many in this session.")
@WORKERS
@SANDBOX
@click.option("--researcher", "names", multiple=True, help="Researcher that proposes (default: the team in program.md).")
@click.option("--thinkers", "think_slots", type=click.IntRange(min=1), default=4, show_default=True,
              help="Models and agents that think at a time.")
@click.option("--model", default="", help="Of the roles that name none, like openai:gpt-5-mini or ollama:qwen3; without a "
                                          "team in program.md, an `llm` joins.")
@click.option("--price", type=price, metavar="IN,OUT",
              help="Dollars per million tokens of a model that the price list does not know.")
@click.option("--tokens", type=count, help="Use at most so many tokens in this session, like 500k or 2M.")
@click.option("--dollars", type=click.FloatRange(min=0), help="Spend at most so much on models in this session.")
@click.option("--tokens-each", type=count, help="The same for one experiment, with its repairs.")
@click.option("--dollars-each", type=click.FloatRange(min=0), help="The same for one experiment, with its repairs.")
@click.option("--restart", is_flag=True, help="Begin the track anew at the commit that is checked out.")
@click.option("--web", "page", is_flag=False, flag_value=PORT, type=click.IntRange(0, 65535), metavar="[PORT]",
              help=f"Show it in a browser as well (port {PORT} unless one is named); the page stays when the night is over.")
@ways
@JSON
def run(folder: Path, lasting: str | None, experiments: int | None, workers: int | None, sandbox_name: str,
        names: tuple[str, ...], think_slots: int, restart: bool, page: int | None, as_json: bool, word: Ways,
        **options: Any) -> None:
    """Try ideas until the time is over; Ctrl-C stops, running it again goes on."""
    lasts = seconds(lasting) if lasting else None
    began = time.monotonic()
    session = Session(folder)
    if earlier := session.elsewhere():
        tell(f"note: {earlier}", err=True)
    contract = load(folder)
    box = sandbox.choose(sandbox_name, contract.run.gpus)
    console = Terminal(stderr=as_json)
    wanted = ModelOptions(**options)
    allowed(session, contract, _team(names, options["model"], session.program))
    spoken = word.of(session, console.say)
    measured = 0.0 if restart else first(session, box, workers)
    if page is not None:
        served(session, page)
    with ExitStack() as late, session.writing(again=restart), Night(session, box, workers, think_slots=think_slots,
                                                                    models=wanted, say=console.say) as night:
        rungs.removed(session)
        night.organise(partial(_team, names, options["model"]))
        for note in _notes(night):
            tell(note, err=True)
        until = time.monotonic() + lasts * (1 - contract.ladder.share) - measured if lasts else None
        lab = night.lab
        late.enter_context(spoken)  # what waits to be sent outlasts the night, and no other waits for it
        view = Panel(session.state, console, night.places.places, until, experiments) if console.draws else \
            Lines(session.state, console)
        try:
            with stopping(lab), view.screen, Keys(console.draws) as keys:
                night.run(Budget(until, experiments, options["tokens"], options["dollars"]),
                          beside(watching(view, keys, session, lab, console), spoken))
        finally:
            console.say(f"ended: {lab.why(time.monotonic()) or 'broken off'}")
            spoken.ended(lab.why(time.monotonic()))
        if lab.problem:
            lacks = "" if lab.state.calibrated else missing.why(lab.state.track, session.repo, lab.problem)
            raise TrackError(f"{lab.problem.rstrip('.')}; {lacks and f'{lacks}; '}nothing is lost, so mend it and run again.")
    if lasts and contract.ladder.share and session.state.chain() and not lab.flight.stopping:
        _climb(session, sandbox_name, workers, began + lasts, contract.ladder.gather)
    if as_json:
        say(track.track(session.state))
    else:
        _say_end(session.state)


def _climb(session: Session, sandbox_name: str, workers: int | None, until: float, gather: int) -> None:
    """The part of the night that climbs. What goes wrong there is a note: it must not hide what the night has found."""
    try:
        up(session, rungs.names(session), sandbox_name, workers, until, least=gather, quiet=True)
    except OvernightError as error:
        tell(f"note: {error}", err=True)


def _team(names: tuple[str, ...], model: str, program: Program) -> tuple[Role, ...]:
    """The roles of tonight's team: the named ones, or those of the program. Raises TrackError."""
    if names:
        return program.named(names)
    named = program.roles
    return (*named, Role("llm", "llm")) if model and not any(needs_model(role) for role in named) else named


def _notes(night: Night) -> Iterator[str]:
    """Notes on this night that a user may not expect."""
    session, state = night.session, night.session.state
    head, cores = session.repo.head(), night.lab.flight.measure_slots * state.track.run.cpus
    if head not in session.own_commits():
        yield (f"note: you are at {head[:7]}, which this track does not know; it goes on from {state.commit[:7]} "
               "(`--restart` begins anew at your commit)")
    if session.orphan:
        yield (f"note: {session.branch} had results of which no journal is left, for its state was deleted or lies elsewhere: "
               f"they are on {session.orphan} now")
    if (carried := state.usage.carried).calls:
        yield f"note: the last session was killed; what it used of its budget counts: {track.paid('', track.spent(carried))}"
    if state.one_seed:
        yield f"note: {track.on_one_seed(track.track(state))}"
    if cores > len(MACHINE):
        yield f"note: these workers want {cores} cores and there are {len(MACHINE)}, so runs will disturb each other"


def _say_end(state: State) -> None:
    found = track.track(state)
    tell(f"{headline(found)}, on branch {found.branch}" + "".join(f" ({m})" for m in found.marks))
    if found.limits:
        tell(f"{found.limits.sentence}.")
    if state.usage.session.calls:
        tell(f"models in this session: {track.paid('', track.spent(state.usage.session))}")
