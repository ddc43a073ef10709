"""`program.md`: how the research is done, in markdown. Its optional front matter (YAML between `---` lines) names the
team; the prose is for researchers that read.

Covered: it may be competed over, so it can name the roles that are asked, how often and with which words, and nothing else;
what it names is a markdown file or a folder below its own, not hidden and not reached by a link that leads out; sizes are
bounded.
Not covered: what its prose talks a researcher into, which is why no researcher measures or keeps anything.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from overnight.errors import TrackError, meant
from overnight.track.frontmatter import split
from overnight.track.roles import KEYS, PROPOSE, Role, cast

# Between these lines stands what a user's own agent has to know; researchers have a brief and do not read it.
BEGIN, END = "<!-- overnight: for an agent that was asked to kick off -->", "<!-- overnight: end -->"
DOOR = re.compile(rf"^{re.escape(BEGIN)}$.*?^{re.escape(END)}$\n?", re.MULTILINE | re.DOTALL)
MOST_PROGRAM_BYTES = 1 << 20  # bytes of program.md
MOST_ROLE_BYTES = 64 << 10  # bytes of a role's file


class Program(Struct, frozen=True):
    """The team and its instructions.

    prose   the markdown below the front matter, without the part for a user's own agent
    sha256  of the texts of program.md and of every role's file
    """

    roles: tuple[Role, ...] = (Role("knobs", "knobs"),)
    prose: str = ""
    sha256: str = ""

    @property
    def proposers(self) -> tuple[Role, ...]:
        """The roles that turn a brief into a change."""
        return tuple(role for role in self.roles if role.kind in PROPOSE)

    @property
    def researchers(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(role.name for role in self.proposers)

    def named(self, names: Iterable[str]) -> tuple[Role, ...]:
        """The proposers of these names, on the team or not: a kind's name is a role of that kind. Raises TrackError."""
        known = {**{kind: Role(kind, kind) for kind in KEYS if kind in PROPOSE}, **{role.name: role for role in self.proposers}}
        for name in names:
            if name not in known:
                raise TrackError(f"there is no researcher '{name}'{meant(name, known)}.")
        return tuple(known[name] for name in names)


# ---- from files ------------------------------------------------------------------------------------------------


def load(path: Path) -> Program:
    """Read `program.md` and what it names; a folder without one gets the default team. Raises TrackError."""
    return _load(path, _Folder(path.parent))


class Watch:
    """A program that may be edited while the night goes on. `written`: the text that is in force in the place of what the file
    says, "" where that is in force."""

    def __init__(self, path: Path) -> None:
        self._path, self._said, self.written, self._over = path, "", "", ""
        self._folder = _Folder(path.parent)
        self.program = _load(path, self._folder)

    @property
    def digest(self) -> str:
        """The SHA-256 of what the file holds; "" where there is none that can be read."""
        try:
            with self._path.open("rb") as file:
                return hashlib.sha256(file.read(MOST_PROGRAM_BYTES + 1)).hexdigest()
        except OSError:
            return ""

    @property
    def text(self) -> str:
        """The text of `program.md` that is in force; "" where there is none."""
        return self._folder.texts.get(self._path.name, "")

    def read(self, text: str) -> Program:
        """The program that a text would make in the place of the file's. Raises TrackError."""
        return _load(self._path, _Folder(self._path.parent), text)

    def write(self, text: str) -> Program:
        """Let a text be in force in the place of what the file says now, until that is edited. Raises TrackError."""
        folder, over = _Folder(self._path.parent), self.digest
        self.program = _load(self._path, folder, text)
        self._folder, self.written, self._over = folder, text, over
        return self.program

    def look(self) -> Program | str | None:
        """The program, if it is another than at the last look; a sentence, once, if it was edited and is broken, so that the
        one that was stays in force; None if there is nothing new. Costs a `stat` for each file."""
        if not self._folder.changed():
            return None
        had, self._folder = self._folder, _Folder(self._path.parent)
        stays = self.written if self.digest == self._over else ""  # where another file was edited
        try:
            found = _load(self._path, self._folder, stays or None)
            if had.any() and not self._folder.any():
                raise TrackError(f"{self._path.name} is gone or empty.")
        except TrackError as error:
            self._folder.keep(had)
            said, self._said = self._said, f"{error} Until it is mended, the night goes on with the program as it was."
            return self._said if self._said != said else None
        self._said, self.written = "", stays
        if found.sha256 == self.program.sha256:
            return None
        self.program = found
        return found


