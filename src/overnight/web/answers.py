"""The four answers that head the night, with how many lines there are to merge."""

from __future__ import annotations

import functools
from pathlib import Path

from msgspec.structs import replace

from overnight.errors import OvernightError
from overnight.repo import Repo
from overnight.report import audit, findings, worth
from overnight.report.diff import changed
from overnight.views import headline
from overnight.views.findings import FindingsView
from overnight.views.headline import AnswerView
from overnight.web.seen import Seen


def found(seen: Seen) -> FindingsView:
    """What the night found, as this reader may see it."""
    home, state = seen.session.home, seen.state
    files = (home / audit.FILE, *(worth.place(home, each.id) for each in state.chain()))  # which change without the journal
    made: FindingsView = seen.once(("found", seen.full, *map(_changed, files)), lambda: findings.read(home, state, seen.full))
    return made


def _changed(path: Path) -> int:
    """When a file was written to last, in nanoseconds since 1970; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def answers(seen: Seen) -> tuple[AnswerView, ...]:
    """The four, in their order."""
    track, told = seen.history.track, found(seen)
    *others, merge = headline.answers(track, told)
    if told.keeps and (lines := size(seen.session.repo, track.base_commit, track.commit)):
        merge = replace(merge, answer=f"{merge.answer}, {lines:,} line{'s' * (lines != 1)}")
    return *others, merge


@functools.lru_cache(maxsize=64)
def size(repo: Repo, base: str, commit: str) -> int:
    """Lines that a commit has otherwise than its base, the more of those taken out and added; 0 where that cannot be read."""
    try:
        return max(changed(repo.patch(base, commit)))
    except OvernightError:
        return 0
