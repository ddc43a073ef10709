"""The first page: where the night stands."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from overnight.web.choosing import whole
from overnight.web.fragments import chart
from overnight.web.frame import framed
from overnight.web.seen import Seen

FRAGMENTS = ("headline", "answers", "feed", "jobs", "budget", "next")


def night(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of the night; `from` and `to` ask for a part of its chart."""
    begin, end = whole(asked.get("from", "")), whole(asked.get("to", ""))
    window = (float(begin), float(end)) if begin < end else None
    return framed(seen, "night.html", "Night", "", FRAGMENTS, stale=False, chart=Markup(chart(seen, window)),
                  zoomed=f"{begin:,} to {end:,}" if window else "")
