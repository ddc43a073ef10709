"""What all commands share: the group, errors as one sentence, common options."""

from __future__ import annotations

import codecs
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from overnight import __version__
from overnight.errors import OvernightError
from overnight.report.folding import folded, width
from overnight.untrusted import clean, escaped, flat

if TYPE_CHECKING:
    from overnight.lab.lab import Lab


def apart(folder: Path) -> Path:
    """The folder that a command is given. Every program is taken from outside its work tree from then on, whatever the user's
    search path holds: git, the sandbox, agents."""
    top = folder.resolve()
    root = next((place for place in (top, *top.parents) if (place / ".git").exists()), top)
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(
        place for place in places if place.startswith("/") and not Path(place).resolve().is_relative_to(root))
    return folder


FOLDER = click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False),
                        callback=lambda _ctx, _param, folder: apart(folder))
RUNG = click.option("--rung", default="", metavar="NAME", help="A rung of [ladder], in place of the track itself.")
OBJECT, OBJECTS = "Print JSON, for programs: one object.", "Print JSON, for programs: one object a line."
JSON = click.option("--json", "as_json", is_flag=True, help=OBJECT)
JSON_LINES = click.option("--json", "as_json", is_flag=True, help=OBJECTS)
SAID = "overnight.said"  # what a command told so far, in its context, where that is printed at its end as one object


def _collect(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    """From here on what is told is kept, and printed as one object when the command ends, well or not."""
    if not wanted:
        return
    told: list[str] = ctx.meta.setdefault(SAID, [])

    def end() -> None:
        from overnight.views.answers import Done
        del ctx.meta[SAID]
        if told:
            say(Done(tuple(told)))

    ctx.call_on_close(end)


DONE = click.option("--json", is_flag=True, expose_value=False, callback=_collect, help=OBJECT)


SANDBOXES = ("bubblewrap", "podman", "docker", "gvisor", "none")
SANDBOX = click.option(
    "--sandbox", "sandbox_name", default="bubblewrap", show_default=True,
    help=f"Where the code runs: {', '.join(SANDBOXES)}; none is only for code that you trust.")
WORKERS = click.option("--workers", type=click.IntRange(min=1),
                       help="Runs at a time (default: as many as there are cores for).")


def count(value: Any) -> int:
    """A number like 500000, 500k or 2M, as an option's type."""
    text = str(value).strip().lower()
    try:
        found = float(text.rstrip("km")) * {"k": 1_000, "m": 1_000_000}.get(text[-1:], 1)
    except ValueError:
        found = -1.0
    if not 0 < found < 1e15:
        raise click.BadParameter(f"{value!r} is no number of tokens: write one like 500k or 2M.")
    return int(found)


def price(value: str) -> tuple[float, float]:
    """IN,OUT in dollars per million tokens, as an option's type."""
    try:
        into, out = (float(part) for part in value.split(","))
    except ValueError:
        into = out = -1.0
    if not (0 <= into < 1e6 and 0 <= out < 1e6):
        raise click.BadParameter(f"{value!r} is no price: write two numbers like 0.25,2.")
    return into, out


COMMANDS = {  # name -> the module that has it, and what it does: `--help` loads none of them
    "audit": ("audit", "Check a night: measure what was kept again on fresh seeds, together and by leaving each keep out."),
    "brief": ("look", "What a researcher needs to know, on one page: goal, boundary, frontier, what was tried, ideas, budget."),
    "check": ("begin", "Load the contract, run the baseline, say what a run costs, how noisy it is, and what is wrong."),
    "climb": ("climb", "Confirm what was kept at the larger sizes of [ladder], one rung after the other."),
    "completion": ("machine", "Print what makes a shell complete the commands: bash, zsh or fish."),
    "demo": ("demo", "Improve a small language model in a new FOLDER; Ctrl-C ends it, with a report."),
    "doctor": ("machine", "Say whether this machine is fit for a night, and what to do where it is not."),
    "explain": ("audit", "Say what each part of a kept change is worth: it is left out, and both are run on fresh seeds."),
    "export": ("export", "Write what was tried for pandas, spreadsheets, MLflow or Weights & Biases."),
    "idea": ("outside", "The queue of ideas, from people, models, papers and repositories."),
    "init": ("begin", "Run a repository's program once, and write track.toml and program.md for what it prints."),
    "journal": ("journal", "The record of a track: take it into a database, and out of it again."),
    "log": ("look", "Every experiment with its verdict, oldest first."),
    "mcp": ("serving", "Serve brief, try, show, log and ideas to agents, over the Model Context Protocol."),
    "merge": ("begin", "Merge what was kept into the branch that is checked out, or offer it for review."),
    "metric": ("metric", "Further metrics: what is suggested, what you grant, and what was kept measured by it."),
    "pause": ("outside", "Start nothing new until `overnight resume`; what runs goes on to its end."),
    "program": ("program", "The versions of program.md that the journal knows, and the one in force."),
    "report": ("look", "Write the report as a page and as markdown, with its pictures."),
    "resume": ("outside", "Go on after a pause."),
    "run": ("night", "Try ideas until the time is over; Ctrl-C stops, running it again goes on."),
    "serve": ("serving", "Show tracks in a browser, while nights are at work and after."),
    "show": ("look", "One experiment (its number or commit): diff, runs, verdict with its evidence, end of its log."),
    "status": ("look", "Where a track stands."),
    "stop": ("outside", "End the night that is at work; `overnight run` goes on from there."),
    "trust": ("trust", "Show what a track wants of this machine, and grant it."),
    "try": ("outside", "Have the present change of a work tree measured, wait, and print the verdict."),
    "veto": ("outside", "Take back a commit that was kept. What was kept after it is confirmed anew without it."),
    "where": ("where", "Say where the state of a track lies: its journal, logs and reports."),
}


SIGNS = {"·": "-", "–": "-", "—": "-", "…": ".", "→": "->", "±": "+-", "×": "x", "≤": "<=", "≥": ">=", "’": "'", "µ": "u"}
ROOM, RIGHTS = "make room and run again", "make it yours to read and write, or set XDG_STATE_HOME to another folder"
TEMPORARY = "set TMPDIR to a folder in which files can be written"
ADVICE = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), ROOM) \
    | dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), RIGHTS)


