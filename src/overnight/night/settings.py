"""What the user sets once for every track: `$XDG_CONFIG_HOME/overnight/config.toml`, `~/.config` where that is not set.

    [journal]
    url = "postgresql://ada@db.example.org/overnight"

The variable OVERNIGHT_JOURNAL goes before. A contract names no journal, for it may be another person's.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.errors import TrackError
from overnight.journal.urls import masked, secrets

VARIABLE = "OVERNIGHT_JOURNAL"
FILE = "overnight/config.toml"


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The table [journal]: `url` of the database in which all tracks have their journals; "": each has a file of its own."""

    url: str = ""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    journal: JournalSettings = JournalSettings()


def journal_url(environ: Mapping[str, str]) -> str:
    """The address of the database that the user named for journals; "" for a file in each track's state folder. Raises
    TrackError."""
    return environ.get(VARIABLE, "").strip() or _read(place(environ)).journal.url.strip()


def place(environ: Mapping[str, str]) -> Path:
    """The user's configuration file, there or not."""
    named = environ.get("XDG_CONFIG_HOME", "")
    return (Path(named) if named.startswith("/") else Path(environ.get("HOME") or "/") / ".config") / FILE


def _read(path: Path) -> Settings:
    """Raises TrackError for a file that is wrong, or shows a password to other users."""
    try:
        with path.open("rb") as file:
            mode, content = path.stat().st_mode, file.read()
        found = msgspec.toml.decode(content, type=Settings)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise TrackError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # msgspec's errors are among these
        raise TrackError(f"{path} holds no settings: {str(error).rstrip('.')}.") from error
    url = found.journal.url
    if masked(url) != url and secrets(url) and mode & (stat.S_IRGRP | stat.S_IROTH):
        raise TrackError(f"{path} holds a password and other users can read it: chmod 600 {path}, or keep it in ~/.pgpass.")
    return found
