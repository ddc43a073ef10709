"""What of the host a candidate may read besides its own tree: the interpreter that its track names, and the track's data.

Covered: a home, an environment that moved, data with sockets or pipes in them, and whatever would open the journal's key or a
private file are refused with a sentence, when a session begins.
Not covered: what lies in the folders that are named; a socket that appears there later.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from overnight.errors import TrackError
from overnight.track.spec import RunSpec

MOST_LINKS = 10_000  # entries of a folder of data that stand beside files of the commit
KERNEL = ("/proc", "/sys", "/dev", "/run")  # what is there is no data


def interpreter(run: RunSpec, folder: Path) -> tuple[str, tuple[Path, ...]]:
    """What `python` means in a command, and what must be mounted for it. Raises TrackError."""
    if run.python:
        named = _named(folder, run.python, "python")
        python = named / "bin" / "python" if named.is_dir() else named
    else:
        python = Path(getattr(sys, "_base_executable", sys.executable))
    if python.is_symlink() and not python.exists():
        raise TrackError(f"{python} leads to {python.readlink()}, which is gone: make the virtual environment anew.")
    if not python.exists():
        raise TrackError(f"[run] python = '{run.python}' does not exist: name an interpreter or a virtual environment.")
    home = python.parent.parent.resolve()
    if not (home / "pyvenv.cfg").exists():
        python = python.resolve()
        return str(python), (_installation(python),)
    _refuse_moved(home)
    python = home / python.parent.name / python.name
    folders = tuple(dict.fromkeys([_installation(python.resolve()), home]))
    return str(python), (*folders, *(link for link in _links(python) if not any(map(link.is_relative_to, folders))))


def _refuse_moved(home: Path) -> None:
    """Raise TrackError where a virtual environment was made at another place: its programs still name the old one."""
    for name, pattern in (("pyvenv.cfg", r"^command = .* (/.*)$"), ("bin/activate", r"^VIRTUAL_ENV=['\"]?(/[^'\"\n]+)")):
        try:
            made = re.search(pattern, (home / name).read_text(errors="replace"), flags=re.MULTILINE)
        except OSError:
            continue
        if made and Path(made[1]).resolve() != home:
            raise TrackError(f"the virtual environment {home} was made as {made[1]} and has moved: make it anew where it is.")


def _installation(python: Path) -> Path:
    """The installation that an interpreter belongs to. Raises TrackError for a file that is no interpreter's."""
    prefix = python.parent.parent
    if prefix in (Path("/"), Path.home()):
        raise TrackError(f"the interpreter {python} would open {prefix} to candidates: set [run] python to another one.")
    if not (python.is_file() and os.access(python, os.X_OK) and any(prefix.glob("lib*/py*"))):
        raise TrackError(f"[run] python leads to {python}, which is not the interpreter of an installation (there is no "
                         f"{prefix}/lib/python3.*): name a virtual environment or its bin/python.")
    return prefix


def _links(path: Path) -> Iterator[Path]:
    """Every symbolic link that is followed on the way to a file, except those that each sandbox has (/bin, /lib)."""
    for place in [*reversed(path.parents), path]:
        if place.is_symlink():
            if place.parent != Path("/"):
                yield place
            target = place.parent / place.readlink() / path.relative_to(place)
            yield from _links(Path(os.path.normpath(target)))
            return


def data(run: RunSpec, folder: Path) -> tuple[Path, ...]:
    """The files and folders that a track names besides its tree, in which a candidate finds data alone. Raises TrackError."""
    found = named_data(run, folder)
    for path in found:
        _refuse_sockets(path)
    return found


def home(run: RunSpec) -> tuple[Path | None, tuple[Path, ...]]:
    """The user's home, where a track names data below it as `~/...`, and what must be mounted so that these are found there:
    the links that are followed on the way. (None, ()) where it names none, or there is no home that can be shown."""
    named = [text for text in run.data if text == "~" or text.startswith("~/")]
    place = Path("~").expanduser().resolve() if named else Path("/")
    if place == Path("/") or any(place.is_relative_to(system) for system in (*KERNEL, "/usr", "/etc")):
        return None, ()
    links = [link for text in named for link in _links(place / text[2:]) if link.is_relative_to(place)]
    return place, tuple(dict.fromkeys(links))


def lead_to_data(run: RunSpec, folder: Path, tree: Path) -> None:
    """Put into a run's tree, at the place that they have in the user's `folder`, links to the data that a contract names and
    the commit has not: what git ignores, and submodules, of which a tree has an empty folder. Never through a link of it."""
    for text, real in zip(run.data, named_data(run, folder), strict=True):
        inside = Path(os.path.normpath(text))
        if inside.is_absolute() or text.startswith("~") or ".." in inside.parts or not inside.parts:
            continue
        if not any((tree / each).is_symlink() for each in inside.parents[:-1]):
            _lead(real, tree / inside)


def _lead(real: Path, place: Path) -> None:
    """A link at a place of a run's tree; where the commit has a folder there, links in it to what that lacks."""
    if place.is_dir() and not place.is_symlink() and real.is_dir() and any(place.iterdir()):
        for entry in sorted(real.iterdir())[:MOST_LINKS]:
            _lead(entry, place / entry.name)
        return
    with suppress(OSError):  # the commit has it, or a file where its folder should be
        if place.is_dir() and not place.is_symlink():
            place.rmdir()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(real)


def named_data(run: RunSpec, folder: Path) -> tuple[Path, ...]:
    """Where the data that a track names really lie. Raises TrackError."""
    found = tuple(_named(folder, text, "data", real=True) for text in run.data)
    for text, path in zip(run.data, found, strict=True):
        if not path.exists():
            raise TrackError(f"[run] data names {text}, which does not exist: prepare the data first.")
        if path == Path("/") or any(path.is_relative_to(place) for place in KERNEL):
            raise TrackError(f"[run] data names {text}, which is {path}: name a file or a folder that holds the data alone.")
    return found


def _named(folder: Path, text: str, key: str, real: bool = False) -> Path:
    """The path that a contract's key names; `real`: without links. Raises TrackError for what can be none."""
    try:
        path = folder / Path(text).expanduser()
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, RuntimeError, ValueError) as error:  # too long, another user's home that is none, a NUL
        raise TrackError(f"[run] {key} names {text[:200]!r}, which is no path ({error}): name another.") from error
    try:
        return path.resolve() if real else path
    except RuntimeError as error:
        raise TrackError(f"[run] {key} names {text[:200]!r}, which is a link that leads to itself: name another.") from error


def _refuse_sockets(mount: Path) -> None:
    """Raise TrackError where a folder that is to be mounted holds a socket or a pipe: through it a candidate could
    reach a process outside."""
    folders = [mount] if mount.is_dir() and not mount.is_relative_to("/usr") else []
    while folders:
        for entry in _entries(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry))
            elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                raise TrackError(f"{mount} may not be mounted, because {entry.path} is a socket, a pipe or a device by which a "
                                 "candidate could reach others: move it away, or name a narrower folder.")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder; nothing where it may not be read, because then no candidate may either."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except PermissionError:
        return []


def keep_secrets(mounts: Iterable[Path], secrets: Iterable[Path]) -> None:
    """Raise TrackError where what a candidate may read holds what it must not: the journal's key, unseen data."""
    for mount in mounts:
        for secret in secrets:
            if mount.is_relative_to(secret) or secret.is_relative_to(mount):
                raise TrackError(f"[run] data or python would open {secret} to candidates through {mount}: name a folder "
                                 "that holds the data alone.")
