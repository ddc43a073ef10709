"""`overnight init`: what was found out of a repository, and the contract and the program that are written for it.

Covered: nothing is read or written through a link of the repository.
Not covered: what the code does that the contract then runs, in a sandbox.
"""

from __future__ import annotations

import json
import math
import os
import re
import unicodedata
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from msgspec import Struct

from overnight import files
from overnight.contracts import Direction
from overnight.errors import TrackError
from overnight.track.contact import names
from overnight.track.contact.numbers import Found, escaped
from overnight.track.contact.project import Texts
from overnight.track.program import BEGIN
from overnight.track.spec import FILE

_PRINTED = re.compile(r"""(?:print|echo|write|info|warning|debug)\(\s*[frb]*["']"""
                      r"""(?P<name>[A-Za-z][A-Za-z0-9_]*)\s*[:=]\s*(?:\{|%|["'])""")
_GPU = re.compile(r"\bcuda\b")
CACHE = "~/.cache/autoresearch"
NOISE = 0.0005  # worthwhile of val_bpb there: a change of seed alone moves it by about 0.0007


class DetectedProject(Struct, frozen=True):
    """What was detected in a repository.

    number      the number that is to be improved, and the pattern that finds it
    protected   files that a run goes through and that may not be edited, because they measure or prepare
    python      the environment that `python` means; "": Overnight's own interpreter
    worthwhile  smallest improvement worth a commit, 0 when nothing is known
    region      the mark of the lines that alone may be edited; "": whole files
    required    commands that must succeed in a candidate's tree
    build       what compiles before `command` runs, and makes `outputs`; empty where nothing does
    """

    name: str
    goal: str
    editable: tuple[str, ...]
    number: Found
    direction: Direction
    command: tuple[str, ...]
    protected: tuple[str, ...] = ()
    python: str = ""
    data: tuple[str, ...] = ()
    timeout: str = "10min"
    memory: str = "4GiB"
    worthwhile: float = 0.0
    gpus: bool = False
    region: str = ""
    required: tuple[tuple[str, ...], ...] = ()
    build: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def slug(folder: Path) -> str:
    """A track's name, from that of its folder: in ASCII, since it is part of a branch's, which each locale writes alike."""
    plain = unicodedata.normalize("NFKD", folder.resolve().name).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w-]+", "-", plain).strip("-.") or "track"


def karpathy(texts: Texts) -> bool:
    """Whether this is the layout of autoresearch: `program.md`, `train.py`, `prepare.py` and a printed `val_bpb:`."""
    return "prepare.py" in texts and "program.md" in texts and "val_bpb:" in texts.get("train.py", "")


def said(text: str) -> Sequence[str]:
    """The names that a program's text prints a number behind, in its order."""
    return _PRINTED.findall(text)


def unseen(name: str) -> Found:
    """A number that no output showed yet, printed as most programs do."""
    return Found(name, rf"^{escaped(name)}\s*[:=]\s*(\S+)", (), "", 0)


def needs_gpus(texts: Texts, there: bool) -> bool:
    """Whether programs use a GPU: one that is `there`, or without asking whether one is."""
    told = "".join(texts.values())
    return bool(_GPU.search(told)) and (there or "is_available" not in told)


def environment(folder: Path) -> str:
    """The project's own virtual environment, where there is one."""
    return next((name for name in (".venv", "venv", "env") if (folder / name / "bin" / "python").exists()), "")


def pointed(found: Found, told: Direction | None) -> Direction:
    """Which way a number improves. Raises TrackError, with what to say, where neither its name nor the user tells."""
    better = told or names.direction(found.name, found.unit)
    if better is None:
        raise TrackError(f"whether more or less of `{found.name}` is better cannot be told from its name: say it with "
                         "--direction minimize or --direction maximize.")
    return better


# ---- writing ---------------------------------------------------------------------------------------------------


