"""Where a program lies that a run cannot find by itself: in the user's home, or beside the usual folders.

Covered: toolchains of rustup, programs of a version manager or a package that brings its own folder `bin`; of a folder in
which a tool keeps its settings as well, like ~/.cargo with its credentials, `bin` alone is read.
Not covered: programs that need more of the home than their installation.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

USUAL = ("/usr/local/bin", "/usr/bin", "/bin")  # where a run looks
PARTS = ("lib", "lib64", "libexec", "pkg/tool")  # beside `bin`, of an installation
OWN = ("python", "python3", "env", "sh", "bash")  # what a run has


class Found(NamedTuple):
    """A command that finds its program in a run, and the folders that it must be able to read for that."""

    command: tuple[str, ...]
    data: tuple[str, ...] = ()


def found(command: Sequence[str]) -> Found:
    """The command as it is, where its program lies in the usual places or nowhere; else one that names the program's folder."""
    name, plain = command[0], Found(tuple(command))
    if "/" in name or name in OWN or shutil.which(name, path=":".join(USUAL)):
        return plain
    toolchain = _toolchain(name)
    place = toolchain or _installed(name)
    if place is None:
        return plain
    path = ":".join([str(place), *USUAL])
    root = place.parent if toolchain or _is_installation(place.parent) else place
    return Found(("env", f"PATH={path}", *command), () if root.is_relative_to("/usr") else (_short(root),))


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
