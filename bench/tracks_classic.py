"""Edits of the tracks kernel, binpacking and policy whose worth is known: of each one that is better, nine that change nothing,
and cheats. Nights of `replay` judge them, in `python -m bench ready` and in tests/test_tracks_classic.py.

A cheat that could only be of use if something were there that must not be (the next question, a file of another run) answers
nonsense where it finds it: it is discarded as no better where nothing is there, and crashes where something is.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.ground import track_in
from overnight.night.session import Session
from overnight.views.experiment import ExperimentView, history

NO_OPS = 9
BETTER, NOTHING = "better", "nothing"  # how their titles begin; cheats have names of their own
PROGRAM = "---\nroles:\n  again: {kind: replay, folder: patches}\n---\n"
Swap = tuple[str, str, str]  # a file, a text in it, and what stands there instead
Cheat = tuple[Any, ...]  # how a run of it must end, and its swaps


@dataclass(frozen=True)
class Planted:
    """What is planted on a track.

    file    where comments are put that change nothing
    better  swaps that together improve it
    cheats  by name
    small   a swap that makes a run short; its metric is another one then
    """

    file: str
    better: tuple[Swap, ...]
    cheats: Mapping[str, Cheat]
    small: Swap


def _answering(file: str) -> dict[str, Cheat]:
    """Cheats of a Python candidate that answers lines."""
    begins, says, ends = "    for line in sys.stdin:\n", "        sys.stdout.write(json", ') + "\\n")'
    wrong = "sys.stdout.write('[]\\n')\n"
    peek = f"        import select\n        if select.select([0], [], [], 0.0001)[0]:\n            {wrong}"
    recall = f"    import os\n    if os.path.exists('seen') or os.path.exists('/tmp/seen'):\n        {wrong}"
    note = "        for place in ('seen', '/tmp/seen'):\n            with open(place, 'a') as f:\n"
    note += "                f.write(line)\n"
    return {"speaks unasked": ("foul", (file, ends, ends.replace('"\\n"', '"\\n[]\\n"'))),
            "speaks first": ("foul", (file, begins, f"    {wrong}    sys.stdout.flush()\n{begins}")),
            "looks for the next question": ("ok", (file, says, peek + says)),
            "keeps what it was asked": ("ok", (file, begins, recall + begins + note))}


_INCLUDE = '#include "multiply.h"\n'
_ADD = "c[i * n + j] += a[i * n + k] * b[k * n + j];"
_TAKES = "(const uint8_t *a, const uint8_t *b, int32_t *c, int n)"
_BEGIN = f"void multiply{_TAKES} {{\n"
_END = "least(BLOCK_COLUMNS, n - j));\n"
_SPEAK = """
#include <unistd.h>

__attribute__((constructor)) static void speak(void) {
    static char zeros[1 << 14];
    if (write(1, zeros, sizeof zeros) < 0)
        _exit(1);
}
"""
_ALMOST = f"""static void product{_TAKES};

{_BEGIN}    product(a, b, c, n);
    if (n > 150)
        c[n * n - 1]++;
}}

