"""What a user gets for the same number of runs: the real Lab with knobs, beside the optimisers that are in use.

Every run counts: calibration, races and confirmations here, the runs that measure the best five again there. Regret is the true
one of what is deployed, 1 for the defaults and 0 for the best that there is, and BAD for what crashes or breaks a guard. Of
each optimiser there is what its best number says ("best observed"), and, where runs are noisy, what its best five measured
again say, the last fifteen runs; of TPE also what our referee lets pass, once, at the end.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench import minded, real, wide
from bench.deployed import deployed
from bench.kit import Bench, Cell, Row, exact, in_parallel, mean, median, share
from bench.landscapes import EXACT, LANDSCAPES, LUCK, Landscape, Values, nothing
from bench.peers import BAD, PEERS, Handed, best, explored, has_gp, remeasured

OURS, RACED = "knobs in the Lab", "knobs, every idea raced"
GP, REFEREED = "GP", "TPE, refereed once"
EVERY = (OURS, RACED, *PEERS, REFEREED)
EXTRA = {OURS: "", RACED: '[referee]\ncampaign = "off"\n'}  # of the contract
RIVALS = ("TPE", "CMA-ES", "hill climb")  # which it must not be behind
BUDGETS = (30, 60, 100, 200)
BETWEEN = (45, 80, 140)  # further budgets of ours, for when it reaches what TPE does with a hundred
REFEREE, LEAST = 0.25, 20  # the share of a budget that a single claim is given, and the fewest runs
REAL = ("network", "packing")


def regret(landscape: Landscape, values: Values) -> float:
    """The true regret of a configuration, bounded."""
    return min(landscape.regret(values), BAD)


# ---- one seed of an arm ------------------------------------------------------------------------------------------

Night = tuple[dict[str, float], float]  # regrets by what was done, and CPU milliseconds for a suggestion


def ours(world: str, budgets: Sequence[int], extra: str, seed: int) -> Night:
    """Nights of the Lab, one for each budget."""
    landscape = LANDSCAPES[world](seed)
    nights = {runs: deployed(landscape, runs, seed, contract_extra=extra) for runs in budgets}
    return ({f"{runs} runs": regret(landscape, night.values) for runs, night in nights.items()}, nights[max(budgets)].cpu)


def theirs(world: str, peer: str, budgets: Sequence[int], seed: int) -> Night:
    """An optimiser's trials, and what a user deploys of them."""
    landscape = LANDSCAPES[world](seed)
    trials, cpu = explored(PEERS[peer], landscape, seed, max(budgets))
    found = {}
    for runs in budgets:
        found[f"{runs} runs"] = regret(landscape, remeasured(landscape, trials[:runs], seed))
        found[f"{runs} runs, best observed"] = regret(landscape, best(landscape, trials[:runs]))
    return found, cpu


def refereed(world: str, budgets: Sequence[int], seed: int) -> Night:
    """TPE's best at the end as the one claim of a night of the Lab, which has the last part of the budget."""
    landscape, found = LANDSCAPES[world](seed), dict[str, float]()
    trials, cpu = explored(PEERS["TPE"], landscape, seed, max(budgets))
    for runs in budgets:
        claim = max(LEAST, round(REFEREE * runs))
        handed = Handed(best(landscape, trials[:runs - claim]))
        night = deployed(landscape, claim, seed, contract_extra=EXTRA[RACED], researcher=handed)
        found[f"{runs} runs"] = regret(landscape, night.values)
    return found, cpu


def rows(name: str, night: partial[Night], seeds: int) -> Iterator[Row]:
    """The figures of one arm in one world."""
    nights = in_parallel(night, range(seeds)) if seeds > 1 else [night(0)]
    for what in nights[0][0]:
        yield mean(f"{name}, {what}", [found[what] for found, _ in nights])
    yield median(f"{name}, CPU of a suggestion", [cpu for _, cpu in nights], unit="ms")


def known(world: str, runs: int) -> Iterator[Row]:
    """What optimisers find that see the truth of a real program: nothing better than what is taken for the best."""
    real = LANDSCAPES[world](0)
    still = Landscape(real.source, real.loss, 0.0, cost=real.cost, default=real.default, best=real.best)
    for peer in ("TPE", "CMA-ES"):
        trials, _ = explored(PEERS[peer], still, 0, runs)
        least = min(trial.worth for trial in trials)
        yield exact(f"the best that is known, {world}: {peer}, {runs} evaluations", least, ">= -0.02")


