"""Which knobs to turn next: expected improvement over single moves, then over two or three of them at once.

What a move costs at the guards is learnt beside it. Cost is close to a product of powers (time grows with width times layers
times steps), so the logarithm of the guard usage is close to linear in the steps of the knobs, and one broken guard teaches
what to leave alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from overnight.contracts import Brief
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.history import Config, KnobEvidence, Trial
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.scales import Value
from overnight.researchers.knobs.surrogate import Array, Flags, Moves, Surrogate

BAR = 0.7  # of the noise of one pair: a smaller improvement would not pass the referee
WORST = 4.0  # typical effects: a loss beyond this tells no more
CRASH = 3.0  # typical effects: what a crash counts as
UNSURE = 1.0  # variance of that, in the same unit squared
EXACT = 1e-4  # variance of an effect of exactly zero: such a knob is not connected
# What is looked at in turn while time is left, once all before it was tried: how often steps are halved, which of the farther
# ones are taken, and whether turns that were tried alone are put together; with what a commit says of it.
STAGES = ((0, 0, False, ""), (1, 0, False, "finer"), (0, 1, False, "farther"), (0, 0, True, "together"), (2, 0, False, "finer"),
          (0, 2, False, "farther"), (1, 0, True, "together"), (3, 0, False, "finer"), (4, 0, False, "finer"))
LEAP = 1.2  # steps; the furthest first look in a direction
HOPE = -0.3  # typical effects: what a move must be expected to give before it is tried with others
PARTNERS = 14  # single moves that are tried together
TOGETHER = 3  # knobs turned at once, at most
SLOPE = 0.2  # what a step of a knob may do to the log of the guard usage, before anything is known: standard deviation
GUARD_USAGE_NOISE = 0.07  # standard deviation of a measured log of the guard usage


class Choice(Struct, frozen=True):
    """What to turn, its expected improvement that keeps within the guards, and what the surrogate expects of it; `stage` is the
    word for what is looked at because all else was tried."""

    worth: float
    made: Config
    mean: float
    deviation: float
    stage: str = ""


def choose(brief: Brief, knobs: Sequence[Knob], evidence: KnobEvidence, seed: int) -> Choice | None:
    """The most promising configuration that was not tried; None when each has been."""
    turns = {knob.id: knob.scale for knob in knobs}
    seen = {(knob, scales.upwards(turns[knob], *pair))
            for trial in evidence.trials for knob, pair in trial.move.items() if knob in turns}
    space = _Space(knobs)
    unit, model = _fitted(space, evidence.trials, brief.noise)
    chance = _affordable(brief, evidence.trials, space)
    bar = BAR * (brief.noise or 0.0) / unit
    bounded = brief.left.seconds is not None or brief.left.experiments is not None
    for finer, farther, tried, word in STAGES if bounded else STAGES[:1]:  # a night that has an end goes on until then
        every = [{knob.id: value} for knob in knobs for value in _near(knob, seen, finer, farther)]
        singles = every if tried else _untried(every, evidence)
        scored = _scored(singles, space, model, chance, bar, seed)
        partners = [each.made for each in scored if tried or each.mean > HOPE]
        joint = _untried(_combined(partners[: 3 * PARTNERS]), evidence)
        alone = [] if tried else scored
        best = max(alone + _scored(joint, space, model, chance, bar, seed), key=lambda each: each.worth, default=None)
        if best:
            return Choice(best.worth, best.made, best.mean * unit, best.deviation * unit, word)
    return None


def _near(knob: Knob, seen: set[tuple[str, bool]], finer: int, farther: int) -> list[Value]:
    """The values to consider; the first look in a direction is no leap, unless there is nothing nearer. `seen` holds
    (knob, whether upwards) for each direction that was looked at; `finer`: how often steps are halved; `farther`: which leaps
    are made."""
    values = scales.moves(knob.scale, knob.value, finer, farther)
    if knob.scale.kind == "choice" or farther:
        return values
    here = scales.position(knob.scale, knob.value)
    picked = []
    for up in (True, False):
        ahead = [value for value in values if scales.upwards(knob.scale, knob.value, value) == up]
        away = [abs(scales.position(knob.scale, value) - here) for value in ahead]
        reach = math.inf if (knob.id, up) in seen else max([LEAP, min(away, default=0.0)])
        picked += [value for value, far in zip(ahead, away, strict=True) if far <= reach]
    return picked


def _untried(configs: Sequence[Config], evidence: KnobEvidence) -> list[Config]:
    return [config for config in configs if frozenset(config.items()) not in evidence.tried]


def _combined(configs: Sequence[Config]) -> list[Config]:
    """Two and three of the best single moves at once, at most two moves of one knob among them."""
    picked: list[Config] = []
    for config in configs:
        same = sum(config.keys() == other.keys() for other in picked)
        if same < 2 and len(picked) < PARTNERS:
            picked.append(config)
    groups = [*itertools.combinations(picked, 2), *itertools.combinations(picked[: PARTNERS // 2 + 1], TOGETHER)]
    joined = [(group, {knob: value for config in group for knob, value in config.items()}) for group in groups]
    return [config for group, config in joined if len(config) == len(group)]


Chance = Callable[[Moves], Array]


def _scored(configs: list[Config], space: _Space, model: Surrogate, chance: Chance | None, bar: float,
            seed: int) -> list[Choice]:
    """Each configuration as a choice, in typical effects, the best first; the seed breaks ties."""
    if not configs:
        return []
    moves = space.moves([({}, config) for config in configs])
    mean, deviation = model.expect(moves)
    worth = improvement(mean - bar, deviation)
    if chance is not None:
        worth *= chance(moves)
    ties = np.random.default_rng(seed).random(len(configs)) * 1e-3
    order = np.argsort(-worth * (1 + ties), kind="stable")
    return [Choice(float(worth[i]), configs[i], float(mean[i]), float(deviation[i])) for i in order]


def improvement(mean: Array, deviation: Array) -> Array:
    """E[max(0, x)] of normal x."""
    z = mean / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return np.asarray(deviation * density + mean * below(z))


def below(z: Array) -> Array:
    """The probability of a standard normal variable to lie below each value."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])


