"""The ready tracks that come with Overnight: in the installed package, or beside the sources in a clone."""

from __future__ import annotations

import shutil
from pathlib import Path

import overnight
from overnight.errors import TrackError
from overnight.track.spec import FILE

PACKAGE = Path(overnight.__file__).parent
PLACES = (PACKAGE / "ready", PACKAGE.parents[1] / "tracks")


def names() -> list[str]:
    """Of all ready tracks."""
    return sorted(path.parent.name for place in PLACES for path in place.glob(f"*/{FILE}"))


def lay_out(name: str, to: Path) -> None:
    """Copy a ready track into a folder. Raises TrackError."""
    found = next((place / name for place in PLACES if name in names() and (place / name / FILE).is_file()), None)
    if found is None:
        raise TrackError(f"there is no ready track '{name}': choose one of {', '.join(names())}.")
    shutil.copytree(found, to, ignore=shutil.ignore_patterns("__pycache__", ".*"), dirs_exist_ok=True)
