"""`overnight check`: run the baseline a few times and say what a night on this track would be like."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from msgspec import Struct

from overnight.lab.jobs import Measure, Measurement, sealed
from overnight.night.hostile import Attacked
from overnight.referee import curves
from overnight.track.spec import Track

NIGHT = 8 * 3600.0  # seconds


class BaselineCheck(Struct, frozen=True):
    """The result of three runs of the baseline: two on one seed, one on another.

    metric        of the three runs, in that order
    wall          mean seconds of one run with its scoring
    cpu           mean CPU seconds of the run alone
    peak_memory   bytes, the largest of the three
    problems      what is wrong, a sentence each
    first         the first run
    """

    metric: tuple[float, ...]
    wall: float
    cpu: float
    peak_memory: float
    overhead: float
    problems: tuple[str, ...]
    first: Measurement

    @property
    def whole(self) -> bool:
        """Whether no run failed."""
        return len(self.metric) == 3

    @property
    def deterministic(self) -> bool:
        """Whether the same seed gave the same number twice."""
        return len(self.metric) > 1 and self.metric[0] == self.metric[1]


def attempt(track: Track, commit: str, measure: Callable[[Measure], Measurement]) -> BaselineCheck:
    """Run the baseline on one seed twice and on another once. Stops at the first run that fails."""
    seeds = [secrets.randbits(31)] * 2 + [secrets.randbits(31)]
    runs: list[Measurement] = []
    key = secrets.token_hex(16)
    for number, seed in enumerate(seeds):
        runs.append(measure(sealed(Measure(number, 0, commit, seed, "calibrate"), key)))
        if runs[-1].outcome != "ok":
            break
    good = [r for r in runs if r.outcome == "ok"]
    return BaselineCheck(
        metric=tuple(r.metrics[track.metric.name] for r in good),
        wall=sum(r.busy for r in runs) / len(runs),
        cpu=sum(r.metrics["cpu_seconds"] for r in good) / max(1, len(good)),
        peak_memory=max((r.metrics["peak_memory"] for r in good), default=0.0),
        overhead=sum(sum(r.overhead.values()) for r in runs) / len(runs),
        problems=tuple(_problems(track, runs)), first=runs[0])


def _problems(track: Track, runs: list[Measurement]) -> Iterator[str]:
    if runs[-1].outcome != "ok":
        yield f"the baseline fails: {runs[-1].reason}."
        return
    numbers = [r.metrics[track.metric.name] for r in runs]
    if track.self_reported:
        yield f"{track.metric.name} is self-reported, so a candidate can forge it: write a [score] command."
    if numbers[0] != numbers[1]:
        yield "the same seed gives different numbers, so pairing on seeds helps less: use $OVERNIGHT_SEED for every draw."
    if len(set(numbers)) == 1:
        yield "another seed gives the same number: either nothing is random, or $OVERNIGHT_SEED is not used."
    for guard in track.guard:
        if guard.metric not in runs[0].metrics:
            yield f"the guard on {guard.metric} never binds: no command measures {guard.metric}."
    if track.progress is not None and len(runs[0].curve) < curves.FEWEST:
        yield (f"[progress] matches {len(runs[0].curve)} lines of the run's output, too few to stop anything: print more of "
               "them, or mend the pattern.")
    if track.metric.worthwhile == 0:
        yield "worthwhile is 0, so any improvement however small may be kept: say what is worth a commit."


def attack_words(attacked: Attacked) -> Iterator[str]:
    """What came of the attack on the scorer, as sentences."""
    yield f"the scorer was tried with {attacked.candidates} candidates and {attacked.results} results that are no good" + (
        "" if attacked.findings else ": none of them did as well as the baseline")
    yield from (f"{'wrong' if found.wrong else 'warning'}: {found.sentence}" for found in attacked.findings)


def words(track: Track, check: BaselineCheck, benches: int) -> Iterator[str]:
    """The result of a check, as sentences."""
    name, unit = track.metric.name, track.metric.unit
    if check.metric:
        yield f"{name} of the baseline: {check.metric[0]:.6g} {unit}".rstrip()
        a_night = NIGHT / (check.wall + check.overhead) * benches
        yield (f"one run takes {check.wall:.2f} s ({check.cpu:.2f} s of CPU, {check.peak_memory / 2**20:.0f} MiB) and "
               f"{1000 * check.overhead:.0f} ms of overhead: about {a_night:,.0f} runs in 8 h with {benches} at a time")
    if len(check.metric) > 1:
        same = abs(check.metric[0] - check.metric[1])
        shown = "the same number" if check.deterministic else f"a difference of {same:.3g} {unit}".rstrip()
        yield f"the same seed twice: {shown}"
    if len(check.metric) > 2:
        yield (f"another seed: a difference of {abs(check.metric[0] - check.metric[2]):.3g} {unit}".rstrip()
               + " (a single one, so a rough idea of the noise; a night begins with five seeds)")
    yield from (f"wrong: {p}" for p in check.problems if p.startswith("the baseline fails"))
    yield from (f"note: {p}" for p in check.problems if not p.startswith("the baseline fails"))
