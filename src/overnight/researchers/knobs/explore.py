"""What a campaign tries next: the run from which the surrogate expects most, and when its lead is claimed to be better.

Single runs of whole configurations go into one surrogate. The lead is what it thinks best of what was run; the next run is
where most improvement on the lead is expected, found by turning one knob after the other, or where good configurations are
common. Claims are few: of a lead that is thought to be better by more than noise hides, once enough was learnt since the claim
before, and of the best one while what is left of the session is just enough to prove it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from overnight.contracts import Brief, Explore, Point, turns
from overnight.researchers.knobs.choose import CRASH, UNSURE, WORST, below, improvement, typical
from overnight.researchers.knobs.history import Lineage, own
from overnight.researchers.knobs.parzen import drawn
from overnight.researchers.knobs.process import Array, Process, Seen, Turns, Whole
from overnight.researchers.knobs.scales import Value
from overnight.researchers.knobs.space import Places, Space

# of the metric, and of a run's noise, that a typical effect is thought to be at least: where the default learns nothing all is
# alike, and the surrogate would look for what is better in the noise
SHARE, MOST_NOISES = 0.05, 10.0
LEAST_NOISE = 1e-4  # variance of a run, in the same unit squared
NEWEST, BEST = 100, 50  # configurations that the surrogate learns from: the newest, and the best of those before
MOST_RUNS, MOST_OF_ONE = 240, 60  # runs that it learns from, and how many of the frontier
MOST_TURNED = 24  # knobs that are turned on the way to the next run, where there are more: those that matter most, and others
STARTS = 3  # of the best configurations known, from which a better one is looked for
SWEEPS = 12  # turns of one knob on the way to the next run
OFTEN = 5  # runs of one configuration, after which others are more worth while
PRICE = (8.0, 24.0)  # runs that a claim takes: some, and so many more for an effect of one standard deviation of a pair
APART, LONG = 3.0, 6.0  # times that price: the points between two claims, and what a session has left that is no end of it yet
SPARE, LAST = 1.3, 0.4  # times that price that is kept for the last claim, and the share of all runs before which none is made
LEAST = 0.7  # standard deviations of a pair that a claim is to be better by: of smaller ones hardly any is confirmed
SURE, HOPE = 2.0, -0.5  # standard deviations of what is expected by which it is above zero; the same for the last claims
PARZEN, MOST_PARZEN = 0.33, 0.6  # share of runs where good ones are common, at first and at most
EAGER = 2.0  # how eagerly that share follows what came of them
PLATEAU, OUT = 4, 3.0  # runs after which nothing may be said to stand out, and standard deviations of a pair that it would by
FEW, TRIES = 10, 10  # points before the first of them, and draws until one is new
MOST_TOLD, LEAST_TOLD = 5, 0.05  # knobs that are said to matter, and the least share of all for that
USAGE_NOISE, SLOPE = 0.05, 0.5  # standard deviations of the log of a guard's usage, and of what a step of a knob does to it


class Next(Struct, frozen=True):
    """What is next: a configuration, whether it is to be run or claimed, and what the surrogate expects it to gain on the
    frontier, in the metric's unit. `matters`: the knobs that change most by themselves, and each one's share of all that."""

    config: dict[str, Value]
    claim: bool
    mean: float
    deviation: float
    arm: str = ""
    matters: dict[str, float] = {}


class Known(Struct, frozen=True):
    """One configuration that was run, with its runs (label, value; + is better) and which arm proposed it."""

    config: dict[str, Value]
    runs: tuple[tuple[int, float], ...]
    failed: int
    open: bool
    usage: float | None
    arm: str


def known(brief: Brief, explore: Explore, values: Mapping[str, Value]) -> list[Known]:
    """The points as configurations of today's knobs, each once, the frontier first; without those of knobs that are gone."""
    lineage, sign = Lineage(brief.history, brief.frontier, values), -1.0 if brief.direction == "minimize" else 1.0
    place = {knob: number for number, knob in enumerate(values)}
    merged: dict[frozenset[tuple[str, Value]], list[Point]] = {frozenset(): []}
    for point in explore.points:
        if not turns(point.note).keys() <= values.keys():
            continue
        merged.setdefault(frozenset(lineage.after(point.base, turns(point.note)).items()), []).append(point)
    return [Known(dict(sorted(config, key=lambda pair: place[pair[0]])),
                  tuple((label, sign * value) for point in points for label, value in point.runs),
                  sum(point.failed for point in points), any(point.open for point in points),
                  max((point.guard_usage for point in points if point.guard_usage is not None), default=None),
                  next((str(point.note.get("arm", "")) for point in points), ""))
            for config, points in merged.items()]


