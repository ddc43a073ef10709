"""`overnight check`: run the baseline a few times and say what a night on this track would be like."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence

from msgspec import UNSET

from overnight.lab.jobs import Measure, Measurement, sealed
from overnight.lab.nulls import LONG, USUAL, enough, unseen
from overnight.night import costs
from overnight.night.hostile import Attacked
from overnight.referee import curves, limits
from overnight.track.spec import Track
from overnight.views.track import divided, one_seed

NIGHT_SECONDS = 8 * 3600.0
MOST_FAILURES = 3  # runs of the baseline that may fail before it is given up


def attempt(commit: str, measure: Callable[[Measure], Measurement]) -> list[Measurement]:
    """Run the baseline on one seed twice and on another once. Where a run fails other seeds are tried, until `MOST_FAILURES`
    failed."""
    seeds, key = [secrets.randbits(31)] * 2 + [secrets.randbits(31)], secrets.token_hex(16)
    runs: list[Measurement] = []
    while seeds and not broken(runs):
        runs.append(measure(sealed(Measure(len(runs), 0, commit, seeds[0], "calibrate"), key)))
        if runs[-1].outcome == "ok":
            seeds.pop(0)
        else:
            seeds = [secrets.randbits(31)] * (2 if len(seeds) > 1 else 1) + seeds[-1:] * (len(seeds) > 1)
    return runs


def broken(runs: Sequence[Measurement]) -> bool:
    """Whether so many runs of the baseline failed that no more were made."""
    return sum(run.outcome != "ok" for run in runs) >= MOST_FAILURES


def good(runs: Sequence[Measurement]) -> list[Measurement]:
    """The last three that ended well, which are those that say something: the first two on one seed, where it is not broken."""
    return [run for run in runs if run.outcome == "ok"][-3:]


def problems(track: Track, runs: list[Measurement], fixed: Sequence[str] = (), lacks: str = "") -> Iterator[str]:
    """What is wrong, a sentence each; `fixed`: where a seed is fixed; `lacks`: what a failed run may have lacked."""
    failed = [run for run in runs if run.outcome != "ok"]
    if broken(runs):
        often = f" on {len(failed)} of {len(runs)} seeds" * (len(runs) > len(failed))
        yield f"the baseline fails{often}: {failed[-1].reason.rstrip('.')}{lacks and f'; {lacks}'}."
        return
    if failed:
        yield (f"the baseline failed in {len(failed)} of {len(runs)} runs ({failed[-1].reason.rstrip('.')}): a night leaves "
               "such seeds out, and lets changes fail as often as the baseline, so mend it if you can.")
    runs = good(runs)
    numbers = [r.metrics[track.metric.name] for r in runs]
    if track.self_reported:
        yield f"{track.metric.name} is self-reported, so a candidate can forge it: write a [score] command."
    if numbers[0] != numbers[1]:
        yield "the same seed gives different numbers, so pairing on seeds helps less: use $OVERNIGHT_SEED for every draw."
    if one_number(track, runs):
        yield f"{one_seed(fixed)}." if fixed else (
            "another seed gives the same number, and no fixed seed was found: where nothing is random that is as it should be; "
            "else draw from $OVERNIGHT_SEED.")
    for guard in track.guard:
        if guard.metric not in runs[0].metrics:
            yield f"the guard on {guard.metric} never binds: no command measures {guard.metric}."
    if any(run.accounting == "estimate" for run in runs):
        for name in track.counted_guards:
            yield f"the guard on {name} is held to estimates here, which a candidate can make look smaller than they are."
    if track.progress is not None and len(runs[0].curve) < curves.FEWEST_REPORTS:
        yield (f"[progress] matches {len(runs[0].curve)} lines of the run's output, too few to stop anything: print more of "
               "them, or mend the pattern.")
    shares = [run.starved for run in runs if run.starved is not UNSET]
    if track.metric.kind == "timing" and shares and min(shares) > track.referee.may_starve:
        yield (f"for {100 * min(shares):.0f} % of its time or more each run waited for a core that other work had, and timing "
               f"waits where it is over {100 * track.referee.may_starve:g} %: end that work, or raise [referee] may_starve.")
    if track.metric.worthwhile == 0:
        seen = resolved(numbers)
        yield "worthwhile is 0, so any improvement however small may be kept: say what is worth a commit" + (
            f", say {seen:.1g}, by which two seeds differ, or less, as pairs spread less." if seen else ".")


def resolved(numbers: Sequence[float]) -> float:
    """By how much two seeds differ, in the metric's unit; 0 where they gave one number. A night judges by pairs on common
    seeds, whose spread goes with the change and is often far less; this bounds it roughly from above."""
    return abs(numbers[0] - numbers[2]) if len(numbers) > 2 else 0.0


def null_edits(track: Track, numbers: Sequence[float]) -> str:
    """Which edits that do nothing a night would begin with; "" where they would show nothing."""
    told, share = track.referee.null_edits, track.referee.false_share
    if len(numbers) < 3 or (told == "auto" and numbers[0] != numbers[1]):
        return ""
    if told == 0:
        return "no edits that do nothing are tried ([referee] null_edits = 0), so what a text alone moves may be kept"
    count = USUAL if told == "auto" else told
    which = f"a night of {LONG} runs or more" if told == "auto" and numbers[0] != numbers[2] else "a night"
    more = f"; for {100 * share:g} % it takes null_edits = {enough(share)}" if unseen(count) > share else ""
    return (f"{which} begins with {count} edits that do nothing: if one moves {track.metric.name}, every run gets one of its "
            f"own; if none does, at most {100 * unseen(count):.0f} % of such edits would (95 %){more}")


def one_number(track: Track, runs: Sequence[Measurement]) -> bool:
    """Whether runs on more than one seed all gave one number."""
    return not broken(runs) and len({run.metrics[track.metric.name] for run in good(runs)}) == 1


def attack_words(attacked: Attacked) -> Iterator[str]:
    """What came of the attack on the scorer, as sentences."""
    results = f" and {attacked.results} results" if attacked.results else ""
    what = "the scorer" if results else "the pattern"
    tried = f"{what} was tried with {attacked.candidates} candidates{results} that are no good"
    yield tried if attacked.findings else f"{tried}: none of them did as well as the baseline"
    yield from (f"{'wrong' if found.wrong else 'warning'}: {found.sentence}" for found in attacked.findings)


def words(track: Track, runs: list[Measurement], measure_slots: int, fixed: Sequence[str] = (),
          lacks: str = "") -> Iterator[str]:
    """What these runs of the baseline show, as sentences; `fixed`: where its program fixes a seed; `lacks`: what a failed one
    may have lacked."""
    name, unit = track.metric.name, track.metric.unit
    well = [r.metrics for r in good(runs)]
    numbers = [metrics[name] for metrics in well]
    if well:
        wall = sum(r.busy for r in runs) / len(runs)
        overhead = sum(sum(r.overhead.values()) for r in runs) / len(runs)
        cpu, memory = sum(m["cpu_seconds"] for m in well) / len(well), max(m["peak_memory"] for m in well)
        yield f"{name} of the baseline: {numbers[0]:.6g} {unit}".rstrip()
        a_night = NIGHT_SECONDS / (wall + overhead) * measure_slots
        exact = all(run.accounting == "exact" for run in runs)
        yield (f"one run takes {wall:.2f} s ({cpu:.2f} s of CPU, {memory / 2**20:.0f} MiB{'' if exact else ', estimated'}) and "
               f"{1000 * overhead:.0f} ms of overhead: about {a_night:,.0f} runs in 8 h with {measure_slots} at a time")
        if split := divided(costs.spent(runs)):
            yield split
    if len(well) > 1 and not broken(runs):
        same = abs(numbers[0] - numbers[1])
        yield f"the same seed twice: {f'a difference of {same:.3g} {unit}'.rstrip() if same else 'the same number'}"
    if len(well) > 2 and not broken(runs):
        yield (f"another seed: a difference of {abs(numbers[0] - numbers[2]):.3g} {unit}".rstrip()
               + " (a single one, so a rough idea of the noise; a night begins with five seeds)")
    if seen := resolved(numbers):
        asked = track.metric.worthwhile
        takes = f"{limits.runs_for(asked, seen):,.0f}" if 0 < asked < seen else ""
        yield (f"if pairs spread as these two seeds do, {limits.RUNS} runs show an improvement of {seen:.2g} {unit}".rstrip()
               + (f", and one of {asked:g}, which is worthwhile, takes about {takes}" if takes else "")
               + "; pairs on common seeds often spread far less, which only a night's changes show")
    if planned := null_edits(track, numbers):
        yield planned
    kind = "wrong" if broken(runs) else "note"
    yield from (f"{kind}: {problem}" for problem in problems(track, runs, fixed, lacks))
