"""One run: a commit's tree -> sandbox -> artefacts -> (oracle and) scorer, each in its own sandbox -> metrics.

Covered: the metric comes from the scorer, which runs from the contract's own files; the candidate's process is dead, or
in another sandbox, when it is computed; artefacts are data that is hashed before the scorer reads them.
Not covered: a scorer that trusts its artefacts (see overnight.scoring, which does not).
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

import overnight
from overnight import files
from overnight.contracts import Accounting, Command, Ended, Executed, KeepsWarm, Limits, Process, Sandbox, Warm
from overnight.errors import Fault, TrackError
from overnight.execution import builds, editables, executed, importing, mounts, null_edits, starved
from overnight.execution.ahead import Ahead
from overnight.execution.metrics import Invalid, read_metrics, reported, self_reported, succeeded, within
from overnight.execution.oracle import Judging
from overnight.lab.events import Outcome
from overnight.lab.jobs import MOST_LOG_BYTES, Log, LogKind, Measure, Measurement, sealed
from overnight.referee.curves import CurveWatch
from overnight.referee.kinds.timing import is_duration
from overnight.repo import Repo
from overnight.track import runners
from overnight.track.spec import TIMES, Build, RunSpec, Score, Step, Track
from overnight.track.units import seconds, size

LIBRARY = Path(overnight.__file__).resolve().parent  # scorers may use overnight.scoring, whatever their interpreter
HELD = ("calibrate", "confirm")  # stages whose runs are scored on the holdout as well
_PAIRED: dict[LogKind, LogKind] = {"run": "paired", "score": "paired-score"}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
WARM_HASHSEED = "0"  # PYTHONHASHSEED of a track whose Python is warm, in every run: it is settled when Python begins
SPENT = {"sandbox of the run": "run", "sandbox of the scorer": "scoring"}  # what the seconds of a payload in these are called
MOST_SLEPT = 1.0  # seconds of a run for which the machine may seem to sleep, because two clocks are not read at once
Becomes = Callable[[tuple[str, ...]], tuple[str, ...]]  # a command, and what is run in its place


class Runner:
    """Measures commits of one track. `home` holds trees and artefacts; `contract` is the commit whose scorer judges."""

    def __init__(self, track: Track, repo: Repo, sandbox: Sandbox, contract: str, home: Path) -> None:
        self.track, self.repo, self.sandbox, self.contract = track, repo, sandbox, contract
        self.trees, self.artifacts = home / "trees", home / "artifacts"
        for folder in (self.trees, self.artifacts):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock, self._using, self._doomed = threading.Lock(), Counter[str](), set[str]()
        metric, guards = track.metric, {guard.metric for guard in track.guard}
        self.timed = (metric.kind == "timing" or (metric.kind == "auto" and is_duration(metric.name, (), ()))
                      or bool(TIMES & {metric.name, *guards}))  # then nothing else may go on beside a run
        self.proven = set[str]()  # commits in whose trees all that the contract requires ended well
        repo.refuse_filters(contract, track)
        self.python, self.mounts = mounts.interpreter(track.run, repo.folder)
        self.data = mounts.data(track.run, repo.folder)
        self.home, self.links = mounts.home(track.run)
        self.imports = editables.folders(Path(self.python), repo.root)
        mounts.keep_secrets((*self.mounts, *self.data), (home.resolve(), repo.common,
                                                   *((repo.folder / p).resolve() for p in track.private)))
        self.builds = None if track.build is None else builds.Builds(track.build, home, repo.prefix, builds.environment(
            self.python, (*self.mounts, *self.data), sandbox.name))
        self.warm, self.warm_scorer = self._warm()

    # -- warm starts --

    def _warm(self) -> tuple[Warm | None, Warm | None]:
        """What the candidate's Python has imported, and the scorer's; None where they start as they are."""
        track = self.track
        if not track.warm:
            return None, None
        for folder in (self.artifacts, self.trees):
            folder.chmod(0o755)  # what is kept warm passes it as another user
        memory = max(size(step.memory) for step in (track.run, track.oracle) if step is not None)
        limits = Limits(seconds(track.run.timeout), memory, size(track.run.disk) + builds.ROOM, track.run.processes,
                        size(track.run.output))
        caches = () if self.builds is None else (self.builds.home,)
        scorer = None if track.score is None else Warm(track.score.preload, (self.artifacts, self.trees), replace(
            Limits(), wall=seconds(track.score.timeout), memory=size(track.score.memory)))
        return Warm(track.run.preload, (self.artifacts, *caches), limits), scorer

    def warmed(self, command: Command, warm: Warm | None) -> Command:
        """A command that starts warm, where it is of a kind that can."""
        python, *words = command.argv
        fits = python == self.python and runners.starts_warm(("python", *words))
        return replace(command, warm=warm) if fits else command

    def warm_up(self, *commands: Command) -> None:
        """Have what is kept warm for commands: that is done once for all runs, and no part of what one takes. Raises
        TrackError."""
        if isinstance(self.sandbox, KeepsWarm):
            for command in commands:
                self.sandbox.warm_up(command)

    def close(self) -> None:
        """Keep nothing warm any more. Runs may follow: they begin anew."""
        if isinstance(self.sandbox, KeepsWarm):
            self.sandbox.cool([each for each in (self.warm, self.warm_scorer) if each is not None])

    # -- trees --

    def tree(self, commit: str, judge: bool = False, edit: Callable[[Path], None] = lambda making: None,
             name: str = "") -> Path:
        """A clean tree of a commit, made once; without the private files, but the judge's tree lacks the holdout alone. `edit`:
        what is done to it, under another name."""
        def hide(making: Path) -> Path:
            for hidden in filter(None, [self.track.holdout]) if judge else self.track.private:
                files.remove(making, self.repo.prefix + hidden)
            mounts.lead_to_data(self.track.run, self.repo.folder, making / self.repo.prefix)
            edit(making)
            if self.track.build is not None and self.track.build.cache:
                builds.date(making)
            return making
        return self._made(f"judge-{commit}" if judge else name or commit, commit, hide)

    def run_tree(self, job: Measure) -> Path:
        """The tree that a job runs in: its commit's, or one with an edit that does nothing."""
        def edit(making: Path) -> None:
            before = self.repo.editable(job.commit, self.track)
            for path, text in null_edits.edited(before, job.edit, job.draws).items():
                fd = files.opened(making, self.repo.prefix + path, flags=os.O_WRONLY | os.O_TRUNC)
                if fd is not None:  # else it is hidden
                    with open(fd, "w", encoding="utf-8", newline="") as file:
                        file.write(text)
        return self.tree(job.commit, edit=edit, name=named(job)) if job.edit else self.tree(job.commit)

    def holdout(self) -> Path:
        """The holdout as the contract's commit has it, apart from every tree; made once."""
        private = self.repo.prefix + self.track.holdout

        def apart(making: Path) -> Path:
            if not files.present(making, private):
                raise TrackError(f"the commit {self.contract[:7]} holds no {private}: commit it, or take `holdout` out.")
            return making / private
        return self._made(f"holdout-{self.contract}", self.contract, apart)

    def _made(self, name: str, commit: str, finish: Callable[[Path], Path]) -> Path:
        """A path below `trees`, made once: the part of a commit's tree that `finish` returns."""
        path = self.trees / name
        if not path.exists():
            making = self.trees / f"making-{os.urandom(6).hex()}"
            self.repo.checkout(commit, making, self.track.track.editable)
            try:
                part = finish(making)
                with suppress(OSError):  # another worker was quicker
                    part.rename(path)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        return path

    def forget(self, commit: str) -> None:
        """Remove a commit's tree once no run needs it any more; it can be made again."""
        self._doomed.add(commit)
        with self.used(commit):
            return

    @contextmanager
    def used(self, commit: str) -> Iterator[None]:
        """Hold a commit's tree while a run needs it."""
        with self._lock:
            self._using[commit] += 1
        try:
            yield
        finally:
            with self._lock:
                self._using[commit] -= 1
                if commit in self._doomed and not self._using[commit]:
                    self._doomed.discard(commit)
                    for name in (commit, f"{commit}{builds.BUILT}"):
                        shutil.rmtree(self.trees / name, ignore_errors=True)

    # -- one run --

    def measure(self, job: Measure, cores: tuple[int, ...] = (), worker: int = 0,
                running: Callable[[Any], None] = lambda process: None, keep: Path | None = None) -> Measurement:
        """Run and score one commit with one seed, and on the same cores what is to be measured beside it; which of them
        comes first is up to the scorer's seed, which of a job that was not sealed is the run's own. `keep`: a folder for the
        artefacts of a job that is not paired, which stay there. Raises Fault when the machine failed."""
        job = job if job.secret else replace(sealed(job, ""), scorer_seed=job.seed)
        if not job.paired_with:
            return _OneRun(self, job, cores, running, keep).measurement(worker)
        other = replace(job, commit=job.paired_with, paired_with="", pace=())
        order = job.scorer_seed % 2  # a candidate that knew it could leave the machine cold for the other
        found = [_OneRun(self, side, cores, running).measurement(worker) for side in ((other, job) if order else (job, other))]
        mine, theirs = found[::-1] if order else found
        logs = mine.logs | {_PAIRED[told]: log for told, log in theirs.logs.items()}
        return replace(mine, logs=logs, paired_metrics=theirs.metrics, busy=mine.busy + theirs.busy,
                       paired_holdout=theirs.holdout, starved=_worse(mine.starved, theirs.starved))

    def trace(self, commit: str, most: float, cores: tuple[int, ...] = (),
              running: Callable[[Any], None] = lambda process: None) -> Executed | None:
        """What runs in a commit, from a run of its own that is measured by nothing; None where it could not be learnt: it
        failed, took more than so many seconds, or started no Python that lets itself be traced. None too of a program that
        answers a scorer's questions: what runs only for that would look as if it did not run. Raises Fault when the machine
        failed."""
        if self.track.oracle is not None:
            return None
        run = _OneRun(self, Measure(0, 0, commit, 0, "calibrate"), cores, running)
        return run.traced(self.repo.editable(commit, self.track), most)

    def importing(self, commit: str, most: float, cores: tuple[int, ...] = ()) -> dict[str, float]:
        """Seconds that each module takes which a commit's run imports within so many seconds, its own left out, from a run that
        is measured by nothing; {} where that could not be learnt. Raises Fault when the machine failed."""
        return _OneRun(self, Measure(0, 0, commit, 0, "calibrate"), cores, lambda process: None).importing(most)

    def score(self, job: Measure, artifacts: Path, cores: tuple[int, ...] = (),
              oracle: Becomes = lambda argv: argv) -> Measurement:
        """Score artefacts as if a run of a sealed job had left them; they stay. `oracle`: what becomes of the command that
        answers. Raises Fault when the machine failed."""
        return _OneRun(self, job, cores, lambda process: None, artifacts, oracle).scoring()


