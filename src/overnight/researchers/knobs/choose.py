"""Which knobs to turn next: expected improvement over single moves, then over two or three of them at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from overnight.researchers.knobs import afford, scales
from overnight.researchers.knobs.find import Knob
from overnight.researchers.knobs.history import Config, KnobEvidence, Trial
from overnight.researchers.knobs.scales import Value
from overnight.researchers.knobs.surrogate import Array, Moves, Surrogate

BAR = 0.7  # of the noise of one pair: a smaller improvement would not pass the referee
WORST = 4.0  # typical effects: a loss beyond this tells no more
CRASH = 3.0  # typical effects: what a crash counts as
UNSURE = 1.0  # variance of that, in the same unit squared
EXACT = 1e-4  # variance of an effect of exactly zero: such a knob is not connected
LEAP = 1.2  # steps; the furthest first look in a direction
HOPE = -0.3  # typical effects: what a move must be expected to give before it is tried with others
PARTNERS = 14  # single moves that are tried together
TOGETHER = 3  # knobs turned at once, at most


class Choice(Struct, frozen=True):
    """What to turn, and what the surrogate expects of it, in the metric's unit."""

    made: Config
    mean: float
    deviation: float


def choose(
    knobs: Sequence[Knob],
    evidence: KnobEvidence,
    noise: float | None,
    seed: int,
    frontier: int = 0,
    guard_usage: Mapping[int, float] | None = None,
) -> Choice | None:
    """The most promising configuration that was not tried; None when each has been."""
    seen = _looked(knobs, evidence.trials)
    singles = [{knob.id: value} for knob in knobs for value in _near(knob, seen)]
    fresh = _untried(singles, evidence)
    space = _Space(knobs)
    unit, model = _fitted(space, evidence.trials, noise)
    spent = space.moves([(trial.base, trial.made) for trial in evidence.trials])
    purse = afford.learn(guard_usage or {}, frontier, evidence.trials, spent, space.ordered)
    bar = BAR * (noise or 0.0) / unit
    scored = _scored(fresh, space, model, purse, bar, seed)
    partners = [config for _, config, mean, _ in scored if mean > HOPE]
    joint = _untried(_combined(partners[: 3 * PARTNERS]), evidence)
    best = max(scored + _scored(joint, space, model, purse, bar, seed), key=lambda item: item[0], default=None)
    return Choice(best[1], best[2] * unit, best[3] * unit) if best else None


def _looked(knobs: Sequence[Knob], trials: Sequence[Trial]) -> set[tuple[str, bool]]:
    """(knob, whether upwards) for each direction that was looked at."""
    turns = {knob.id: knob.scale for knob in knobs}
    return {(knob, _up(turns[knob], *pair)) for trial in trials for knob, pair in trial.move.items() if knob in turns}


def _up(scale: scales.Scale, before: Value, after: Value) -> bool:
    return scales.position(scale, after) > scales.position(scale, before)


def _near(knob: Knob, seen: set[tuple[str, bool]]) -> list[Value]:
    """The values to consider; the first look in a direction is no leap, unless there is nothing nearer."""
    values = scales.moves(knob.scale, knob.value)
    if knob.scale.kind == "choice":
        return values
    here = scales.position(knob.scale, knob.value)
    picked = []
    for up in (True, False):
        ahead = [value for value in values if _up(knob.scale, knob.value, value) == up]
        away = [abs(scales.position(knob.scale, value) - here) for value in ahead]
        reach = math.inf if (knob.id, up) in seen else max([LEAP, min(away, default=0.0)])
        picked += [value for value, far in zip(ahead, away, strict=True) if far <= reach]
    return picked


def _untried(configs: Iterable[Config], evidence: KnobEvidence) -> list[Config]:
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


_Scored = list[tuple[float, Config, float, float]]


def _scored(
    configs: list[Config], space: _Space, model: Surrogate, purse: afford.Afford | None, bar: float, seed: int
) -> _Scored:
    """(expected improvement that keeps within the guards, configuration, mean, deviation), the best first; the seed
    breaks ties."""
    if not configs:
        return []
    moves = space.moves([({}, config) for config in configs])
    mean, deviation = model.expect(moves)
    worth = improvement(mean - bar, deviation)
    if purse is not None:
        worth *= purse.chance(moves, space.ordered)
    ties = np.random.default_rng(seed).random(len(configs)) * 1e-3
    order = np.argsort(-worth * (1 + ties), kind="stable")
    return [(float(worth[i]), configs[i], float(mean[i]), float(deviation[i])) for i in order]


def improvement(mean: Array, deviation: Array) -> Array:
    """E[max(0, x)] of normal x."""
    z = mean / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])
    return np.asarray(deviation * density + mean * below)


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
    unit = _unit([trial.past.effect for trial in known if trial.past.effect is not None], noise)
    effects, variances = _observed(known, unit, noise)
    model = Surrogate(space.worth, space.ordered)
    moves = space.moves([(trial.base, trial.made) for trial in known])
    model.fit(moves, effects, variances)
    if waiting:
        pending = space.moves([(trial.base, trial.made) for trial in waiting])
        guess, _ = model.expect(pending)
        model.extend(pending, guess, np.full(len(waiting), UNSURE / 4))
    return unit, model


def _unit(effects: Sequence[float], noise: float | None) -> float:
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
