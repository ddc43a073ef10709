"""What all pages share: the bar with the pages, the live sign, the foot, and the page that says one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from overnight.web.fragments import FRAGMENTS
from overnight.web.rendering import html
from overnight.web.seen import Seen

MENU = ("", "findings", "experiments", "ideas", "program", "team", "compare", "ladder", "journal")  # in its order
NAMES = {"": "Night", "findings": "Findings", "experiments": "Experiments", "ideas": "Ideas", "program": "Program",
         "team": "Team", "compare": "Compare", "ladder": "Ladder", "journal": "Journal"}
API = "/api/v1/tracks"


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


class Entry(NamedTuple):
    """An entry of the menu; `current`: of the page that is shown."""

    path: str
    name: str
    current: bool


def home(seen: Seen) -> str:
    """The address of a track's first page, below which the others are."""
    return f"/t/{quote(seen.name)}/"


def api(seen: Seen) -> str:
    """The address of a track in the API."""
    return f"{API}/{quote(seen.name)}"


def framed(seen: Seen, template: str, heading: str, current: str, fragments: tuple[str, ...] = (), stale: bool = True,
           **known: object) -> str:
    """A page of a track. `current` is its entry of the menu, `fragments` the ids of those that it holds besides the
    frame's own; `stale`: it does not change by itself, so that it says where there is more by now."""
    made = {name: Markup(FRAGMENTS[name](seen)) for name in ("live", "foot", *fragments)}
    return html(template, heading=heading, track=seen.state.track.name, home=home(seen), api=api(seen),
                now=round(seen.now, 3), full=seen.full, live=seen.live,
                stream=f"{api(seen)}/events?after={seen.seq}",
                menu=_menu(seen, current), judged=seen.state.judged if stale else None, fragments=made, **known)


def _menu(seen: Seen, current: str) -> tuple[Entry, ...]:
    shown = (path for path in MENU if path != "ladder" or seen.state.ladder)
    return tuple(Entry(path, NAMES[path], path == current) for path in shown)
