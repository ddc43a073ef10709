"""Commands at the beginning and the end: init, check, merge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import click
from msgspec.structs import replace

from overnight import files, sandbox
from overnight.cli.base import DONE, FOLDER, RUNG, SANDBOX, apart, main, tell
from overnight.cli.trust import allowed, wanted
from overnight.contracts import Direction, KeepsWarm, Sandbox
from overnight.errors import SandboxMissing, TrackError
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, Measurement
from overnight.night import check as checking
from overnight.night import costs, counting, hostile, layouts, missing, offers, seeds
from overnight.night.contact import Contact, Told
from overnight.night.effects import LOGS, keep_logs
from overnight.night.session import Session
from overnight.track import init as starting
from overnight.track import neighbours, ready, spec
from overnight.track.contact import project
from overnight.track.load import load, text_of
from overnight.track.seeding import by_hand, patch, recorded, warned
from overnight.track.seeding.place import Place
from overnight.views.experiment import experiment, look_first
from overnight.workers.cores import MACHINE, available


@main.command()
@FOLDER
@click.option("--from", "source", default="", metavar="DIR|NAME",
              help="A ready track by its name, a project that is laid out for OpenEvolve, ShinkaEvolve, pi-autoresearch or "
                   "autoresearch, which is copied into FOLDER or taken where it is, or a notebook of FOLDER.")
@click.option("--run", "command", default="", metavar="COMMAND", help="What to run, if it cannot be found out.")
@click.option("--edit", multiple=True, metavar="GLOB", help="A file or glob that may be edited; may be given several times.")
@click.option("--metric", default="", help="Name of the number that the code prints, if it cannot be found out.")
@click.option("--pattern", default="", help="Regular expression with one group, which finds the number in the output.")
@click.option("--direction", type=click.Choice(["minimize", "maximize"]), help="Which way the number improves.")
@click.option("--entry", default="", help="The Python file to run and to improve, if it cannot be found out.")
@click.option("--seed", is_flag=True, help="Connect the seeds that the program fixes to $OVERNIGHT_SEED, in its own files; "
                                           "also where there is a track.toml already.")
@SANDBOX
@DONE
@click.pass_context
def init(ctx: click.Context, folder: Path, source: str, command: str, edit: tuple[str, ...], metric: str, pattern: str,
         direction: Direction | None, entry: str, seed: bool, sandbox_name: str) -> None:
    """Run a repository's program once, and write track.toml and program.md for what it prints."""
    book = _inside(source, folder) if source.endswith(".ipynb") else ""
    if source and not book:
        given = ctx.get_parameter_source("folder") is not click.core.ParameterSource.DEFAULT
        folder = _taken(source, folder if given else None)
    session = Session(folder)
    there = files.present(folder, spec.FILE)
    if there and source in ready.names():
        tell(f"{folder} is a track: `overnight check {folder}`, then `overnight run {folder} --for 8h`")
        return
    if there and not seed:
        raise TrackError(f"{folder / spec.FILE} exists already: edit it, or remove it and run `overnight init` again.")
    if not there:
        _begin(folder, session, Told(command, edit, metric, pattern, direction, entry), sandbox_name, book)
    _connect(folder, seed)


def _taken(source: str, folder: Path | None) -> Path:
    """The folder of a track that was begun elsewhere. Raises TrackError."""
    if source in ready.names():
        layouts.laid_out(source, to := folder or Path(source))
        return to
    if not Path(source).is_dir():
        raise TrackError(f"--from {source}: there is no such folder, and no ready track of that name "
                         f"({', '.join(ready.names())}).")
    if folder is None or folder.resolve() == Path(source).resolve():
        return apart(Path(source))
    layouts.copied(Path(source), folder)
    return folder


def _connect(folder: Path, wanted: bool) -> None:
    """Say where the program fixes its own seed, or connect it to $OVERNIGHT_SEED where that is `wanted`."""
    fixed, texts = seeds.on_disk(folder, load(folder))
    if wanted:
        for sentence in seeds.connect(folder, fixed, texts) or ["no fixed seed was found, so nothing was changed"]:
            tell(sentence)
        if fixed:
            tell("without $OVERNIGHT_SEED the program does what it did; look at `git diff`, commit it (git commit -a), and "
                 "begin anew (`overnight run --restart`) where a night was run before")
    elif fixed:
        tell(f"warning: {warned(recorded(fixed))}")


def _inside(source: str, folder: Path) -> str:
    """The path of a notebook in the folder. Raises TrackError."""
    place = Path(source).resolve()
    if not place.is_file() or not place.is_relative_to(folder.resolve()):
        raise TrackError(f"--from {source}: there is no such notebook in {folder.resolve()}.")
    return place.relative_to(folder.resolve()).as_posix()


def _begin(folder: Path, session: Session, told: Told, sandbox_name: str, book: str) -> None:
    box: Sandbox | None = None
    try:
        box = sandbox.choose(sandbox_name)
    except SandboxMissing as error:
        tell(f"note: nothing is run, and what the program prints is read in its text: {error}", err=True)
    layout, beside = None, dict[str, str]()
    if not (told.run or told.entry):
        texts = layouts.texts_of(folder)
        layout = None if book else neighbours.known(texts)
        beside = layouts.caller(layout)
        if layout is not None:
            calls = f", whose evaluator {neighbours.CALLER} calls without it" if beside else ""
            tell(f"this is laid out for {layout.tool}{calls}")
        elif book or not project.proposals(texts):
            book, beside = layouts.notebook(folder, book)
            told = told._replace(entry=next(iter(beside), ""))
            if book:
                tell(f"{told.entry} has the code of {book} as a script, which is what is run and improved")
    with layouts.placed(folder, beside) as made:
        found, sentences = Contact(session, box, told, tell, layout).met()
        made += [path.relative_to(folder).as_posix() for path in starting.write(folder, found)]
    for name in made:
        tell(f"wrote {folder / name}")
    session.place.make()
    wants = wanted(session, load(folder))
    session.trust.grant(wants)  # its user looks at what was written, and commits it
    for need in wants:
        tell(f"granted: {need}")
    for sentence in sentences:
        tell(sentence)
    tell(f"look at track.toml, commit it (git add {' '.join(sorted({*made, 'program.md'}, reverse=True))}; git commit), then "
         "`overnight check`.")


