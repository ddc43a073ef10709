"""The end of a journal, held in two more places: the commits that were made under it, and a file beside it.

Each commit of a candidate bears the number and the hash of the journal's last record at the time (`Overnight-Journal: 41
9f2c...`), which no message of a researcher can: a journal that was cut before it or rewritten does not fit the branch
any more. The file `head` names the last record of the last session, so that cutting what came after the last keep is noticed.
Covered: a journal that was cut or rewritten, a branch that was forced elsewhere. Not covered: a user that rewrites journal,
file and branch together; the records of the last moments before a kill.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from overnight.contracts import Journal
from overnight.errors import TrackError
from overnight.lab.events import Event
from overnight.repo import Repo

TRAILER = re.compile(r"^Overnight-Journal: (\d{1,18}) ([0-9a-f]{64})$", re.MULTILINE)


def line(head: tuple[int, str]) -> str:
    """The trailer for a commit that is made while the journal ends with this record."""
    return "Overnight-Journal: {} {}".format(*head)


def keep(home: Path, journal: Journal[Event]) -> None:
    """Note the journal's last record beside it; where that cannot be written, the older note stays."""
    coming = home / "head.new"
    with suppress(OSError):
        coming.write_text(line(journal.head) + "\n", encoding="ascii")
        coming.replace(home / "head")


def check_end(home: Path, journal: Journal[Event]) -> None:
    """Raise TrackError where the journal lacks the record that was noted as its last one."""
    noted = TRAILER.search(_text(home / "head"))
    if noted and journal.hash_of(int(noted[1])) != noted[2]:
        raise TrackError(f"the journal in {home} was cut or rewritten: its record {noted[1]} is not the one that was written. "
                         "Put it back from a copy, or begin anew with `overnight run --restart`.")


def check_commits(repo: Repo, journal: Journal[Event], commits: Sequence[str]) -> None:
    """Raise TrackError where a commit, of those that were kept, was made under another journal than this one. One without a
    trailer is from before there were any, and may follow no other."""
    borne = False
    for commit, message in zip(commits, repo.messages(commits), strict=True):
        found = TRAILER.search(message)
        borne = borne or found is not None
        if borne and (found is None or journal.hash_of(int(found[1])) != found[2]):
            raise TrackError(f"the journal does not fit the commit {commit[:12]}, which was not made under it: put the journal "
                             "back from a copy, or begin anew with `overnight run --restart`.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
