"""What the referee promises, measured through the whole Lab on simulated nights (bench/worlds.py says in which worlds), within
ten minutes on two cores; bench/referee_long.py has the same and more with enough nights to tell.

True gain: of the frontier, in standard deviations of a run. Keeps that are false: of all keeps. Intervals that cover: 95 %
intervals of keeps that hold the truth. Runs until it is kept: after calibration, of a single change that is kept.
bench/classic.py measures the rules that others keep by in the same world.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from bench import classic
from bench.kit import Bench, Cell, Row, exact, in_parallel, mean, share
from bench.worlds import COMMON, CRASHING, NOTHING, ONE, SMALL, figures, night
from fakes import FakeWorld, Night, single

FALSE, COVERS, NULL = "<= 0.05", ">= 0.94", "<= 0.05"
REFERENCE = {"gain": ">= 47", "false": "<= 0.02", "claimed": "<= 1.03"}
FAILING = ("three candidates in ten crash now and then", CRASHING)  # worlds in which runs fail
BRACKETS = {  # worlds that are common, and what is asked of the gain there
    "one candidate in five ten times as noisy": ">= 9"}
COST = {1.0: "<= 17", 2.0: "<= 12", 4.0: "<= 8", 8.0: "<= 6"}  # runs until it is kept, by the effect in standard deviations
ENOUGH = 100  # changes from which on their mean is judged
BUDGETS, BESIDE = (30, 60, 120), 0.9  # runs in all, and the share of what a plain sequential test gains
BUSY = {8: 0.9, 32: 0.85}  # measure slots, and the share of what one gains


def cell(name: str, first: int, nights: int, world: str, asked: dict[str, str], covers: str = COVERS, **given: object) -> Cell:
    """A cell of one kind of nights, from this seed on."""
    def rows() -> Iterator[Row]:
        done = in_parallel(partial(night, world, **given), range(first, first + nights))
        yield from figures(name, done, asked.get("false", FALSE), covers, asked.get("gain", ""), asked.get("claimed", ""))
        if world in FAILING:
            yield exact(f"{name}: nights that end because runs fail", sum(bool(n.problem) for n in done), "== 0")

    return Cell(name, rows)


def nothing(world: str, nights: int, proposals: int = 700) -> Cell:
    """Nights in which nothing can be better."""
    def rows() -> Iterator[Row]:
        done = in_parallel(partial(night, world, runs=None, proposals=proposals, key=7), range(nights))
        yield share(f"{world}: nights that keep something", sum(bool(n.keeps) for n in done), nights, NULL)
        yield mean(f"{world}: runs", [n.runs for n in done])

    return Cell(f"null nights, {world}", rows)


def believed(effect: float, seed: int) -> tuple[bool, int]:
    """Whether a single change of this effect is kept, and after how many runs."""
    done = Night(FakeWorld(seed, partial(single, effect)), contract=ONE, measure_slots=1, key=f"cost {seed}")
    done.go(experiments=1)
    return done.lab.state.experiments[1].verdict == "keep", done.lab.state.runs - 6


def cost(changes: int) -> Cell:
    """What it costs to believe."""
    def rows() -> Iterator[Row]:
        for effect, asked in COST.items():
            done = in_parallel(partial(believed, effect), range(changes))
            runs = [count for kept, count in done if kept]
            yield share(f"a change of {effect:g} sd: kept", len(runs), changes)
            yield mean(f"a change of {effect:g} sd: runs until it is kept", runs, asked if changes >= ENOUGH else "")

    return Cell("the cost of believing", rows)


def small(nights: int) -> Cell:
    """Nights of few runs, beside a plain sequential test on the same worlds."""
    def rows() -> Iterator[Row]:
        world = next(iter(SMALL))
        for runs in BUDGETS:
            ours = in_parallel(partial(night, world, runs=runs), range(60_000, 60_000 + nights))
            plain = in_parallel(partial(classic.night, "sequential e-value >= 20, nothing confirmed", runs=runs, world=world),
                                range(60_000, 60_000 + nights))
            yield from figures(f"{runs} runs", ours, FALSE)
            yield mean(f"{runs} runs, a plain e >= 20: true gain", [n.gain for n in plain], unit="sd")
            yield mean(f"{runs} runs: gain less {BESIDE:g} of the plain test's",
                       [a.gain - BESIDE * b.gain for a, b in zip(ours, plain, strict=True)], ">= 0", "sd")

    return Cell("small budgets", rows)


def busy(measure_slots: int, nights: int) -> Cell:
    """What many benches gain at equal runs, beside one on the same worlds."""
    def rows() -> Iterator[Row]:
        seeds, least = range(30_000, 30_000 + nights), BUSY[measure_slots]
        many, one = (in_parallel(partial(night, "reference", measure_slots=slots, edit_slots=1 + slots // 8), seeds)
                     for slots in (measure_slots, 1))
        yield from figures(f"{measure_slots} benches", many, FALSE, COVERS)
        yield mean(f"{measure_slots} benches: gain less {least:g} of one's",
                   [a.gain - least * b.gain for a, b in zip(many, one, strict=True)], ">= 0", "sd")

    return Cell(f"{measure_slots} benches", rows)


def promises(reference: int, common: int, null: int, parallel: int, changes: int, often: Mapping[str, int]) -> Iterator[Cell]:
    """What is asked of the referee, with so many nights of each kind; 0: none. `often`: other numbers of nights of nothing, by
    world."""
    yield cell("2,000 runs", 10_000, reference, "reference", REFERENCE)
    if parallel:
        yield cell("improvements of U[.5, 1]", 20_000, parallel, "improvements of U[.5, 1]", {"claimed": "<= 1.03"})
    for world in COMMON if common else ():
        yield cell(world, 20_000, common, world, {"gain": BRACKETS.get(world, "")})
    for world in NOTHING if null else ():
        yield nothing(world, often.get(world, null))
    yield cost(changes)
    yield small(changes)
    for slots in BUSY if parallel else ():
        yield busy(slots, parallel)


def cells(quick: bool) -> Iterator[Cell]:
    """The promises, in few nights."""
    yield from promises(2, 0, 0, 0, 10, {}) if quick else promises(48, 12, 20, 20, 200, {})
    if quick:
        yield nothing("nothing at all", 2, 50)


BENCH = Bench("referee", "Simulated nights: true gain >= 47, false keeps <= 2 %, intervals cover >= 94 %, nights of nothing "
              "that keep <= 5 %.", cells)
