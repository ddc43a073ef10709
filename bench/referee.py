"""What the referee promises, measured through the whole Lab on simulated nights, beside the rules that others keep by.

    python bench/referee.py                          all tables but the last, in about ten minutes on two cores
    python bench/referee.py nothing --nights 1000    nights in which nothing is better: how many end with any keep
    python bench/referee.py policies|worlds|workers|order|level [--nights N] [--plot docs/level.svg]

The world is the reference one unless another is named: 3 % of proposals improve by U[.5, 2] standard deviations of a
run, 48.5 % do nothing, 48.5 % harm by Exp(1); noise is shared with the parent, seed by seed, by .95, .8, .5 or 0. Other
worlds: each further edit in a stack costs U[0, 1]; harm by Exp(4); 77 % harmful; Student's t with 3 degrees of freedom;
one run in fifty diverges; a machine that gets slower by three standard deviations over the night (the metric is then
declared a time, and each pair is two runs side by side); improvements of U[.05, .2].

Columns: true gain of the frontier in standard deviations of a run, after so many runs; false share of all keeps; what
was claimed over what is true; how often the 95 % interval of a keep covers the truth. Standard errors are over nights.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent))

import classic
import fakes
from fakes import CONTRACT, FakeWorld, Night
from overnight.lab.jobs import Measure
from overnight.lab.lab import Lab

QUEUE = 40  # ideas that wait for each bench, in the table `order`
DRIFT = 3.0 / 2000  # standard deviations by which the machine gets slower with each run
ONE = CONTRACT + "[referee]\nstack = 1\n"
TIMED = CONTRACT.replace('"minimize"', '"minimize"\nkind = "timing"')
WORLDS: dict[str, tuple[Callable[[int], FakeWorld], str]] = {
    "reference": (lambda seed: FakeWorld(seed, fakes.referee_world), CONTRACT),
    "edits clash in stacks": (lambda seed: FakeWorld(seed, fakes.referee_world, clash=1.0), CONTRACT),
    "heavy harm": (lambda seed: FakeWorld(seed, fakes.heavy_harm), CONTRACT),
    "77 % harmful": (lambda seed: FakeWorld(seed, fakes.mostly_harmful), CONTRACT),
    "heavy tails (t3)": (lambda seed: FakeWorld(seed, fakes.referee_world, heavy=True), CONTRACT),
    "one run in 50 diverges": (lambda seed: FakeWorld(seed, fakes.diverging), CONTRACT),
    "drifting machine, a time": (lambda seed: FakeWorld(seed, fakes.referee_world, drift=DRIFT), TIMED),
    "drifting machine, not known as a time": (lambda seed: FakeWorld(seed, fakes.referee_world, drift=DRIFT), CONTRACT),
    "improvements too small to matter": (lambda seed: FakeWorld(seed, fakes.too_small), CONTRACT),
}
NOTHING: dict[str, tuple[Callable[[int], FakeWorld], str]] = {
    "nothing or harm": (lambda seed: FakeWorld(seed, fakes.without_improvement), CONTRACT),
    "nothing at all": (lambda seed: FakeWorld(seed, fakes.without_effect), CONTRACT),
    "nothing at all, independent noise": (lambda seed: FakeWorld(seed, fakes.no_op), CONTRACT),
    "nothing or harm, heavy tails": (lambda seed: FakeWorld(seed, fakes.without_improvement, heavy=True), CONTRACT),
    "nothing at all, heavy tails": (lambda seed: FakeWorld(seed, fakes.without_effect, heavy=True), CONTRACT),
    "nothing or harm, one run in 50 diverges": (
        lambda seed: FakeWorld(seed, lambda lots: dataclasses.replace(fakes.without_improvement(lots), wild=0.02)), CONTRACT),
    "nothing or harm, drifting machine": (
        lambda seed: FakeWorld(seed, fakes.without_improvement, drift=DRIFT), CONTRACT),
    "nothing or harm, a machine that gets faster": (
        lambda seed: FakeWorld(seed, fakes.without_improvement, drift=-DRIFT), CONTRACT),
    "nothing or harm, drifting machine, a time": (
        lambda seed: FakeWorld(seed, fakes.without_improvement, drift=DRIFT), TIMED),
    "nothing or harm, one at a time": (lambda seed: FakeWorld(seed, fakes.without_improvement), ONE),
    "nothing at all, one at a time": (lambda seed: FakeWorld(seed, fakes.without_effect), ONE),
}


@dataclasses.dataclass
class Outcome:
    """One night: true gain, then (claimed, true, covered) of each keep; runs and proposals."""

    gain: float
    keeps: list[tuple[float, float, bool]]
    runs: int
    proposals: int

    @property
    def false(self) -> int:
        """Keeps that are no improvement."""
        return sum(true <= 1e-12 for _, true, _ in self.keeps)


class Queue(Lab):
    """A Lab with a long queue of ideas."""

    def _proposals(self, waiting, wanted):
        yield from super()._proposals(waiting, QUEUE * self.benches)


class InOrder(Queue):
    """The same, but what wants a run first gets one first."""

    def _measures(self):
        if not self.calibrated:
            yield from super()._measures()
            return
        self.since = getattr(self, "since", {})
        under_way = {(j.commit, j.seed) for j in self._flying.values() if isinstance(j, Measure)}
        ready = [e for e in self.open.values() if e.base_commit == self.commit]
        for e in sorted(ready, key=lambda e: (self.since.setdefault((e.id, e.commit, e.pairs), self.runs), e.id)):
            yield from self._runs_for(e, under_way)


def ours(world: str, seed: int, *, runs: int | None = 2000, proposals: int | None = None, benches: int = 1,
         contract: str = "", lab: Callable[..., Lab] = Lab, desks: int = 1, key: int = 0) -> Outcome:
    """A night of the Lab."""
    make, text = WORLDS.get(world) or NOTHING[world]
    night = Night(make(seed), contract=contract or text, benches=benches, desks=desks, key=f"{key}{seed}", lab=lab)
    night.go(runs=runs, experiments=proposals)
    keeps = []
    for e in night.lab.experiments.values():
        if e.verdict == "keep":
            true = night.world.gain(e.commit, e.base_commit)
            keeps.append((e.effect, true, e.interval[0] <= true <= e.interval[1]))
    return Outcome(night.world.worth[night.lab.commit], keeps, night.lab.runs, len(night.lab.experiments))


def theirs(rule: str, world: str, seed: int, *, runs: int = 2000, proposals: int = 10**9) -> Outcome:
    """A night by a classic rule."""
    night = classic.Climb(WORLDS[world][0](seed), runs, proposals)
    classic.RULES[rule](night)
    return Outcome(night.world.worth[night.incumbent], [(c, t, False) for c, t in night.keeps], night.used, night.made)


# ---- tables ----------------------------------------------------------------------------------------------------


def spread(values: Iterable[float], digits: int = 1) -> str:
    """A mean with its standard error."""
    numbers = list(values)
    middle = sum(numbers) / len(numbers)
    error = (sum((v - middle) ** 2 for v in numbers) / max(1, len(numbers) - 1) / len(numbers)) ** 0.5
    return f"{middle:.{digits}f} ± {error:.{digits}f}"


def share(part: float, whole: float) -> str:
    """A share with its standard error."""
    p = part / max(1, whole)
    return f"{p:.3f} ± {(p * (1 - p) / max(1, whole)) ** 0.5:.3f}" if whole else "–"


def row(name: str, nights: list[Outcome], ours: bool = True) -> str:
    """A line of a table."""
    keeps = [k for night in nights for k in night.keeps]
    true, claimed = sum(t for _, t, _ in keeps), sum(c for c, _, _ in keeps)
    return (f"| {name} | {spread(n.gain for n in nights)} | {spread(len(n.keeps) for n in nights)} "
            f"| {share(sum(n.false for n in nights), len(keeps))} | {f'{claimed / true:.2f}' if true > 1 else '–'} "
            f"| {share(sum(k[2] for k in keeps), len(keeps)) if ours else '–'} "
            f"| {sum(n.runs for n in nights) / len(nights):.0f} | {sum(n.proposals for n in nights) / len(nights):.0f} |")


HEAD = "| true gain | keeps | FDP | claimed / true | 95 % covers | runs | proposals |\n|---|---|---|---|---|---|---|---|"


def policies(pool: ProcessPoolExecutor, nights: int) -> None:
    """Ours and the classic ones, at 2,000 runs and at 700 proposals."""
    seeds = range(10_000, 10_000 + nights)
    for title, given in (("2,000 runs", {"runs": 2000}), ("700 proposals", {"proposals": 700, "runs": 10**9})):
        print(f"\n| {title} {HEAD}")
        for rule in classic.RULES:
            print(row(rule, list(pool.map(partial(theirs, rule, "reference", **given), seeds)), False), flush=True)
        for name, contract in (("**ours, one change a run**", ONE), ("**ours**", "")):
            print(row(name, list(pool.map(partial(ours, "reference", contract=contract, **given), seeds))), flush=True)


def worlds(pool: ProcessPoolExecutor, nights: int) -> None:
    """Every world: ours, ours without stacks, and the common loop."""
    print(f"\n| world, 2,000 runs {HEAD}")
    for world in WORLDS:
        seeds = range(20_000, 20_000 + nights)
        alone = WORLDS[world][1] + "[referee]\nstack = 1\n"
        print(row(f"**{world}**", list(pool.map(partial(ours, world), seeds))), flush=True)
        print(row(f"{world}, one change a run", list(pool.map(partial(ours, world, contract=alone), seeds))), flush=True)
        print(row(f"{world}, greedy", list(pool.map(partial(theirs, "greedy on one fixed seed", world), seeds)), False),
              flush=True)


def workers(pool: ProcessPoolExecutor, nights: int) -> None:
    """The same number of runs on more benches at once."""
    print(f"\n| benches, 2,000 runs {HEAD}")
    for benches in (1, 2, 8, 32):
        print(row(str(benches), list(pool.map(partial(ours, "reference", benches=benches, desks=1 + benches // 8),
                                              range(30_000, 30_000 + nights)))), flush=True)


def order(pool: ProcessPoolExecutor, nights: int) -> None:
    """What is measured first, with a queue of ideas that is never empty: what is worth most, or what came first."""
    print(f"\n| {QUEUE} ideas in the queue for each bench {HEAD}")
    for benches in (1, 4):
        for name, lab in (("worth most first", Queue), ("first come, first served", InOrder)):
            done = pool.map(partial(ours, "reference", benches=benches, desks=8, lab=lab, contract=ONE),
                            range(40_000, 40_000 + nights))
            print(row(f"{benches} benches, {name}", list(done)), flush=True)


def level(pool: ProcessPoolExecutor, nights: int, plot: Path | None = None) -> None:
    """The trade-off: the share of false keeps that is allowed, and what it buys."""
    print(f"\n| false_share {HEAD}")
    curve = []
    for wanted in (0.005, 0.02, 0.05, 0.1, 0.2, 0.4):
        text = CONTRACT + f"[referee]\nfalse_share = {wanted}\n"
        done = list(pool.map(partial(ours, "reference", contract=text), range(50_000, 50_000 + nights)))
        print(row(f"{wanted:g}", done), flush=True)
        keeps = sum(len(n.keeps) for n in done)
        curve.append((sum(n.false for n in done) / max(1, keeps), sum(n.gain for n in done) / nights, wanted))
    if plot:
        draw(curve, plot)


def draw(curve: list[tuple[float, float, float]], to: Path) -> None:
    """The curve as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    shares, gains, wanted = zip(*curve, strict=True)
    axes.plot([100 * s for s in shares], gains, "o-", color="#2a7f62")
    for x, y, text in zip(shares, gains, wanted, strict=True):
        axes.annotate(f"{text:g}", (100 * x, y), xytext=(6, -12), textcoords="offset points", fontsize=9)
    axes.set(xlabel="keeps that are false, %", ylabel="true gain of a night", title="What `false_share` buys (2,000 runs)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(to)


def nothing(pool: ProcessPoolExecutor, nights: int) -> None:
    """Nights of 700 proposals in which nothing can be better."""
    print("\n| nothing to find, 700 proposals | nights | with any keep | keeps | runs a night |\n|---|---|---|---|---|")
    for world in NOTHING:
        done = list(pool.map(partial(ours, world, runs=None, proposals=700, key=7), range(nights), chunksize=10))
        print(f"| {world} | {nights} | {share(sum(bool(n.keeps) for n in done), nights)} "
              f"| {sum(len(n.keeps) for n in done)} | {spread(n.runs for n in done)} |", flush=True)


TABLES = {"policies": (policies, 100), "worlds": (worlds, 30), "workers": (workers, 40), "order": (order, 20),
          "level": (level, 30), "nothing": (nothing, 100)}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="which ones (default: all but `nothing`)")
    parser.add_argument("--nights", type=int, help="nights of each row")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--plot", type=Path, help="also draw the table `level`")
    options = parser.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.tables or [t for t in TABLES if t != "nothing"]:
            table, usual = TABLES[name]
            more = {"plot": options.plot} if name == "level" else {}
            table(pool, options.nights or usual, **more)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