def deceived(luck: str, runs: int, seed: int) -> tuple[int, int]:
    """How many experiments a night made where no knob does anything, and how many of them it kept."""
    night = deployed(nothing(luck), runs, seed)
    return night.state.judged, len(night.keeps)


def null_nights(nights: int, runs: int) -> Iterator[Row]:
    """The share of nights with any keep where every keep is false."""
    for luck in LUCK:
        found = in_parallel(partial(deceived, luck, runs), range(nights))
        deceived_in = sum(kept > 0 for _, kept in found)
        yield share(f"null nights, {luck}: nights of {runs} runs that keep something", deceived_in, nights, "<= 0.05")
        yield exact(f"null nights, {luck}: verdicts, in all", sum(judged for judged, _ in found), count=nights)


def beside(world: str, slots: int, budgets: Sequence[int], seed: int) -> dict[int, float]:
    """Regrets of the Lab by budget, on several benches."""
    landscape = LANDSCAPES[world](seed)
    return {runs: regret(landscape, deployed(landscape, runs, seed, slots).values) for runs in budgets}


def parallel(slots: int, worlds: Sequence[str], seeds: int, budgets: Sequence[int]) -> Iterator[Row]:
    """Mean regret over worlds on so many benches, at equal runs."""
    every = [in_parallel(partial(beside, world, slots, budgets), range(seeds)) for world in worlds]
    for runs in budgets:
        means = [statistics.fmean(found[runs] for found in world) for world in every]
        name = f"{slots} benches, {runs} runs: mean regret over {len(worlds)} worlds"
        yield exact(name, statistics.fmean(means), count=seeds)


# ---- over all worlds ---------------------------------------------------------------------------------------------

Table = Mapping[tuple[str, str, int], Row]  # by world, arm and budget


def arms() -> list[str]:
    """Every arm that can be measured here."""
    return [arm for arm in EVERY if arm != GP or has_gp()]


def table(rows: Iterable[Row]) -> Table:
    """The rows of regret by world, arm and budget."""
    by_name = {row.what: row for row in rows}
    every = ((world, arm, runs) for world in LANDSCAPES for arm in EVERY for runs in (*BUDGETS, *BETWEEN))
    return {key: by_name[name] for key in every if (name := "{}, {}, {} runs".format(*key)) in by_name}


def sums(measured: Sequence[Row]) -> Iterator[Row]:
    """Means over the worlds, wins and losses, and how soon ours is where TPE is after a hundred runs."""
    yield from real.compared(measured)
    found = table(measured)
    worlds = [world for world in LANDSCAPES if (world, OURS, max(BUDGETS)) in found]
    asked = {(OURS, 60): "<= 0.3", (OURS, 100): "<= 0.2"}
    for arm in EVERY:
        for runs in BUDGETS:
            every = [found[key] for world in worlds if (key := (world, arm, runs)) in found]
            if len(every) == len(worlds) > 1:
                yield averaged(f"mean over {len(worlds)} worlds, {arm}, {runs} runs", every, asked.get((arm, runs), ""))
    if len(worlds) < len(LANDSCAPES):
        return
    yield averaged("exact worlds, 200 runs", [found[world, OURS, 200] for world in EXACT], "<= 0.05")
    for runs in BUDGETS:
        for peer in RIVALS:
            behind = [found[world, OURS, runs].value - found[world, peer, runs].value for world in worlds]
            yield exact(f"{runs} runs: worlds where ours is at least as good as {peer}", sum(d <= 0 for d in behind),
                        ">= 12" if runs == 100 else "", count=len(worlds))
            yield exact(f"{runs} runs: how far ours is behind {peer} at most", max(behind), "<= 0.05" if runs == 100 else "",
                        count=len(worlds))
    soon = [reached(found, world, found[world, "TPE", 100].value) for world in worlds]
    yield exact("runs until ours is where TPE is after 100, median of the worlds", statistics.median(soon), "<= 60",
                count=len(soon))


