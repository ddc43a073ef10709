"""What a track wants of this machine beyond its repository and a sandbox, and what of it the user has granted.

A need is a sentence. The granted ones are kept in the track's state folder, pinned by their hash; a need that is not among them
stops what would run or send anything, until the user grants it with `overnight trust`. A need that goes away asks nothing.
Free are: Overnight's own interpreter, one below /usr, a virtual environment in the repository that git does not track and that
is based on these, data in the repository, sockets to itself, and whatever the user typed on the command line.
Covered: every path outside the repository that a candidate or an agent may read, every host that is sent a brief, every program
of an agent and the names of the variables that it gets.
Not covered: what a granted program or host does with what it is given.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from overnight.errors import TrackError
from overnight.execution import mounts
from overnight.repo import Repo
from overnight.researchers.agent import recipes
from overnight.researchers.llm import model
from overnight.track.roles import Role, needs_model
from overnight.track.spec import Track
from overnight.untrusted import line

MOST_NEED_CHARACTERS = 500
SYSTEM = Path("/usr")


class Pinned(Struct, frozen=True):
    """The needs that were granted, and the SHA-256 over them."""

    needs: tuple[str, ...] = ()
    sha256: str = ""


class Trust:
    """The user's grants for one track, in a file of its state folder."""

    def __init__(self, home: Path) -> None:
        self._path = home / "trust.json"

    @property
    def granted(self) -> frozenset[str]:
        """The needs that the user has granted; none where the file is not whole."""
        try:
            pinned = msgspec.json.decode(self._path.read_bytes(), type=Pinned)
        except (OSError, msgspec.DecodeError):
            return frozenset()
        return frozenset(pinned.needs) if pinned.sha256 == _digest(pinned.needs) else frozenset()

    def missing(self, needs: Iterable[str]) -> tuple[str, ...]:
        """Those of the needs that nobody has granted."""
        wanted = tuple(needs)
        return tuple(sorted(set(wanted) - self.granted)) if wanted else ()

    def require(self, needs: Iterable[str]) -> None:
        """Raise TrackError, with what to do, where one of the needs was not granted."""
        if missing := self.missing(needs):
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise TrackError(f"this track wants what you have not granted: {missing[0]}{more}. Look at it with `overnight "
                             "trust`, and grant it there.")

    def grant(self, needs: Iterable[str]) -> None:
        """Grant these needs, and no others, from now on. Raises TrackError where that cannot be written."""
        granted = tuple(sorted(set(needs)))
        try:
            self._path.write_bytes(msgspec.json.encode(Pinned(granted, _digest(granted))))
        except OSError as error:
            raise TrackError(f"{self._path} cannot be written: {error.strerror}.") from error


def _digest(needs: tuple[str, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(needs)).hexdigest()


# ---- what is wanted ----------------------------------------------------------------------------------------------


def of_contract(contract: Track, repo: Repo) -> Iterator[str]:
    """What a contract wants beyond its repository. Raises TrackError for what nobody can have."""
    run = contract.run
    for folder in mounts.interpreter(run, repo.folder)[1] if run.python else ():
        if not _is_free_interpreter(folder, repo):
            yield _need(f"candidates and the scorer read and run the Python installation {folder}")
    for path in mounts.named_data(run, repo.folder):
        if not path.is_relative_to(repo.root):
            yield _need(f"candidates and the scorer read {path}")
    if run.gpus:
        yield "candidates use the machine's GPUs, whose memory other users of them share"


def _is_free_interpreter(folder: Path, repo: Repo) -> bool:
    own = Path(getattr(sys, "_base_executable", sys.executable)).resolve().parent.parent
    place = folder.parent.resolve() / folder.name if folder.is_symlink() else folder.resolve()
    if place.is_relative_to(SYSTEM) or place.is_relative_to(own):
        return True
    return place.is_relative_to(repo.root) and not repo.tracks(place.relative_to(repo.root).as_posix())


def of_roles(roles: Iterable[Role], environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """What the roles of a program want: models that it names itself, and agents. Raises TrackError."""
    for role in roles:
        if needs_model(role) and role.model:
            yield _of_model(role, environ)
        elif role.kind == "agent":
            yield _of_agent(role, environ)


def _of_model(role: Role, environ: Mapping[str, str]) -> str:
    named = model.named(role.model, environ)
    host = urlsplit(named.url).netloc if named.url else f"the servers of {named.provider}"
    keys = [name for name in model.PROVIDERS[named.provider].keys if environ.get(name)]
    return _need(f"the role '{role.name}' sends briefs, which hold the files that may be edited, to {host}"
                 + (f", with ${' or $'.join(keys)}" if keys else ""))


def _of_agent(role: Role, environ: Mapping[str, str]) -> str:
    call = recipes.understood(role, recipes.load(environ))
    way = recipes.way(call.recipe, environ)
    hosts = sorted(f"{host}:{port}" for host, port in way.allowed) if way else list(call.recipe.hosts)
    keys = sorted(name for name in (*call.recipe.keys, *call.recipe.env, *call.recipe.urls) if environ.get(name))
    reads = [*call.recipe.home, *call.recipe.mounts]
    return _need(f"the role '{role.name}' runs the agent `{' '.join(call.argv)}` in a sandbox"
                 + (f", which reaches {', '.join(hosts)}" if hosts else ", without a network")
                 + (f", gets ${', $'.join(keys)}" if keys else "") + (f", reads {', '.join(reads)}" if reads else ""))


def _need(text: str) -> str:
    """A need as one line that steers no terminal."""
    shown = line(text, MOST_NEED_CHARACTERS)
    if shown == text:
        return text
    return f"{shown} ({hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:16]})"  # another text, another need
