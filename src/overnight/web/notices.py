"""Pages of one sentence, and the list of the tracks that are served: what is there without a track."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from overnight.web.rendering import html


def notice(title: str, said: str, name: str = "") -> str:
    """A page with one sentence: an error, or a track of which nothing is known yet (`name`: its name in addresses), which is
    loaded again when something is."""
    where = quote(name)
    stream = f"/api/v1/tracks/{where}/events?after=0" if name else ""
    return html("notice.html", title=title, said=said, home=f"/t/{where}/" if name else "/", stream=stream, names=())


def listed(names: Sequence[str]) -> str:
    """The page with all tracks that are served."""
    return html("notice.html", title="Tracks", said="", home="/", stream="", names=names)
