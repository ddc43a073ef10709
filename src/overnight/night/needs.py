"""What a track wants of this machine beyond its repository and a sandbox: its needs, a sentence each, for trust.py to grant.

Free are: Overnight's own interpreter, one below /usr, a virtual environment in the repository that git does not track and that
is based on these, data in the repository, sockets to itself, and whatever the user typed on the command line.
Covered: every path outside the repository that a candidate or an agent may read, every host that is sent a brief, every program
of an agent and the names of the variables that it gets; two needs that look alike on a terminal are told apart.
Not covered: what a granted program or host does with what it is given.
Models and agents are imported where a role asks for them: most tracks have none.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from overnight.errors import TrackError
from overnight.execution import mounts
from overnight.night import place
from overnight.repo import Repo
from overnight.track.roles import Role, needs_model
from overnight.track.spec import RunSpec, Track
from overnight.untrusted import line

MOST_NEED_CHARACTERS = 500
SYSTEM = Path("/usr")
MANAGED = ("~/.local/share/uv/python", "~/.pyenv/versions")  # where tools that install Pythons for a user put them


def of_contract(contract: Track, repo: Repo) -> Iterator[str]:
    """What a contract wants beyond its repository. Raises TrackError for what cannot be granted."""
    run = contract.run
    installation = mounts.interpreter(run, repo.folder)[1] if run.python else ()
    data = mounts.named_data(run, repo.folder)
    mounts.keep_secrets((*installation, *data), (place.root(), repo.common))
    for folder in installation:
        if not _is_free_interpreter(folder, repo):
            yield _need(f"candidates and the scorer read and run the Python installation {folder}")
    for path in data:
        if not path.is_relative_to(repo.root):
            yield _need(f"candidates and the scorer read {path}")
    if run.gpus:
        yield "candidates use the machine's GPUs, whose memory other users of them share"


def _is_free_interpreter(folder: Path, repo: Repo) -> bool:
    own = Path(getattr(sys, "_base_executable", sys.executable)).resolve().parent.parent
    real = folder.parent.resolve() / folder.name if folder.is_symlink() else folder.resolve()
    if real.is_relative_to(SYSTEM) or real.is_relative_to(own):
        return True
    return real.is_relative_to(repo.root) and not repo.tracks(real.relative_to(repo.root).as_posix())


def of_environment(python: str, repo: Repo) -> list[str]:
    """What a virtual environment in the repository, by its path there, wants that its user has not chosen: a clone brings
    links, so one that git tracks may want nothing; one that the user made may want a Python that a tool installed for the
    user. Raises TrackError for one that is broken."""
    run = RunSpec(("python",), python=python)
    folders = [each for each in mounts.interpreter(run, repo.folder)[1] if not _is_free_interpreter(each, repo)]
    made = not repo.tracks(f"{repo.prefix}{python}") and not (repo.folder / python).is_symlink()
    managed = [Path(place).expanduser().resolve() for place in MANAGED]
    return [str(each) for each in folders if not (made and any(each.resolve().is_relative_to(place) for place in managed))]


def of_roles(roles: Iterable[Role], environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """What the roles of a program want: models that it names itself, and agents. Raises TrackError."""
    for role in roles:
        if needs_model(role) and role.model:
            yield _of_model(role, environ)
        elif role.kind == "agent":
            yield _of_agent(role, environ)


def _of_model(role: Role, environ: Mapping[str, str]) -> str:
    from overnight.researchers.llm import model
    named = model.named(role.model, environ)
    host = _host(named.url) if named.url else f"the servers of {named.provider}"
    keys = [name for name in model.PROVIDERS[named.provider].keys if environ.get(name)]
    if named.url and model.key(named, environ):
        keys = [model.KEY]
    return _need(f"the role '{role.name}' sends briefs, which hold the files that may be edited, to {host}"
                 + (f", with ${' or $'.join(keys)}" if keys else ""))


def _host(url: str) -> str:
    """The host and port of an address, in the letters in which no two hosts look alike. Raises TrackError."""
    host = urlsplit(url).netloc
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise TrackError(f"{line(host, MOST_NEED_CHARACTERS)} is no host: write the address of a model in ASCII.") from error


def _of_agent(role: Role, environ: Mapping[str, str]) -> str:
    from overnight.researchers.agent import recipes
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
