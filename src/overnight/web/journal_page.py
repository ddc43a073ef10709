"""The journal: whether its chain is whole, and its records a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from overnight.web.choosing import whole
from overnight.web.frame import framed
from overnight.web.records import EACH, before, kinds
from overnight.web.seen import Seen


def journal(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of the journal."""
    kind = asked.get("kind", "") if asked.get("kind", "") in kinds() else ""
    last = min(whole(asked.get("before", "")) or seen.seq, seen.seq)
    rows = before(seen.session.journal, last, kind)
    more = len(rows) == EACH and rows[-1].seq > 1
    return framed(
        seen, "journal.html", "Journal", "journal", seq=seen.seq, head=seen.head if seen.full else "",
        kinds=kinds(), chosen=kind, rows=rows,
        older=_address(kind, rows[-1].seq - 1) if more else None, newer=_address(kind, 0) if last < seen.seq else None,
        words="The chain is being checked from its first record on; the command holds the branch against it, too.")


def _address(kind: str, last: int) -> str:
    return "?" + urlencode({key: value for key, value in (("kind", kind), ("before", last)) if value})
