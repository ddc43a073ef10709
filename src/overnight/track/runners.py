"""Commands by which tools start a program in a project's environment, as what they start. Pure.

Covered: `uv run`, and those of other tools, with options that take no value. Not covered: what else these tools do, such as
installing what is missing; a run has no network for that.
"""

from __future__ import annotations

from collections.abc import Sequence

RUNNERS = ("uv", "poetry", "pdm", "pipenv", "rye", "pixi", "hatch")
FLAGS = ("--frozen", "--locked", "--no-sync", "--offline", "--quiet", "-q", "--active", "--no-dev", "--")
WARM_FLAGS = frozenset("uB")  # what a Python that is started warm may be told in one letter


def starts_warm(command: Sequence[str]) -> bool:
    """Whether a command starts Python so that it can be started with modules imported: with a file, `-m MODULE` or `-c CODE`,
    and no options but -u and -B."""
    left = [*command[1:]] if command[:1] in (("python",), ("python3",)) else []
    while left and left[0][:1] == "-" and left[0][1:] and set(left[0][1:]) <= WARM_FLAGS:
        left.pop(0)
    return bool(left) and (left[0][:1] != "-" or (left[0] in ("-m", "-c") and len(left) > 1))


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
