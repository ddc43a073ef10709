"""Where an agent's program lies on this machine, and what must be mounted for it to run.

Covered: a program is found as a shell would find it; what is mounted is its own package, virtual environment or file, never
a home, a folder of programs or what holds a secret of the track's.
Not covered: what lies in that package; a program that needs more than itself (name it in `mounts` of its recipe).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from overnight.errors import Away, TrackError
from overnight.execution.mounts import interpreter
from overnight.sandbox import world
from overnight.track.spec import RunSpec

CERTIFICATES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted")  # public: trusted authorities
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
MOST_STEPS = 8  # links and interpreters on the way to what is run


class Program(Struct, frozen=True):
    """How a program is called inside the sandbox, the folders of it and its interpreter, and what must be mounted."""

    path: str
    folders: tuple[str, ...]
    mounts: tuple[Path, ...]


def found(name: str, path: str) -> Program:
    """The program of that name. Raises Away where this machine has none."""
    where = shutil.which(name, path=path)
    if where is None:
        raise Away(f"the agent's program '{name}' is not installed here: install it, or name another agent.")
    steps = list(_steps(Path(where).absolute(), path, MOST_STEPS))
    return Program(where, tuple(dict.fromkeys(str(step.parent) for step in steps)),
                   tuple(dict.fromkeys(mount for step in steps for mount in _mounts(step))))


def _steps(program: Path, path: str, deeper: int) -> Iterator[Path]:
    """A program, what it is a link to, and what runs it."""
    yield program
    if not deeper:
        return
    if program.is_symlink():
        yield from _steps(Path(os.path.normpath(program.parent / program.readlink())), path, deeper - 1)
        return
    if (name := _interpreter(_shebang(program))) and (runner := shutil.which(name, path=path)):
        yield from _steps(Path(runner).absolute(), path, deeper - 1)


def _interpreter(words: list[str]) -> str:
    """The program that a script's first line names, also through `env`, its options and what it sets; "" for none."""
    if not words or Path(words[0]).name != "env":
        return words[0] if words else ""
    words = [word.removeprefix("-S").removeprefix("--split-string=") for word in words[1:]]
    return next((word for word in words if word and not word.startswith("-") and "=" not in word), "")


def _shebang(program: Path) -> list[str]:
    """The words of a script's first line; none for anything else."""
    try:
        if not program.is_file():
            return []  # a pipe would be waited for
        with program.open("rb") as file:
            line = file.readline(4096)
    except OSError:
        return []
    return line[2:].decode(errors="replace").split() if line.startswith(b"#!") else []


def _mounts(step: Path) -> Iterator[Path]:
    """What one step takes: a link, a virtual environment with its interpreter, a package of Node's, or the file alone."""
    environment = step.parent.parent
    there = (Path("/usr"), *world.system(), *(Path("/etc", name) for name in world.ETC))
    if any(map(step.is_relative_to, there)):
        return  # it is there in every sandbox
    if (environment / "pyvenv.cfg").exists():
        yield from interpreter(RunSpec(command=("python",), python=str(environment)), Path("/"))[1]
    elif "node_modules" in step.parts and not step.is_symlink():
        first = step.parts.index("node_modules") + 1  # the outermost package that holds the file
        yield Path(*step.parts[: first + (2 if step.parts[first].startswith("@") else 1)])
    else:
        yield step


def certificates() -> tuple[tuple[Path, ...], dict[str, str]]:
    """The certificates that an agent trusts: paths, and variables that name the one file."""
    paths = tuple(path for path in map(Path, CERTIFICATES) if path.is_dir())
    bundle = next((name for name in BUNDLES if Path(name).is_file()), "")
    return paths, dict.fromkeys(("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), bundle) if bundle else {}


def refuse(mounts: Iterable[Path], secrets: Iterable[Path], home: Path) -> None:
    """Raise TrackError where what an agent is to read is a home, or would open what it must not see."""
    for mount in mounts:
        real = mount.resolve()
        for secret in (*secrets, home):
            if secret.is_relative_to(real) or (secret != home and real.is_relative_to(secret)):
                raise TrackError(f"an agent may not read {mount}, which would open {secret} to it: name a narrower path in its "
                                 "recipe.")