class _OneRun:
    """One run of one commit: from its tree to its metrics, and what it leaves for the journal besides them. `busy` is the
    payloads' own seconds, `spent` the same by what they were for, `overhead` those of Overnight by part. Output of scoring is
    kept apart from the candidate's own, because it may hold what no candidate and no researcher may see: the candidate's oracle
    hears the questions."""

    def __init__(self, runner: Runner, job: Measure, cores: tuple[int, ...], running: Callable[[Any], None],
                 keep: Path | None = None, oracle: Becomes = lambda argv: argv) -> None:
        self.runner, self.track, self.job, self.cores, self.running = runner, runner.track, job, cores, running
        self.keep, self.oracle = keep, oracle
        self.harvest = keep or runner.artifacts / f"{job.run}-{os.urandom(4).hex()}"
        self.pace: CurveWatch | None = None
        if (told := self.track.progress) is not None:
            self.pace = CurveWatch(told.pattern, job.pace, told.direction or self.track.metric.direction, told.patience,
                                   told.margin)
        self.busy = 0.0
        self.overhead: dict[str, float] = {}
        self.spent: dict[str, float] = {}
        self.accounting: Accounting = "exact"
        self.artifacts = ""
        self.said, self.judging = b"", b""
        self.steps: list[tuple[Ended, ...]] = []  # the commands that ran, each with what ran beside it
        self.cpu, self.peak = 0.0, 0  # of the candidate's own processes: work moved into the oracle is not free

    def measurement(self, worker: int) -> Measurement:
        """Carry it out. Raises Fault when the machine failed."""
        return self._carried_out(self._measure, worker)

    def traced(self, before: dict[str, str], most: float) -> Executed | None:
        """What runs within so many seconds, where these are the editable files. Raises Fault when the machine failed."""
        try:
            with self.runner.used(self.job.commit):
                ended = self._run(self._tree(), executed.traced, most)
            succeeded(ended, "the run", seconds(self.track.run.timeout))
            return executed.read(self.harvest, before)
        except (Invalid, OSError):
            return None
        finally:
            shutil.rmtree(self.harvest, ignore_errors=True)

    def importing(self, most: float) -> dict[str, float]:
        """What is imported within so many seconds. Raises Fault when the machine failed."""
        try:
            with self.runner.used(self.job.commit):
                ended = self._run(tree := self._tree(), importing.timed, most)
            return importing.read(ended.stderr.decode(errors="replace"), importing.own(tree))
        except (Invalid, OSError):
            return {}
        finally:
            shutil.rmtree(self.harvest, ignore_errors=True)

    def scoring(self) -> Measurement:
        """Carry out the scoring alone. Raises Fault when the machine failed."""
        return self._carried_out(self._rescore)

    def _carried_out(self, work: Callable[[], tuple[dict[str, float], float | None]], worker: int = 0) -> Measurement:
        outcome: Outcome = "ok"
        reason = ""
        try:
            with self.runner.used(named(self.job)):
                metrics, holdout = work()
        except Invalid as invalid:
            metrics, holdout, outcome, reason = {}, None, invalid.outcome, invalid.reason
        except OSError as error:
            raise Fault(f"run {self.job.run} could not be carried out: {error}.") from error
        finally:
            with self._timed("clean-up"):
                if self.keep is None:
                    shutil.rmtree(self.harvest, ignore_errors=True)
                if self.job.edit:  # no other run is made in it
                    self.runner.forget(named(self.job))
        logs: dict[LogKind, Log] = {"run": self.said[-MOST_LOG_BYTES:]}
        if self.judging:
            logs["score"] = self.judging[-MOST_LOG_BYTES:]
        return Measurement(self.job, logs, outcome=outcome, metrics=metrics, reason=reason, busy=self.busy, spent=self.spent,
                           overhead=self.overhead, worker=worker, curve=self.pace.reader.curve if self.pace else (),
                           sandbox=self.runner.sandbox.identity, accounting=self.accounting, artifacts=self.artifacts,
                           holdout=holdout, starved=_rounded(starved.share(self.steps)))

    def _measure(self) -> tuple[dict[str, float], float | None]:
        """The metrics, and the metric on the holdout. Raises Invalid, Fault, OSError."""
        tree = self._tree()
        with self._ahead(tree) as ahead:
            return self._measured(tree, ahead)

    @contextmanager
    def _ahead(self, tree: Path) -> Iterator[Ahead | None]:
        """The scorer and the oracle, which may be set up in the meantime; None where the track has no scorer."""
        if self.track.score is None:
            yield None
            return
        commands = self._judges(self.track.score, tree)
        self.harvest.mkdir(parents=True, exist_ok=True)  # what is put into it later, they see
        self.harvest.chmod(0o755)
        ahead = Ahead(lambda: Judging(self.runner.sandbox, *commands), self.running)
        try:
            yield ahead
        finally:
            ahead.close()

    def _measured(self, tree: Path, ahead: Ahead | None) -> tuple[dict[str, float], float | None]:
        """The same, of a run that is judged by what is set up."""
        run = self._run(tree, ahead=ahead)
        self.said, self.cpu, self.peak = self.said + run.stdout + run.stderr, run.cpu, run.peak_memory
        if self.pace is not None and run.killed == "behind":
            raise Invalid("behind", self.pace.reason)
        told = self.track.run
        succeeded(run, "the run", seconds(told.timeout), {
            "time": "[run] timeout", "memory": f"[run] memory = {told.memory}", "disk": f"[run] disk = {told.disk}",
            "output": f"[run] output = {told.output}"}, printed=True)
        with self._timed("hash"):
            self.artifacts = fingerprint(self.harvest)
        self._require(tree)
        metrics = self._score(self.track.score, ahead.run) if self.track.score is not None and ahead is not None else {}
        metrics |= {"cpu_seconds": self.cpu, "wall_seconds": run.wall, "peak_memory": float(self.peak)}
        if self.track.self_reported:
            metrics[self.track.metric.name] = self_reported(self.track.metric, run.stdout + b"\n" + run.stderr)
        metrics = reported(self.track.watch, run.stdout + b"\n" + run.stderr) | metrics
        self._number(metrics)
        return metrics, self._held(tree)

    def _rescore(self) -> tuple[dict[str, float], None]:
        """What a scorer says of artefacts that lie there. Raises Invalid, Fault, OSError."""
        if self.track.score is None:
            raise Invalid("invalid", "this track has no scorer")
        metrics = self._scored(self.track.score, self._tree())
        self._number(metrics)
        return metrics, None

    def _number(self, metrics: dict[str, float]) -> float:
        """The track's metric among these. Raises Invalid."""
        metric = self.track.metric
        if metric.name not in metrics:
            raise Invalid("invalid", f"the scorer does not give '{metric.name}'")
        return within(metric.name, metrics[metric.name], metric.range)

    def _held(self, tree: Path) -> float | None:
        """The metric on the holdout; None where the run gives none there, or need not be asked. What the scorer and the
        oracle say meanwhile is not kept. Raises Invalid for the baseline, because its user has to mend that."""
        score, stage = self.track.score, self.job.stage
        if score is None or not score.holdout or stage not in HELD:
            return None
        try:
            return self._number(self._scored(score, tree, self.runner.holdout()))
        except Invalid as invalid:
            if stage == "calibrate":
                raise Invalid(invalid.outcome, f"on the holdout, {invalid.reason}") from invalid
            return None

    def _tree(self) -> Path:
        """The tree that the job runs in, with what is built of it. Raises Invalid."""
        with self._timed("tree"):
            tree = self.runner.run_tree(self.job)
        if self.runner.builds is None or not self.runner.builds.spec.command:
            return tree
        with self._timed("build"):
            return self.runner.builds.built(tree, self._build)

    def _build(self, tree: Path, made: Path) -> None:
        """Run the build's command in a tree. Raises Invalid."""
        step, told = self.runner.builds, self.track.run
        assert step is not None
        command = step.command(self._command(step.spec, tree, 0))
        limits = replace(command.limits, disk=size(told.disk), processes=told.processes, output=size(told.output))
        done = self._started(replace(command, limits=limits, harvest=made)).wait()
        self.said = done.stdout + done.stderr
        keys = {"time": "[build] timeout", "memory": f"[build] memory = {step.spec.memory}",
                "disk": f"[run] disk = {told.disk}"}
        succeeded(done, "the build", seconds(step.spec.timeout), keys, printed=True)

    def _run(self, tree: Path, noted: Callable[[Command], Command] | None = None, most: float = math.inf,
             ahead: Ahead | None = None) -> Ended:
        """Run the candidate; `noted`: what becomes of the command of a run that is not measured."""
        step, runner = self.track.run, self.runner
        command = self._command(step, tree, self.job.seed, {"PYTHONUNBUFFERED": "1"} if self.pace else {})
        command = noted(command) if noted else runner.warmed(command, runner.warm)
        limits = replace(command.limits, wall=min(command.limits.wall, most), disk=size(step.disk), processes=step.processes,
                         output=size(step.output))
        command = replace(command, limits=limits, harvest=self.harvest, network=step.network, gpus=step.gpus,
                          heard=self.pace.hear if self.pace else None)
        caches = self.runner.builds if self.runner.builds is not None and self.runner.builds.spec.cache and not noted else None
        own = self.job.commit == self.runner.contract and not self.job.edit
        if caches is not None:
            command = caches.warmed(command, self.runner.tree(self.runner.contract), own)
        runner.warm_up(command)
        since = time.perf_counter()
        ended = self._started(command, ahead).wait()
        self._ended("sandbox of the run", since, ended)
        if caches is not None:
            caches.cooled(self.harvest, own and not ended.code and not ended.killed)
        return ended

    def _require(self, tree: Path) -> None:
        """Run what the contract requires of a commit, once it has run well itself; none of it counts as its time. Raises
        Invalid."""
        if self.job.commit in self.runner.proven:
            return
        for step in self.track.require:
            with self._timed("required"):
                done = self._started(replace(self._command(step, tree, self.job.seed), inputs=self.harvest)).wait()
            self.said += done.stdout + done.stderr
            succeeded(done, f"the required command {' '.join(step.command)[:80]}", seconds(step.timeout), printed=True)
        self.runner.proven.add(self.job.commit)

    def _scored(self, score: Score, tree: Path, secret: Path | None = None) -> dict[str, float]:
        """The scorer's metrics, where nothing is set up for it."""
        commands = self._judges(score, tree, secret)
        return self._score(score, lambda: Judging(self.runner.sandbox, *commands).run(self.running), secret is not None)

    def _judges(self, score: Score, tree: Path, secret: Path | None = None) -> tuple[Command, Command | None]:
        """The scorer, and the oracle that it may ask, which runs the candidate's code."""
        with self._timed("tree"):
            judge = self.runner.tree(self.runner.contract, judge=True)
        library = {"PYTHONPATH": str(LIBRARY.parent), "OVERNIGHT_SECRET": self.job.secret,
                   "OVERNIGHT_AUDIT": str(int(self.job.audited))}
        scorer = self._command(score, judge, self.job.scorer_seed, library)
        scorer = self.runner.warmed(replace(scorer, inputs=self.harvest, secret=secret, mounts=(*scorer.mounts, LIBRARY)),
                                    self.runner.warm_scorer)
        step = self.track.oracle
        self.runner.warm_up(scorer)
        if step is None:
            return scorer, None
        oracle = self._command(step, tree, self.job.seed)
        oracle = replace(oracle, argv=self.oracle(oracle.argv), inputs=self.harvest, network=self.track.run.network,
                         gpus=self.track.run.gpus)
        return scorer, self.runner.warmed(oracle, self.runner.warm)

    def _score(self, score: Score, judge: Callable[[], tuple[Ended, Ended | None]], secret: bool = False) -> dict[str, float]:
        """The scorer's metrics. `secret`: what it and the oracle say meanwhile is not kept, nor what they take."""
        since = time.perf_counter()
        scored, answered = judge()
        self._ended("sandbox of the scorer", since, scored, *filter(None, [answered]))
        if not secret:
            self.judging = scored.stderr
            if answered is not None:
                self.judging = answered.stderr + scored.stderr
                self.cpu, self.peak = self.cpu + answered.cpu, max(self.peak, answered.peak_memory)
                self.cpu -= 0.0 if self.track.audits_always else answered.audits  # what not all runs have makes none dearer
        patience = 0.0 if self.track.oracle is None else seconds(self.track.oracle.timeout)
        return read_metrics(scored, answered, seconds(score.timeout), patience)

    def _command(self, step: RunSpec | Score | Step | Build, tree: Path, seed: int, more: Mapping[str, str] = {}) -> Command:
        """A step of the track in a tree, with the limits and the environment that the contract names, and nothing of the
        user's."""
        runner = self.runner
        words = runners.direct(step.command) if self.track.run.python else step.command
        path = f"{Path(runner.python).parent}:/usr/local/bin:/usr/bin:/bin"
        env = {"OVERNIGHT_SEED": str(seed), "PYTHONHASHSEED": WARM_HASHSEED if self.track.warm else str(seed), "PATH": path,
               "PYTHONDONTWRITEBYTECODE": "1", **dict.fromkeys(THREADS, str(len(self.cores) or self.track.run.cpus)), **more,
               **({} if isinstance(step, Score | Build) else self.track.run.environment)}
        return Command((runner.python, *words[1:]) if words[0] in ("python", "python3") else words, tree,
                       Limits(wall=seconds(step.timeout), memory=size(step.memory)), runner.repo.prefix or ".", env,
                       (*runner.mounts, *runner.data, *runner.links), runner.home, runner.imports)

    def _started(self, command: Command, ahead: Ahead | None = None) -> Process:
        """A command that has begun. What comes after it may be set up meanwhile; not where its time counts, nor on a single
        core, which would do one after the other in any case."""
        process = self.runner.sandbox.start(command)
        self.running(process)
        if ahead is not None and not self.runner.timed and len(self.cores) != 1:
            ahead.begin()
        return process

    # -- time --

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        start = time.perf_counter()
        yield
        self._add(part, time.perf_counter() - start)

    def _add(self, part: str, spent: float) -> None:
        self.overhead[part] = self.overhead.get(part, 0.0) + spent

    def _ended(self, part: str, since: float, ended: Ended, *beside: Ended) -> None:
        """Split the time since a start into a payload's own and the sandbox's. Raises Fault where the machine slept meanwhile:
        what ran then is no measurement."""
        if ended.slept > MOST_SLEPT:
            raise Fault(f"the machine slept for {ended.slept:.0f} s during a run: keep it awake, "
                        "with `systemd-inhibit overnight run` for instance.")
        self.steps.append((ended, *beside))
        self.busy += ended.startup + ended.wall
        for what, took in ((SPENT[part], ended.wall), ("start-up", ended.startup)):
            self.spent[what] = self.spent.get(what, 0.0) + took
        self.accounting = "exact" if self.accounting == ended.accounting == "exact" else "estimate"
        self._add(part, time.perf_counter() - since - ended.wall - ended.startup)


def named(job: Measure) -> str:
    """The name of the tree that a job runs in."""
    return f"{job.commit}-{job.edit}{'-draws' * job.draws}" if job.edit else job.commit


def _worse(*shares: float | UnsetType) -> float | UnsetType:
    """The largest of the shares that are known."""
    return max((share for share in shares if share is not UNSET), default=UNSET)


def _rounded(share: float | None) -> float | UnsetType:
    return UNSET if share is None else round(share, 3)


def fingerprint(folder: Path) -> str:
    """SHA-256 over names and bytes of the files of a folder, at whatever depth."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            whole.update(f"{path.relative_to(folder)}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
