"""The keys from which seeds are drawn: a file for each beginning of a track, beside its journal.

The journal holds the hash alone, so that it can be published while the track goes on; the file predicts every seed.
Published later, the file shows that no seed was chosen: it was fixed before any commit was made.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from overnight.errors import TrackError

FOLDER = "keys"


def make(home: Path) -> str:
    """A new key in a durable file that its owner alone can read; its hash. Raises TrackError where it cannot be written."""
    key = secrets.token_hex(16)
    try:
        path = place(home, digest(key))
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{key}\n")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise TrackError(f"the key of the track cannot be written: {error}.") from error
    return digest(key)


def found(home: Path) -> dict[str, str]:
    """The keys that are here and can be read, by their hashes."""
    keys = {}
    for path in (home / FOLDER).glob("*.key"):
        with suppress(OSError):
            key = path.read_text(encoding="utf-8", errors="replace").strip()
            keys[digest(key)] = key
    return keys


def digest(key: str) -> str:
    """SHA-256 of a key, by which the journal names it."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def place(home: Path, name: str) -> Path:
    """The file of the key with this hash."""
    return home / FOLDER / f"{name[:16]}.key"