@main.command()
@FOLDER
@SANDBOX
@DONE
def check(folder: Path, sandbox_name: str) -> None:
    """Load the contract, run the baseline, say what a run costs, how noisy it is, and what is wrong.

    It also tries whether the scorer can be fooled, by candidates that are broken and by results that no honest run leaves."""
    contract = load(folder)
    box = sandbox.choose(sandbox_name, contract.run.gpus)
    session = Session(folder)
    allowed(session, contract)
    counting.require(contract, box)
    commit = session.commit_to_judge()
    if isinstance(box, KeepsWarm):
        box.say = tell
    with session.scratch(), closing(Runner(contract, session.repo, box, commit, session.home)) as runner:
        cores = available()[:contract.run.cpus]
        found = checking.attempt(commit, partial(_measured, session, runner, cores))
        fixed, texts = seeds.at(session.repo, commit, contract, text_of(folder))
        last, lacks = found[-1], ""
        if checking.broken(found):
            lacks = missing.why(contract, session.repo, last.reason, last.logs.get("run", b""))
        for sentence in checking.words(contract, found, max(1, len(MACHINE) // contract.run.cpus), recorded(fixed), lacks):
            tell(sentence)
        if checking.one_number(contract, found) and fixed:
            if patch(fixed, texts):
                tell("this is what `overnight init --seed` changes:")
            _tell_change(fixed, texts)
        wrong = checking.broken(found)
        if not wrong:
            well = checking.good(found)
            for sentence in _costs(contract, runner, well, cores):
                tell(sentence)
            attacked = hostile.attack(contract, runner, hostile.baseline(contract, well, _kept(runner, well[0].job)), cores)
            for sentence in checking.attack_words(attacked):
                tell(sentence)
            wrong = any(each.wrong for each in attacked.findings)
    if advice := sandbox.advice(box):
        tell(f"note: {advice}", err=True)
    if wrong:
        raise TrackError("this track is not ready: mend what is wrong, commit, and check again.")


def _costs(contract: spec.Track, runner: Runner, well: list[Measurement], cores: tuple[int, ...]) -> Iterator[str]:
    """What imports take of a run, and audits of its scoring, where there is something to save."""
    run, job = costs.itself(well), well[0].job
    if run >= costs.NOTABLE_SECONDS and not contract.run.preload and contract.can_start_warm(contract.run):
        modules = runner.importing(job.commit, costs.MOST_IMPORTING, cores)
        yield from filter(None, [costs.of_imports(modules, run)])
    if not contract.audits_always:
        turns = costs.OFTEN if well[0].busy < costs.QUICK else 1
        audited, plain = (min((runner.score(replace(job, audited=audits), _kept(runner, job), cores) for _ in range(turns)),
                              key=lambda made: made.busy) for audits in (True, False))
        name = contract.metric.name
        yield from costs.of_audits(contract, audited, plain, well[0].metrics[name] == well[1].metrics[name])


def _kept(runner: Runner, job: Measure) -> Path:
    """Where the artefacts of a run of the baseline lie."""
    return runner.artifacts / f"baseline-{job.run}"


def _measured(session: Session, runner: Runner, cores: tuple[int, ...], job: Measure) -> Measurement:
    """One run, its logs and artefacts kept."""
    result = runner.measure(job, cores, keep=_kept(runner, job))
    keep_logs(session.home / LOGS, result)
    return result


def _tell_change(fixed: list[Place], texts: dict[str, str]) -> None:
    """The change that connects fixed seeds, as a diff, and what is left to do by hand."""
    if change := patch(fixed, texts):
        tell(change.rstrip("\n"), page=True)
    for sentence in by_hand(fixed, texts):
        tell(f"by hand: {sentence}")


@main.command()
@FOLDER
@RUNG
@click.option("--as", "form", type=click.Choice(("merge", "pr", "branches")), default="merge", show_default=True,
              help="merge: into the branch that is checked out; pr: one new branch with a commit for each keep; branches: a "
                   "new branch for each keep, on top of the one that it builds on.")
@DONE
def merge(folder: Path, rung: str, form: str) -> None:
    """Merge what was kept into the branch that is checked out, or offer it for review."""
    session = Session(folder, rung=rung)
    state = session.read(whole=True)
    session.verify()
    if not state.frontier:
        raise TrackError("nothing was kept yet, so there is nothing to merge.")
    if form == "merge":
        tell(session.repo.merge(session.branch, session.state.commit), page=True)
    else:
        for each in (offers.apart if form == "branches" else offers.stacked)(session.state, session.repo):
            keeps = ", ".join(f"#{number}" for number in (each.keeps[-1:] if each.on else each.keeps))
            tell(f"{each.branch}  {each.commit[:7]}  {keeps}" + (f", on {each.on}" if each.on else ""))
    if leaps := look_first([experiment(session.state, each) for each in session.state.chain()]):
        tell(f"note: {leaps}.")
