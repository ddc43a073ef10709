"""Recipes: how an agent is called, which variables it needs and which hosts it speaks to. `recipes.toml` holds those that
come with Overnight; `~/.config/overnight/recipes.toml` holds the user's own, which go before.

Covered: `program.md` names a recipe or a command, and neither a host nor a variable, for those are not its to give: a
command gets those of the recipe of the same program where that is found on PATH outside the repository, or none.
Not covered: whether the program that is found under that name is the one that was meant.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from overnight.errors import TrackError
from overnight.researchers.agent.gate import Target, target
from overnight.track.roles import Role

SHIPPED = Path(__file__).with_name("recipes.toml")
OWN = "overnight/recipes.toml"  # below the user's folder of configuration
ACP = "acp:"


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of agent.

    command  with {brief}, the brief as a file; without it, the brief is its standard input
    acp      the command that speaks the Agent Client Protocol; "" where there is none
    model    what is added to the command where the role names a model: {provider} and {name} are its halves
    keys     variables that are passed in, of which at least one must be set; none: no key is needed
    env      variables that are passed in where they are set
    urls     variables that are passed in and hold the address of a model's server, which is then allowed
    fixed    variables that it always gets
    hosts    host or host:port that it may reach (443 where nothing is said)
    home     files and folders of the user's home of which it gets a copy
    mounts   further paths that it may read
    note     for people
    """

    command: str = ""
    acp: str = ""
    model: str = ""
    keys: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    fixed: dict[str, str] = {}
    hosts: tuple[str, ...] = ()
    home: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    note: str = ""


class AgentCommand(Struct, frozen=True):
    """What a role runs: the words of a command, whether it speaks the protocol, and its recipe."""

    argv: tuple[str, ...]
    acp: bool
    recipe: Recipe


def load(environ: Mapping[str, str]) -> dict[str, Recipe]:
    """Every recipe by its name. Raises TrackError."""
    home = Path(environ.get("HOME") or "/")
    own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / OWN
    return read(SHIPPED) | (read(own) if own.exists() else {})


def read(path: Path) -> dict[str, Recipe]:
    """The recipes of one file. Raises TrackError."""
    try:
        recipes = msgspec.toml.decode(path.read_bytes(), type=dict[str, Recipe])
        for recipe in recipes.values():
            for host in recipe.hosts:
                target(host)
    except (OSError, ValueError) as error:  # msgspec's errors are among these
        raise TrackError(f"{path} holds no recipes: {str(error).rstrip('.')}.") from error
    return recipes


def understood(role: Role, recipes: Mapping[str, Recipe]) -> AgentCommand:
    """What the `agent` of a role means. Raises TrackError."""
    acp = role.agent.startswith(ACP)
    text = role.agent.removeprefix(ACP).strip()
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise TrackError(f"role '{role.name}': agent = '{role.agent}' is no command: {error}.") from error
    if not words:
        raise TrackError(f"role '{role.name}' says no agent, and it needs to be named: in program.md, like "
                         f"`{role.name}: {{kind: agent, agent: claude}}`; known are {', '.join(recipes)}, and any command.")
    recipe = recipes.get(words[0])
    if len(words) == 1 and recipe is not None:
        words = shlex.split(recipe.acp if acp else recipe.command)
        if not words:
            raise TrackError(f"role '{role.name}': the recipe '{text}' has no {'acp ' if acp else ''}command.")
        provider, _, name = role.model.rpartition(":")
        more = shlex.split(recipe.model) if role.model else []
        words += [word.replace("{provider}", provider).replace("{name}", name) for word in more]
    if recipe is None:
        # the recipe of its program; an empty one where there is none, and for a path, which may lead to anything
        recipe = next((each for each in recipes.values() for command in (each.command, each.acp)
                       if command and shlex.split(command)[0] == words[0]), Recipe())
    return AgentCommand(tuple(words), acp, recipe)


class AgentAccess(Struct, frozen=True):
    """What an agent gets of the user's environment, and the hosts that it reaches.

    env      variables as they are
    allowed  the hosts that it may reach, and whether they may lie on this machine or its network
    routes   variable -> (host:port, an address with {port}): servers without encryption, to which a port inside leads
    """

    env: dict[str, str]
    allowed: dict[Target, bool]
    routes: dict[str, tuple[str, str]]


def way(recipe: Recipe, environ: Mapping[str, str]) -> AgentAccess | None:
    """What the recipe asks for of an environment; None where no key of it is set."""
    env = {name: environ[name] for name in (*recipe.keys, *recipe.env) if environ.get(name)} | recipe.fixed
    addresses = {name: environ[name] for name in recipe.urls if environ.get(name)}
    if recipe.keys and env.keys().isdisjoint(recipe.keys) and not addresses:
        return None
    targets = [target(host) for host in recipe.hosts]  # one that is given as an address may lie anywhere: its user knows where
    allowed = {(host, port): host == "localhost" or ":" in host or host.replace(".", "").isdecimal() for host, port in targets}
    routes = {}
    for name, address in addresses.items():
        (host, port), url, plain = _address(name, address)
        allowed[host, port] = True
        if plain:
            routes[name] = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}", url)
        else:
            env[name] = address
    return AgentAccess(env, allowed, routes)


def _address(name: str, address: str) -> tuple[Target, str, bool]:
    """Where an address leads, the same address by way of 127.0.0.1:{port}, and whether it is without encryption. Raises
    TrackError."""
    try:
        parts = urlsplit(address)
        plain = parts.scheme == "http"
        if not parts.hostname or parts.scheme not in ("http", "https") or parts.username:
            raise ValueError("it is no http address")
        where = (parts.hostname, parts.port or (80 if plain else 443))
    except ValueError as error:
        raise TrackError(f"${name} cannot be used: {error}; write it like http://localhost:11434/v1.") from error
    return where, parts._replace(netloc="127.0.0.1:{port}").geturl(), plain
