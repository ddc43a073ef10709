"""Simulated nights in worlds where the truth is known, and the figures that are made of them.

The reference world: 3 % of proposals improve by U[.5, 2] standard deviations of a run, 48.5 % do nothing, 48.5 % harm by
Exp(1); noise is shared with the parent, seed by seed, by .95, .8, .5 or 0. Other worlds: each further edit in a stack costs
U[0, 1]; harm by Exp(4); 77 % harmful; Student's t with 3 degrees of freedom; one run in fifty diverges; a machine that gets
slower by three standard deviations over the night (the metric is then declared a time, and each pair is two runs side by
side); improvements of U[.05, .2], or of U[.5, 1]. Worlds that are common, and in which referees break: one candidate in
five scatters ten times as much; a number in steps of 2.5 standard deviations; every commit's number off for good by half of
one; three candidates in ten that crash on one seed in twenty; a baseline that crashes on one in three; a machine that is
slower by three in bursts; one edit in ever new words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import fakes
from bench.kit import Row, mean, ratio_of_sums, share
from fakes import CONTRACT, FakeWorld, Night
from overnight.lab.lab import Lab

DRIFT = 3.0 / 2000  # standard deviations by which the machine gets slower with each run
RUNS = 2000  # of a night
STACK = "[referee]\nstack = 1\n"
ONE = CONTRACT + STACK
TIMED = CONTRACT.replace('"minimize"', '"minimize"\nkind = "timing"')
World = tuple[Callable[[int], FakeWorld], str]


def world(ideas: Callable[..., fakes.Idea], contract: str = CONTRACT, **traits: object) -> World:
    """A world of these ideas, by seed, and its contract."""
    return lambda seed: FakeWorld(seed, ideas, **traits), contract


def _without_improvement_and_wild(lots):
    return dataclasses.replace(fakes.without_improvement(lots), wild=0.02)


WORLDS: dict[str, World] = {
    "reference": world(fakes.referee_world),
    "edits clash in stacks": world(fakes.referee_world, clash=1.0),
    "heavy harm": world(fakes.heavy_harm),
    "77 % harmful": world(fakes.mostly_harmful),
    "heavy tails (t3)": world(fakes.referee_world, heavy=True),
    "one run in 50 diverges": world(fakes.diverging),
    "drifting machine, a time": world(fakes.referee_world, TIMED, drift=DRIFT),
    "drifting machine, not known as a time": world(fakes.referee_world, drift=DRIFT),
    "improvements too small to matter": world(fakes.too_small),
    "improvements of U[.5, 1]": world(fakes.moderate),
}
CRASHING = "a baseline that crashes one time in three"
COMMON: dict[str, World] = {
    "one candidate in five ten times as noisy": world(fakes.noisy_candidates),
    "an accuracy in coarse steps": world(fakes.referee_world, grain=2.5),
    "noise by commit, beside that by seed": world(fakes.referee_world, lasting=0.5),
    "noise by commit and none by seed": world(fakes.referee_world, lasting=0.5, baseline=fakes.Idea(spread=0.0)),
    "three candidates in ten crash now and then": world(fakes.crashing),
    CRASHING: world(fakes.referee_world, baseline=fakes.Idea(crashes=1 / 3)),
    "load in bursts, not known as a time": world(fakes.referee_world, bursts=3.0),
}
NOTHING: dict[str, World] = {
    "nothing or harm": world(fakes.without_improvement),
    "nothing at all": world(fakes.without_effect),
    "nothing at all, independent noise": world(fakes.no_op),
    "nothing or harm, heavy tails": world(fakes.without_improvement, heavy=True),
    "nothing at all, heavy tails": world(fakes.without_effect, heavy=True),
    "nothing or harm, one run in 50 diverges": world(_without_improvement_and_wild),
    "nothing or harm, drifting machine": world(fakes.without_improvement, drift=DRIFT),
    "nothing or harm, a machine that gets faster": world(fakes.without_improvement, drift=-DRIFT),
    "nothing or harm, drifting machine, a time": world(fakes.without_improvement, TIMED, drift=DRIFT),
    "nothing or harm, one at a time": world(fakes.without_improvement, ONE),
    "nothing at all, one at a time": world(fakes.without_effect, ONE),
    "nothing at all, one in five ten times as noisy": world(fakes.noisy_without_effect),
    "nothing at all, in coarse steps": world(fakes.without_effect, grain=2.5),
    "nothing at all, noise by commit": world(fakes.without_effect, lasting=0.5),
    "nothing at all, noise by commit and none by seed": world(fakes.without_effect, lasting=0.5,
                                                              baseline=fakes.Idea(spread=0.0)),
    "nothing at all, load in bursts": world(fakes.without_effect, bursts=3.0),
    "one edit in ever new words": world(fakes.rewordings),
}
SMALL: dict[str, World] = {"one change in ten improves by four": world(fakes.large)}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One night: true gain, then (claimed, true, covered) of each keep; runs and proposals; why it ended by itself."""

    gain: float
    keeps: list[tuple[float, float, bool]]
    runs: int
    proposals: int
    problem: str = ""


def night(name: str, seed: int, *, runs: int | None = RUNS, proposals: int | None = None, measure_slots: int = 1,
          contract: str = "", edit_slots: int = 1, key: int = 0, lab: type[Lab] = Lab) -> Outcome:
    """A night of the Lab."""
    make, text = {**WORLDS, **COMMON, **NOTHING, **SMALL}[name]
    done = Night(make(seed), contract=contract or text, measure_slots=measure_slots, edit_slots=edit_slots, key=f"{key}{seed}",
                 lab=lab)
    done.go(runs=runs, experiments=proposals)
    keeps = []
    for e in done.lab.state.experiments.values():
        if e.verdict == "keep":
            true = done.world.gain(e.commit, e.base_commit)
            keeps.append((e.effect, true, e.interval[0] <= true <= e.interval[1]))
    return Outcome(done.world.worth[done.lab.state.commit], keeps, done.lab.state.runs, len(done.lab.state.experiments),
                   done.lab.problem)


def figures(name: str, nights: Sequence[Outcome], false: str = "", covers: str = "", gain: str = "",
            claimed: str = "") -> Iterator[Row]:
    """The rows of some nights. `false`, `covers`, `gain` and `claimed` are what is asked of false keeps, of the intervals, of
    the true gain and of claims; without `covers` the rule gives no intervals."""
    keeps = [k for night in nights for k in night.keeps]
    yield mean(f"{name}: true gain", [n.gain for n in nights], gain, "sd")
    yield mean(f"{name}: keeps", [len(n.keeps) for n in nights])
    yield share(f"{name}: keeps that are false", sum(true <= 1e-12 for _, true, _ in keeps), len(keeps), false)
    yield ratio_of_sums(f"{name}: claimed / true", [(c, t) for c, t, _ in keeps], claimed)
    if covers:
        yield share(f"{name}: intervals that cover", sum(k[2] for k in keeps), len(keeps), covers)
    yield mean(f"{name}: proposals", [n.proposals for n in nights])
    yield mean(f"{name}: runs", [n.runs for n in nights])