def contract(found: DetectedProject) -> str:
    """The text of track.toml."""
    run = [f"command = {_list(found.command)}", f'timeout = "{found.timeout}"', f'memory = "{found.memory}"', "cpus = 1"]
    run += [f"python = {_text(found.python)}"] if found.python else []
    run += [f"data = {_list(found.data)}"] if found.data else []
    run += ["gpus = true"] if found.gpus else []
    number = found.number
    rows = [f"pattern = {_pattern(number.pattern)}   # write a [score] command to have it measured instead"]
    if number.pick:
        rows.append(f'pick = "{number.pick}"            # of {len(number.values)} that one run prints; or "min", "max"')
    if possible := names.possible(number.name, [*number.values], number.unit):
        rows.append(f"range = [{_bound(possible[0])}, {_bound(possible[1])}]          # a number outside is no result")
    rows += ['kind = "timing"'] if names.timed(number.name, number.unit) else []
    build = f"[build]      # once for equal files, and outside the time of a run\ncommand = {_list(found.build)}\n" \
            f"outputs = {_list(found.outputs)}\n\n" if found.build else ""
    mark = f'region = "{found.region}"   # of files with such marks, only the lines between them\n' if found.region else ""
    required = "".join(f'\n[[require]]               # must succeed before a candidate counts\ncommand = {_list(each)}\n'
                       f'timeout = "5min"\nmemory = "{found.memory}"\n' for each in found.required)
    return f"""\
[track]
name = {_text(found.name)}
goal = {_text(found.goal)}
editable = {_list(found.editable)}      # nothing else may be touched; globs are allowed
{mark}
[metric]
name = {_text(number.name)}
direction = "{found.direction}"
worthwhile = {f"{found.worthwhile:g}" if found.worthwhile else "0.0"}          # the smallest improvement worth a commit
from = "output"           # the candidate prints it itself, so it is marked `self-reported`
{chr(10).join(rows)}

{build}[run]
{chr(10).join(run)}
{required}"""


def _text(value: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _pattern(value: str) -> str:
    """A pattern as TOML writes it: as it is, where it can."""
    return f"'{value}'" if "'" not in value and value.isprintable() else _text(value)


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _bound(value: float) -> str:
    return "inf" if value == math.inf else f"{value:g}"


def program(name: str, goal: str) -> str:
    """The text of program.md: what to research, then from BEGIN on what a user's own agent has to know."""
    return resources.files("overnight.track").joinpath("template.md").read_text(encoding="utf-8").format(name=name, goal=goal)


def write(folder: Path, found: DetectedProject) -> list[Path]:
    """Write `track.toml`, and `program.md` where there is none. A `program.md` that is there gets the part for agents at its
    end, unless it has one, is a link or cannot be written to, and is left alone otherwise. Raises TrackError."""
    path, instructions, text = folder / FILE, folder / "program.md", program(found.name, found.goal)
    if instructions.exists() and not (instructions.is_file() or instructions.is_dir()):
        raise TrackError(f"{instructions} is no plain file: put a file in its place, or remove it.")
    put(folder, FILE, contract(found), os.O_CREAT | os.O_TRUNC)
    try:
        before = files.read(folder, instructions.name)
        if before is None:
            put(folder, instructions.name, text, os.O_CREAT | os.O_EXCL)
        elif BEGIN.encode() in before:
            return [path]
        else:
            gap = "\n" if before.endswith(b"\n") or not before else "\n\n"
            put(folder, instructions.name, gap + text[text.index(BEGIN):], os.O_APPEND)
    except TrackError:
        return [path]
    return [path, instructions]


def put(folder: Path, name: str, text: str, flags: int) -> None:
    """Write a file of the folder, through no link, opened with `flags` of os.open. Raises TrackError."""
    fd = files.opened(folder, name, TrackError, os.O_WRONLY | flags)
    assert fd is not None  # the folder is there, and so the file
    with open(fd, "wb") as file:
        file.write(text.encode())
