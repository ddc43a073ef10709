"""From what an agent left to a change: the difference of the files, made here from data.

Covered: nothing of the agent's git, links, modes or by-products is looked at; every path and text is checked as
untrusted input; what leaves the boundary, is no text or is too much is refused with a sentence.
Not covered: what the change does when it runs, which is the sandbox's to bound, and what its words claim.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.contracts import Change
from overnight.errors import EditError
from overnight.track.junk import is_junk
from overnight.track.spec import Track, covers

LEFT, LEFT_BYTES = "left.json", 8 << 20
MOST_FILE_BYTES = 2 << 20  # bytes of one file
MOST_PATHS, MOST_BYTES = 4000, 32 << 20  # paths that are looked at; bytes of all of them
TITLE, WHY = 100, 4000  # characters
NAMED = 3  # paths that a sentence names
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_ODD = {"link": "made {} a link", "special": "made {} something that is no file", "large": "made {} larger than 2 MiB"}


class AgentOutput(Struct, frozen=True):
    """What the launcher reports of the files that the agent left.

    files    path -> the name of its copy: those that are new or other than before
    odd      path -> "link", "special" or "large": those that cannot be taken
    gone     paths that were there before
    more     how many further ones there are
    code     the agent's exit status; None where it had to be ended
    words    what it wrote about its change
    """

    files: dict[str, str]
    odd: dict[str, str]
    gone: list[str]
    more: int
    code: int | None
    words: str


class SessionResult(Struct):
    """The result of a session with an agent.

    words     the end of what the agent said
    late      it had to be asked to stop
    trouble   why there was no regular end, "" if there was
    login     it needs a login
    """

    words: str = ""
    late: bool = False
    trouble: str = ""
    login: bool = False


def leavings(harvest: Path) -> AgentOutput | None:
    """What was left; None where nothing was, or nothing that can be read."""
    try:
        path = harvest / LEFT
        return msgspec.json.decode(path.read_bytes(), type=AgentOutput) if path.stat().st_size <= LEFT_BYTES else None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Difference:
    """What an agent made of a tree. `tree` is the clean one, `prefix` the track's folder in it, `page` the name of the file
    that holds the agent's words."""

    def __init__(self, said: AgentOutput, harvest: Path, tree: Path, prefix: str, track: Track, page: str) -> None:
        self._said, self._harvest, self._tree, self._prefix = said, harvest, tree, prefix
        self._editable, self._page = track.track.editable, prefix + page
        self.left_out: list[str] = []
        self.undone: list[str] = []  # of these, files that were there before

    def files(self) -> dict[str, str | None]:
        """The change, by paths in the track's folder. Raises EditError."""
        said = self._said
        copies = [self._harvest / name for name in said.files.values() if name.isdecimal()]
        many = len(said.files) + len(said.odd) + len(said.gone) > MOST_PATHS  # the launcher names fewer: the agent wrote this
        if many or sum(copy.stat().st_size for copy in copies if copy.exists()) > MOST_BYTES:
            raise EditError("the agent left more than can be looked at.")
        changed: dict[str, str | None] = {}
        for path in sorted({*said.files, *said.odd, *said.gone} - {self._page}):
            before = self._before(path)
            if path not in said.odd and before == (None if path in said.gone else self._bytes(path)):
                continue  # as it was, whatever was said of it
            inside = path.removeprefix(self._prefix) if path.startswith(self._prefix) else None
            if inside is not None and any(covers(glob, inside) for glob in self._editable):
                changed[inside] = None if path in said.gone else self._text(path)
            elif before is None or is_junk(path):
                self.left_out.append(path)  # what a program writes when it runs: logs, caches, results
                self.undone += [path] if before is not None else []
            else:
                may = ", ".join(self._editable)
                raise EditError(f"the agent changed {_shown(path)}, which is not editable: only {_shown(may)} may be changed.")
        if said.more and not changed:
            raise EditError(f"the agent left {said.more:,} more files than can be looked at.")
        return changed

    def _before(self, path: str) -> bytes | None:
        """A file of the clean tree; None where there is none. Raises EditError for what is no path."""
        if not path.isprintable() or any(part in ("", ".", "..") for part in path.split("/")):
            raise EditError(f"the agent left a file whose name is no path: {_shown(path)}.")
        place = self._tree / path
        try:
            return place.readlink().as_posix().encode() if place.is_symlink() else place.read_bytes()
        except OSError:
            return None

    def _bytes(self, path: str) -> bytes:
        name = self._said.files[path]
        try:
            if not name.isdecimal() or (self._harvest / name).stat().st_size > MOST_FILE_BYTES:
                raise EditError(f"the agent's {_shown(path)} cannot be taken.")
            return (self._harvest / name).read_bytes()
        except OSError as error:
            raise EditError(f"the agent's {_shown(path)} is missing from what it left.") from error

    def _text(self, path: str) -> str:
        """The new text of a file. Raises EditError for what is no text."""
        if path in self._said.odd:
            how = _ODD.get(self._said.odd[path], "spoilt {}").format(_shown(path))
            raise EditError(f"the agent {how}, which no change may do.")
        content = self._bytes(path)
        try:
            if b"\0" in content:
                raise ValueError
            return content.decode()
        except ValueError as error:
            raise EditError(f"the agent made {_shown(path)} a binary file: only text can be proposed.") from error