class Commands(click.Group):
    """Loads a command when it is called; prints what goes wrong as one sentence, with exit status 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`, after loading its module."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            importlib.import_module(f"overnight.cli.{COMMANDS[cmd_name][0]}")
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands for the help, without loading any."""
        limit = formatter.width - 6 - max(map(len, COMMANDS))
        with formatter.section("Commands"):
            formatter.write_dl([(name, click.Command(name, help=text).get_short_help_str(limit))
                                for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except OvernightError as error:
            tell(f"overnight: {error}", err=True)
            ctx.exit(2)
        except OSError as error:
            advice = TEMPORARY if "temporary directory" in str(error) else ADVICE.get(error.errno or 0)
            if advice is None:
                raise
            tell(f"overnight: {error.filename or 'a file'} cannot be used ({error.strerror}): {advice}.", err=True)
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="overnight")
def main() -> None:
    """Autonomous research that can be believed.

    Give it a git repository, a number to improve and the files that may be edited. It tries ideas in a sandbox and keeps
    only what a statistical referee shows to be better, on the branch overnight/<track>.
    """
    codecs.register_error("overnight", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="overnight")  # a locale that lacks a sign shows another one


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """What stands for signs that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SIGNS.get(sign, "?") for sign in error.object[error.start:error.end]), error.end


def tell(text: object, err: bool = False, page: bool = False) -> None:
    """Print a line, or a `page` of them. Whatever it quotes, nothing reaches the terminal that it would obey."""
    shown, context = clean(str(text)) if page else flat(str(text)), click.get_current_context(silent=True)
    if context and not err and SAID in context.meta:
        context.meta[SAID].append(shown)
    else:
        click.echo(shown if page else folded(shown, width(sys.stderr if err else sys.stdout)), err=err)


def say(value: Any) -> None:
    """Print one JSON value on a line, with what cannot be seen as \\u escapes."""
    import msgspec
    click.echo(escaped(msgspec.json.encode(value).decode()))


@contextmanager
def stopping(lab: Lab, what_now: str = "run it again to go on") -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the loop to stop; a second one ends it as usual."""
    def stop(number: int, _frame: object) -> None:
        lab.stop(f"stopped by {signal.Signals(number).name}; {what_now}")
        signal.signal(number, before[number])

    before: dict[int, Any] = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
