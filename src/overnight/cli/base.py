"""What all commands share: the group, errors as one sentence, common options."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from overnight import __version__, sandbox
from overnight.errors import OvernightError
from overnight.lab.lab import Lab

FOLDER = click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


SANDBOX = click.option(
    "--sandbox", "sandbox_name", default="bubblewrap", show_default=True,
    help=f"Where the code runs: {', '.join(sandbox.NAMES)}; none is only for code that you trust.")
WORKERS = click.option("--workers", type=click.IntRange(min=1),
                       help="Runs at a time (default: as many as there are cores for).")


class Count(click.ParamType[int]):
    """A number like 500000, 500k or 2M."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The whole number."""
        if isinstance(value, int):
            return value
        text = str(value).strip().lower()
        scale = {"k": 1_000, "m": 1_000_000}.get(text[-1:], 1)
        try:
            found = float(text.rstrip("km")) * scale
        except ValueError:
            found = -1.0
        if not 0 < found < 1e15:
            self.fail(f"{value!r} is no number of tokens: write one like 500k or 2M.", param, ctx)
        return int(found)


class Price(click.ParamType[tuple[float, float]]):
    """IN,OUT in dollars per million tokens."""

    name = "in,out"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Both numbers."""
        try:
            into, out = (float(part) for part in value.split(","))
        except ValueError:
            into = out = -1.0
        if not (0 <= into < 1e6 and 0 <= out < 1e6):
            self.fail(f"{value!r} is no price: write two numbers like 0.25,2.", param, ctx)
        return into, out


class Commands(click.Group):
    """Prints what goes wrong as one sentence, with exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except OvernightError as error:
            click.echo(f"overnight: {error}", err=True)
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="overnight")
def main() -> None:
    """Autonomous research that can be believed.

    Give it a git repository, a number to improve and the files that may be edited. It tries ideas in a sandbox and keeps
    only what a statistical referee shows to be better, on the branch overnight/<track>.
    """


def say(value: Any) -> None:
    """Print one JSON value on a line."""
    click.echo(msgspec.json.encode(value).decode())


@contextmanager
def stopping(lab: Lab, what_now: str = "run it again to go on") -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the loop to stop; a second one ends it as usual."""
    def stop(number: int, _frame: object) -> None:
        lab.stopping = f"stopped by {signal.Signals(number).name}; {what_now}"
        signal.signal(number, before[number])

    before: dict[int, Any] = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