def next_run(brief: Brief, explore: Explore, space: Space, seed: int, claim: bool = True) -> Next | None:
    """The next run or, if that may be, claim; None where nothing is left to try."""
    return _Search(brief, explore, space, seed, claim).next()


def relevance(brief: Brief, explore: Explore, space: Space) -> Array:
    """How much more than its name promises each knob of a space is found to matter by itself, as a ratio of variances."""
    model = _Search(brief, explore, space, 0).model
    return model.variance / model.prior


class _Search:
    """One look at what is known."""

    def __init__(self, brief: Brief, explore: Explore, space: Space, seed: int, claim: bool = True) -> None:
        self.brief, self.explore, self.space, self.claim = brief, explore, space, claim
        self.lots = np.random.default_rng(seed)
        self.points = known(brief, explore, {knob.id: knob.value for knob in space.knobs})
        self.rows = np.array([space.row(point.config) for point in self.points])
        self.exact = not brief.noise and brief.noise is not None
        here = [value for _, value in self.points[0].runs]
        self.level = float(np.mean(here)) if here else 0.0
        self.gains = [value - self.level for point in self.points[1:] for _, value in point.runs]
        self.unit, self.model = self._fitted()
        self.allowed = self._guards()
        often = 1 if self.exact else OFTEN
        self.over = {space.places(point.config) for point in self.points
                     if len(point.runs) + point.open >= often or (point.failed and not point.runs) or not point.config}

    # -- what is believed --

    def _fitted(self) -> tuple[float, Process]:
        """The unit of effects, and the surrogate of all that was run; what waits is taken to be as it expects."""
        told, level = self._told(), self.level
        noise = (self.brief.noise or 0.0) / math.sqrt(2)
        unit = max(typical(self.gains, noise), min(MOST_NOISES * noise, SHARE * abs(level)))
        found: list[tuple[Array, float, int, float]] = []
        for row, point in told:
            for label, value in point.runs[-MOST_OF_ONE:]:
                found.append((row, max((value - level) / unit, -WORST), label, max(LEAST_NOISE, (noise / unit) ** 2)))
            if point.failed and not point.runs:
                found.append((row, -CRASH, -1, UNSURE))
        model = Process(self.space.worth, self.space.ordered, self.space.here)
        rows, values, labels, variances = zip(*found, strict=True) if found else ((), (), (), ())
        model.fit(Seen(np.array(rows).reshape(-1, len(self.space.knobs)), np.array(values),
                       np.array(labels, dtype=np.intp), np.array(variances)))
        if waiting := [row for row, point in zip(self.rows, self.points, strict=True) if point.open]:
            model.imagine(np.array(waiting))
        return unit, model

    def _told(self) -> list[tuple[Array, Known]]:
        """The configurations that the surrogate learns from, oldest first: the frontier, the newest, and of the older ones the
        best, until they have as many runs as are learnt from."""
        first, others = self.points[0], range(1, len(self.points))
        old, new = others[:-NEWEST], others[-NEWEST:]
        best = sorted(old, key=lambda place: _level(self.points[place]), reverse=True)[:BEST]
        left, chosen = MOST_RUNS - min(len(first.runs), MOST_OF_ONE), [0]
        for place in (each for pair in itertools.zip_longest(reversed(new), best) for each in pair if each is not None):
            left -= max(1, len(self.points[place].runs))
            if left < 0:
                break
            chosen.append(place)
        return [(self.rows[place], self.points[place]) for place in sorted(chosen)]

    def _guards(self) -> Array | None:
        """A linear model of the log of what the points cost at the guards: mean, then covariance; None without guards."""
        begun = self.brief.guard_usage or 0.0
        known = zip(self.rows, self.points, strict=True)
        every = [*((row, point.usage or 0.0) for row, point in known), (self.space.here, begun)]
        paid = [(row, usage) for row, usage in every if usage > 0]
        if not paid:
            return None
        turned = self._turned(np.array([row for row, _ in paid]))
        spread = np.linalg.inv(np.diag([1 / SLOPE**2] * len(self.space.knobs) + [1.0]) + turned.T @ turned / USAGE_NOISE**2)
        slopes = spread @ turned.T @ np.log([usage for _, usage in paid]) / USAGE_NOISE**2
        return np.vstack([slopes, spread])

    def _turned(self, rows: Array) -> Array:
        """How far each configuration is from the frontier, knob by knob, and a one."""
        away = np.where(self.space.ordered, rows - self.space.here, (rows != self.space.here).astype(np.float64))
        return np.hstack([away, np.ones((len(rows), 1))])

    def _affordable_turns(self, places: Places) -> Array:
        """How likely each turn of a configuration is to break no guard."""
        assert self.allowed is not None
        slopes, spread = self.allowed[0], self.allowed[1:]
        knob, row = self.turns.knob, self._turned(self.space.at(places)[None])[0]
        here = self.space.here[knob]
        away = np.where(self.space.ordered[knob], self.turns.step - here, self.turns.step != here) - row[knob]
        spread_row = spread @ row
        mean = row @ slopes + away * slopes[knob]
        variance = row @ spread_row + 2 * away * spread_row[knob] + away**2 * spread[knob, knob]
        return below(-mean / np.sqrt(variance + USAGE_NOISE**2))

    def _affordable(self, rows: Array) -> Array:
        """How likely each configuration is to break no guard."""
        if self.allowed is None:
            return np.ones(len(rows))
        turned = self._turned(rows)
        deviation = np.sqrt(np.sum(turned @ self.allowed[1:] * turned, axis=1) + USAGE_NOISE**2)
        return below(-turned @ self.allowed[0] / deviation)

    # -- what follows --

    def next(self) -> Next | None:
        """A claim where one is due, or else the next run; where nothing is left to run, what is thought to be better."""
        mean = self.believed = self.model.means(self.rows)
        fit = [bool(point.runs) and point.failed <= len(point.runs) for point in self.points]
        score = np.where(np.logical_and(fit, self._affordable(self.rows) > 0.5), mean, -np.inf)
        score[0] = mean[0]
        lead = int(np.argmax(score))
        found = self._claim(score) or self._look(lead, [int(i) for i in np.argsort(-score, kind="stable")]) \
            or self._claim(score, last=True)
        return found and replace(found, matters=self._matters())

    def _matters(self) -> dict[str, float]:
        """What matters most, once enough was run to tell."""
        if len(self.points) <= FEW:
            return {}
        share = np.array([np.var(self.model.function(knob, steps)) for knob, steps in enumerate(self.space.steps)])
        share /= max(float(np.sum(share)), 1e-12)
        most = np.argsort(-share, kind="stable")[:MOST_TOLD]
        return {self.space.knobs[knob].id: round(float(share[knob]), 2) for knob in most if share[knob] >= LEAST_TOLD}

    def _claim(self, score: Array, last: bool = False) -> Next | None:
        """The best configuration that may be claimed now; None where none is, or one is on its way. `last`: nothing else is
        left to do."""
        brief, refused = self.brief, _refused(self.brief)
        if any(past.verdict == "open" and own(past) for past in brief.history) or brief.noise is None \
                or not self.claim:
            return None
        free = [i for i in range(1, len(self.points)) if np.isfinite(score[i])
                and frozenset(self.points[i].config.items()) not in refused and self.points[i].config]
        if not free:
            return None
        best = max(free, key=lambda i: score[i])
        mean, deviation = self.model.difference(self.rows[best], self.space.here)
        gain, doubt = mean * self.unit, deviation * self.unit
        due = gain >= max(HOPE * doubt, LEAST * self._pair) if last else self._due(gain, doubt)
        return Next(self.points[best].config, True, gain, doubt) if due else None

    def _due(self, gain: float, doubt: float) -> bool:
        """Whether a lead of this gain is to be claimed now: in a session that ends soon, when what is left is just enough to
        prove it; in a longer one, when the runs since the last claim were several times its price."""
        pair, runs = self._pair, self.explore.runs
        if gain < LEAST * pair:
            return False
        price = PRICE[0] + PRICE[1] * pair / gain
        if runs is not None and runs < LONG * price:
            spent = sum(len(point.runs) for point in self.points)
            return gain >= HOPE * doubt and runs <= min(SPARE * price, LAST * (runs + spent))
        return gain >= SURE * doubt and self.explore.made >= APART * price

    @property
    def _pair(self) -> float:
        """Standard deviation of a paired difference, as the baseline and all other runs show it."""
        usual = float(np.median(self.model.seen.noise)) * self.model.noisy
        return max(self.brief.noise or 0.0, math.sqrt(2 * usual) * self.unit if self.brief.noise else 0.0, 1e-12)

    def _look(self, lead: int, best: Sequence[int]) -> Next | None:
        """Where the next run is expected to improve most on the lead; None where everything near was tried."""
        top, active = float(self.believed[lead]), self._active()
        self.turns = Turns(self.model, self.space.steps, active)
        if self._flat() and (places := self._anywhere()) is not None:
            return self._run(places)
        if len(self.points) > FEW and self.lots.random() < self._share(best) \
                and (places := self._parzen(lead, active)) is not None:
            return self._run(places, "parzen")
        starts = [self.space.places(self.points[i].config) for i in best[:STARTS]] + [self._strayed(lead, active)]
        found = max((self._climbed(start, top) for start in starts), key=lambda each: each[0])
        return self._run(found[1]) if found[0] > 0 else None

    def _flat(self) -> bool:
        """Whether nothing that was run stands out, so that all that is expected is noise: the default lies on a plateau, or
        effects are too small to be seen."""
        noise, gains = self.brief.noise or 0.0, np.array(self.gains)
        return len(gains) >= PLATEAU and float(np.median(np.abs(gains))) <= noise and float(np.max(gains)) <= OUT * noise

    def _anywhere(self) -> Places | None:
        """A configuration that is drawn evenly, of many knobs those that are turned; None where none was found that is new and
        breaks no guard."""
        for _ in range(TRIES):
            places = list(self.space.home)
            for knob in self._active():
                places[knob] = int(self.lots.integers(len(self.space.values[knob])))
            if tuple(places) not in self.over and self._affordable(self.space.at(tuple(places))[None])[0] > 0.5:
                return tuple(places)
        return None

    def _share(self, best: Sequence[int]) -> float:
        """The share of runs where good ones are common: more while these are more often among the best quarter."""
        top = set(best[: max(1, len(best) // 4)])

        def rate(arm: str) -> float:
            mine = [i for i, point in enumerate(self.points) if point.arm == arm and point.config]
            return (len(top.intersection(mine)) + 1.0) / (len(mine) + 4.0)

        odds: float = PARZEN / (1 - PARZEN) * (rate("parzen") / rate("")) ** EAGER
        return min(MOST_PARZEN, odds / (1 + odds))

    def _run(self, places: Places, arm: str = "") -> Next:
        mean, deviation = self.model.difference(self.space.at(places), self.space.here)
        return Next(self.space.config(places), False, mean * self.unit, deviation * self.unit, arm)

    def _parzen(self, lead: int, active: Whole) -> Places | None:
        """The lead with the active knobs turned to where good configurations are common; None where that was run, or breaks a
        guard."""
        believed = np.where([bool(point.runs) for point in self.points], self.believed, -CRASH)
        steps = [self.space.steps[knob] for knob in active]
        for _ in range(TRIES):
            turned = drawn(self.rows[:, active], believed, steps, self.space.ordered[active], self.lots)
            places = self._with(self.space.places(self.points[lead].config), active, turned)
            if places not in self.over and self._affordable(self.space.at(places)[None])[0] > 0.5:
                return places
        return None

    @staticmethod
    def _with(places: Places, knobs: Whole, turned: Places) -> Places:
        """These places with some knobs at others."""
        made = dict(enumerate(places)) | dict(zip(knobs.tolist(), turned, strict=True))
        return tuple(made.values())

    def _active(self) -> Whole:
        """The knobs that are turned on the way to the next run: where there are many, those that matter most as far as is
        known, and some drawn by lot."""
        every = np.arange(len(self.space.knobs))
        if len(every) <= MOST_TURNED:
            return every
        most = np.argsort(-self.model.variance, kind="stable")[: 2 * MOST_TURNED // 3]
        rest = np.setdiff1d(every, most)
        return np.sort(np.concatenate([most, self.lots.choice(rest, size=MOST_TURNED - len(most), replace=False)]))

    def _strayed(self, lead: int, active: Whole) -> Places:
        """The lead with a third of the active knobs drawn anew."""
        places = list(self.space.places(self.points[lead].config))
        for knob in self.lots.choice(active, size=max(1, len(active) // 3), replace=False):
            places[knob] = int(self.lots.integers(len(self.space.values[knob])))
        return tuple(places)

    def _climbed(self, places: Places, top: float) -> tuple[float, Places]:
        """The most promising configuration that is reached by turning one knob after the other."""
        worth = -1.0
        for _ in range(SWEEPS):
            every = self._improvements(places, top)
            for best in np.argsort(-every, kind="stable")[: len(self.over) + 1]:
                if every[best] <= worth * (1 + 1e-9):
                    return worth, places
                made = self._turned_to(places, int(best))
                if made not in self.over:
                    worth, places = float(every[best]), made
                    break
        return worth, places

    def _improvements(self, places: Places, top: float) -> Array:
        """What each single turn is expected to improve on the lead, within the guards."""
        mean, deviation = self.turns.expect(places)
        every = improvement(mean - top, deviation)
        if self.allowed is not None:
            every *= self._affordable_turns(places)
        return every

    def _turned_to(self, places: Places, turn: int) -> Places:
        """The places after one of all turns."""
        knob, place = int(self.turns.knob[turn]), int(self.turns.place[turn])
        return (*places[:knob], place, *places[knob + 1 :])


def _level(point: Known) -> float:
    """What the runs of a configuration gave on average; the least there is where it has none."""
    return float(np.mean([value for _, value in point.runs])) if point.runs else -math.inf


def _refused(brief: Brief) -> set[frozenset[tuple[str, Value]]]:
    """What was claimed of this frontier and not kept."""
    return {frozenset((knob, pair[1]) for knob, pair in turns(past.note).items())
            for past in brief.history if past.base == brief.frontier and past.verdict not in ("keep", "open")}
