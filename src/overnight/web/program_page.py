"""The program: its text, its versions and what differs between two of them, and how it is edited."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from overnight.report.diff import diff
from overnight.untrusted import line
from overnight.views.program import VersionView, difference
from overnight.web import instructions
from overnight.web.choosing import whole
from overnight.web.fragments import times_of
from overnight.web.frame import framed
from overnight.web.seen import Seen

MOST_VERSIONS = 200  # that the menus list


def program(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of the program; `from` and `to` are the numbers of two versions."""
    found, problem = instructions.program(seen)
    versions = list(found.versions[-MOST_VERSIONS:])
    old, new = _chosen(versions, asked)
    changed = Markup(diff(difference(old, new), label="Differences")) if old and new else None
    notes = ["It was written from outside and is not in the file: overnight program --write puts it there."] * found.pending
    return framed(
        seen, "program.html", "Program", "program", found=found, problem=problem, old=old, new=new, changed=changed,
        versions=[(each, _words(seen, each)) for each in versions[::-1]], notes=notes)


def _chosen(versions: list[VersionView], asked: Mapping[str, str]) -> tuple[VersionView | None, VersionView | None]:
    """The versions that are compared: those that are asked for, else the last two."""
    if len(versions) < 2:
        return None, None
    by = {each.number: each for each in versions}
    return by.get(whole(asked.get("from", "")), versions[-2]), by.get(whole(asked.get("to", "")), versions[-1])


def _words(seen: Seen, each: VersionView) -> str:
    who = f"by {line(each.by, 60)}" if each.by else "from the file"
    tried = f"{each.experiments:,} tried, {each.kept:,} kept" if each.experiments else "nothing tried"
    return f"version {each.number}, {who}, {times_of(seen, each.at)}: {tried}{', in force' if each.in_force else ''}"
