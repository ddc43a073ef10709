"""What is known of the kept changes on each rung of the ladder."""

from __future__ import annotations

from collections.abc import Mapping

from overnight.report.svg.axes import decimals
from overnight.views import ladder as views
from overnight.web.frame import framed
from overnight.web.seen import Seen

SHADES = {"holds": "good", "reverses": "warn", "vanishes": "", "unknown": "", "waits": ""}


def ladder(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of the ladder."""
    rungs = seen.history.track.ladder
    holds = sum(each.word == "holds" for each in rungs[-1].carried) if rungs else 0
    words = f"{holds} of {len(rungs[-1].carried)} hold on the highest rung" if rungs else "The ladder"
    return framed(
        seen, "ladder.html", "Ladder", "ladder", rungs=rungs, heading_words=words,
        summaries=[views.summary(each) for each in rungs], shades=SHADES,
        places=decimals(each.effect for rung in rungs for each in rung.carried))
