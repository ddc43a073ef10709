"""One run: a commit's tree -> sandbox -> artefacts -> (oracle and) scorer, each in its own sandbox -> metrics.

Covered: the metric comes from the scorer, which runs from the contract's own files; the candidate's process is dead, or
in another sandbox, when it is computed; artefacts are data that is hashed before the scorer reads them.
Not covered: a scorer that trusts its artefacts (see overnight.scoring, which does not).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

import overnight
from overnight.contracts import Accounting, Command, Ended, Limits, Sandbox
from overnight.errors import Fault
from overnight.execution import mounts
from overnight.execution.metrics import Invalid, read_metrics, self_reported, succeeded, within
from overnight.execution.oracle import asked
from overnight.lab.events import Outcome
from overnight.lab.jobs import LOG, Log, Measure, Measurement, Told, sealed
from overnight.referee.curves import Pace
from overnight.repo import Repo
from overnight.track.spec import Score, Track
from overnight.track.units import seconds, size

LIBRARY = Path(overnight.__file__).resolve().parent  # scorers may use overnight.scoring, whatever their interpreter
HELD = ("calibrate", "confirm")  # stages whose runs are scored on the holdout as well
_BESIDE: dict[Told, Told] = {"run": "beside", "score": "beside-score"}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class RunRecord:
    """What a run leaves for the journal besides its metrics. `busy` is the payloads' own seconds, `overhead` those of
    Overnight by part. Output of scoring is kept apart from the candidate's own, because it may hold what no candidate and
    no researcher may see: the candidate's oracle hears the questions."""

    def __init__(self) -> None:
        self.busy = 0.0
        self.overhead: dict[str, float] = {}
        self.accounting: Accounting = "exact"
        self.artifacts = ""
        self.said, self.judging = b"", b""
        self.cpu, self.peak = 0.0, 0  # of the candidate's own processes: work moved into the oracle is not free

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        start = time.perf_counter()
        yield
        self.add(part, time.perf_counter() - start)

    def add(self, part: str, spent: float) -> None:
        """Add seconds to a part."""
        self.overhead[part] = self.overhead.get(part, 0.0) + spent

    def ended(self, part: str, ended: Ended, since: float) -> None:
        """Split the time since a start into a payload's own and the sandbox's."""
        self.busy += ended.wall
        self.accounting = "exact" if self.accounting == ended.accounting == "exact" else "estimate"
        self.add(part, time.perf_counter() - since - ended.wall)

    def logs(self) -> dict[Told, Log]:
        """The ends of what was said."""
        said: dict[Told, Log] = {"run": self.said[-LOG:]}
        return said | {"score": self.judging[-LOG:]} if self.judging else said


