"""Settings of git, read as data: of a repository's own configuration and of its user's.

Covered: a value is used only where its name is in the lists below and its value is one of a few harmless words; includes of a
repository are not followed; nothing in a configuration can name a program to us.
Not covered: the user's own global and system settings are the user's, and their includes are followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from overnight.errors import TrackError

_BOOLEAN = r"true|false|yes|no|on|off|1|0|"
SHARED = {"core.sharedrepository": rf"{_BOOLEAN}|umask|group|all|world|everybody|0[0-7]{{3}}"}  # how new objects are written
WORK_TREE = {"core.autocrlf": rf"{_BOOLEAN}|input", "core.eol": "lf|crlf|native", "core.filemode": _BOOLEAN,
             "core.symlinks": _BOOLEAN, "core.ignorecase": _BOOLEAN, "core.trustctime": _BOOLEAN,
             "core.checkstat": "default|minimal", "core.sparsecheckout": _BOOLEAN,
             "core.sparsecheckoutcone": _BOOLEAN}  # what git would commit of a file
LISTS = ("core.attributesfile", "core.excludesfile")  # files with more attributes, and with what is not to be committed
_FORMATS = {"objectformat": "sha1|sha256", "refstorage": "files|reftable", "noop": ".*", "partialclone": ".*",
            "preciousobjects": ".*", "worktreeconfig": ".*", "relativeworktrees": ".*"}

Pairs = dict[str, str]  # of a setting the last value, as git takes it


def parsed(listing: str) -> Pairs:
    """What `git config --list -z` prints. A name without a value stands for true."""
    entries = (entry.partition("\n") for entry in listing.split("\0") if entry)
    return {name: value if found else "true" for name, found, value in entries}


def chosen(pairs: Pairs, known: dict[str, str]) -> Pairs:
    """Those of a list, where their values are harmless words."""
    there = ((name, pairs[name], words) for name, words in known.items() if name in pairs)
    return {name: value for name, value, words in there if re.fullmatch(words, value, re.IGNORECASE)}


def written(pairs: Pairs) -> str:
    """Settings as a configuration holds them."""
    fields = ((*name.split(".", 1), _quoted(value)) for name, value in pairs.items())
    return "".join(f"[{section}]\n\t{name} = {value}\n" for section, name, value in fields)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def true(value: str | None) -> bool:
    """Whether a setting is on."""
    return value is not None and value.lower() in ("true", "yes", "on", "1")


class Format(NamedTuple):
    """How a repository holds its objects."""

    hash: str = "sha1"
    partial: bool = False

    @property
    def zero(self) -> str:
        """The name of no object."""
        return "0" * (64 if self.hash == "sha256" else 40)


def read_format(pairs: Pairs) -> Format:
    """How a repository holds its objects. Raises TrackError for what Overnight cannot read."""
    version = pairs.get("core.repositoryformatversion", "0")
    extensions = {name.removeprefix("extensions."): value for name, value in pairs.items() if name.startswith("extensions.")}
    found = extensions if version > "0" else {}
    if found.get("refstorage") == "reftable":
        raise TrackError("the repository keeps its branches as a reftable, which Overnight does not read: turn them into files "
                         "(git refs migrate --ref-format=files).")
    unknown = [name for name, value in found.items() if not re.fullmatch(_FORMATS.get(name, "(?!)"), value)]
    if version not in ("0", "1") or unknown:
        raise TrackError(f"the repository has a format that Overnight does not know ({(unknown or [version])[0][:40]!r}): "
                         "clone it without that and run in the clone.")
    partial = "partialclone" in found or any(name.endswith(".promisor") for name in pairs)
    return Format(found.get("objectformat", "sha1"), partial)


def check_work_tree(pairs: Pairs, root: Path, own: Path) -> None:
    """Raise TrackError where a repository's configuration says that it has no work tree, or another one than the folder `root`.
    A git folder `own` outside its work tree must name that one, for otherwise any file could lay claim to any repository."""
    inside = own == root / ".git"
    if true(pairs.get("core.bare")):
        raise TrackError(f"{root} is a bare repository: clone it and run in the clone.")
    named = pairs.get("core.worktree")
    if named is None and inside:
        return
    try:
        same = named is not None and os.path.samestat((own / named).stat(), root.stat())
    except (OSError, ValueError):
        same = False
    if not same:
        raise TrackError(f"the git folder {own} does not name {root} as its work tree (core.worktree in its configuration): "
                         "clone the repository and run in the clone.")


def refuse_lists(pairs: Pairs, users: Pairs) -> None:
    """Raise TrackError where a repository's configuration names a file of attributes or exclusions."""
    places = {"core.attributesfile": "attributes", "core.excludesfile": "exclude"}
    for name in LISTS:
        if name in pairs and pairs[name] != users.get(name):
            raise TrackError(f"this repository's configuration sets {name}, which Overnight does not follow: move the file's "
                             f"lines to .git/info/{places[name]} and run git config --unset {name}.")


def users_lists(users: Pairs) -> Pairs:
    """The user's own files of attributes and exclusions, those that git takes by default included."""
    found = {}
    for name, usual in zip(LISTS, ("attributes", "ignore"), strict=True):
        found[name] = str(_expanded(users.get(name) or f"{os.environ.get('XDG_CONFIG_HOME') or '~/.config'}/git/{usual}"))
    return found


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no home
        return Path(path.replace("~", "/nonexistent", 1))


def safe(directories: Iterable[str], root: Path) -> bool:
    """Whether the user's `safe.directory` settings, in their order, name a folder of another user's."""
    found = False
    for each in directories:
        beneath = each.endswith("/*") and root.is_relative_to(each[:-2])
        found = each != "" and (found or each == "*" or beneath or _expanded(each) == root)
    return found