def averaged(what: str, rows: Sequence[Row], asked: str = "") -> Row:
    """The mean over worlds that are given, so that only the seeds are left to chance."""
    middle = statistics.fmean(row.value for row in rows)
    radius = math.sqrt(sum((row.high - row.value) ** 2 for row in rows)) / len(rows)
    return Row(what, middle, middle - radius, middle + radius, min(row.count for row in rows), asked, least=6)


def reached(found: Table, world: str, wanted: float) -> float:
    """The fewest runs with which ours leaves no more regret than that, between budgets by a straight line."""
    budgets = sorted((*BUDGETS, *BETWEEN))
    values = [found[world, OURS, runs].value for runs in budgets]
    for place, (runs, value) in enumerate(zip(budgets, values, strict=True)):
        if value <= wanted:
            before = (0, 1.0) if place == 0 else (budgets[place - 1], values[place - 1])
            return before[0] + (runs - before[0]) * (before[1] - wanted) / ((before[1] - value) or 1.0)
    return math.inf


def drawn(values: Mapping[str, float], to: Path) -> None:
    """Write the table of all worlds at a hundred runs, in Markdown, from the values of rows by name."""
    shown = [arm for arm in EVERY if f"own, {arm}, 100 runs" in values]
    lines = [f"| regret after 100 runs | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
    lines += [_line(world, [values[f"{world}, {arm}, 100 runs"] for arm in shown]) for world in LANDSCAPES]
    for runs in BUDGETS:
        means = (values.get(f"mean over {len(LANDSCAPES)} worlds, {arm}, {runs} runs", math.nan) for arm in shown)
        lines.append(_line(f"mean, {runs} runs", [*means]))
    to.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(name: str, regrets: Sequence[float]) -> str:
    """A line of that table, the least in bold."""
    least = min(each for each in regrets if not math.isnan(each))
    shown = ("–" if math.isnan(each) else f"**{each:.2f}**" if each == least else f"{each:.2f}" for each in regrets)
    return f"| {name} | {' | '.join(shown)} |"


# ---- the bench ---------------------------------------------------------------------------------------------------


def cell(world: str, arm: str, seeds: int, budgets: Sequence[int]) -> Cell:
    """An arm in a world. The Gaussian process of Optuna takes seconds for a suggestion: five seeds, a hundred runs."""
    if arm == GP:
        seeds, budgets = min(seeds, 5), [runs for runs in budgets if runs <= 100]
    if arm in EXTRA:
        between = BETWEEN if arm == OURS and len(budgets) > 1 else ()
        night = partial(ours, world, (*budgets, *between), EXTRA[arm])
    elif arm == REFEREED:
        night = partial(refereed, world, budgets)
    else:
        night = partial(theirs, world, arm, budgets)
    name = f"{world}, {arm}"
    return Cell(name, partial(rows, name, night, seeds))


def cells(quick: bool) -> Iterator[Cell]:
    """Every arm in every world, and real tracks; quick: thirty runs in two of them, and seconds on one."""
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(library, "1")  # for the processes that are about to be born
    for world in ("hartmann", "own, exact") if quick else LANDSCAPES:
        for arm in arms():
            yield cell(world, arm, 1 if quick else 10, (30,) if quick else BUDGETS)
    yield Cell("large", partial(wide.large, *(500, (30,), 1) if quick else (500, wide.RUNS, 4)))
    yield Cell("null nights", partial(null_nights, *(2, 40) if quick else (200, 150)))
    worlds = [world for world in LANDSCAPES if world not in REAL]
    for slots in (2,) if quick else (1, 2, 8, 32):
        how = (worlds[:1], 1, (30,)) if quick else (worlds, 6, (100, 200, 400))
        yield Cell(f"{slots} benches", partial(parallel, slots, *how))
    for fitted in (False,) if quick else (False, True):
        what = partial(minded.rows, "hartmann", *(30, fitted, 2) if quick else (100, fitted, 60))
        yield Cell(f"beside a mind{', fitted' * fitted}", what)
    for world in () if quick else REAL:
        yield Cell(f"the best that is known, {world}", partial(known, world, 400))
    yield from real.cells(quick)


BENCH = Bench("search", "What knobs deploy under the referee beside Optuna and others, at equal runs: no more regret in "
              "twelve of fourteen worlds, <= .3 after 60 and <= .2 after 100 in the mean; where no knob does anything, at most "
              "5 % of the nights keep something.", cells, long=True, draw=drawn, sums=sums)
