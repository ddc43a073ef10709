"""Where a program lies that a run cannot find by itself: in the user's home, or beside the usual folders.

Covered: toolchains of rustup, programs of a version manager or a package that brings its own folder `bin`; of a folder in
which a tool keeps its settings as well, like ~/.cargo with its credentials, `bin` alone is read.
Not covered: programs that need more of the home than their installation.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

USUAL = ("/usr/local/bin", "/usr/bin", "/bin")  # where a run looks
PARTS = ("lib", "lib64", "libexec", "pkg/tool")  # beside `bin`, of an installation
OWN = ("python", "python3", "env", "sh", "bash")  # what a run has
_STARTS = re.compile(r"(?:^|&&|\|\|?|;|\n|\()\s*(?:env\s+)?(?:\w+=\S*\s+)*([\w.+-]+)")  # a program, in a line for a shell


class Found(NamedTuple):
    """A command that finds its program in a run, and the folders that it must be able to read for that."""

    command: tuple[str, ...]
    data: tuple[str, ...] = ()


def found(command: Sequence[str]) -> Found:
    """The command as it is, where its program lies in the usual places or nowhere; else one that names the program's folder."""
    for name in _started(command):
        if "/" in name or name in OWN or shutil.which(name, path=":".join(USUAL)):
            continue
        if toolchain := _toolchain(name):
            return _beside(command, toolchain, toolchain.parent)
        if place := _installed(name):
            return _beside(command, place, place.parent if _is_installation(place.parent) else place)
    return Found(tuple(command))


def _started(command: Sequence[str]) -> list[str]:
    """The programs that a command starts: itself, behind `env`, or those of its line for a shell."""
    if command[0] in ("sh", "bash") and len(command) > 2 and command[1] == "-c":
        return _STARTS.findall(command[2])
    behind = [word for word in command if word != "env" and not re.match(r"\w+=", word)]
    return behind[:1] if command[0] == "env" else [command[0]]


def _beside(command: Sequence[str], place: Path, root: Path) -> Found:
    """A command that finds the programs of a folder, and may read what they need."""
    path = ":".join([str(place), *USUAL])
    words = command[1:] if command[0] == "env" else command
    return Found(("env", f"PATH={path}", *words), () if root.is_relative_to("/usr") else (_short(root),))


def _toolchain(name: str) -> Path | None:
    """The folder of the newest of rustup's toolchains that has a program: rustup's own programs only choose among them."""
    places = sorted(path.parent for path in Path("~/.rustup/toolchains").expanduser().glob(f"*/bin/{name}") if path.is_file())
    return next((place for place in places if place.parent.name.startswith("stable")), places[-1] if places else None)


def _installed(name: str) -> Path | None:
    """The folder `bin` of the installation that a program of the user's search path really belongs to."""
    path = shutil.which(name)
    real = Path(path).resolve().parent if path else None
    return real if real and real.name == "bin" and real.parent not in (Path("/"), Path.home(), Path.home() / ".local") else None


def _is_installation(root: Path) -> bool:
    """Whether a folder holds what the programs in its `bin` need, and is none for settings, source or credentials."""
    return not root.name.startswith(".") and any((root / part).is_dir() for part in PARTS)


def _short(path: Path) -> str:
    """A path as a contract names it: below the home with a `~`."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
