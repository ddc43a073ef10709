"""The attack of `check` on a track's scorer: broken candidates, and results that no honest run leaves.

Covered: a scorer that ignores the candidate, or what is missing, empty, short, long, not finite or no number; one that hands
on the candidate's own number; a tolerance that gains more than what is worthwhile.
Not covered: what only a candidate that knows the scorer would find.
"""

from __future__ import annotations

import inspect
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeGuard

import msgspec
from msgspec import Struct

from overnight.errors import EditError
from overnight.execution import distort
from overnight.execution.distort import Distortion
from overnight.execution.runner import Becomes, Runner
from overnight.lab.jobs import Measurement
from overnight.track import scorer
from overnight.track.spec import HARNESS_METRICS, Track

MOST_SCORINGS = 15  # hostile results that one check has scored
MOST_TIMEOUTS = 2  # of them that may run into the scorer's time limit before the rest is left out
MOST_BYTES = 64 << 20  # of a result that is distorted
CLOSE = 0.01  # share by which a score may differ from a claim that it hands on, for it may be rounded
NEAR, FAR = 0.9, 4.5  # of a tolerance: within it, and well beyond
PUSHES = ((1.0, 0.0), (0.0, 0.5), (-1.0, 0.0), (0.0, -0.5))  # shares of it that numbers are scaled and shifted by

Files = dict[str, bytes]
Hostile = Files | Becomes  # what stands in a result's place: files, or what becomes of an oracle's command
Make = Callable[[Distortion], Hostile | None]  # None where a result cannot be distorted like that
CANDIDATES = (  # what a candidate is called, its Python, and what its other files hold
    ("a candidate that ends at once with status 0", "import os\nos._exit(0)\n", ""),
    ("a candidate with a syntax error", "(((\n", "(((\n"),
    ("a candidate that only prints a better number", "print({text!r}, flush=True)\nraise SystemExit(0)\n", ""))
_FINITE = "let the scorer refuse what is not finite, for NaN passes through max, min and every comparison"
_COUNT = "let the scorer check how many there are, for zip stops at the shorter side"
RESULTS = {  # what a result is called by its distortion, and what to mend where it scores well
    "nan": ("{} with NaN in place of its numbers", _FINITE),
    "later nan": ("{} with NaN in place of its numbers but the first", _FINITE),
    "infinite": ("{} with infinite numbers", "let the scorer refuse what is not finite"),
    "null": ("{} with null in place of its numbers", "let the scorer fail at what is no number, and pass over nothing"),
    "half": ("{} with half as many entries", _COUNT),
    "twice": ("{} with twice as many entries", _COUNT)}


class Finding(Struct, frozen=True):
    """A sentence on what fooled a scorer; `wrong`: it does not measure the candidate at all."""

    sentence: str
    wrong: bool = False


class Attacked(Struct, frozen=True):
    """What came of an attack, with how many candidates and results it took."""

    findings: tuple[Finding, ...]
    candidates: int
    results: int


class Baseline(NamedTuple):
    """What is attacked: a run of the baseline, where its artefacts lie, and how far its number scatters on the same seed."""

    run: Measurement
    artifacts: Path
    spread: float


def baseline(track: Track, runs: Sequence[Measurement], artifacts: Path) -> Baseline:
    """What is attacked, from runs of which the first two are of one seed and the first left these artefacts."""
    numbers = [run.metrics[track.metric.name] for run in runs]
    return Baseline(runs[0], artifacts, abs(numbers[0] - numbers[1]))


def attack(track: Track, runner: Runner, baseline: Baseline, cores: tuple[int, ...] = ()) -> Attacked:
    """Attack the scorer of a track, in the sandbox. Raises Fault when the machine failed."""
    attacking = Attack(track, runner, baseline, cores)
    findings = list(attacking.by_candidates())
    if track.score is not None and not track.self_reported and track.metric.name not in HARNESS_METRICS:
        trees = scorer.parsed(track, runner.repo.reader(runner.contract))
        if why := scorer.forgeable(trees):
            findings.append(Finding(f"{why}, so a candidate can forge its score, and every number is marked self-reported: let "
                                    "the scorer read data only (overnight.scoring has `numbers`, `array` and `tensors`)."))
        if not any(f.wrong for f in findings):
            findings += attacking.by_answers() if track.oracle else attacking.by_files(scorer.tolerances(trees))
    return Attacked(tuple(findings), attacking.candidates, attacking.results)


