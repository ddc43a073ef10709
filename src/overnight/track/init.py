"""`overnight init`: write a contract and a program for a repository, asking nothing that can be found out.

Covered: nothing is read or written through a link of the repository.
Not covered: what the code does that the contract then runs, in a sandbox.
"""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path

from msgspec import Struct

from overnight import files
from overnight.contracts import Direction
from overnight.errors import TrackError
from overnight.track.program import BEGIN
from overnight.track.spec import FILE

ENTRIES = ("train.py", "main.py", "run.py", "bench.py", "benchmark.py", "solve.py")
LESS = ("loss", "bpb", "bpc", "error", "perplexity", "ppl", "rmse", "mse", "mae", "seconds", "latency", "time", "ms", "cost")
MORE = ("accuracy", "acc", "score", "f1", "auc", "throughput", "reward", "per_second", "speed", "bleu")
_PLAIN = re.compile(r"[\w ./+-]+")  # what can stand in the contract as it is
_PRINTED = re.compile(r"""(?:print|echo|write|info|warning|debug)\(\s*[frb]*["']"""
                      r"""(?P<name>[A-Za-z][A-Za-z0-9_]*)\s*[:=]\s*(?:\{|%|["'])""")


class DetectedProject(Struct, frozen=True):
    """What was detected in a repository.

    worthwhile  smallest improvement worth a commit, 0 when nothing is known
    """

    name: str
    goal: str
    editable: str
    metric: str
    direction: Direction
    run: str
    python: str = ""
    data: tuple[str, ...] = ()
    timeout: str = "10min"
    memory: str = "4GiB"
    worthwhile: float = 0.0


def look(folder: Path, metric: str = "", entry: str = "") -> DetectedProject:
    """Find out what can be improved. Raises TrackError with what to say when it cannot be found."""
    if karpathy(folder):
        return _karpathy(folder)
    path, name = _printed(folder, metric, entry)
    better = _points(name) or "minimize"
    return DetectedProject(_slug(folder), f"The best {name} of {path}.", path, name, better, path, _python(folder))


def karpathy(folder: Path) -> bool:
    """Whether this is the layout of autoresearch: `program.md`, `train.py`, `prepare.py` and a printed `val_bpb:`."""
    there = all((folder / name).is_file() for name in ("program.md", "train.py", "prepare.py"))
    return there and "val_bpb:" in _text(folder, "train.py")


def _karpathy(folder: Path) -> DetectedProject:
    """Five minutes of training a run; a change of seed alone moves val_bpb by about 0.0007 there."""
    cache = "~/.cache/autoresearch"
    data = (cache,) if Path(cache).expanduser().exists() else ()
    return DetectedProject(_slug(folder), "The lowest val_bpb after five minutes of training.", "train.py", "val_bpb",
                           "minimize", "train.py", _python(folder), data, "15min", "64GiB", 0.0005)


def _printed(folder: Path, metric: str, entry: str) -> tuple[str, str]:
    """(file, metric) of the first entry file that prints a line like `name: number`."""
    entries = [entry] if entry else [e for e in ENTRIES if (folder / e).is_file()] or \
        sorted(p.name for p in folder.glob("*.py") if _PLAIN.fullmatch(p.name))
    for path in entries:
        if not _PLAIN.fullmatch(path):
            raise TrackError(f"{path!r} has characters that a contract's file may not have: rename it.")
        if not (folder / path).is_file():
            raise TrackError(f"there is no {path} in {folder}: name a file of the repository.")
        names = _PRINTED.findall(_text(folder, path))
        if metric and (entry or metric in names):
            return path, metric
        known = [n for n in names if _points(n)]
        if not metric and known:
            return path, known[-1]
    wanted = f"prints `{metric}: <number>`" if metric else "prints a line like `val_loss: 0.123`"
    raise TrackError(f"no Python file in {folder} {wanted}: print the number to improve like that, or name it with "
                     "--metric and the file with --entry.")


def _text(folder: Path, name: str) -> str:
    return (files.read(folder, name) or b"").decode(errors="replace")


def _points(name: str) -> Direction | None:
    words = name.lower()
    if any(words.endswith(w) or w + "_" in words for w in MORE):
        return "maximize"
    return "minimize" if any(words.endswith(w) or w + "_" in words for w in LESS) else None


def _slug(folder: Path) -> str:
    return re.sub(r"[^\w-]+", "-", folder.resolve().name).strip("-.") or "track"


def _python(folder: Path) -> str:
    """The project's own virtual environment, where there is one."""
    return next((name for name in (".venv", "venv") if (folder / name / "bin" / "python").exists()), "")


# ---- writing ---------------------------------------------------------------------------------------------------


def contract(found: DetectedProject) -> str:
    """The text of track.toml."""
    run = [f'command = ["python", "{found.run}"]', f'timeout = "{found.timeout}"', f'memory = "{found.memory}"', "cpus = 1"]
    run += [f'python = "{found.python}"'] if found.python else []
    run += [f"data = [{', '.join(repr(d) for d in found.data)}]".replace("'", '"')] if found.data else []
    worthwhile = f"{found.worthwhile:g}" if found.worthwhile else "0.0"
    return f"""\
[track]
name = "{found.name}"
goal = "{found.goal}"
editable = ["{found.editable}"]      # nothing else may be touched; globs are allowed

[metric]
name = "{found.metric}"
direction = "{found.direction}"
worthwhile = {worthwhile}          # the smallest improvement worth a commit
from = "output"           # the candidate prints it itself, so it is marked `self-reported`:
pattern = '^{found.metric}\\s*[:=]\\s*(\\S+)'   # write a [score] command to have it measured instead

[run]
{chr(10).join(run)}
"""


def program(name: str, goal: str) -> str:
    """The text of program.md: what to research, then from BEGIN on what a user's own agent has to know."""
    return resources.files("overnight.track").joinpath("template.md").read_text(encoding="utf-8").format(name=name, goal=goal)


def write(folder: Path, found: DetectedProject) -> list[Path]:
    """Write `track.toml`, and `program.md` where there is none. A `program.md` that is there gets the part for agents at its
    end, unless it has one, is a link or cannot be written to, and is left alone otherwise. Raises TrackError."""
    path, instructions, text = folder / FILE, folder / "program.md", program(found.name, found.goal)
    if instructions.exists() and not (instructions.is_file() or instructions.is_dir()):
        raise TrackError(f"{instructions} is no plain file: put a file in its place, or remove it.")
    _put(folder, FILE, contract(found), os.O_CREAT | os.O_TRUNC)
    try:
        before = files.read(folder, instructions.name)
        if before is None:
            _put(folder, instructions.name, text, os.O_CREAT | os.O_EXCL)
        elif BEGIN.encode() in before:
            return [path]
        else:
            gap = "\n" if before.endswith(b"\n") or not before else "\n\n"
            _put(folder, instructions.name, gap + text[text.index(BEGIN):], os.O_APPEND)
    except TrackError:
        return [path]
    return [path, instructions]


def _put(folder: Path, name: str, text: str, flags: int) -> None:
    """Write a file of the folder, through no link. Raises TrackError."""
    fd = files.opened(folder, name, TrackError, os.O_WRONLY | flags)
    assert fd is not None  # the folder is there, and so the file
    with open(fd, "wb") as file:
        file.write(text.encode())
