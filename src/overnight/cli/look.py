"""Commands that only look: status, log, show, report, brief. What `status` does not need is imported where it is."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from msgspec.structs import asdict

from overnight.cli.base import DONE, FOLDER, JSON, JSON_LINES, RUNG, count, main, say, tell
from overnight.errors import JournalError, OvernightError, TrackError
from overnight.lab.events import Event
from overnight.night import rungs
from overnight.night.session import Session, opened
from overnight.referee.guards import ESTIMATED
from overnight.report.content import Checked
from overnight.report.folding import folded, width
from overnight.report.standing import standing
from overnight.track.units import number
from overnight.views import further, holdout, ladder, points, sentences
from overnight.views.answers import Done
from overnight.views.experiment import History, detail, experiment, history, line, named
from overnight.views.track import explored as what_was_explored
from overnight.views.track import noise_by_commit, on_one_seed, paid, track


@main.command()
@FOLDER
@RUNG
@JSON
@click.option("--all", "everything", is_flag=True, help="Every number that is known, not only the six lines.")
def status(folder: Path, rung: str, as_json: bool, everything: bool) -> None:
    """Where a track stands."""
    session = opened(folder, rung)
    state = session.read()
    found = track(state)
    if as_json:
        say(found)
        return
    if not everything:
        kept = state.chain()
        working = session.at_work()
        climbed = "" if working or rung else _climbed(session)
        for text in standing(found, [experiment(state, each) for each in kept], working, climbed):
            tell(text)
        return
    rows = asdict(found) | {"holdout": holdout.sentence(found.holdout, found.unit),
                            "lead": found.lead and points.about(found.lead.gain, found.lead.deviation, found.unit),
                            "ladder": [*map(ladder.summary, found.ladder)], "further": [*further.lines(found.further)],
                            "models": [paid(role, use) for role, use in found.models.items()]}
    for name, value in rows.items():
        shown = ", ".join(f"{k}{ESTIMATED * (k in found.estimated)} {number(v, 5)}" for k, v in value.items()) \
            if isinstance(value, dict) else \
            "; ".join(value) if isinstance(value, tuple | list) else number(value, 5) if isinstance(value, float) else value
        tell(f"{name:18} {shown if shown not in (None, '') else '–'}")
    if warning := on_one_seed(found):
        tell(f"{warning}.")


def _climbed(session: Session) -> str:
    """The rung on which a climb is at work; "" where none is, or the contract cannot be read to tell."""
    try:
        on = rungs.at_work(session)
    except OvernightError:
        return ""
    return on.rung if on else ""


@main.command()
@FOLDER
@RUNG
@JSON_LINES
@click.option("--explored", is_flag=True, help="The points that were explored by single runs, in the place of experiments.")
@click.option("--verify", is_flag=True, help="Check the journal's chain of hashes and that the branch agrees with it.")
@click.option("--patches", type=click.Path(path_type=Path, file_okay=False), metavar="DIRECTORY",
              help="Write each experiment's change into this folder, as a patch that `replay` can propose again.")
def log(folder: Path, rung: str, as_json: bool, explored: bool, verify: bool, patches: Path | None) -> None:
    """Every experiment with its verdict, oldest first."""
    session = opened(folder, rung)
    state = session.read(whole=verify)
    if verify:
        session.verify()
        number, head = session.journal.head
        _said(f"{number} records, chain whole, branch agrees; head {head}", as_json)
        return
    if patches is not None:
        from overnight.researchers import replay
        written = replay.patches(session.journal.replay(), patches)
        left = f"; {len(written.left)} were too large" if written.left else ""
        _said(f"{len(written.files)} patches in {patches}{left}", as_json)
        return
    told = history(state)
    if explored:
        _points(told, as_json)
        return
    if (found := noise_by_commit(told.track)) and not as_json:
        tell(f"{found}.")
    for each in told.experiments:
        if as_json:
            say(each)
        else:
            tell(f"{each.commit[:7]} {line(each, told.team)}")
    if told.points and not as_json:
        tell(f"{what_was_explored(told.track)}; `overnight log --explored` lists them.")


def _points(told: History, as_json: bool) -> None:
    """What was explored, oldest first, and what it led to."""
    for each in told.points:
        if as_json:
            say(each)
        else:
            tell(f"{each.commit[:7]} {points.line(each, told.track.metric, told.track.unit)}")
    if not as_json:
        tell(f"{what_was_explored(told.track) or 'nothing was explored'}.")


def _said(sentence: str, as_json: bool) -> None:
    if as_json:
        say(Done((sentence,)))
    else:
        tell(sentence)


@main.command()
@click.argument("experiment", metavar="ID")
@FOLDER
@RUNG
@JSON
def show(experiment: str, folder: Path, rung: str, as_json: bool) -> None:
    """One experiment (its number or commit): diff, runs, verdict with its evidence, end of its log."""
    session = opened(folder, rung)
    state = session.read()
    chosen = named(state.experiments.values(), experiment)
    if chosen is None:
        raise TrackError(f"there is no experiment {experiment}: `overnight log` lists them.")
    found = detail(state, chosen, list(session.journal.replay()), session.log)
    if as_json:
        say(found)
    else:
        tell(sentences.words(track(state), found, lambda line: folded(line, width(sys.stdout))), page=True)


@main.command()
@FOLDER
@RUNG
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.")
@DONE
def report(folder: Path, rung: str, to: Path | None) -> None:
    """Write the report as a page and as markdown, with its pictures.

    report.html opens from disk, asks for nothing and prints; report.md says the same. Besides: results.tsv, progress.svg,
    progress.png, and card.png to share. What needs a missing extra is left out, and said.
    """
    from overnight.report import files
    session = Session(folder, rung=rung)
    state = session.read()
    events, checked = _checked(session)
    written = files.write(files.read(state, session.home, events, checked), to or session.home / "report")
    for path in written.paths:
        tell(path)
    for sentence in written.missing:
        tell(f"overnight: {sentence}", err=True)


def _checked(session: Session) -> tuple[list[Event], Checked]:
    """The journal's events, and how it stands against its own hashes and the result branch, as a report says it."""
    number, head = session.journal.head
    events = list[Event]()
    try:
        events.extend(session.journal.replay())
        session.verify()
    except (JournalError, TrackError) as error:
        return events, Checked(number, head, str(error))
    return events, Checked(number, head)


@main.command()
@FOLDER
@RUNG
@JSON
@click.option("--tokens", type=count, default=12_000, show_default=True, help="Of the page, at most.")
def brief(folder: Path, rung: str, as_json: bool, tokens: int) -> None:
    """What a researcher needs to know, on one page: goal, boundary, frontier, what was tried, ideas, budget."""
    from overnight.brief import data, page
    from overnight.night import dispatch
    session = opened(folder, rung)
    if rung:
        session.read()  # of a rung that was not climbed to there is none
    told = dispatch.brief(session)
    if as_json:
        say(data.as_json(told))
    else:
        tell(page.page(told, tokens).text, page=True)
