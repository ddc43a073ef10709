"""What was kept: whether the claim holds, what each change is worth, and what it changes."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from markupsafe import Markup

from overnight.errors import OvernightError
from overnight.repo import Repo
from overnight.report.cards import cards, legend
from overnight.report.content import forest_rows, sum_sentences
from overnight.report.svg.axes import decimals
from overnight.report.svg.intervals import forest
from overnight.untrusted import line
from overnight.views import headline, holdout
from overnight.web import answers
from overnight.web.frame import framed, home
from overnight.web.seen import Seen


def findings(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of findings."""
    track, found = seen.history.track, answers.found(seen)
    rows = forest_rows(found, f"{home(seen)}experiments/{{id}}")
    shown = list(cards(found, lambda keep: patch(seen.session.repo, seen.state.experiments[keep.id].base_commit, keep.commit)))
    return framed(
        seen, "findings.html", "Findings", "findings", line=headline.headline(track, found), found=found,
        forest=Markup(forest(rows, found.worthwhile, line(found.unit, 24))), legend=legend(found),
        places=decimals(keep.effect for keep in found.keeps), rest=len(found.keeps) - len(shown),
        sums=[each.replace("`", "") for each in sum_sentences(found)],
        holdout=holdout.sentence(found.holdout, found.unit) if seen.full and found.holdout else "",
        advice=holdout.advice(found.holdout) if seen.full and found.holdout else "", hidden=bool(seen.state.track.holdout),
        difference=f"git diff {track.base_commit[:7]}..{track.branch}", cards=shown[::-1])


@functools.lru_cache(maxsize=256)
def patch(repo: Repo, base: str, commit: str) -> str:
    """What a commit changes; "" where the repository has it no more."""
    try:
        return repo.patch(base, commit)
    except OvernightError:
        return ""
