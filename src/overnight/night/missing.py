"""Why the baseline fails in a run though it works for its user: what a run's tree and sandbox lack that the user's folder has.

A run has the files of one commit, /usr, one interpreter and what the contract names; no network, no home, no git. Each hint
looks for one sign of that in what a failed run said, and compares with the folder on the disk.
Not covered: programs that hide what they miss.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from overnight.execution.mounts import KERNEL
from overnight.repo import Repo, lfs
from overnight.sandbox.world import OWN
from overnight.track.spec import Track
from overnight.track.units import size

ENVIRONMENTS = (".venv", "venv", "env")  # names of folders in which projects keep their virtual environment
MOST_SAID = 20_000  # characters of a failed run's output, its end, in which signs are looked for
WHERE = re.compile(r"""(?:No such file or directory|can't open file|cannot open|ENOENT)[^'"\n]{0,40}['"]([^'"\n]{1,300})['"]""")
ALSO = re.compile(r"^(?:[\w./-]+: )*(?:cannot open |can't open )?([\w][\w./-]{0,200}): No such file or directory$",
                  re.MULTILINE)
MODULE = re.compile(r"No module named '([\w.]+)'")
PROGRAM = re.compile(r"(?:exec: )?(?<![\w.+/-])([\w.+/-]{1,200}): (?:not found|command not found)|"
                     r"No such file or directory: '([\w.+-]+)'(?= \(|$)", re.MULTILINE)
NAMES = ("Temporary failure in name resolution", "Name or service not known", "nodename nor servname", "Could not resolve host",
         "getaddrinfo", "Network is unreachable")
UNREADABLE = ("git-lfs", "invalid load key, 'v'", "Expecting value: line 1 column 1", "Not a gzipped file (b've')",
              "not a zip file", "cannot identify image file", "magic bytes not found", "deserializing header",
              "containing pickled data")
MOST_LOOKED_AT = 2000  # files that may be pointers
FULL = ("No space left on device", "File too large")
GIT = re.compile(r"not a git repository|'git', '|\bgit rev-parse\b|InvalidGitRepositoryError")


class Failed(NamedTuple):
    """A failed run of the baseline: its contract and repository, and what it said, its reason last."""

    track: Track
    repo: Repo
    said: str

    def paths(self) -> list[str]:
        """The files that were not found, the last first; those of the run's tree by their paths in the track's folder."""
        found = reversed([*ALSO.findall(self.said), *WHERE.findall(self.said)])
        return [path.removeprefix(f"{OWN}/work/tree/{self.repo.prefix}") for path in found]

    def small(self) -> Iterator[tuple[str, bytes]]:
        """Files of the commit, then of the data, that are as short as a pointer of Git LFS: path and content."""
        each = lfs.MOST_POINTER_BYTES
        texts = self.repo.texts(self.repo.head(), lambda path: True, each, MOST_LOOKED_AT * each)
        yield from ((path, text.encode()) for path, text in texts.items())
        for named in self.track.run.data:
            place = self.repo.folder / Path(named).expanduser()
            for path in islice((place.rglob("*") if place.is_dir() else [place]), MOST_LOOKED_AT):
                with suppress(OSError):
                    if path.is_file() and path.stat().st_size <= each:
                        yield str(path), path.read_bytes()

    def on_disk(self, path: str) -> bool:
        """Whether the user's folder has a path below it that the commit has not."""
        inside = PurePosixPath(os.path.normpath(path))
        if inside.is_absolute() or inside.parts[:1] in ((), ("..",)):
            return False
        return (self.repo.folder / inside).exists() and not self.repo.tracks(f"{self.repo.prefix}{inside}")


def why(track: Track, repo: Repo, reason: str, log: bytes = b"") -> str:
    """What a run of the baseline lacked that failed for this reason, with this output, as a sentence with what to do; "" where
    nothing is known."""
    failed = Failed(track, repo, f"{log.decode(errors='replace')[-MOST_SAID:]}\n{reason.rstrip('.')}")
    return next((sentence for hint in HINTS for sentence in hint(failed)), "")


def _pointer(failed: Failed) -> Iterator[str]:
    """A file that Git LFS keeps, of which only the pointer is there: in the commit, or among the data."""
    signs = any(sign in failed.said for sign in UNREADABLE)
    for path, content in failed.small():
        if lfs.pointer(content) and (signs or PurePosixPath(path).name in failed.said):
            yield (f"{path} is a pointer of Git LFS and not the content: install git-lfs, run `git lfs pull` where it was "
                   "cloned, and commit it or name it in `[run] data`")
            return


def _module(failed: Failed) -> Iterator[str]:
    """A module that the user's folder has and the commit has not, or that the interpreter lacks."""
    for name in MODULE.findall(failed.said)[-1:]:
        path, top = name.replace(".", "/"), name.partition(".")[0]
        for place in (f"{path}.py", f"{path}/__init__.py", f"src/{path}.py", f"src/{path}/__init__.py", top, f"src/{top}"):
            if failed.on_disk(place):
                yield f"{place} is in your folder and not in the commit: `git add {place}` and commit"
                return
        built = [each for base in (".", "src") for each in (failed.repo.folder / base).glob(f"{path}.*so")]
        if built and failed.on_disk(made := str(built[0].relative_to(failed.repo.folder))):
            yield f"{made} was built in your folder and is not in the commit: name it, `[run] data = [\"{made}\"]`"
            return
        if any((failed.repo.folder / base / each).exists() for base in (".", "src") for each in (top, f"{top}.py")):
            continue
        yield f"the run's interpreter has no {top}: {_environment(failed)}"


def _environment(failed: Failed) -> str:
    """What to write about the interpreter."""
    if failed.track.run.python:
        return f"install it into [run] python = \"{failed.track.run.python}\", or name another environment there"
    found = next((name for name in ENVIRONMENTS if (failed.repo.folder / name / "bin/python").exists()), "")
    place = found or os.environ.get("VIRTUAL_ENV", "") or os.environ.get("CONDA_PREFIX", "") or ".venv"
    return f"name the environment that has it, `[run] python = \"{place}\"`; without it a run has Overnight's own Python"


def _file(failed: Failed) -> Iterator[str]:
    """A file that the user's folder has and the commit has not: not added, ignored, or in a submodule."""
    for path in failed.paths():
        if failed.on_disk(path):
            top = PurePosixPath(os.path.normpath(path)).parts[0]
            yield (f"{path} is in your folder and not in the commit, which is all that a run has: commit it, or, where git "
                   f"ignores it or it is a submodule's, name what holds it, `[run] data = [\"{top}\"]`")


def _outside(failed: Failed) -> Iterator[str]:
    """A file of the user's home or machine, or of the repository by its place on the disk."""
    path = PurePosixPath(next((each for each in failed.paths() if each.startswith("/")), "/"))
    below = _below_home(path)
    if path.is_relative_to(failed.repo.folder):
        inside = path.relative_to(failed.repo.folder)
        data = f", and name it, `[run] data = [\"{inside.parts[0]}\"]`" if failed.on_disk(str(inside)) else ""
        yield (f"{path} is where your folder lies, and a run's tree lies elsewhere: open {inside} from where the program is "
               f"started{data}")
    elif below is not None:
        top = "/".join(below.parts[:2 if below.parts[0].startswith(".") else 1])
        there = (Path.home() / below).exists()
        said = "in your home, of which a run has what is named:" if there else "not there: prepare it first, and name it,"
        yield f"~/{below} is {said} `[run] data = [\"~/{top}\"]`"
    elif Path(path).exists() and not any(path.is_relative_to(place) for place in (*KERNEL, "/usr", "/etc")) and path.name:
        holds = path.parent if len(path.parts) > 2 else path
        yield f"{path} is outside of the run's tree: name what holds it, `[run] data = [\"{holds}\"]`"


def _below_home(path: PurePosixPath) -> PurePosixPath | None:
    """Where a path lies in the user's home, as a run with or without a home of its own sees that."""
    for home in (PurePosixPath(Path.home()), PurePosixPath("/tmp")):
        if path.is_relative_to(home) and path != home:
            inside = path.relative_to(home)
            return inside if (Path.home() / inside).exists() or inside.parts[0].startswith(".") else None
    return None


def _program(failed: Failed) -> Iterator[str]:
    """A program that lies in the user's home or in an environment."""
    for pair in PROGRAM.findall(failed.said)[-1:]:
        name = next(filter(None, pair)).rpartition("/")[2]
        if name in (words := failed.track.run.command) or any(re.search(rf"\b{re.escape(name)}\b", word) for word in words):
            yield (f"a run has the programs of /usr and of [run] python alone, and no {name}: write what it starts, such as "
                   "[\"python\", \"train.py\"], and `[run] python = \".venv\"` with the environment that has it")


def _network(failed: Failed) -> Iterator[str]:
    """A host's name that was asked for."""
    if any(sign in failed.said for sign in NAMES):
        yield ("the network is off in a run: fetch the files before, and name them in `[run] data = [...]`"
               + ("; `network = \"loopback\"` lets a run talk to itself" if failed.track.run.network == "none" else ""))


def _room(failed: Failed) -> Iterator[str]:
    """Files beyond the bound, of the run or of the tree itself."""
    if not (any(sign in failed.said for sign in FULL) or "[run] disk" in failed.said):
        return
    if (taken := failed.repo.weight(failed.repo.head())) > size(failed.track.run.disk):
        yield (f"the repository's own tree takes {taken >> 20} MiB, more than a run may have, [run] disk = "
               f"\"{failed.track.run.disk}\": raise it")
    else:
        yield f"each place that a run may write to holds [run] disk = \"{failed.track.run.disk}\": raise it, or write less"


def _git(failed: Failed) -> Iterator[str]:
    """A program that asks git about its own tree."""
    if GIT.search(failed.said):
        yield "a run's tree is no git repository: where the program asks git for its version, let it go on without"


HINTS = (_pointer, _module, _file, _outside, _program, _network, _room, _git)
