"""The versions of `program.md` that a track's journal knows, and how they differ. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from msgspec import UNSET, Struct
from msgspec.structs import replace

from overnight.lab.events import Event, Judged, Organised, Programmed, Proposed
from overnight.untrusted import readable

MOST_DIFF_LINES = 4000  # lines of a difference that are shown


class VersionView(Struct, frozen=True):
    """One version of the program.

    number       its place among all, from 1 on
    sha256       of its texts: program.md and the files of the roles
    at           when it came into force first, in seconds since 1970
    source       "file" where it was read from the user's files, "outside" where it was written over the web or a command
    by           its author; "" where it came from the file
    text         of program.md; None where the journal does not hold it
    roles        name -> kind of the roles on the team; {} where it was never in force while a night was at work
    experiments  how many were proposed under it, and `kept` how many of these were kept
    in_force     whether it is in force
    """

    number: int
    sha256: str
    at: float
    source: str
    by: str = ""
    text: str | None = None
    roles: dict[str, str] = {}
    experiments: int = 0
    kept: int = 0
    in_force: bool = False


class ProgramView(Struct, frozen=True):
    """The program of a track.

    in_force  the SHA-256 of the version that is in force: what an order to write it must name
    text      of the program.md that is in force; None where that is not known
    pending   whether it was written from outside and is not in the user's file: `overnight program --write` puts it there
    versions  that the journal knows, oldest first
    """

    in_force: str
    text: str | None
    pending: bool
    versions: tuple[VersionView, ...]

    @property
    def etag(self) -> str:
        """What names the version that is in force."""
        return self.in_force


def program(events: Iterable[Event], in_force: str = "", text: str | None = None, pending: bool = False) -> ProgramView:
    """The versions that these events tell, all of the journal's. `in_force`, `text`, `pending`: as the track's folder has it
    now; without them what the journal told last."""
    found = Versions()
    for event in events:
        found.hear(event)
    return found.view(in_force, text, pending)


class Versions:
    """The versions that events tell, heard one by one in the journal's order."""

    def __init__(self) -> None:
        self._found: list[VersionView] = []
        self._owners: dict[int, int] = {}

    def hear(self, event: Event) -> None:
        """Take one event up."""
        found = self._found
        if isinstance(event, Organised | Programmed):
            _heard(found, event)
        elif isinstance(event, Proposed) and found and not event.request:
            self._owners[event.experiment] = len(found) - 1
            found[-1] = replace(found[-1], experiments=found[-1].experiments + 1)
        elif isinstance(event, Judged) and event.verdict == "keep" and event.experiment in self._owners:
            place = self._owners[event.experiment]
            found[place] = replace(found[place], kept=found[place].kept + 1)

    def view(self, in_force: str = "", text: str | None = None, pending: bool = False) -> ProgramView:
        """What was heard so far; the rest as in `program`."""
        now = in_force or (self._found[-1].sha256 if self._found else "")
        latest = max((each.number for each in self._found if each.sha256 == now), default=0)
        shown = tuple(replace(each, in_force=each.number == latest) for each in self._found)
        known = next((each.text for each in shown if each.in_force), None)
        return ProgramView(now, readable(text) if text is not None else known, pending, shown)


def _heard(versions: list[VersionView], event: Organised | Programmed) -> None:
    """A version came into force, or was in force again in another session."""
    if isinstance(event, Programmed):
        if versions and versions[-1].sha256 == event.sha256:
            return  # it was put into the file
        by, said = readable(event.by), readable(event.text)
        versions.append(VersionView(len(versions) + 1, event.sha256, event.at, "outside", by, said))
        return
    roles = {readable(name): readable(kind) for name, kind in event.roles.items()}
    text: str | None = None if event.text is UNSET else readable(event.text)
    if versions and versions[-1].sha256 == event.sha256:
        versions[-1] = replace(versions[-1], roles=roles, text=versions[-1].text if text is None else text)
        return
    same = next((each.text for each in reversed(versions) if each.sha256 == event.sha256), None)
    versions.append(VersionView(len(versions) + 1, event.sha256, event.at, "outside" if event.written else "file", "",
                                same if text is None else text, roles))


def difference(old: VersionView, new: VersionView) -> str:
    """What changed from one version's text to another's, as a diff; "" where nothing did, or a text is not known."""
    if old.text is None or new.text is None:
        return ""
    return compared(old.text, new.text, f"program.md, version {old.number}", f"program.md, version {new.number}")


def compared(old: str, new: str, before: str, after: str) -> str:
    """What changed from one text to another, which are named `before` and `after`, as a diff; "" where nothing did."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), before, after, lineterm="")
    shown = [line for _, line in zip(range(MOST_DIFF_LINES), lines, strict=False)]
    return "\n".join([*shown, ""]) if shown else ""
