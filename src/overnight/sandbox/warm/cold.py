"""A command whose Python is to be warm, where nothing is kept warm for it: it imports first, and says when it has."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from overnight.contracts import Command

INSIDE = Path(__file__).resolve().with_name("inside.py")


def token() -> str:
    """What a program's start-up ends with on its standard error: a word that nothing else prints."""
    return f"overnight begins {secrets.token_hex(8)} "


def config(command: Command, words: Sequence[str], said: str) -> dict[str, Any]:
    """What `inside.py` is told of one program: `words` behind `python`, and its token."""
    return {"words": [*words], "token": said, "before": command.before,
            "imports": [os.path.relpath(each, command.cwd) for each in command.imports]}


def launched(command: Command) -> Command:
    """The same as a command that any sandbox can start."""
    if command.warm is None:
        return command
    said = token()
    told = config(command, command.argv[1:], said) | {"modules": command.warm.modules}
    return replace(command, argv=(command.argv[0], str(INSIDE), "cold", json.dumps(told)), warm=None, imports=(), before=(),
                   mounts=(*command.mounts, INSIDE), announces=said.encode())
