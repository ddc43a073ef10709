"""The options by which a night sends word of itself: addresses, hooks, a time of the morning."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from overnight.errors import TrackError, extra
from overnight.lab.events import Event
from overnight.night.session import Session
from overnight.night.word import couriers, places
from overnight.night.word.happenings import Happening
from overnight.night.word.letters import written
from overnight.night.word.send import Order
from overnight.night.word.word import Word
from overnight.views.answers import Finding

EXTRA = "apprise"  # the package that the extra brings
NOTIFY = click.option("--notify", multiple=True, metavar="URL", help="Send word of keeps, stalls and the end to an address of "
                      f"apprise's, like ntfys://TOPIC; also to those in ${places.VARIABLE} and ~/.config/overnight/notify.")
HOOK = click.option("--hook", "hooks", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
                    help="A program of yours that gets each event as JSON; also those in ~/.config/overnight/hooks.")
MORNING = click.option("--morning", metavar="07:00", help="Send a summary at this time of day.")


class Ways:
    """How a night sends word, as its command line and its user's configuration have it."""

    def __init__(self, notify: Sequence[str], hooks: Sequence[Path], morning: str | None) -> None:
        self.notify, self.hooks, self.morning = notify, hooks, morning

    def of(self, session: Session, say: Callable[[str], None]) -> Word:
        """The word of a session's night. Raises TrackError for an address, a hook or a time that cannot be used."""
        root, morning = session.repo.root, places.clock(self.morning) if self.morning else None
        addresses = _addresses(self.notify, root)
        hooks = places.hooks(self.hooks, os.environ, root)
        if morning and not (addresses or hooks):
            raise TrackError("there is nothing to send a summary to in the morning: name an address with --notify, or a "
                             "program with --hook.")
        for address in addresses:
            answer = couriers.ask(Order(address.secret), os.environ)
            if not answer.sent:
                raise TrackError(f"{address} cannot be notified: {answer.why}.")
        return Word(session, addresses, hooks, os.environ, say, morning)


def ways(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the three options, as its argument `word`."""
    @NOTIFY
    @HOOK
    @MORNING
    @functools.wraps(command)
    def wrapped(*given: Any, notify: Sequence[str], hooks: Sequence[Path], morning: str | None, **more: Any) -> Any:
        return command(*given, word=Ways(notify, hooks, morning), **more)

    return wrapped


def beside(view: Callable[[Sequence[Event]], None], word: Word) -> Callable[[Sequence[Event]], None]:
    """A view after which the word is told the same."""
    def watch(events: Sequence[Event]) -> None:
        view(events)
        word.heard(events)

    return watch


def tried(notify: Sequence[str]) -> Iterator[Finding]:
    """Whether a test message reaches each address that is given or configured. Raises TrackError."""
    letter = written([Happening("test", 0.0, "overnight", "A night would send its word here.")])
    for address in _addresses(notify, Path("/dev/null")):
        answer = couriers.ask(Order(address.secret, letter.title, letter.body), os.environ)
        yield Finding("notify", answer.sent, f"{address}: {'a test message was sent' if answer.sent else answer.why}")


def _addresses(given: Sequence[str], root: Path) -> list[places.Address]:
    """All that are given or configured. Raises TrackError; ExtraMissing where there are some and apprise is not there."""
    found = places.addresses(given, os.environ, root)
    with extra("notify", "sending word of a night"):
        if found and find_spec(EXTRA) is None:  # it is loaded where something is sent, in another process
            raise ImportError(name=EXTRA)
    return found