def _affordable(brief: Brief, trials: Sequence[Trial], space: _Space) -> Chance | None:
    """What says how likely moves from the frontier are to break no guard, by a Bayesian linear model of what these trials cost,
    with one slope for each knob; None where there are no guards."""
    known = {past.id: past.guard_usage for past in brief.history if past.guard_usage}
    known |= {0: brief.guard_usage} if brief.guard_usage else {}
    if brief.frontier not in known:
        return None
    paid = [trial for trial in trials if trial.past.id in known and trial.past.base in known]
    costs = np.array([math.log(known[trial.past.id] / known[trial.past.base]) for trial in paid])
    turned = _steps(space.moves([(trial.base, trial.made) for trial in paid]), space.ordered)
    spread = np.linalg.inv(np.eye(turned.shape[1]) / SLOPE**2 + turned.T @ turned / GUARD_USAGE_NOISE**2)
    slopes = spread @ turned.T @ costs / GUARD_USAGE_NOISE**2
    room = -math.log(known[brief.frontier])

    def chance(moves: Moves) -> Array:
        rows = _steps(moves, space.ordered)
        deviation = np.sqrt(np.einsum("ij,jk,ik->i", rows, spread, rows) + GUARD_USAGE_NOISE**2)
        return below((room - rows @ slopes) / deviation)

    return chance


def _steps(moves: Moves, ordered: Flags) -> Array:
    """Steps turned of ordered knobs; for choices, whether they were turned."""
    away = moves.made - moves.base
    return np.where(ordered, away, (away != 0).astype(float))


class _Space:
    """The coordinates of configurations."""

    def __init__(self, knobs: Sequence[Knob]) -> None:
        self.column = {knob.id: place for place, knob in enumerate(knobs)}
        self.scales = [knob.scale for knob in knobs]
        self.worth = np.array([knob.worth for knob in knobs])
        self.ordered = np.array([knob.scale.kind != "choice" for knob in knobs], dtype=np.bool_)
        self.here = np.array([scales.position(knob.scale, knob.value) for knob in knobs])

    def moves(self, pairs: Sequence[tuple[Config, Config]]) -> Moves:
        """Rows for (base, made)."""
        return Moves(self._rows([base for base, _ in pairs]), self._rows([made for _, made in pairs]))

    def _rows(self, configs: Sequence[Config]) -> Array:
        rows = np.tile(self.here, (len(configs), 1))
        for row, config in enumerate(configs):
            for knob, value in config.items():
                rows[row, self.column[knob]] = scales.position(self.scales[self.column[knob]], value)
        return rows


def _fitted(space: _Space, trials: Sequence[Trial], noise: float | None) -> tuple[float, Surrogate]:
    """The unit of effects, and a surrogate that knows every measured difference and what is open."""
    known = [trial for trial in trials if trial.past.effect is not None or trial.past.verdict == "crash"]
    waiting = [trial for trial in trials if trial.past.effect is None and trial.past.verdict == "open"]
    unit = typical([trial.past.effect for trial in known if trial.past.effect is not None], noise)
    model = Surrogate(space.worth, space.ordered)
    model.fit(space.moves([(trial.base, trial.made) for trial in known]), *_observed(known, unit, noise))
    if waiting:
        pending = space.moves([(trial.base, trial.made) for trial in waiting])
        model.extend(pending, model.expect(pending)[0], np.full(len(waiting), UNSURE / 4))
    return unit, model


def typical(effects: Sequence[float], noise: float | None) -> float:
    """A typical effect: root mean square of what was seen, runaways bounded, no less than what the noise hides.

    Not the median: after a row of duds that would leave nothing to hope for from what was never tried.
    """
    sizes = [abs(effect) for effect in effects if effect and math.isfinite(effect)]
    middle = float(np.median(sizes)) if sizes else 1.0
    typical = middle * math.sqrt(float(np.mean([min(size / middle, 10.0) ** 2 for size in sizes]))) if sizes else 0.0
    return max(typical, 0.3 * (noise or 0.0)) or 1.0


def _observed(trials: Sequence[Trial], unit: float, noise: float | None) -> tuple[Array, Array]:
    """Effects and their noise variances in that unit, with crashes and runaways bounded."""
    spread = (noise / unit if noise is not None else 0.5) ** 2
    effects, variances = np.zeros(len(trials)), np.zeros(len(trials))
    for row, past in enumerate(trial.past for trial in trials):
        effect = past.effect
        if effect is None or not math.isfinite(effect):
            effects[row], variances[row] = -CRASH, UNSURE
        else:
            effects[row] = max(effect / unit, -WORST)
            variances[row] = EXACT if effect == 0 else spread / max(past.pairs, 1)
    return effects, variances
