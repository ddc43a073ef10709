"""The command `overnight`: wiring only. Each command opens a session, calls one thing, prints what it says."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from overnight import __version__, auditor, loop, sandbox, scaffold, track, trial
from overnight.audit import Audit, Plan, conclude
from overnight.contracts import Sandbox
from overnight.errors import OvernightError, TrackError
from overnight.events import Measured, Started, Stopped
from overnight.lab import Lab
from overnight.proposing import Budget
from overnight.report import audited, evidence, overfitting, summary
from overnight.report.live import Count, Lines, Panel
from overnight.runner import Runner
from overnight.runs import Experiment
from overnight.session import Hands, Session
from overnight.workers.local import LocalWorkers, available

FOLDER = click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
AUDIT = "audit.json"  # in the track's folder for what Overnight writes
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


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


# ---- run -------------------------------------------------------------------------------------------------------


@main.command()
@FOLDER
@click.option("--for", "lasting", metavar="8h", help="Start nothing new after this time, like 90s, 30min or 8h.")
@click.option("--experiments", type=click.IntRange(min=1), help="Try at most so many in this session.")
@click.option("--workers", type=click.IntRange(min=1), help="Runs at a time (default: as many as there are cores for).")
@click.option("--sandbox", "sandbox_name", default="bubblewrap", show_default=True,
              help=f"Where candidates run: {', '.join(sandbox.NAMES)}; none is only for code that you trust.")
@click.option("--researcher", "names", multiple=True, help="Who proposes (default: the team in program.md).")
@click.option("--restart", is_flag=True, help="Begin the track anew at the commit that is checked out.")
def run(folder: Path, lasting: str | None, experiments: int | None, workers: int | None, sandbox_name: str,
        names: tuple[str, ...], restart: bool) -> None:
    """Try ideas until the time is over; Ctrl-C stops, running it again goes on."""
    until = time.monotonic() + track.seconds(lasting) if lasting else None
    session = Session(folder)
    box = sandbox.choose(sandbox_name, track.load(folder).run.gpus)
    with session.writing(again=restart) as lab:
        cpus = lab.track.run.cpus
        benches = workers or max(1, len(available()) // cpus)
        lab.benches, lab.researchers = benches, names or lab.researchers
        for note in _notes(session, lab, benches * cpus, sandbox.advice(box)):
            click.echo(note, err=True)
        hands = Hands(session, box)
        session.record([Started(time.time(), benches, box.name, __version__, lab.researchers, box.identity, box.findings)])
        places = LocalWorkers(hands.work, benches, cpus)
        with _stopping(lab):
            _night(session, lab, hands, places, Budget(until, experiments))
        session.agree()
    _say_end(lab)


def _night(session: Session, lab: Lab, hands: Hands, places: LocalWorkers, budget: Budget) -> None:
    """The loop between its two records."""
    console = Console()
    view = Panel(lab, console, list(places.places), budget.until) if console.is_terminal else Lines(lab, console)
    began, pace = time.monotonic(), loop.Pace()
    try:
        with view:
            late = lab.begin(budget, time.time())
            session.journal.extend(late)
            for event in late:
                hands.follow(event)
            pace = loop.run(lab, places, session.journal, hands.follow, view)
    finally:
        lasted = time.monotonic() - began
        places.close()
        why = lab.why(time.monotonic())
        session.record([Stopped(time.time(), lasted, why, *pace.means())])
        console.print(f"ended: {why or 'broken off'}", markup=False, highlight=False, soft_wrap=True)
    if lab.problem:
        raise TrackError(f"{lab.problem.rstrip('.')}; nothing is lost, so mend it and run again.")


def _notes(session: Session, lab: Lab, cores: int, advice: str) -> Iterator[str]:
    """What a user may not expect of this night."""
    if advice:
        yield f"note: {advice}"
    head = session.repo.head()
    if head not in session.own_commits():
        yield (f"note: you are at {head[:7]}, which this track does not know; it goes on from {lab.commit[:7]} "
               "(`--restart` begins anew at your commit)")
    if cores > len(available()):
        yield f"note: these workers want {cores} cores and there are {len(available())}, so runs will disturb each other"


@contextmanager
def _stopping(lab: Lab, what_now: str = "run it again to go on") -> Iterator[None]:
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


def _say_end(lab: Lab) -> None:
    state = summary.status(lab)
    unit = f" {state['unit']}" if state["unit"] else ""
    click.echo(f"{state['experiments']} experiments, {state['kept']} kept: {state['metric']} "
               f"{summary.number(state['baseline'], 5)} -> {summary.number(state['frontier'], 5)}{unit} "
               f"on branch {state['branch']}" + "".join(f" ({m})" for m in state["marks"]))


# ---- looking ---------------------------------------------------------------------------------------------------


@main.command()
@FOLDER
@JSON
def status(folder: Path, as_json: bool) -> None:
    """Where a track stands."""
    lab = Session(folder).read()
    state = summary.status(lab)
    if as_json:
        say(state | {"holdout": overfitting.numbers(lab)})
        return
    state |= {"holdout": overfitting.sentence(lab)} if lab.track.holdout else {}
    for name, value in state.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else \
            ", ".join(value) if isinstance(value, list) else summary.number(value, 5) if isinstance(value, float) else value
        click.echo(f"{name:18} {shown if shown not in (None, '') else '–'}")


@main.command()
@FOLDER
@JSON
@click.option("--verify", is_flag=True, help="Check the journal's chain of hashes and that the branch agrees with it.")
def log(folder: Path, as_json: bool, verify: bool) -> None:
    """Every experiment with its verdict, oldest first."""
    session = Session(folder)
    lab = session.read()
    if verify:
        _verify(session, lab)
        return
    for experiment in lab.experiments.values():
        if as_json:
            say(summary.record(lab, experiment))
        else:
            click.echo(f"{experiment.commit[:7]} {summary.line(lab, experiment)}")


def _verify(session: Session, lab: Lab) -> None:
    count, head = session.journal.head
    tip = session.repo.tip(session.branch)
    if tip != lab.commit:
        raise TrackError(f"the journal is whole, but the branch {session.branch} is at {(tip or 'nothing')[:7]} "
                         f"where the journal says {lab.commit[:7]}: `overnight run` puts it right.")
    click.echo(f"{count} records, chain whole, branch agrees; head {head}")


@main.command()
@click.argument("experiment", metavar="ID")
@FOLDER
@JSON
def show(experiment: str, folder: Path, as_json: bool) -> None:
    """One experiment (its number or commit): diff, runs, verdict with its evidence, end of its log."""
    session = Session(folder)
    lab = session.read()
    chosen = _chosen(lab, experiment)
    found = evidence.gather(lab, chosen, list(session.journal.replay()), session.home / "logs")
    if as_json:
        say(found)
    else:
        click.echo(evidence.words(lab, chosen, found))


def _chosen(lab: Lab, name: str) -> Experiment:
    number = name.removeprefix("#")
    found = [e for e in lab.experiments.values() if str(e.id) == number or (len(name) >= 4 and e.commit.startswith(name))]
    if not found:
        raise TrackError(f"there is no experiment {name}: `overnight log` lists them.")
    return found[0]


@main.command()
@FOLDER
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.")
def report(folder: Path, to: Path | None) -> None:
    """Write results.tsv, report.md, progress.svg and progress.png."""
    from overnight.report import morning  # matplotlib takes half a second to import

    session = Session(folder)
    lab = session.read()
    for path in morning.write(lab, to or session.home / "report", audited.load(session.home / AUDIT, lab)):
        click.echo(path)


# ---- auditing --------------------------------------------------------------------------------------------------


@main.command()
@FOLDER
@JSON
@click.option("--seeds", type=click.IntRange(min=2), default=20, show_default=True,
              help="Run each commit on so many fresh seeds.")
@click.option("--workers", type=click.IntRange(min=1), help="Runs at a time (default: as many as there are cores for).")
@click.option("--sandbox", "sandbox_name", default="bubblewrap", show_default=True,
              help=f"Where the code runs: {', '.join(sandbox.NAMES)}; none is only for code that you trust.")
def audit(folder: Path, as_json: bool, seeds: int, workers: int | None, sandbox_name: str) -> None:
    """Check a night: measure what was kept again on fresh seeds, together and by leaving each keep out."""
    session = Session(folder)
    box = sandbox.choose(sandbox_name, track.load(folder).run.gpus)
    with session.scratch():
        lab = session.read()
        if not lab.frontier:
            raise TrackError("nothing was kept yet, so there is nothing to audit.")
        with _stopping(lab, "nothing was written, so run it again from the start"):
            found = _audit(session, lab, box, seeds, workers or max(1, len(available()) // lab.track.run.cpus))
        if as_json:
            say(found)
        else:
            for text in audited.lines(found):
                click.echo(text)
        audited.save(found, session.home / AUDIT)


def _audit(session: Session, lab: Lab, box: Sandbox, seeds: int, benches: int) -> Audit:
    """Plan, say what it will take, measure, conclude."""
    measured = [e for e in session.journal.replay() if isinstance(e, Measured)]
    fresh = auditor.draw(seeds, measured)
    marks = list(dict.fromkeys([*summary.marks(lab), *["unsandboxed"] * (box.name == "none")]))
    lab.researchers = ()  # nothing is proposed
    hands = Hands(session, box)
    hands.runner.logs = audited.folder(session.home / "audit")  # the night's own logs stay as they are
    with auditor.planned(lab, session.repo, lab.chain(), fresh, marks) as plan:
        console = Console(stderr=True)
        console.print(_expected(plan, measured, benches), markup=False, highlight=False, soft_wrap=True)
        places = LocalWorkers(hands.work, benches, lab.track.run.cpus, desks=0)
        try:
            with Count(len(plan.commits) * seeds, console) as count:
                runs = auditor.measure(plan, places, lambda: bool(lab.stopping), count)
        finally:
            places.close()
    if lab.stopping:
        raise TrackError(f"{lab.stopping}.")
    return conclude(plan, runs, time.time())


def _expected(plan: Plan, measured: list[Measured], benches: int) -> str:
    """How many runs there will be, and about how long they take."""
    runs = len(plan.commits) * len(plan.seeds)
    each = statistics.median(e.busy + sum(e.overhead.values()) for e in measured) if measured else 0.0
    return (f"audit of {plan.track}: {len(plan.commits)} commits on {len(plan.seeds)} fresh seeds are {runs} runs, about "
            f"{summary.duration(each * -(-runs // benches))} with {benches} at a time")


# ---- beginning and ending --------------------------------------------------------------------------------------


@main.command()
@FOLDER
@click.option("--metric", default="", help="Name of the number that the code prints, if it cannot be found out.")
@click.option("--entry", default="", help="The Python file to run and to improve, if it cannot be found out.")
def init(folder: Path, metric: str, entry: str) -> None:
    """Write track.toml and program.md for a repository."""
    Session(folder)
    if (folder / track.FILE).exists():
        raise TrackError(f"{folder / track.FILE} exists already: edit it, or remove it and run `overnight init` again.")
    found = scaffold.look(folder, metric, entry)
    for path in scaffold.write(folder, found):
        click.echo(f"wrote {path}")
    click.echo(f"{found.editable} may be edited to {found.direction} {found.metric}; look at track.toml, commit it "
               "(git add track.toml program.md; git commit), then `overnight check`.")


@main.command()
@FOLDER
@click.option("--sandbox", "sandbox_name", default="bubblewrap", show_default=True,
              help=f"Where candidates run: {', '.join(sandbox.NAMES)}; none is only for code that you trust.")
def check(folder: Path, sandbox_name: str) -> None:
    """Load the contract, run the baseline, say what a run costs, how noisy it is, and what is wrong."""
    contract = track.load(folder)
    box = sandbox.choose(sandbox_name, contract.run.gpus)
    session = Session(folder)
    commit = session.commit_to_judge()
    with session.scratch():
        runner = Runner(contract, session.repo, box, commit, session.home)
        found = trial.attempt(contract, commit, lambda job: runner.measure(job, tuple(available()[:contract.run.cpus])))
    benches = max(1, len(available()) // contract.run.cpus)
    for sentence in trial.words(contract, found, benches):
        click.echo(sentence)
    if advice := sandbox.advice(box):
        click.echo(f"note: {advice}", err=True)
    if not found.metric:
        raise TrackError("this track is not ready: mend what is wrong, commit, and check again.")


@main.command()
@FOLDER
def merge(folder: Path) -> None:
    """Merge what was kept into the branch that is checked out."""
    session = Session(folder)
    lab = session.read()
    if not lab.frontier:
        raise TrackError("nothing was kept yet, so there is nothing to merge.")
    click.echo(session.repo.merge(session.branch))


if __name__ == "__main__":
    main()
