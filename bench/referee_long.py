"""The promises of bench/referee.py with enough nights to tell, and what else there is to know of the rule: 700 proposals, other
worlds, one change a run, the order of what is measured, and what `false_share` buys. Many hours; finished cells are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bench.kit import Bench, Cell, Row, in_parallel, mean
from bench.order import ORDERS, QUEUE
from bench.referee import COVERS, FALSE, cell, promises
from bench.worlds import CONTRACT, ONE, RUNS, STACK, WORLDS, night
from overnight.errors import extra

LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4)
SMALL = "improvements too small to matter"  # there is nothing to find, and its few keeps are all false
OFTEN = ("nothing at all", "nothing or harm", "nothing at all, one in five ten times as noisy",
         "nothing at all, in coarse steps")


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
    """All of it; quick: a night of what bench/referee.py has not."""
    if quick:
        yield cell("2,000 runs, one change a run", 10_000, 1, "reference", {}, contract=ONE)
        yield order(1, 1, 300)
        return
    yield from promises(200, 60, 300, 60, 1000, dict.fromkeys(OFTEN, 500))
    yield cell("2,000 runs, one change a run", 10_000, 100, "reference", {}, contract=ONE)
    for name, contract in (("one change a run", ONE), ("ours", "")):
        yield cell(f"700 proposals, {name}", 10_000, 100, "reference", {}, contract=contract, proposals=700, runs=None)
    for world, (_, contract) in WORLDS.items():
        asked, covers = ({"false": ""}, "") if world == SMALL else ({"false": FALSE}, COVERS)
        for name, text in ((world, ""), (f"{world}, one change a run", contract + STACK)):
            yield cell(name, 20_000, 30, world, asked, covers, contract=text)
    for measure_slots in (1, 4):
        yield order(measure_slots, 20, RUNS)
    for wanted in LEVELS:
        yield cell(f"false_share {wanted:g}", 50_000, 30, "reference", {"false": f"<= {wanted:g}"},
                   contract=CONTRACT + f"[referee]\nfalse_share = {wanted}\n")


BENCH = Bench("referee_long", "Simulated nights, many of them: false keeps <= 5 %, intervals cover >= 94 %, nights of nothing "
              "that keep <= 5 %.", cells, long=True, draw=drawn)