def better(track: Track, score: float) -> float:
    """A number that a candidate might claim: half-way to the best that there can be, as far as that is known."""
    least, most = track.metric.range or (0.0 if score > 0 else -math.inf, 1.0 if 0 < score < 1 else math.inf)
    best = least if track.metric.direction == "minimize" else most
    if math.isfinite(best) and best != score:
        return (score + best) / 2
    return score + math.copysign(max(1.0, abs(score)), track.oriented(1.0))


def worst_of(track: Track) -> float | None:
    """The worst number that a metric can have, None where that is not known; of what is counted it is 0."""
    if track.metric.range is not None:
        return track.metric.range[track.metric.direction == "minimize"]
    return 0.0 if track.metric.direction == "maximize" else None


class Attack:
    """An attack under way; `candidates` and `results` count what was tried."""

    def __init__(self, track: Track, runner: Runner, baseline: Baseline, cores: tuple[int, ...]) -> None:
        self.track, self.runner, self.baseline, self.cores = track, runner, baseline, cores
        self.candidates = self.results = self._timeouts = 0
        self.score = baseline.run.metrics[track.metric.name]
        self.better = better(track, self.score)

    # -- candidates --

    def by_candidates(self) -> Iterator[Finding]:
        """Runs of candidates that cannot be any good, up to the first that scores no worse than the baseline."""
        repo, job = self.runner.repo, self.baseline.run.job
        names = list(repo.editable(job.commit, self.track))
        python = any(name.endswith(".py") for name in names)
        tried = CANDIDATES[:-1] if self.track.self_reported else CANDIDATES  # there a number that is printed always counts
        for words, code, other in tried:
            code = code.format(text=f'{self.track.metric.name}: {self.better}\n{{"{self.track.metric.name}": {self.better}}}')
            try:
                commit = repo.commit(job.commit, {n: code if n.endswith(".py") else other for n in names}, words)
            except EditError:
                return  # more files than one change may hold
            self.candidates += 1
            found = self._number(self.runner.measure(msgspec.structs.replace(job, commit=commit), self.cores))
            self.runner.forget(commit)
            if self._no_worse(found) and (python or found == self.score):  # text may be worse and do as well, by luck
                yield self._finding(words, found, *self._unmeasured())
                return

    def _unmeasured(self) -> tuple[str, bool]:
        """What to mend where nothing is measured, and whether that is for the scorer to do."""
        if self.track.metric.name in HARNESS_METRICS:
            return "let a [score] command fail where the work was not done", False
        if self.track.self_reported:
            return "the number does not come from the files that may be edited", True
        return ("the scorer does not measure the candidate, so let it read what the run left or ask an oracle, and fail where "
                "there is nothing", True)

    # -- results --

    def by_files(self, tolerances: Iterable[tuple[float, str]]) -> Iterator[Finding]:
        """Scores of files that no honest run leaves."""
        names = _files(self.baseline.artifacts)
        paths = [self.baseline.artifacts / name for name in names]
        if names:
            yield from self._nothing("a result of no files", {}, "let the scorer fail where an artefact is missing")
            empty = dict.fromkeys(names, b"")
            yield from self._nothing("a result of empty files", empty, "let the scorer fail where an artefact is empty")
        if names and sum(p.stat().st_size for p in paths) <= MOST_BYTES:
            files = dict(zip(names, (p.read_bytes() for p in paths), strict=True))

            def made(how: Distortion) -> Files | None:
                new = {name: distort.distorted(data, how) for name, data in files.items()}
                return {n: files[n] if data is None else data for n, data in new.items()} if any(new.values()) else None

            wide = not self._matter(made(Distortion("other")))
            matter = not wide or self._matter(made(Distortion("other", wide)))
            yield from self._by_numbers(made, "a result", wide, matter)
            yield from self._by_tolerances(made, tolerances)

    def by_answers(self) -> Iterator[Finding]:
        """Scores of oracles that answer what no honest one does."""
        python, text = self.runner.python, inspect.getsource(distort)

        def made(how: Distortion) -> Becomes:
            return lambda argv: distort.filtered(python, argv, how, text)

        def ends(argv: tuple[str, ...]) -> tuple[str, ...]:
            return python, "-S", "-E", "-c", ""

        wrong = made(Distortion("other"))
        yield from self._nothing("an oracle that ends at once", ends, "let the scorer fail where no answer comes")
        unread = [*self._nothing("an oracle whose answers are all wrong", wrong, "let the scorer look at the answers")]
        yield from unread or self._by_numbers(made, "an oracle's answer")

    def _nothing(self, words: str, hostile: Hostile, mend: str) -> Iterator[Finding]:
        found = self._scored(hostile)
        if self._no_worse(found):
            yield self._finding(words, found, mend)

    def _by_numbers(self, made: Make, result: str, wide: bool = False, matter: bool = True) -> Iterator[Finding]:
        """Results whose numbers are not what they should be. `matter`: the score comes from them, for wrong ones change it;
        else it means nothing when others leave it as it is. `wide`: it does not come from what stands in lists."""
        claimed = self._scored(made(Distortion("claim", wide, self.score, self.better)))
        if claimed is not None and _close(claimed, self.better) and not _close(claimed, self.score):
            yield Finding(f"{result} that claims {self.better:.6g} scores {claimed:.6g}: the score is the candidate's own "
                          "number, so let the scorer compute it from what the run made.")
        for kind, (words, mend) in RESULTS.items():
            found = self._scored(made(Distortion(kind, wide)))
            telling = matter and not (wide and kind in ("half", "twice"))
            if self._no_worse(found) and (telling or self._gain(found) > self.baseline.spread):
                yield self._finding(words.format(result), found, mend)

    def _matter(self, wrong: Hostile | None) -> bool:
        """Whether wrong numbers are refused, or change the score."""
        found = self.score if wrong is None else self._scored(wrong)
        return abs(self._gain(found)) > self.baseline.spread

    def _by_tolerances(self, made: Make, tolerances: Iterable[tuple[float, str]]) -> Iterator[Finding]:
        """Results that are pushed within a tolerance and gain by it, where a stronger push is refused."""
        least = max(self.track.metric.worthwhile, self.baseline.spread)
        for size, file in tolerances:
            for scale, shift in PUSHES:
                near, far = (made(Distortion("push", scale=1 + scale * part * size, shift=shift * part * size))
                             for part in (NEAR, FAR))
                found = self._scored(near)
                if found is not None and self._gain(found) > least and self._scored(far) is None:
                    yield self._finding(f"a result that is pushed to within the tolerance of {size:g} in {file}", found,
                                        "a tolerance must gain nothing, so check exactly, or let the score pay for the way "
                                        "back (overnight.scoring.optimum does)")
                    return

    # -- one number --

    def _scored(self, hostile: Hostile | None) -> float | None:
        """What a hostile result scores; None where it is refused, there is none, or enough was tried."""
        if hostile is None or self.results >= MOST_SCORINGS or self._timeouts >= MOST_TIMEOUTS:
            return None
        self.results += 1
        job, folder = self.baseline.run.job, self.runner.artifacts / "hostile"
        if isinstance(hostile, dict):
            shutil.copytree(self.baseline.artifacts, folder)  # with its modes: the scorer may be another user
            for path in _files(folder):
                (folder / path).write_bytes(hostile[path]) if path in hostile else (folder / path).unlink()
            made = self.runner.score(job, folder, self.cores)
            shutil.rmtree(folder)
        else:
            made = self.runner.score(job, self.baseline.artifacts, self.cores, hostile)
        self._timeouts += made.outcome == "timeout"
        return self._number(made)

    def _number(self, made: Measurement) -> float | None:
        return made.metrics.get(self.track.metric.name)

    def _gain(self, found: float | None) -> float:
        """By how much a number is better than the baseline's; no number is worse than any."""
        return -math.inf if found is None else self.track.oriented(found - self.score)

    def _no_worse(self, found: float | None) -> TypeGuard[float]:
        """Whether a number does as well as the baseline's; it has to do better where that is the worst that there is."""
        gain, worst = self._gain(found), self.score == worst_of(self.track)
        return gain > self.baseline.spread if worst else gain >= -self.baseline.spread

    def _finding(self, words: str, found: float, mend: str, wrong: bool = False) -> Finding:
        return Finding(f"{words} scores {found:.6g}, no worse than the baseline's {self.score:.6g}: {mend}.", wrong)


def _files(folder: Path) -> list[str]:
    """The names of the files of a harvest, which are plain ones."""
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE)
