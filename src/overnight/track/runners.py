"""Commands by which tools start a program in a project's environment, as what they start. Pure.

Covered: `uv run`, and those of other tools, with options that take no value. Not covered: what else these tools do, such as
installing what is missing; a run has no network for that.
"""

from __future__ import annotations

from collections.abc import Sequence

RUNNERS = ("uv", "poetry", "pdm", "pipenv", "rye", "pixi", "hatch")
FLAGS = ("--frozen", "--locked", "--no-sync", "--offline", "--quiet", "-q", "--active", "--no-dev", "--")


def direct(command: Sequence[str]) -> tuple[str, ...]:
    """What is started, with `python` for the environment's own: `uv run train.py` is `python train.py`. The command itself
    where it is none of these, or has other options."""
    whole = tuple(command)
    if len(whole) < 3 or whole[0] not in RUNNERS or whole[1] != "run":
        return whole
    rest = list(whole[2:])
    while rest and rest[0] in FLAGS:
        rest.pop(0)
    if not rest or (rest[0].startswith("-") and rest[0] not in ("-m", "--module")):
        return whole
    if rest[0] in ("-m", "--module"):
        return ("python", "-m", *rest[1:])
    return ("python", *rest) if rest[0].endswith(".py") else tuple(rest)