class _Folder:
    """Reads files below a folder, and remembers their texts and what they looked like just before."""

    def __init__(self, root: Path) -> None:
        self.root, self.texts = root.resolve(), dict[str, str]()
        self._seen: dict[Path, tuple[int, ...] | None] = {}

    def changed(self) -> bool:
        """Whether a file looks otherwise than when it was read."""
        return any(_looks(path) != looks for path, looks in self._seen.items())

    def any(self) -> bool:
        """Whether anything was read that says something."""
        return any(text.strip() for text in self.texts.values())

    def keep(self, other: _Folder) -> None:
        """Remember having read what another one did."""
        self.texts = self.texts if self.any() else other.texts

    def text(self, name: str, most: int) -> str:
        """The text of a markdown file. Raises TrackError, with a sentence that continues after the file's name."""
        path = self.root / name
        self._seen[path] = _looks(path)
        place = self.inside(name)
        if not os.path.isfile(place):  # noqa: PTH113 - Path's raises for a long name
            raise TrackError("is missing or no regular file: write it, or name another")
        if place.suffix != ".md":
            raise TrackError("is no markdown file: name one that ends in .md")
        try:
            with place.open("rb") as file:
                content = file.read(most + 1)
            text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except OSError as error:
            raise TrackError(f"cannot be read ({error.strerror}): make it readable") from error
        except UnicodeDecodeError as error:
            raise TrackError(f"cannot be read as text ({error.reason}): save it as UTF-8") from error
        if len(content) > most:
            raise TrackError(f"is larger than {most >> 10} KiB: shorten it")
        self.texts[name] = text
        return text

    def instead(self, name: str, text: str) -> str:
        """A text that stands in the place of a file's, which is looked at all the same. Raises TrackError."""
        self._seen[self.root / name] = _looks(self.root / name)
        if len(text) > MOST_PROGRAM_BYTES:
            raise TrackError(f"is larger than {MOST_PROGRAM_BYTES >> 10} KiB: shorten it")
        self.texts[name] = text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text

    def inside(self, name: str) -> Path:
        """Where a name below the folder leads to. Raises TrackError where that is outside or hidden."""
        try:
            place = (self.root / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise TrackError("is no path: name a file beside program.md") from error
        parts = place.relative_to(self.root).parts if place.is_relative_to(self.root) else ("..",)
        if any(part.startswith(".") for part in (*PurePosixPath(name).parts, *parts)):
            raise TrackError("leads out of the folder of program.md or is hidden: put it beside program.md")
        return place


def _looks(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _load(path: Path, folder: _Folder, written: str | None = None) -> Program:
    try:
        text = folder.text(path.name, MOST_PROGRAM_BYTES) if written is None else folder.instead(path.name, written)
    except TrackError as error:
        if written is None and not path.exists() and not path.is_symlink():
            return Program(sha256=_hash({}))
        raise TrackError(f"{path.name} {error}.") from error
    program = parse(text, path.name, folder)
    return msgspec.structs.replace(program, sha256=_hash(folder.texts))


def _hash(texts: dict[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(texts.items()))).hexdigest()


# ---- from text -------------------------------------------------------------------------------------------------


def parse(text: str, name: str = "program.md", folder: _Folder | None = None) -> Program:
    """The program that a text says; files that it names are looked for in the folder, and nowhere without one. Raises
    TrackError."""
    head, prose = split(text, name)
    prose = DOOR.sub("", prose)
    if head is None:
        return Program(prose=prose, sha256=_hash({name: text}))
    return Program(cast(head, name, lambda key, path: _named(folder, key, path)), prose, _hash({name: text}))


def _named(folder: _Folder | None, key: str, path: str) -> str:
    """The text of a role's file; the name of a folder that is there."""
    try:
        if folder is None:
            raise TrackError("is beside no program.md: write the program to a file")
        if key == "prose":
            return folder.text(PurePosixPath(path).as_posix(), MOST_ROLE_BYTES)
        if not os.path.isdir(folder.inside(path)):  # noqa: PTH112 - likewise
            raise TrackError("is no folder: make it, or name another")
    except TrackError as error:
        raise TrackError(f"{key} {path[:200]!r} {error}") from error
    return path
