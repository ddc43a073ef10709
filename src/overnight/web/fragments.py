"""The parts of pages that change while a night goes on: what the live stream sends."""

from __future__ import annotations

from collections.abc import Callable

from overnight.web.seen import Seen

# id -> the HTML within the element of that id
FRAGMENTS: dict[str, Callable[[Seen], str]] = {}
