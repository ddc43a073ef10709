"""Fourteen kinds of noisy functions of constants in a Python text, for optimisers and for knobs in the Lab alike.

A landscape is a text with `# knob:` comments, which say to every arm the same of the space, a loss of its constants, and the
noise of one run. Regret is 1 for the defaults and 0 for the best that there is (of the two real programs: that is known, by
`python -m bench search --cells "the best that is known"`). Each seed draws another landscape of its kind.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bench import programs
from bench.knobs import SOURCE, World
from bench.programs import Values
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.scales import Value

WIDE = 4.0  # steps from the default to the ends of a knob whose comment bounds nothing
PATH = "train.py"
SIZES = [size for size in range(1, 1 << 14) if scales.rung(size) is not None]  # 1, 2, 3, 4, 6, 8, 12, 16, ...


@dataclass
class Landscape:
    """One function of the constants of a text.

    loss    of the values, the true one; None where a run crashes
    noise   standard deviation of a run, in units of regret
    ran     what one run measures on a seed; None: the loss and Gaussian noise. For programs that are really run
    default, best  the losses at regret 1 and 0
    cost    what a guard bounds at half as much again as the default's; None: there is no guard
    """

    source: str
    loss: Callable[[Values], float | None]
    noise: float
    ran: Callable[[Values, int], float | None] | None = None
    cost: Callable[[Values], float] | None = None
    default: float = 1.0
    best: float = 0.0
    knobs: dict[str, Knob] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.knobs = {knob.label: knob for knob in find({PATH: self.source}) if knob.label.isupper()}
        if self.ran is None and self.default == 1.0:
            self.default = self.loss(self.values(self.source)) or 1.0

    @property
    def exact(self) -> bool:
        """Whether a second run says nothing new."""
        return self.ran is None and not self.noise

    def values(self, text: str) -> dict[str, Value]:
        """The constants of a text."""
        return {knob.label: knob.value for knob in find({PATH: text}) if knob.label in self.knobs}

    def regret(self, values: Values) -> float:
        """The true regret; infinite where it crashes or a guard is broken."""
        loss = self.loss(values)
        return math.inf if loss is None or self.usage(values) > 1 else (loss - self.best) / (self.default - self.best)

    def usage(self, values: Values) -> float:
        """What it costs, as a share of what the guard allows."""
        return self.cost(values) / (1.5 * self.cost(self.values(self.source))) if self.cost else 0.0

    def run(self, values: Values, seed: int) -> float | None:
        """What one run measures, as a regret; None where it crashes."""
        if self.ran is not None:
            loss = self.ran(values, seed)
            return None if loss is None else (loss - self.best) / (self.default - self.best)
        loss = self.loss(values)
        lots = random.Random(f"{sorted(values.items())}|{seed}")
        return None if loss is None else (loss - self.best) / (self.default - self.best) + self.noise * lots.gauss(0, 1)


def bounds(knob: Knob) -> tuple[float, float]:
    """The lowest and the highest value of an ordered knob that every arm may take."""
    scale, value = knob.scale, knob.value
    assert not isinstance(value, str)
    if scale.kind == "near1":
        return max(0.0, 1 - (1 - value) * 2**WIDE), 1 - (1 - value) / 2**WIDE
    if scale.kind in ("linear", "fraction") or (math.isfinite(scale.low) and math.isfinite(scale.high)):
        return (0.0 if scale.kind == "fraction" else scale.low), (1.0 if scale.kind == "fraction" else scale.high)
    return max(scale.low, value / 2**WIDE), min(scale.high, value * 2**WIDE)


def _text(lines: Mapping[str, str], more: str = "") -> str:
    body = "\n".join(f"{name} = {rest}" for name, rest in lines.items())
    return f'"""Trains something."""\n\n{body}\n\n{more}\n\ndef train():\n    return {", ".join(lines)}\n'


# ---- synthetic ---------------------------------------------------------------------------------------------------

MIXED = {
    "LEARNING_RATE": "0.01  # knob: log 1e-4..1", "WEIGHT_DECAY": "0.01  # knob: log 1e-5..1",
    "EPSILON": "1e-6  # knob: log 1e-9..1e-3", "CLIP": "1.0  # knob: log 0.05..20",
    "MOMENTUM": "0.5  # knob: linear 0..1", "DROPOUT": "0.2  # knob: linear 0..1", "SMOOTHING": "0.3  # knob: linear 0..1",
    "MIX": "0.5  # knob: linear 0..1", "WARMUP": "0.1  # knob: linear 0..1", "DEPTH": "4  # knob: int 1..12",
    "HEADS": "4  # knob: int 1..16", "GROUPS": "3  # knob: int 1..8", "NESTEROV": "False",
    "ACTIVATION": '"relu"  # knob: choice relu gelu tanh silu', "NORM": '"layer"  # knob: choice layer rms none',
}


def unit(knob: Knob, value: Value) -> float:
    """Where a value stands between its bounds, from 0 to 1."""
    if knob.scale.kind == "choice" or isinstance(value, str):
        return float(knob.scale.choices.index(value))
    low, high = bounds(knob)
    if knob.scale.kind in ("log", "size"):
        return math.log(value / low) / math.log(high / low)
    if knob.scale.kind == "near1":
        return math.log((1 - low) / (1 - value)) / math.log((1 - low) / (1 - high))
    return (value - low) / (high - low)


def at(knob: Knob, place: float) -> Value:
    """The value of a choice or a place."""
    if knob.scale.kind == "choice":
        return knob.scale.choices[int(place)]
    low, high = bounds(knob)
    if knob.scale.kind == "near1":
        return 1 - (1 - low) * ((1 - high) / (1 - low)) ** place
    value = low * (high / low) ** place if knob.scale.kind in ("log", "size") else low + place * (high - low)
    return round(value) if isinstance(knob.value, int) else value


def mixed(seed: int, noise: float) -> Landscape:
    """Fifteen dimensions of every kind, with interactions and ripple."""
    lots, source = random.Random(f"mixed {seed}"), _text(MIXED)
    knobs = {knob.label: knob for knob in find({PATH: source}) if knob.label in MIXED}
    best = {name: unit(knob, at(knob, lots.randrange(len(knob.scale.choices)) if knob.scale.choices else lots.random()))
            for name, knob in knobs.items()}
    weight = {name: lots.uniform(0.3, 1.5) for name in knobs}
    pairs = [tuple(lots.sample(sorted(knobs), 2)) for _ in range(5)]

    def loss(values: Values) -> float:
        off = {name: unit(knob, values[name]) - best[name] for name, knob in knobs.items()}
        off = {name: float(away != 0) if knobs[name].scale.kind == "choice" else away for name, away in off.items()}
        total = sum(weight[name] * (0.4 * abs(away) if knobs[name].scale.kind == "choice"
                                    else away**2 + 0.02 * (1 - math.cos(9 * away))) for name, away in off.items())
        return total + sum(0.5 * abs(off[a] * off[b]) for a, b in pairs)

    return Landscape(source, loss, noise)


def own(seed: int, noise: float) -> Landscape:
    """The world of `bench knobs`: eighteen constants of which seven matter, without comments."""
    world = _reachable(World(seed))
    knobs = [knob for knob in find({PATH: SOURCE}) if knob.label.isupper()]

    def loss(values: Values) -> float | None:
        text = SOURCE
        for knob in knobs:
            text = re.sub(rf"^{knob.label} = .*$", f"{knob.label} = {scales.write(values[knob.label], knob.text)}", text,
                          flags=re.MULTILINE)
        regret = world.regret(text)
        return regret if math.isfinite(regret) else None

    return Landscape(SOURCE, loss, noise)


def _reachable(world: World) -> World:
    """The world with its best at values that there are, so that a regret of 0 can be reached: whole numbers, of which one
    divides another."""
    for knob in world.knobs.values():
        if knob.scale.kind != "choice":
            low, high = (scales.position(knob.scale, end) for end in bounds(knob))
            world.best[knob.id] = min(max(world.best[knob.id], low), high)
    heads = 1
    for knob in sorted(world.knobs.values(), key=lambda knob: knob.label):
        if type(knob.value) is not int:
            continue
        step = heads if knob.label == "WIDTH" else 1
        ladder = SIZES if knob.scale.kind == "size" else range(1, SIZES[-1])
        places = {value: scales.position(knob.scale, value) for value in ladder if value % step == 0}
        nearest = min(places, key=lambda value: abs(places[value] - world.best[knob.id]))
        world.best[knob.id] = places[nearest]
        heads = nearest if knob.label == "HEADS" else heads
    world.scale = 1.0
    world.scale = world.regret(SOURCE)
    return world


A6 = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
P6 = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                      [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])


def hartmann(seed: int) -> Landscape:
    """The six-dimensional function of that name, from a place somewhere in the middle."""
    lots = random.Random(f"hartmann {seed}")
    names = ["ALPHA", "BETA", "GAMMA", "DELTA", "KAPPA", "OMEGA"]
    order = lots.sample(range(6), 6)
    source = _text({name: f"{lots.uniform(0.3, 0.7):.2f}  # knob: linear 0..1" for name in names})

    def loss(values: Values) -> float:
        x = np.array([float(values[names[place]]) for place in order])
        return 3.32237 - float(np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-np.sum(A6 * (x - P6) ** 2, axis=1)))

    return Landscape(source, loss, 0.1)


def conditional(seed: int) -> Landscape:
    """One choice decides which of the other knobs do anything; the better branch needs its own knobs turned."""
    lots = random.Random(f"conditional {seed}")
    source = _text({
        "OPTIMIZER": '"sgd"  # knob: choice sgd adam', "LEARNING_RATE": "0.1  # knob: log 1e-3..10",
        "MOMENTUM": "0.5  # knob: linear 0..1", "NESTEROV": "False", "ADAM_RATE": "0.01  # knob: log 1e-5..1",
        "BETA": "0.5  # knob: linear 0..1", "ADAM_EPSILON": "1e-6  # knob: log 1e-10..1e-2", "DEPTH": "4  # knob: int 1..12",
        "DROPOUT": "0.3  # knob: linear 0..1"})
    knobs = {knob.label: knob for knob in find({PATH: source})}
    best = {name: unit(knobs[name], at(knobs[name], lots.uniform(0.15, 0.85))) for name in
            ("LEARNING_RATE", "MOMENTUM", "ADAM_RATE", "BETA", "ADAM_EPSILON", "DEPTH", "DROPOUT")}

    def loss(values: Values) -> float:
        far = {name: (unit(knobs[name], values[name]) - best[name]) ** 2 for name in best}
        shared = far["DEPTH"] + far["DROPOUT"]
        if values["OPTIMIZER"] == "sgd":
            return 0.37 + shared + 2 * far["LEARNING_RATE"] + far["MOMENTUM"] + 0.1 * (not values["NESTEROV"])
        return shared + 3 * far["ADAM_RATE"] + far["BETA"] + 0.5 * far["ADAM_EPSILON"]

    return Landscape(source, loss, 0.1)


def whole(seed: int) -> Landscape:
    """Integers and booleans only."""
    lots = random.Random(f"whole {seed}")
    names = ["DEPTH", "HEADS", "GROUPS", "ROUNDS", "TOP", "STRIDE", "LAYERS", "TRIES"]
    flags = ["NESTEROV", "TIED", "BIAS", "PRENORM"]
    most = {name: lots.choice((8, 12, 20)) for name in names}
    source = _text({**{name: f"{lots.randint(2, most[name] - 1)}  # knob: int 1..{most[name]}" for name in names},
                    **{name: str(lots.random() < 0.5) for name in flags}})
    best = {name: lots.randint(1, most[name]) for name in names} | {name: lots.random() < 0.5 for name in flags}
    weight = {name: lots.uniform(0.2, 1.5) for name in best}

    def loss(values: Values) -> float:
        return sum(weight[name] * (0.15 * (values[name] != best[name]) if name in flags else
                                   ((values[name] - best[name]) / most[name]) ** 2) for name in best) \
            + 0.3 * abs(values["DEPTH"] - best["DEPTH"]) * abs(values["HEADS"] - best["HEADS"]) / 100

    return Landscape(source, loss, 0.1)


def near(seed: int) -> Landscape:
    """The default is nearly the best: the space is wide, and almost everything in it is worse."""
    lots, source = random.Random(f"near {seed}"), _text(MIXED)
    knobs = {knob.label: knob for knob in find({PATH: source}) if knob.label in MIXED}
    best = {name: unit(knob, at(knob, min(1.0, max(0.0, unit(knob, knob.value) + lots.uniform(-0.15, 0.15)))))
            for name, knob in knobs.items() if knob.scale.kind != "choice"}
    weight = {name: lots.uniform(0.3, 1.5) for name in knobs}

    def loss(values: Values) -> float:
        return sum(weight[name] * ((unit(knob, values[name]) - best[name]) ** 2 if name in best else
                                   0.02 * (values[name] != knob.value)) for name, knob in knobs.items())

    return Landscape(source, loss, 0.1)


def pair(seed: int) -> Landscape:
    """Two knobs must move together: each alone makes it worse. Eight others matter little."""
    lots = random.Random(f"pair {seed}")
    rest = {f"OTHER_{letter}": f"{lots.uniform(0.2, 0.8):.2f}  # knob: linear 0..1" for letter in "ABCDEFGH"}
    source = _text({"WIDTH": "0.3  # knob: linear 0..1", "RATE": "0.3  # knob: linear 0..1", **rest})
    best = {name: lots.random() for name in rest}

    def loss(values: Values) -> float:
        x, y = float(values["WIDTH"]) - 0.3, float(values["RATE"]) - 0.3
        along, across = (x + y) / math.sqrt(2), (x - y) / math.sqrt(2)
        little = sum((float(values[name]) - best[name]) ** 2 for name in rest)
        return 0.1 * little + 6 * across**2 + 1.5 * (along - 0.6) ** 2

    return Landscape(source, loss, 0.1)


def branin(seed: int) -> Landscape:
    """The two-dimensional function of that name among twelve knobs that do nothing."""
    lots = random.Random(f"branin {seed}")
    dead = [f"DEAD_{letter}" for letter in "ABCDEFGHIJKL"]
    lines = {"SHIFT": f"{lots.uniform(0.1, 0.9):.2f}  # knob: linear 0..1",
             "SCALE": f"{lots.uniform(0.5, 0.95):.2f}  # knob: linear 0..1",
             **{name: f"{lots.random():.2f}  # knob: linear 0..1" for name in dead}}
    names = list(lines)
    lots.shuffle(names)
    source = _text({name: lines[name] for name in names})

    def loss(values: Values) -> float:
        x, y = 15 * float(values["SHIFT"]) - 5, 15 * float(values["SCALE"])
        return (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2 \
            + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.397887

    return Landscape(source, loss, 0.1)


def rosenbrock(seed: int) -> Landscape:
    """A curved valley in four dimensions, and three knobs that matter a little."""
    lots = random.Random(f"rosenbrock {seed}")
    names = ["ALPHA", "BETA", "GAMMA", "DELTA"]
    rest = ["OTHER_A", "OTHER_B", "OTHER_C"]
    start = {name: f"{lots.uniform(-1.5, 0.2):.2f}  # knob: linear -2..2" for name in names}
    source = _text({**start, **dict.fromkeys(rest, "0.5  # knob: linear 0..1")})

    def loss(values: Values) -> float:
        x = [float(values[name]) for name in names]
        valley = sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x))
        return math.log1p(valley) + 0.3 * sum((float(values[name]) - 0.7) ** 2 for name in rest)

    return Landscape(source, loss, 0.1)


# ---- real programs -------------------------------------------------------------------------------------------------

BEST_NETWORK, BEST_PACKING = 1.2, -2.03  # the least that is known, of several long searches
TRUTH = range(10_000, 10_024)  # seeds that say how good a setting of a real program is


def _real(lines: Mapping[str, str], run: Callable[[Values, int], float | None], best: float,
          cost: Callable[[Values], float] | None = None) -> Landscape:
    known: dict[str, float | None] = {}

    def loss(values: Values) -> float | None:
        name = repr(sorted(values.items()))
        if name not in known:
            every = [run(values, seed) for seed in TRUTH]
            good = [each for each in every if each is not None]
            known[name] = sum(good) / len(good) if len(good) > len(every) / 2 else None
        return known[name]

    made = Landscape(_text(lines), loss, 0.0, ran=run, cost=cost, best=best)
    made.default = loss(made.values(made.source)) or 1.0
    return made


def network(_seed: int) -> Landscape:
    """A small network on digits, really trained."""
    return _real(programs.NETWORK, programs.train, BEST_NETWORK)


def packing(_seed: int) -> Landscape:
    """Circles in a square, really packed, under a guard on steps."""
    return _real(programs.CIRCLES, programs.pack, BEST_PACKING,
                 lambda values: int(values["STEPS"]) + 2.0 * int(values["POLISH"]))


# ---- nothing to be found -----------------------------------------------------------------------------------------

LUCK: dict[str, Callable[[random.Random], float]] = {
    "even noise": lambda lots: lots.gauss(0, 1),
    "heavy tails": lambda lots: lots.gauss(0, 1) / lots.gammavariate(1.5, 2.0) ** 0.5,  # Student's, three degrees of freedom
}


def nothing(luck: str) -> Landscape:
    """No knob does anything: a run is 1 and noise of its own."""
    def run(values: Values, seed: int) -> float:
        return 1.0 + 0.1 * LUCK[luck](random.Random(f"{sorted(values.items())}|{seed}"))

    return Landscape(_text(MIXED), lambda _values: 1.0, 0.1, ran=run)


LANDSCAPES: dict[str, Callable[[int], Landscape]] = {
    "own": lambda seed: own(seed, 0.1),
    "own, exact": lambda seed: own(seed, 0.0),
    "mixed": lambda seed: mixed(seed, 0.1),
    "mixed, noise .3": lambda seed: mixed(seed, 0.3),
    "mixed, exact": lambda seed: mixed(seed, 0.0),
    "network": network,
    "packing": packing,
    "hartmann": hartmann,
    "conditional": conditional,
    "whole numbers": whole,
    "near": near,
    "pair": pair,
    "branin": branin,
    "rosenbrock": rosenbrock,
}
EXACT = tuple(name for name in LANDSCAPES if "exact" in name)
