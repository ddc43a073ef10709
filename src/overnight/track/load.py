"""Reads the contract of a folder, and checks that the files that it names are there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from overnight import files
from overnight.errors import TrackError
from overnight.track import regions
from overnight.track.spec import FILE, Track, covers, lies_in, line_of, parse

MOST_CONTRACT_BYTES = 256 << 10


def load(folder: Path) -> Track:
    """Read and check the contract of a folder. Raises TrackError with one sentence that says what to do."""
    text = text_of(folder)
    track = parse(text)
    check_files(track, folder, text)
    return track


def text_of(folder: Path) -> str:
    """The text of a folder's contract. Raises TrackError."""
    try:
        content = files.read(folder, FILE, MOST_CONTRACT_BYTES)
    except OSError as error:
        raise TrackError(f"{folder / FILE} cannot be read: {error}.") from error
    if content is None:
        raise TrackError(f"there is no {FILE} in {folder}: run `overnight init {folder}` first.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise TrackError(f"{folder / FILE} cannot be read: {error}.") from error


def _files(folder: Path) -> Iterator[str]:
    """The files below a folder, but for git's and Overnight's own, which come and go."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", ".overnight")]
        yield from (Path(root, name).relative_to(folder).as_posix() for name in names)


def check_files(track: Track, folder: Path, text: str = "") -> None:
    """What the contract names must exist, and what judges must not be editable. Raises TrackError."""
    names = list(_files(folder))
    for pattern in track.track.editable:
        if _leaves(pattern):
            raise TrackError(f"{FILE}{line_of(text, 'track', 'editable')}: editable '{pattern}' leaves the folder.")
        if not any(covers(pattern, name) for name in names):
            whole = f"{pattern.rstrip('/')}/**"
            more = f"; it is a folder: write '{whole}'" if any(covers(whole, name) for name in names) else ""
            raise TrackError(f"{FILE}{line_of(text, 'track', 'editable')}: editable '{pattern}' matches no file{more}.")
    if track.track.region:
        _check_regions(track, folder, names, line_of(text, "track", "region"))
    for pattern in track.track.context:
        line = line_of(text, "track", "context")
        private = [name for name in (*track.private, *names) if any(lies_in(place, name) for place in track.private)]
        if hidden := next((name for name in private if covers(pattern, name)), ""):
            raise TrackError(f"{FILE}{line}: context '{pattern}' would show {hidden}, which no candidate may see.")
        if not any(covers(pattern, name) for name in names):
            raise TrackError(f"{FILE}{line}: context '{pattern}' matches no file.")
    for section, step in (("score", track.score), ("run", track.run), ("oracle", track.oracle),
                          *(("require", step) for step in track.require)):
        for before, word in pairwise(step.command) if step is not None else ():
            named = before != "-m" and _is_file(word)
            if named and not os.path.exists(folder / word):  # noqa: PTH110 - Path's raises for a long name
                line = line_of(text, section, "command")
                raise TrackError(f"{FILE}{line}: [{section}] names {word}, which does not exist.")
    protected = [FILE, "program.md", *_protected(track, folder)]
    for path in (*protected, *(name for name in names if any(lies_in(place, name) for place in protected))):
        if any(covers(pattern, path) for pattern in track.track.editable):
            line = line_of(text, "track", "editable")
            does = "judges or instructs" if path in names else "would stand in the place of what judges"
            raise TrackError(f"{FILE}{line}: {path} may not be editable: it {does}.")
    for path in track.private:
        line = line_of(text, "score", "private" if track.score and path in track.score.private else "holdout")
        if _leaves(path):
            raise TrackError(f"{FILE}{line}: the private file {path} leaves the folder.")
        try:
            there = files.present(folder, path)
        except TrackError as error:
            raise TrackError(f"{FILE}{line}: the private file {error}") from error
        if not there:
            raise TrackError(f"{FILE}{line}: the private file {path} does not exist.")


def _leaves(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts


def _check_regions(track: Track, folder: Path, names: Sequence[str], line: str) -> None:
    """At least one of the editable files must have the mark of the regions. Raises TrackError."""
    start, end = regions.ends(track.track.region)
    edited = [name for name in names if any(covers(pattern, name) for pattern in track.track.editable)]
    texts = ((files.read(folder, name) or b"").decode(errors="replace") for name in edited)
    if not any(regions.spans(text, track.track.region) for text in texts):
        raise TrackError(f"{FILE}{line}: no editable file has a line with {start}, and behind it one with {end}: write them "
                         "round what may be edited, or take `region` out.")


def _is_file(word: str) -> bool:
    """Whether a word of a command looks like a file's name (and not like a number)."""
    return re.fullmatch(r"[\w./-]+\.[A-Za-z]\w*", word) is not None


def _protected(track: Track, folder: Path) -> list[str]:
    """What judges: the files and folders that the scorer and the required commands name, and those that no candidate sees."""
    judging = [track.score.command] if track.score else []
    commands = [*judging, *(step.command for step in track.require)]
    modules = [word.replace(".", "/") for command in commands for before, word in pairwise(command) if before == "-m"]
    of_modules = [f"{base}{module}{end}" for module in modules for base in ("", "src/") for end in (".py", "/__main__.py")]
    named = [word.rstrip("/") for command in commands for word in command[1:] if _is_file(word) or _is_folder(folder, word)]
    return [*named, *of_modules, *track.private]


def _is_folder(folder: Path, word: str) -> bool:
    """Whether a word of a command names a folder of the track."""
    return not word.startswith("-") and not _leaves(word) and word.strip("./") != "" and os.path.isdir(folder / word)  # noqa: PTH112 - Path's raises for a long name
