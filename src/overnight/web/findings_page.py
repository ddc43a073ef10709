"""What was kept: whether the claim holds, what each change is worth, and what it changes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from markupsafe import Markup

from overnight.errors import OvernightError
from overnight.repo import Repo
from overnight.report.diff import diff
from overnight.report.svg.axes import decimals
from overnight.report.svg.intervals import Row, forest
from overnight.untrusted import line
from overnight.views import headline, holdout
from overnight.views.findings import WORDS, FindingsView, KeepView
from overnight.views.track import duration
from overnight.web import answers
from overnight.web.frame import framed, home
from overnight.web.seen import Seen

TONES = {"holds": "again", "does_not_hold": "warn"}
MOST_KEEPS = 30  # that are shown, the largest
UNKNOWN = "Whether the keeps need one another is not known."
SUMS = {"not_audited": "Nothing was measured again yet, on seeds that the night never used.",
        "add_up": "What each is worth by leaving it out adds up to the whole.",
        "overlap": "The keeps overlap: each alone is worth less than the whole says.",
        "need_one_another": "The keeps need one another: leaving one out costs more than its own share."}


def findings(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of findings."""
    track, found = seen.history.track, answers.found(seen)
    shown = sorted(sorted(found.keeps, key=lambda keep: -keep.effect)[:MOST_KEEPS], key=lambda keep: keep.id)
    rows = list(_rows(found, shown, f"{home(seen)}experiments/"))
    return framed(
        seen, "findings.html", "Findings", "findings", line=headline.headline(track, found), found=found,
        forest=Markup(forest(rows, found.worthwhile, line(found.unit, 24))),
        places=decimals(keep.effect for keep in found.keeps), shown=len(shown),
        rest=len(found.keeps) - len(shown), sums=[SUMS.get(found.sum, UNKNOWN)] if found.keeps else [],
        holdout=holdout.sentence(found.holdout, found.unit) if seen.full and found.holdout else "",
        advice=holdout.advice(found.holdout) if seen.full and found.holdout else "", hidden=bool(seen.state.track.holdout),
        difference=f"git diff {track.base_commit[:7]}..{track.branch}",
        cards=[_card(seen, keep) for keep in shown[::-1]])


def _rows(found: FindingsView, shown: list[KeepView], address: str) -> Iterator[Row]:
    """Each keep as it was claimed, their sum, each measured again, and the whole measured again."""
    for keep in shown:
        yield Row(f"#{keep.id}, on its fresh seeds", keep.effect, keep.interval, "night", "kept", "", f"{address}{keep.id}",
                  line(keep.title, 60))
    if len(found.keeps) > 1:
        yield Row(f"Sum of all {len(found.keeps):,}, as claimed", found.claimed, found.claimed_interval, "night", "claimed")
    for keep in shown:
        if keep.again is not None:
            yield Row(f"#{keep.id} again, by leaving it out", keep.again.effect, keep.again.interval, "again",
                      WORDS[keep.code], TONES.get(keep.code, ""))
    if found.again is not None:
        tone = "again" if found.state == "holds" else "warn"
        yield Row("The branch again, against the baseline", found.again.effect, found.again.interval, "again",
                  found.claim, tone)


def _card(seen: Seen, keep: KeepView) -> tuple[KeepView, Markup, str, str, str]:
    """A keep, what it changes, where it comes from, what the audit says of it and in which tone."""
    took = ""
    if keep.proposed_at is not None and keep.judged_at is not None:
        took = f", {duration(keep.judged_at - keep.proposed_at)} from idea to verdict"
    base = seen.state.experiments[keep.id].base_commit
    change = diff(patch(seen.session.repo, base, keep.commit), context=False, label=f"The change of experiment {keep.id}")
    code = "" if keep.code == "not_audited" else WORDS[keep.code]
    return keep, Markup(change), f"proposed by {line(keep.researcher, 60)}{took}", code, TONES.get(keep.code, "")


@functools.lru_cache(maxsize=256)
def patch(repo: Repo, base: str, commit: str) -> str:
    """What a commit changes; "" where the repository has it no more."""
    try:
        return repo.patch(base, commit)
    except OvernightError:
        return ""
