"""Where a track comes from: the files of a folder as `init` reads them, the layouts of other tools, copies of ready tracks.

Covered: nothing is written into a folder that holds something, but for a file of ours that is missing there; nothing is read or
written through a link.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

from overnight import files
from overnight.errors import TrackError
from overnight.night import seeds
from overnight.track import init, neighbours, ready
from overnight.track.contact import notebooks, project

MOST_NOTEBOOK_BYTES = 64 << 20  # with the pictures in it
LEFT = ("__pycache__", ".git", ".venv", ".overnight", "*.pyc")  # behind where a project is copied
AUTHOR = ("-c", "user.name=overnight", "-c", "user.email=overnight@localhost", "-c", "commit.gpgsign=false")


def texts_of(folder: Path, entry: str = "") -> dict[str, str]:
    """The texts of a folder that may say how it is run."""
    texts = seeds.texts_of(folder, lambda path: project.readable(path) or path == entry)
    for name in neighbours.FILES:
        with suppress(TrackError, UnicodeDecodeError):
            if (content := files.read(folder, name)) is not None:
                texts[name] = content.decode()
    return texts


def caller(layout: neighbours.Layout | None) -> dict[str, str]:
    """The script of ours that a layout needs: its path and text."""
    if layout is None or not layout.script:
        return {}
    return {neighbours.CALLER: resources.files(neighbours).joinpath(f"{layout.script}.py").read_text(encoding="utf-8")}


def notebook(folder: Path, path: str = "") -> tuple[str, dict[str, str]]:
    """A notebook of a folder, or the one that its project is, where that can be told; and its code as a script: path and text.
    Raises TrackError where it has none."""
    every = [path] if path else sorted(seeds.paths(folder, lambda name: name.endswith((".ipynb", "x.py"))))
    path = notebooks.likely([name for name in every if name.endswith(".ipynb")])
    if not path:
        return "", {}
    code = notebooks.script((files.read(folder, path, MOST_NOTEBOOK_BYTES) or b"").decode(errors="replace"))
    if not code:
        raise TrackError(f"{path} has no code in Python: say what to run with --run \"COMMAND\".")
    return path, {notebooks.named(path): code}


@contextmanager
def placed(folder: Path, beside: Mapping[str, str]) -> Iterator[list[str]]:
    """Files of ours, written into a folder where they are missing, and taken away again where what follows fails; those that
    were written. Raises TrackError."""
    made: list[str] = []
    for name, text in beside.items():
        if not files.present(folder, name):
            init.put(folder, name, text, os.O_CREAT | os.O_EXCL)
            made.append(name)
    try:
        yield made
    except BaseException:
        for name in made:
            files.remove(folder, name)
        raise


def copied(source: Path, to: Path) -> None:
    """Copy a project of another tool into a folder of its own, as a repository. Raises TrackError."""
    texts = texts_of(source)
    if neighbours.known(texts) is None and not init.karpathy(texts):
        raise TrackError(f"{source} is laid out for no other tool that is known: {neighbours.ABOUT}.")
    _empty(to)
    try:
        shutil.copytree(source, to, symlinks=True, ignore=shutil.ignore_patterns(*LEFT), dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise TrackError(f"{source} cannot be copied to {to}: {error}.") from error
    repository(to, f"The project as it was in {source.resolve().name}")


def laid_out(name: str, to: Path) -> None:
    """Copy a ready track into a folder of its own, as a repository. Raises TrackError."""
    _empty(to)
    ready.lay_out(name, to)
    repository(to, "The track as it comes")


def _empty(folder: Path) -> None:
    """Raise TrackError where a folder holds something besides git's own."""
    if folder.exists() and (not folder.is_dir() or any(path.name != ".git" for path in folder.iterdir())):
        raise TrackError(f"{folder} is there already: name a folder that is not, or an empty one.")


def repository(here: Path, message: str) -> bool:
    """A new repository with what lies in a folder, unless that is a part of one; whether it was made. Raises TrackError."""
    ignored = subprocess.run(["git", "check-ignore", "-q", here.resolve().name], cwd=here.resolve().parent, capture_output=True,
                             stdin=subprocess.DEVNULL, check=False).returncode == 0
    if not ignored and any((place / ".git").exists() for place in (here.resolve(), *here.resolve().parents)):
        return False
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*AUTHOR, "commit", "-q", "-m", message)):
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise TrackError(f"git {words[-1]} failed in {here}: {done.stderr.strip()}.")
    return True