def change(difference: Difference, said: AgentOutput, last_words: str, by: str) -> Change:
    """The change with its title and why: from the file that the agent was asked to write, or else from its last words. Raises
    EditError where nothing was changed."""
    files, left_out = difference.files(), difference.left_out
    if not files:
        others = f" but made {', '.join(map(_shown, left_out[:NAMED]))}, which is not editable" if left_out else ""
        said_last = f"; it last said: {line}" if (line := last_line(last_words)) else ""
        raise EditError(f"the agent changed nothing that may be edited{others}{said_last}.")
    note = {"left out": [_shown(path) for path in left_out[:20]]} if left_out else {}
    told = message(said.words, last_words, by)
    if difference.undone:
        told += f"\n\nNot editable, and left as before: {', '.join(map(_shown, difference.undone[:NAMED]))}."
    return Change(files, told, note)


def message(words: str, last_words: str, by: str) -> str:
    """A title of one line, and below it why."""
    lines = [line.strip() for line in cleaned(words or last_words).splitlines()]
    lines = lines[next((n for n, line in enumerate(lines) if line.strip("#*-=` ")), len(lines)):]
    if not lines:
        return f"A change by {by}"
    title = lines[0].strip("#*-=` ")
    title = title.partition(":")[2].strip() or title if title.lower().startswith("title:") else title
    title = " ".join(title.split())
    why = "\n".join(lines[1:]).strip()[:WHY]
    if len(title) > TITLE:
        why, title = f"{title[TITLE - 1:]}\n{why}".strip()[:WHY], title[:TITLE - 1] + "…"
    return f"{title}\n\n{why}" if why else title


def cleaned(text: str) -> str:
    """Text without what steers a terminal."""
    return "".join(c for c in _ESCAPES.sub("", text) if c.isprintable() or c in "\n\t")


def last_words(said: bytes) -> str:
    """The last paragraph that an agent said, bounded."""
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", cleaned(said[-16384:].decode(errors="replace"))) if p.strip()]
    return paragraphs[-1][-WHY:] if paragraphs else ""


def last_line(words: str) -> str:
    """The last line that says anything, bounded, without its full stop; "" where there is none."""
    return next((line.strip().rstrip(".")[:200] for line in reversed(words.splitlines()) if line.strip()), "")


def _shown(path: str) -> str:
    """A path for people."""
    return "".join(c if c.isprintable() else "?" for c in path[:200])