class Runner:
    """Measures commits of one track. `home` holds trees and artefacts; `contract` is the commit whose scorer judges."""

    def __init__(self, track: Track, repo: Repo, sandbox: Sandbox, contract: str, home: Path) -> None:
        self.track, self.repo, self.sandbox, self.contract = track, repo, sandbox, contract
        self.trees, self.artifacts = home / "trees", home / "artifacts"
        for folder in (self.trees, self.artifacts):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock, self._using, self._doomed = threading.Lock(), Counter[str](), set[str]()
        self.python, self.mounts = mounts.interpreter(track.run, repo.folder)
        self.data = mounts.data(track.run, repo.folder)
        mounts.keep_secrets((*self.mounts, *self.data), (home.resolve(), repo.root / ".git",
                                                   *((repo.folder / p).resolve() for p in track.private)))

    # -- trees --

    def tree(self, commit: str, judge: bool = False) -> Path:
        """A clean tree of a commit, made once; without the private files, but the judge's tree lacks the holdout alone."""
        path = self.trees / (f"judge-{commit}" if judge else commit)
        if not path.exists():
            making = self.trees / f"making-{os.urandom(6).hex()}"
            self.repo.checkout(commit, making)
            for hidden in filter(None, [self.track.holdout]) if judge else self.track.private:
                _remove(making / self.repo.prefix / hidden)
            try:
                making.rename(path)
            except OSError:  # another worker was quicker
                shutil.rmtree(making, ignore_errors=True)
        return path

    def holdout(self) -> Path:
        """The holdout as the contract's commit has it, apart from every tree; made once."""
        path = self.trees / f"holdout-{self.contract}"
        if not path.exists():
            making = self.trees / f"making-{os.urandom(6).hex()}"
            self.repo.checkout(self.contract, making)
            with suppress(OSError):  # another worker was quicker
                (making / self.repo.prefix / self.track.holdout).rename(path)
            shutil.rmtree(making, ignore_errors=True)
        return path

    def forget(self, commit: str) -> None:
        """Remove a commit's tree once no run needs it any more; it can be made again."""
        with self._lock:
            if self._using[commit]:
                self._doomed.add(commit)
                return
        shutil.rmtree(self.trees / commit, ignore_errors=True)

    @contextmanager
    def _used(self, commit: str) -> Iterator[None]:
        """Hold a commit's tree while a run needs it."""
        with self._lock:
            self._using[commit] += 1
        try:
            yield
        finally:
            with self._lock:
                self._using[commit] -= 1
                last = not self._using[commit] and commit in self._doomed
                self._doomed -= {commit} if last else set()
            if last:
                self.forget(commit)

    # -- one run --

    def measure(self, job: Measure, cores: tuple[int, ...] = (), worker: int = 0,
                running: Callable[[Any], None] = lambda process: None, keep: Path | None = None) -> Measurement:
        """Run and score one commit with one seed, and on the same cores what is to be measured beside it; which of them
        comes first is up to the scorer's seed, which of a job that was not sealed is the run's own. `keep`: where the
        artefacts of a job with nothing beside it are left, for `score`. Raises Fault when the machine failed."""
        job = job if job.secret else msgspec.structs.replace(sealed(job, ""), scorer_seed=job.seed)
        if not job.beside:
            return self._measured(job, cores, worker, running, keep)
        other = msgspec.structs.replace(job, commit=job.beside, beside="", pace=())
        order = job.scorer_seed % 2  # a candidate that knew it could leave the machine cold for the other
        found = [self._measured(side, cores, worker, running) for side in ((other, job) if order else (job, other))]
        mine, theirs = found[::-1] if order else found
        logs = mine.logs | {_BESIDE[told]: log for told, log in theirs.logs.items()}
        return msgspec.structs.replace(mine, logs=logs, beside=theirs.metrics, busy=mine.busy + theirs.busy,
                                       beside_holdout=theirs.holdout)

    def score(self, job: Measure, harvest: Path, cores: tuple[int, ...] = (), oracle: tuple[str, ...] = ()) -> Measurement:
        """Score artefacts that lie there already, as if a run of this job had left them; they stay. `oracle`: a command that
        answers in the place of the contract's. Raises Fault when the machine failed."""
        record = RunRecord()

        def work() -> tuple[dict[str, float], None]:
            if self.track.score is None:
                raise Invalid("invalid", "this track has no scorer")
            metrics = self._score(job, self.track.score, self.tree(job.commit), harvest, cores, record, lambda process: None,
                                  oracle=oracle)
            return self._valid(metrics), None

        return self._recorded(job, record, work)

    def _measured(self, job: Measure, cores: tuple[int, ...], worker: int, running: Callable[[Any], None],
                  keep: Path | None = None) -> Measurement:
        record, pace = RunRecord(), self._pace(job)
        harvest = self.artifacts / f"{job.run}-{os.urandom(4).hex()}"

        def work() -> tuple[dict[str, float], float | None]:
            try:
                return self._measure(job, harvest, cores, record, running, pace)
            finally:
                with record.timed("clean-up"):
                    if keep is not None and harvest.exists():
                        harvest.rename(keep)
                    shutil.rmtree(harvest, ignore_errors=True)

        return self._recorded(job, record, work, worker, pace)

    def _recorded(self, job: Measure, record: RunRecord, work: Callable[[], tuple[dict[str, float], float | None]],
                  worker: int = 0, pace: Pace | None = None) -> Measurement:
        """What came of the work of a job, whichever way it ended."""
        outcome: Outcome = "ok"
        reason = ""
        try:
            with self._used(job.commit):
                metrics, holdout = work()
        except Invalid as invalid:
            metrics, holdout, outcome, reason = {}, None, invalid.outcome, invalid.reason
        except OSError as error:
            raise Fault(f"run {job.run} could not be carried out: {error}.") from error
        return Measurement(job, record.logs(), outcome=outcome, metrics=metrics, reason=reason, busy=record.busy,
                           overhead=record.overhead, worker=worker, curve=pace.reader.curve if pace else (),
                           sandbox=self.sandbox.identity, accounting=record.accounting, artifacts=record.artifacts,
                           holdout=holdout)

    def _measure(self, job: Measure, harvest: Path, cores: tuple[int, ...], record: RunRecord,
                 running: Callable[[Any], None], pace: Pace | None) -> tuple[dict[str, float], float | None]:
        with record.timed("tree"):
            tree = self.tree(job.commit)
        run = self._run(job, tree, harvest, cores, record, running, pace)
        record.said = run.stdout + run.stderr
        if pace is not None and run.killed == "behind":
            raise Invalid("behind", pace.reason)
        succeeded(run, "the run", seconds(self.track.run.timeout))
        with record.timed("hash"):
            record.artifacts = fingerprint(harvest)
        record.cpu, record.peak = run.cpu, run.peak_memory
        metrics = {}
        if self.track.score is not None:
            metrics = self._score(job, self.track.score, tree, harvest, cores, record, running)
        metrics |= {"cpu_seconds": record.cpu, "wall_seconds": run.wall, "peak_memory": float(record.peak)}
        if self.track.self_reported:
            metrics[self.track.metric.name] = self_reported(self.track.metric.pattern, run.stdout + b"\n" + run.stderr)
        return self._valid(metrics), self._held(job, tree, harvest, cores, record, running)

    def _valid(self, metrics: dict[str, float]) -> dict[str, float]:
        """Metrics among which is the track's, in its range. Raises Invalid."""
        if self.track.metric.name not in metrics:
            raise Invalid("invalid", f"the scorer does not give '{self.track.metric.name}'")
        within(self.track.metric.name, metrics[self.track.metric.name], self.track.metric.range)
        return metrics

    def _held(self, job: Measure, tree: Path, harvest: Path, cores: tuple[int, ...], record: RunRecord,
              running: Callable[[Any], None]) -> float | None:
        """The metric on the holdout; None where the run gives none there, or need not be asked. What the scorer and the
        oracle say meanwhile is not kept. Raises Invalid for the baseline, because its user has to mend that."""
        score, name = self.track.score, self.track.metric.name
        if score is None or not score.holdout or job.stage not in HELD:
            return None
        try:
            number = self._valid(self._score(job, score, tree, harvest, cores, record, running, self.holdout()))[name]
        except Invalid as invalid:
            if job.stage == "calibrate":
                raise Invalid(invalid.outcome, f"on the holdout, {invalid.reason}") from invalid
            return None
        return number

    def _pace(self, job: Measure) -> Pace | None:
        """The listener to a run's progress; None where the track declares no [progress]."""
        progress = self.track.progress
        if progress is None:
            return None
        return Pace(progress.pattern, job.pace, progress.direction or self.track.metric.direction, progress.patience,
                    progress.margin)

    def _run(self, job: Measure, tree: Path, harvest: Path, cores: tuple[int, ...], record: RunRecord,
             running: Callable[[Any], None], pace: Pace | None) -> Ended:
        env = self._environment(job.seed, cores) | ({"PYTHONUNBUFFERED": "1"} if pace else {})
        step = self.track.run
        limits = Limits(wall=seconds(step.timeout), memory=size(step.memory), disk=size(step.disk), processes=step.processes)
        since = time.perf_counter()
        process = self.sandbox.start(Command(
            argv=self.argv(step.command), tree=tree, cwd=self.repo.prefix or ".", limits=limits, harvest=harvest,
            env=env, mounts=(*self.mounts, *self.data), network=step.network, gpus=step.gpus,
            heard=pace.hear if pace else None))
        running(process)
        ended = process.wait()
        record.ended("sandbox of the run", ended, since)
        return ended

    def _score(self, job: Measure, score: Score, tree: Path, harvest: Path, cores: tuple[int, ...], record: RunRecord,
               running: Callable[[Any], None], secret: Path | None = None, oracle: tuple[str, ...] = ()) -> dict[str, float]:
        """The scorer's metrics; it may ask the oracle, which runs the candidate's code, line by line."""
        with record.timed("tree"):
            judge = self.tree(self.contract, judge=True)
        since = time.perf_counter()
        env = self._environment(job.seed, cores)
        library = {"PYTHONPATH": str(LIBRARY.parent), "OVERNIGHT_SECRET": job.secret}
        limits = Limits(wall=seconds(score.timeout), memory=size(score.memory))
        command = Command(argv=self.argv(score.command), tree=judge, cwd=self.repo.prefix or ".", limits=limits,
                          env=self._environment(job.scorer_seed, cores) | library,
                          inputs=harvest, secret=secret, mounts=(*self.mounts, *self.data, LIBRARY))
        if self.track.oracle is None:
            process = self.sandbox.start(command)
            running(process)
            scored, answered = process.wait(), None
        else:
            answering = oracle or self.argv(self.track.oracle.command)
            side = Command(argv=answering, tree=tree, cwd=command.cwd, env=env, inputs=harvest,
                           limits=Limits(wall=seconds(self.track.oracle.timeout), memory=size(self.track.oracle.memory)),
                           mounts=(*self.mounts, *self.data), network=self.track.run.network, gpus=self.track.run.gpus)
            scored, answered = asked(self.sandbox, command, side, running)
        record.ended("sandbox of the scorer", scored, since)
        if secret is None:
            record.judging = scored.stderr
            if answered is not None:
                record.judging = answered.stderr + scored.stderr
                record.cpu, record.peak = record.cpu + answered.cpu, max(record.peak, answered.peak_memory)
        patience = seconds(self.track.oracle.timeout) if self.track.oracle is not None else 0.0
        return read_metrics(scored, answered, seconds(score.timeout), patience)

    def argv(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """A command of the contract, with the interpreter that it means by `python`."""
        return (self.python, *command[1:]) if command[0] in ("python", "python3") else command

    def _environment(self, seed: int, cores: tuple[int, ...]) -> dict[str, str]:
        """What the contract names, and nothing of the user's."""
        threads = str(len(cores) or self.track.run.cpus)
        path = f"{Path(self.python).parent}:/usr/local/bin:/usr/bin:/bin"
        return {"OVERNIGHT_SEED": str(seed), "PYTHONHASHSEED": str(seed), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1",
                **dict.fromkeys(THREADS, threads)}


def _remove(path: Path) -> None:
    """Remove a file or a folder that may be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def fingerprint(folder: Path) -> str:
    """SHA-256 over names and bytes of the files of a folder, at whatever depth."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            whole.update(f"{path.relative_to(folder)}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
