"""Commands that only look: status, log, show, report."""

from __future__ import annotations

from pathlib import Path

import click

from overnight.brief.page import as_json as as_data
from overnight.brief.page import page
from overnight.cli.audit import AUDIT
from overnight.cli.base import FOLDER, JSON, Count, main, say
from overnight.errors import TrackError
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.night import dispatch
from overnight.night.session import Session
from overnight.report import audit
from overnight.researchers import replay
from overnight.views import holdout, sentences, track


@main.command()
@FOLDER
@JSON
def status(folder: Path, as_json: bool) -> None:
    """Where a track stands."""
    state = dispatch.opened(folder).read()
    found = track.status(state)
    if as_json:
        say(found | {"holdout": holdout.numbers(state)})
        return
    found |= {"holdout": holdout.sentence(state)} if state.track.holdout else {}
    found["models"] = [track.paid(role, use) for role, use in state.tally.used.items()]
    for name, value in found.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else \
            "; ".join(value) if isinstance(value, list) else track.number(value, 5) if isinstance(value, float) else value
        click.echo(f"{name:18} {shown if shown not in (None, '') else '–'}")


@main.command()
@FOLDER
@JSON
@click.option("--verify", is_flag=True, help="Check the journal's chain of hashes and that the branch agrees with it.")
@click.option("--patches", type=click.Path(path_type=Path, file_okay=False), metavar="DIRECTORY",
              help="Write each experiment's change into this folder, as a patch that `replay` can propose again.")
def log(folder: Path, as_json: bool, verify: bool, patches: Path | None) -> None:
    """Every experiment with its verdict, oldest first."""
    session = dispatch.opened(folder)
    state = session.read()
    if verify:
        _verify(session, state)
        return
    if patches is not None:
        written = replay.patches(session.journal.replay(), patches)
        left = f"; {len(written.left)} were too large" if written.left else ""
        click.echo(f"{len(written.files)} patches in {patches}{left}")
        return
    for experiment in state.experiments.values():
        if as_json:
            say(track.record(state, experiment))
        else:
            click.echo(f"{experiment.commit[:7]} {track.line(state, experiment)}")


def _verify(session: Session, state: State) -> None:
    count, head = session.journal.head
    tip = session.repo.tip(session.branch)
    if tip != state.commit:
        raise TrackError(f"the journal is whole, but the branch {session.branch} is at {(tip or 'nothing')[:7]} "
                         f"where the journal says {state.commit[:7]}: `overnight run` puts it right.")
    click.echo(f"{count} records, chain whole, branch agrees; head {head}")


@main.command()
@click.argument("experiment", metavar="ID")
@FOLDER
@JSON
def show(experiment: str, folder: Path, as_json: bool) -> None:
    """One experiment (its number or commit): diff, runs, verdict with its evidence, end of its log."""
    session = dispatch.opened(folder)
    state = session.read()
    chosen = _chosen(state, experiment)
    found = sentences.gather(state, chosen, list(session.journal.replay()), session.log)
    if as_json:
        say(found)
    else:
        click.echo(sentences.words(state, chosen, found))


def _chosen(state: State, name: str) -> Experiment:
    number = name.removeprefix("#")
    found = [e for e in state.experiments.values() if str(e.id) == number or (len(name) >= 4 and e.commit.startswith(name))]
    if not found:
        raise TrackError(f"there is no experiment {name}: `overnight log` lists them.")
    return found[0]


@main.command()
@FOLDER
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.")
def report(folder: Path, to: Path | None) -> None:
    """Write results.tsv, report.md, progress.svg and progress.png."""
    from overnight.report import morning  # matplotlib takes half a second to import

    session = Session(folder)
    state = session.read()
    for path in morning.write(state, to or session.home / "report", audit.load(session.home / AUDIT, state)):
        click.echo(path)


@main.command()
@FOLDER
@JSON
@click.option("--tokens", type=Count(), default=12_000, show_default=True, help="Of the page, at most.")
def brief(folder: Path, as_json: bool, tokens: int) -> None:
    """What a researcher needs to know, on one page: goal, boundary, frontier, what was tried, ideas, budget."""
    session = dispatch.opened(folder)
    told = dispatch.brief(session)
    if as_json:
        say(as_data(told))
    else:
        click.echo(page(told, tokens).text)
