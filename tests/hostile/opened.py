"""Opens a scene's repository by commands, and says what went wrong: what changed, leaked, ran, fell over or took too long."""

import os
import tempfile
import time
import unicodedata
from pathlib import Path
from typing import NamedTuple

from conftest import write
from forks import forked
from hostile.processes import started

SECONDS = 20.0  # that a command may take: ten times what the slowest takes on an idle machine
STATUSES = {0, 2, 10, 11, 12}  # of a command that was carried out, or refused with a sentence
TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"  # what turns the direction of a line
COMMANDS = {
    "check": ("check",), "status": ("status",), "brief": ("brief",), "log": ("log",), "verify": ("log", "--verify"),
    "show": ("show", "1"), "report": ("report",), "audit": ("audit", "--seeds", "2", "--workers", "1"), "merge": ("merge",),
    "run": ("run", "--experiments", "1", "--workers", "1"), "try": ("try", "--workers", "1"), "trust": ("trust",),
    "trust --yes": ("trust", "--yes"), "idea": ("idea", "add", "a bold idea"), "init": ("init",), "where": ("where",),
    "adopt": ("where", "--adopt", ".overnight"), "mcp": ("mcp",)}
EVERY = ("where", "status", "check", "trust", "run", "try", "brief", "status", "log", "verify", "show", "report", "audit", "mcp",
         "idea", "merge", "init")  # those that may change the user's own files come last
USERS = ("merge", "init")  # these may write into the work tree: it is their purpose


class Ended(NamedTuple):
    """One command's end: its exit status (None where it did not end in time), what it printed, seconds."""

    status: int | None
    said: bytes
    seconds: float


def command(scene, name, folder, seconds=SECONDS):
    """One command in a folder; how it ended. Before `try` its user changes a file, and takes that back."""
    output = Path(tempfile.gettempdir(), f"{scene.folder.name}-{os.getpid()}.said")
    plain = folder / "settings.py"
    edits = name == "try" and plain.is_file() and not plain.is_symlink()
    before = plain.read_bytes() if edits else b""
    if edits:
        write(folder, {"settings.py": b"X = 3.0\n"})
    began = time.monotonic()
    try:
        words = list(COMMANDS[name])
        status = started(words, scene.env, folder, output, seconds) if name == "mcp" else \
            forked(words, scene.env, folder, (output, output), seconds)  # a server wants to be spoken to
        return Ended(status, output.read_bytes() if output.exists() else b"", time.monotonic() - began)
    finally:
        output.unlink(missing_ok=True)
        if edits:
            write(folder, {"settings.py": before})


def findings(scene, names, folder=None, seconds=SECONDS):
    """Open a scene by these commands; (what went wrong, a sentence each, and all that was printed)."""
    folder, wrong, everything = folder or scene.repo, [], b""
    before, scene.known = scene.look(), scene.objects()
    for name in names:
        ended = command(scene, name, folder, seconds)
        after = scene.look()
        theirs = os.path.relpath(scene.repo, scene.folder) if name in USERS else "\0"
        wrong += [f"{name}: changed {path}: {before.get(path)} -> {after.get(path)}" for path in sorted(before.keys() | after.keys())
                  if before.get(path) != after.get(path) and not path.startswith(theirs)]
        wrong += [f"{name}: {each}" for each in (*_of_ending(ended, seconds), *scene.leaked(ended.said))]
        if (heard := scene.came()) is not None:
            wrong.append(f"{name}: came to the listener with {heard[:200]!r}")
        before, everything = after, everything + ended.said
    return wrong, everything.decode(errors="replace")


def kind(finding):
    """What a finding is, for the table."""
    return "programs run" if ": changed ran/" in finding else "files changed" if ": changed " in finding else \
        "secrets leaked" if "holds a secret" in finding or "came to the listener" in finding else "commands fell over or did not end"


def _of_ending(ended, seconds):
    """What is wrong with the way a command ended."""
    text = ended.said.decode(errors="replace")
    if ended.status is None:
        yield f"did not end within {seconds:g} s"
    elif ended.status not in STATUSES:
        yield f"ended with status {ended.status}: {text[-1500:]}"
    if "Traceback (most recent call last)" in text:
        yield f"printed a traceback: {text[-1500:]}"
    if steers := {c for c in text if c in TURNS or (unicodedata.category(c) == "Cc" and c not in "\n\t")}:
        yield f"printed what steers a terminal: {sorted(map(ascii, steers))}"
