"""Knobs against hill climbing and blind luck, on noisy functions of constants in a Python text.

Each seed draws another world: 18 constants, of which seven matter, a decent default (regret 1), an optimum elsewhere
(regret 0), pairs that interact, ripple, widths that crash, and statements whose change does nothing or harm. A run's
noise is 0.1, so one paired difference has a standard deviation of 0.14. Every researcher meets the same referee, which
measures pair after pair until it keeps or discards. Two proposals are always open. Regret is the true one of what is
deployed, that is of what was kept.
"""

from __future__ import annotations

import ast
import math
import os
import random
import statistics
import time
import zlib
from collections.abc import Iterator
from functools import partial

from bench.kit import Bench, Cell, Row, in_parallel, mean, median, ratio_of_sums
from overnight.contracts import Brief, Change, Past, Researcher
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.propose import Knobs

NOISE = 0.1 * math.sqrt(2)  # of one paired difference
CHECKPOINTS = (25, 50, 100, 200)
OPEN = 2  # proposals under way at once

SOURCE = '''"""Trains something."""

LEARNING_RATE = 0.01
EMBEDDING_LR = 0.1
WEIGHT_DECAY = 0.1
INIT_STD = 0.05
GRADIENT_CLIP = 1.0
BETA1 = 0.9
BETA2 = 0.99
DROPOUT = 0.1
WARMUP_FRACTION = 0.05
TEMPERATURE = 1.0
ADAM_EPS = 1e-8
WIDTH = 64
DEPTH = 4
HEADS = 4
BATCH_SIZE = 32
NESTEROV = False
ACTIVATION = "relu"
NORM = "layer"

ACTIVATIONS = {"relu": relu, "gelu": gelu, "tanh": tanh, "silu": silu}
NORMS = {"layer": layer, "rms": rms, "none": none}


def rate(step, steps):
    warm = min(1.0, step / (WARMUP_FRACTION * steps))
    left = (steps - step) / steps
    left += 0.01 * (step < 10 and left > 0)
    return LEARNING_RATE * warm * left
'''


class World:
    """A noisy function of the constants in SOURCE."""

    def __init__(self, seed: int, furthest: float = 2.5) -> None:
        self.furthest = furthest
        self.draw = random.Random(seed)
        self.knobs = {knob.id: knob for knob in find({"train.py": SOURCE}) if knob.label.isupper()}
        matter = self.draw.sample(sorted(self.knobs), 7)
        self.weight = {knob: (self.draw.uniform(0.5, 1.5) if knob in matter else 0.03) for knob in self.knobs}
        self.best = {knob: self._optimum(self.knobs[knob]) for knob in self.knobs}
        self.pairs = [tuple(self.draw.sample(matter, 2)) for _ in range(4)]
        self.phase = {knob: self.draw.uniform(0, 6.28) for knob in self.knobs}
        self.odd = self.draw.random()
        self.scale = 1.0
        self.scale = self.regret(SOURCE)

    def _optimum(self, knob: Knob) -> float:
        if knob.scale.kind == "choice":
            return float(self.draw.randrange(len(knob.scale.choices)))
        return scales.position(knob.scale, knob.value) + self.draw.choice([-1, 1]) * self.draw.uniform(
            0.0, self.furthest
        )

    def regret(self, text: str) -> float:
        """The true regret of a text."""
        off, values = {}, constants(text)
        if int(values["WIDTH"]) % int(values["HEADS"]):
            return math.inf
        for name, value in values.items():
            knob = self.knobs.get(f"train.py:{name}")
            if knob:
                away = scales.position(knob.scale, value) - self.best[knob.id]
                off[knob.id] = float(away != 0) if knob.scale.kind == "choice" else away
        if len(off) < len(self.knobs):
            return math.inf
        total = 0.0
        for knob, away in off.items():
            ripple = 0.1 * (1 - math.cos(3 * away)) if self.knobs[knob].scale.kind != "choice" else 0.0
            total += self.weight[knob] * (min(away**2, 4 + abs(away)) + ripple)
        total += sum(0.3 * abs(off[a]) * abs(off[b]) for a, b in self.pairs)
        body = text.partition("def rate")[2]
        return (total / self.scale) + (
            0.0 if body == SOURCE.partition("def rate")[2] else 0.1 * (zlib.crc32(body.encode()) % 3)
        )


