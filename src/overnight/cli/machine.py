"""`overnight doctor` and `overnight completion`: what concerns the machine and the shell, and no track."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from overnight import __version__, sandbox
from overnight.cli.base import JSON_LINES, SANDBOX, main, say, tell
from overnight.cli.word import tried
from overnight.errors import SandboxMissing, how
from overnight.night.place import root
from overnight.views.answers import Finding
from overnight.workers.cores import MACHINE

ROOM = 1 << 30  # bytes of disk below which there is little room for a night
EXTRAS = {"agents": "acp", "charts": "matplotlib", "ideas": "arxiv", "llm": "pydantic_ai", "mcp": "mcp", "notify": "apprise",
          "similarity": "rapidfuzz", "web": "uvicorn"}  # what each brings
HELPERS = ("claude", "codex", "gemini", "opencode", "uv", "podman", "docker", "runsc")  # programs that a track may use
VARIABLE = "_OVERNIGHT_COMPLETE"  # by which the shell asks for words, as click has it
SHELLS = ("bash", "zsh", "fish")


@main.command()
@SANDBOX
@click.option("--notify", multiple=True, metavar="URL", help="Also send a test message to this address, and to those that are "
                                                             "configured.")
@JSON_LINES
@click.pass_context
def doctor(ctx: click.Context, sandbox_name: str, notify: tuple[str, ...], as_json: bool) -> None:
    """Say whether this machine is fit for a night, and what to do where it is not.

    Exit status: 0 where it is, 2 where it is not.
    """
    found = [*_findings(sandbox_name), *(tried(notify) if notify else ())]
    for each in found:
        if as_json:
            say(each)
        else:
            tell(f"{'note' if each.fit is None else 'ok' if each.fit else 'wrong':5}  {each.name}: {each.said}")
    ctx.exit(2 if any(each.fit is False for each in found) else 0)


def _findings(sandbox_name: str) -> Iterator[Finding]:
    """What is looked at, one after the other."""
    yield Finding("overnight", True,
                  f"{__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}")
    git = shutil.which("git")
    yield Finding("git", git is not None, git or "not installed: `sudo apt-get install -y git`, for instance")
    yield from _sandbox(sandbox_name)
    yield Finding("cores", True, f"{len(MACHINE)}, so as many runs of one core at a time")
    yield _room(root())
    missing = [name for name, package in EXTRAS.items() if find_spec(package) is None]
    yield Finding("extras", None,
                  f"not installed: {', '.join(missing)} ({how('NAME')})" if missing else "all")
    found = [name for name in HELPERS if shutil.which(name)]
    yield Finding("programs", None, f"of those that a night can use beside, there are: {', '.join(found) or 'none'}")


def _sandbox(name: str) -> Iterator[Finding]:
    try:
        box = sandbox.choose(name)
    except SandboxMissing as error:
        yield Finding("sandbox", False, str(error))
        return
    yield Finding("sandbox", True, f"{box.name}; {len(box.findings)} attempts to get out of it were stopped")
    advice = sandbox.advice(box)
    yield Finding("counting", None if advice else True, advice or "limits and accounts are the kernel's own")


def _room(place: Path) -> Finding:
    """Whether there is room where states of tracks lie."""
    there = next(each for each in (place, *place.parents) if each.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / 2**30:.1f} GiB are free in {place}"
    advice = "" if free >= ROOM else ": make room, or set XDG_STATE_HOME to another folder"
    return Finding("room", free >= ROOM, said + advice)


@main.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete the commands: bash, zsh or fish.

    `eval "$(overnight completion bash)"` does it for now; put that line into ~/.bashrc to keep it.
    """
    known = get_completion_class(shell)
    assert known is not None
    tell(known(main, {}, "overnight", VARIABLE).source(), page=True)