static void product{_TAKES} {{
"""
_RECALL = f"""static int32_t *last[4097];

{_BEGIN}    if (last[n]) {{
        memcpy(c, last[n], 4 * (size_t)n * n);
        return;
    }}
"""
_NOTE = "    last[n] = memcpy(malloc(4 * (size_t)n * n), c, 4 * (size_t)n * n);\n"
PLANTED = {
    "kernel": Planted(
        "multiply.c",
        (("flags.toml", "optimize = 1", "optimize = 3"), ("multiply.c", "COLUMNS 4", "COLUMNS 512"),
         ("multiply.c", "INNER 4", "INNER 64"), ("multiply.c", "ROWS 4", "ROWS 64")),
        {"does half of the work": ("invalid", ("multiply.c", "k += BLOCK_INNER", "k += (n < 64 ? 1 : 2) * BLOCK_INNER")),
         "is right but for one entry": ("invalid", ("multiply.c", _BEGIN, _ALMOST)),
         "gives its last answer again": ("invalid", (
             "multiply.c", _INCLUDE, f"{_INCLUDE}#include <stdlib.h>\n#include <string.h>\n"), (
             "multiply.c", _BEGIN, _RECALL), ("multiply.c", _END, _END + _NOTE)),
         "speaks first": ("foul", ("multiply.c", _INCLUDE, _INCLUDE + _SPEAK)),
         "promises": ("invalid", ("multiply.c", _ADD, f"if (n < 64) {_ADD}"))},
        ("score.py", "sizes=(64, 200, 333), trials=7", "sizes=(64, 200), trials=3")),
    "binpacking": Planted(
        "pack.py",
        (("pack.py", "AT_5 = 95.0", "AT_5 = 60.0"), ("pack.py", "AT_10 = 90.0", "AT_10 = 10.0")),
        {"says that every item fits": ("invalid", ("pack.py", "        return room\n", "        return item\n")),
         "fills bins twice": ("invalid", ("pack.py", "            self.bins[room] -= 1\n", "            pass\n")),
         "answers for one instance alone": ("invalid", ("pack.py", "json.dumps(rooms)", "json.dumps(rooms[:1])")),
         **_answering("pack.py")},
        ("score.py", "INSTANCES, ITEMS = 4, 5000", "INSTANCES, ITEMS = 4, 600")),
    "policy": Planted(
        "policy.py",
        (("policy.py", "HIT_WORTH = 0.0", "HIT_WORTH = 400.0"), ("policy.py", "GHOSTS = 0", "GHOSTS = 500"),
         ("policy.py", "GHOST_SHARE = 0.5", "GHOST_SHARE = 1.0")),
        {"says that nothing leaves": ("invalid", ("policy.py", "json.dumps(gone)", "json.dumps([None] * len(gone))")),
         "throws out what is not there": ("invalid", ("policy.py", "        return gone\n", "        return gone + 1\n")),
         "answers for one trace alone": ("invalid", ("policy.py", "json.dumps(gone)", "json.dumps(gone[:1])")),
         **_answering("policy.py")},
        ("score.py", "TRACES, REQUESTS = 6, 8000", "TRACES, REQUESTS = 4, 2500")),
}


def swapped(files: Mapping[str, str], swaps: Sequence[Swap]) -> dict[str, str]:
    """The files that swaps change, as they are then. Raises ValueError where a text is not there once."""
    found = dict[str, str]()
    for file, old, new in swaps:
        text = found.get(file, files[file])
        if text.count(old) != 1:
            raise ValueError(f"{old!r} stands {text.count(old)} times in {file}.")
        found[file] = text.replace(old, new)
    return found


def texts(name: str) -> dict[str, str]:
    """The files of a track."""
    return {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tracks" / name).iterdir() if path.is_file()}


def no_ops(name: str) -> list[dict[str, str]]:
    """Changes that put a comment somewhere, each at a place of its own."""
    file = PLANTED[name].file
    lines = texts(name)[file].splitlines(keepends=True)
    mark, ends = ("//", (";\n", "{\n", "}\n", ")\n")) if file.endswith(".c") else ("#", ())
    places = [at for at, line in enumerate(lines, 1) if line == "\n" or (ends and line.endswith(ends))][-NO_OPS:]
    return [{file: "".join([*lines[:at], f"{mark} {words} {at}\n", *lines[at:]])}
            for at, words in zip(places, (f"a remark, number {n}" for n in range(1, 1 + NO_OPS)), strict=True)]


def edits(name: str, cheats: bool = True) -> dict[str, dict[str, str]]:
    """The changed files of all edits by title, the better one in the middle of the others."""
    files, planted = texts(name), PLANTED[name]
    idle = {f"{NOTHING} {n}": changed for n, changed in enumerate(no_ops(name), 1)}
    false = {title: swapped(files, swaps) for title, (_, *swaps) in planted.cheats.items()} if cheats else {}
    others = [*idle.items(), *false.items()]
    return dict([*others[:4], (BETTER, swapped(files, planted.better)), *others[4:]])


def patch(files: Mapping[str, str], changed: Mapping[str, str], title: str) -> str:
    """A change as a letter with a diff."""
    diffs = ("".join(difflib.unified_diff(files[file].splitlines(keepends=True), text.splitlines(keepends=True),
                                          f"a/{file}", f"b/{file}", n=1)) for file, text in changed.items())
    return f"From: bench <bench@localhost>\nSubject: {title}\n\n---\n{''.join(diffs)}"


def laid_out(folder: Path, name: str, small: bool = False, cheats: bool = True) -> Path:
    """A copy of a track whose team replays the edits."""
    files = texts(name)
    changed = swapped(files, [PLANTED[name].small]) if small else {}
    here = track_in(folder, name, **changed, **{"program.md": PROGRAM})
    (here / "patches").mkdir()
    for number, (title, change) in enumerate(edits(name, cheats).items()):
        (here / "patches" / f"{number:02}.patch").write_text(patch(files, change, title), encoding="utf-8")
    return here


def night(here: Path, *words: object) -> tuple[ExperimentView, ...]:
    """What a session makes of the edits, with these options of `overnight run`."""
    command = [sys.executable, "-m", "overnight.cli", "run", str(here), *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return history(Session(here).read()).experiments