def constants(text: str) -> dict[str, scales.Value]:
    """The constants of a text, read and never run."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


class Climber:
    """Turns one knob at random, by a step at random."""

    name = "hill climbing"

    def propose(self, brief: Brief) -> Change | None:
        lots = random.Random(f"{brief.seed}:{len(brief.history)}")
        return turned(brief, [lots.choice(find(brief.files))], lots)


class Blind:
    """Draws every knob at random."""

    name = "random"

    def propose(self, brief: Brief) -> Change | None:
        lots = random.Random(f"{brief.seed}:{len(brief.history)}")
        return turned(brief, find({"train.py": SOURCE}), lots)


def turned(brief: Brief, knobs: list[Knob], lots: random.Random) -> Change:
    wanted = {knob.id: lots.choice(scales.moves(knob.scale, knob.value)) for knob in knobs}
    here = {knob.id: knob for knob in find(brief.files)}
    note = {"kind": "knobs", "set": {knob: [here[knob].value, value] for knob, value in wanted.items()}}
    return Change({"train.py": applied(brief.files["train.py"], note)}, "turned", note)


def applied(text: str, note: dict) -> str:
    """A text with the knobs of a note set."""
    knobs = {knob.id: knob for knob in find({"train.py": text})}
    sets = [(knobs[knob], pair[1]) for knob, pair in note["set"].items() if knob in knobs]
    return splice(text, [(knob.span, scales.write(value, knob.text)) for knob, value in sets])


# ---- the night -------------------------------------------------------------------------------------------------


def night(researcher: Researcher, seed: int, proposals: int, furthest: float = 2.5) -> tuple[dict[int, float], float]:
    """Regret of the deployed text after so many proposals, and CPU milliseconds for a proposal."""
    world, luck = World(seed, furthest), random.Random(seed + 10_000)
    text, frontier, history, cpu = SOURCE, 0, [], 0.0
    waiting: list[tuple[int, int, Change]] = []
    regrets = {}
    for number in range(1, proposals + 1):
        opened = [Past(i, base, "knobs", "open", change.message, note=change.note) for i, base, change in waiting]
        brief = Brief("", "loss", "minimize", {"train.py": text}, frontier, NOISE, [*history, *opened], "", seed)
        start = time.process_time()
        change = researcher.propose(brief)
        cpu += time.process_time() - start
        if change:
            waiting.append((number, frontier, change))
        if len(waiting) >= OPEN or not change:
            done, base, change = waiting.pop(0)
            made = change.files["train.py"] or ""
            if base != frontier and change.note["kind"] == "knobs":
                made = applied(text, change.note)
            verdict, effect, pairs = referee(world.regret(text) - world.regret(made), luck)
            past = Past(done, frontier, "knobs", verdict, change.message, effect, pairs, "", change.note)
            history.append(past)
            if verdict == "keep":
                text, frontier = made, done
        regrets[number] = world.regret(text)
    return {at: regrets[at] for at in CHECKPOINTS if at in regrets}, 1000 * cpu / proposals


def referee(truth: float, luck: random.Random) -> tuple[str, float | None, int]:
    """Measures pair after pair: discards what looks like nothing, keeps what is clearly positive."""
    if not math.isfinite(truth):
        return "crash", None, 0
    seen: list[float] = []
    while len(seen) < 14:
        seen.append(truth + luck.gauss(0, NOISE))
        mean, n = statistics.fmean(seen), len(seen)
        if n * (1.5 * mean / NOISE - 1.125) < math.log(0.7):
            return "discard", mean, n
        if n > 1 and mean * math.sqrt(n) / NOISE > 3:
            return "keep", mean, n
    return "discard", statistics.fmean(seen), len(seen)


def one(kind: type[Researcher], proposals: int, furthest: float, seed: int) -> tuple[dict[int, float], float]:
    """One night of a researcher of this kind."""
    return night(kind(), seed, proposals, furthest)


def rows(seeds: int, proposals: int, furthest: float) -> Iterator[Row]:
    """Regret of each researcher on the way, and of ours over that of hill climbing on the same worlds at the end."""
    ends: dict[str, list[float]] = {}
    for kind in (Knobs, Climber, Blind):
        found = in_parallel(partial(one, kind, proposals, furthest), range(seeds))
        for at in found[0][0]:
            yield mean(f"up to {furthest} steps away: {kind.name}, regret after {at}", [regrets[at] for regrets, _ in found])
        yield median(f"up to {furthest} steps away: {kind.name}, CPU for a proposal", [cpu for _, cpu in found], unit="ms")
        ends[kind.name] = [regrets[max(regrets)] for regrets, _ in found]
    yield ratio_of_sums(f"up to {furthest} steps away: knobs / hill climbing, regret",
                        list(zip(ends[Knobs.name], ends[Climber.name], strict=True)), "<= 1")


def cells(quick: bool) -> Iterator[Cell]:
    """Optima up to so many steps (of a factor of two) away from the defaults."""
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(library, "1")  # for the processes that are about to be born
    for furthest in (2.5, 1.2):
        yield Cell(f"{furthest}", partial(rows, *((6, 25) if quick else (10, 200)), furthest))


BENCH = Bench("knobs", "On noisy functions of constants, knobs leaves no more regret than hill climbing does.", cells)
