"""What the referee promises, measured through the whole Lab on simulated nights (bench/worlds.py says in which worlds).

True gain: of the frontier, in standard deviations of a run. Keeps that are false: of all keeps. Intervals that cover: 95 %
intervals of keeps that hold the truth. bench/classic.py measures the rules that others keep by in the same world.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bench.kit import Bench, Cell, Row, in_parallel, mean, share
from bench.order import ORDERS, QUEUE
from bench.worlds import CONTRACT, NOTHING, ONE, RUNS, STACK, WORLDS, figures, night
from overnight.errors import extra

FALSE, COVERS, NULL = "<= 0.05", ">= 0.94", "<= 0.05"
LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4)
SMALL = "improvements too small to matter"  # there is nothing to find, and its few keeps are all false


def cell(name: str, first: int, nights: int, world: str, false: str = FALSE, covers: str = COVERS, **given: object) -> Cell:
    """A cell of one kind of nights, from this seed on."""
    def rows() -> Iterator[Row]:
        yield from figures(name, in_parallel(partial(night, world, **given), range(first, first + nights)), false, covers)

    return Cell(name, rows)


def nothing(world: str, nights: int, proposals: int) -> Cell:
    """Nights in which nothing can be better."""
    def rows() -> Iterator[Row]:
        done = in_parallel(partial(night, world, runs=None, proposals=proposals, key=7), range(nights))
        yield share(f"{world}: nights that keep something", sum(bool(n.keeps) for n in done), nights, NULL)
        yield mean(f"{world}: runs", [n.runs for n in done])

    return Cell(f"null nights, {world}", rows)


def order(measure_slots: int, nights: int, runs: int) -> Cell:
    """What is measured first where the queue of ideas is never empty, the same nights in either order."""
    name = f"{measure_slots} benches, {QUEUE} ideas wait for each"

    def rows() -> Iterator[Row]:
        gains = []
        for title, lab in ORDERS.items():
            given = {"measure_slots": measure_slots, "edit_slots": 8, "contract": ONE, "lab": lab, "runs": runs}
            done = in_parallel(partial(night, "reference", **given), range(40_000, 40_000 + nights))
            gains.append([n.gain for n in done])
            yield mean(f"{name}, {title}: true gain", gains[-1], unit="sd")
        yield mean(f"{name}: the first less the second", [one - two for one, two in zip(*gains, strict=True)], ">= 0", "sd")

    return Cell(name, rows)


def drawn(rows: Mapping[str, float], to: Path) -> None:
    """Draw what `false_share` buys, from the values of rows by name: the gain of a night against the share of false keeps."""
    with extra("charts", "drawing a bench's picture"):
        from matplotlib.figure import Figure
    shares = [100 * rows[f"false_share {wanted:g}: keeps that are false"] for wanted in LEVELS]
    gains = [rows[f"false_share {wanted:g}: true gain"] for wanted in LEVELS]
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(shares, gains, "o-", color="#2a7f62")
    for x, y, wanted in zip(shares, gains, LEVELS, strict=True):
        axes.annotate(f"{wanted:g}", (x, y), xytext=(6, -12), textcoords="offset points", fontsize=9)
    axes.set(xlabel="keeps that are false, %", ylabel="true gain of a night", title="What `false_share` buys (2,000 runs)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(to)


def cells(quick: bool) -> Iterator[Cell]:
    """Policies, worlds, benches, orders, levels of false keeps, nights of nothing."""
    def nights(usual: int) -> int:
        return 1 if quick else usual

    budgets = {"2,000 runs": {}, "700 proposals": {"proposals": 700, "runs": None}}
    for title, given in list(budgets.items())[:1 if quick else 2]:
        for name, contract in (("one change a run", ONE), ("ours", "")):
            yield cell(f"{title}, {name}", 10_000, nights(100), "reference", contract=contract, **given)
    for world, (_, contract) in WORLDS.items():
        false, covers = ("", "") if world == SMALL else (FALSE, COVERS)
        for name, text in ((world, ""), (f"{world}, one change a run", contract + STACK))[:1 if quick else 2]:
            yield cell(name, 20_000, nights(30), world, false, covers, contract=text)
    for measure_slots in (8,) if quick else (1, 2, 8, 32):
        yield cell(f"{measure_slots} benches", 30_000, nights(40), "reference", measure_slots=measure_slots,
                   edit_slots=1 + measure_slots // 8)
    for measure_slots in (1,) if quick else (1, 4):
        yield order(measure_slots, nights(20), 500 if quick else RUNS)
    for wanted in () if quick else LEVELS:
        yield cell(f"false_share {wanted:g}", 50_000, 30, "reference", f"<= {wanted:g}",
                   contract=CONTRACT + f"[referee]\nfalse_share = {wanted}\n")
    for world in NOTHING:
        yield nothing(world, 2 if quick else 1000, 50 if quick else 700)


BENCH = Bench("referee", "Simulated nights: false keeps <= 5 %, intervals cover >= 94 %, nights of nothing that keep <= 5 %.",
              cells, long=True, draw=drawn)
