"""`overnight trust`, and the question that other commands ask before they run or send anything that is not granted."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from overnight.cli.base import FOLDER, JSON, main, say, tell
from overnight.night import needs
from overnight.night.session import Session
from overnight.track.load import load
from overnight.track.roles import Role
from overnight.track.spec import Track
from overnight.untrusted import line
from overnight.views.answers import Wants

WIDE = 300  # characters of a line


@main.command()
@FOLDER
@click.option("--yes", is_flag=True, help="Grant it without a question, for scripts of your own.")
@JSON
def trust(folder: Path, yes: bool, as_json: bool) -> None:
    """Show what a track wants of this machine, and grant it.

    A track needs no grant for what it does with its own repository in a sandbox.
    """
    session = Session(folder)
    contract = load(folder)
    above = (contract.on(rung.name) for rung in contract.ladder.rung)
    wants = tuple(dict.fromkeys((*wanted(session, contract, session.program.roles),
                                 *(want for rung in above for want in wanted(session, rung)))))
    missing = session.trust.missing(wants)
    if as_json:
        say(Wants(tuple(sorted(set(wants))), tuple(missing)))
    else:
        for text in _manifest(contract, session, wants, missing):
            tell(text)
    if missing and (yes or (not as_json and _confirmed())):
        _grant(session, wants)
    elif missing and not as_json:
        session.trust.require(wants)


def wanted(session: Session, contract: Track, roles: Sequence[Role] = ()) -> tuple[str, ...]:
    """What a track wants beyond its repository and a sandbox, with the roles that are asked. Raises TrackError."""
    return (*needs.of_contract(contract, session.repo), *needs.of_roles(roles))


def allowed(session: Session, contract: Track, roles: Sequence[Role] = ()) -> None:
    """Ask for what is not granted yet. Raises TrackError where it is refused, or where no terminal is there to ask."""
    wants = wanted(session, contract, roles)
    missing = session.trust.missing(wants)
    if missing and sys.stdin.isatty() and sys.stderr.isatty():
        for text in _manifest(contract, session, wants, missing):
            tell(text, err=True)
        if _confirmed():
            _grant(session, (*wants, *session.trust.granted))
            return
    session.trust.require(wants)


def _confirmed() -> bool:
    return sys.stdin.isatty() and click.confirm("Grant what is marked +?", default=False, err=True)


def _grant(session: Session, wants: Sequence[str]) -> None:
    session.place.make()
    session.trust.grant(wants)
    tell("granted: what the track wants is pinned, and a change to it is asked again", err=True)


def _manifest(contract: Track, session: Session, wants: Sequence[str], missing: Sequence[str]) -> Iterator[str]:
    """A track's manifest, a line each."""
    run = contract.run
    yield f"track {contract.name} in {line(str(session.repo.folder), WIDE)}"
    yield f"  may edit   {line(', '.join(contract.track.editable), WIDE)}"
    for name, step in (("runs", run), ("scores", contract.score), ("answers", contract.oracle),
                       *(("requires", step) for step in contract.require)):
        if step is not None:
            yield f"  {name:10} {line(' '.join(step.command), WIDE)}  (at most {step.timeout}, {step.memory}; in a sandbox)"
    yield f"  takes      {run.cpus} cores, {run.processes} processes, {run.disk} of disk a run; network: {run.network}"
    for each in sorted({*wants, *session.trust.granted}):
        state = "+ not granted yet" if each in missing else "= granted" if each in wants else "- granted, not wanted any more"
        yield f"  {state}: {each}"
    if not wants:
        yield "  nothing of this machine beyond its repository, so there is nothing to grant"
