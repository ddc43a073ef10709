"""What any kind of metric must do, as tests: a new kind inherits them.

    from overnight.testing.kinds import KindSuite

    class TestMine(KindSuite):
        kind = Mine()
        def null(self, lots): ...       # a paired difference of a candidate that is no better: Gaussian unless told
        def better(self, lots): ...     # one of a candidate that is clearly better

Nothing here imports pytest; it collects the class.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from msgspec.structs import replace

from overnight.referee.decision import Evidence, More, Policy, Ruling
from overnight.referee.kinds.kind import Calibration, Kind

POLICY = Policy()
MOST_PAIRS = 400  # pairs of one candidate after which a kind should have come to an end
BETTER = 40  # candidates that are simulated
LEVELS = (0.1, 0.025)
SHOWN = [Calibration("y", seeds, twice, timed) for timed in (False, True) for seeds, twice in (
    ((0.5, 0.5, 0.5), (0.5, 0.5)), ((0.5, 0.7, 0.6), (0.5, 0.5)), ((0.5, 0.7, 0.6), (0.5, 0.4)), ((0.0, 1.0, 0.0), (0.0, 0.0)))]
Draw = Callable[[random.Random], float]


class KindSuite:
    """It comes to an end, keeps what is better, and keeps what is not no more often than it may."""

    kind: Kind
    variance = 1.0  # of a paired difference of `null`
    nulls = 400  # candidates that are simulated

    def null(self, lots: random.Random) -> float:
        """A paired difference of a candidate that is no better."""
        return lots.gauss(0.0, math.sqrt(self.variance))

    def better(self, lots: random.Random) -> float:
        """A paired difference of a candidate that is clearly better."""
        return lots.gauss(3.0, math.sqrt(self.variance))

    def judged(self, draw: Draw, seed: int, **given: float) -> tuple[Ruling, Evidence]:
        """What becomes of a candidate that is measured as often as the kind wants, and the evidence that it ended on."""
        lots, evidence = random.Random(seed), replace(Evidence((), (), self.variance, kind=self.kind.name), **given)
        while isinstance(step := self.kind.next_step(evidence, POLICY), More):
            if step.stage == "confirm" and self.kind.claims(evidence) and evidence.claim is None:
                evidence = replace(evidence, claim=self.kind.claim(evidence, POLICY))
                continue
            known = evidence.race if step.stage == "race" else evidence.fresh
            assert len(known) < step.pairs and len(evidence.race) + len(evidence.fresh) < MOST_PAIRS, f"it goes on: {step}"
            stage = "race" if step.stage == "race" else "fresh"
            evidence = replace(evidence, **{stage: (*known, draw(lots))})
        return step, evidence

    def test_it_has_a_name_of_its_own(self) -> None:
        assert self.kind.name.isidentifier() and self.kind.name != "auto"

    def test_without_a_pair_it_asks_for_one(self) -> None:
        assert isinstance(self.kind.next_step(Evidence((), (), self.variance, kind=self.kind.name), POLICY), More)

    def test_what_is_no_better_is_kept_no_more_often_than_the_level_allows(self) -> None:
        for level in LEVELS:
            kept = sum(self.judged(self.null, seed, alpha=level)[0].verdict == "keep" for seed in range(self.nulls))
            assert kept <= self.nulls * level + 3 * math.sqrt(self.nulls * level), f"{kept} of {self.nulls} at {level}"

    def test_what_is_clearly_better_is_kept(self) -> None:
        kept = [self.judged(self.better, seed)[0].verdict for seed in range(BETTER)].count("keep")
        assert kept >= 0.9 * BETTER, f"{kept} of {BETTER}"

    def test_a_keep_rests_on_fresh_seeds_and_is_worthwhile(self) -> None:
        for seed in range(BETTER):
            for worthwhile in (0.0, 0.3):
                ruling, evidence = self.judged(self.better, seed, worthwhile=worthwhile)
                assert ruling.verdict == "discard" or (evidence.fresh and ruling.effect >= worthwhile)
                assert ruling.reason and ruling.reason[-1] != "."

    def test_what_is_better_by_less_than_is_worthwhile_is_not_kept(self) -> None:
        assert all(self.judged(self.better, seed, worthwhile=100.0)[0].verdict == "discard" for seed in range(BETTER))

    def test_the_same_evidence_gives_the_same_answer(self) -> None:
        for seed in range(BETTER):
            for draw in (self.null, self.better):
                ruling, evidence = self.judged(draw, seed)
                assert self.kind.next_step(evidence, POLICY) == ruling == self.judged(draw, seed)[0]

    def test_what_a_baseline_shows_it_does_not_deny(self) -> None:
        assert not [c for c in SHOWN if self.kind.shown_by(c) and self.kind.denied_by(c)]
