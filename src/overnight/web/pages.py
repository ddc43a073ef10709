"""The pages of a track."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import NamedTuple

from overnight.web.seen import Seen


class Page(NamedTuple):
    """A page below /t/{name}/.

    path    behind that, with parameters in braces, like "experiments/{number:int}"; "" is the first page
    name    what it is called
    render  makes its HTML of what is seen, with the parameters of its path and its query; raises NotFound where these name
            nothing
    """

    path: str
    name: str
    render: Callable[[Seen, Mapping[str, str]], str]


def notice(title: str, said: str, name: str = "") -> str:
    """A page with one sentence: an error, or a track of which nothing is known yet (`name`: its name in addresses)."""
    return f"<!doctype html><html lang=en><title>{escape(title)}</title><h1>{escape(title)}</h1><p>{escape(said)}</p></html>"


def _night(seen: Seen, asked: Mapping[str, str]) -> str:
    track = seen.history.track
    return notice(track.track, f"{track.experiments} tried, {track.kept} kept.", seen.name)


PAGES: tuple[Page, ...] = (Page("", "Night", _night),)
