"""What a kind of metric is: how its evidence is judged, and what else depends on it. Pure."""

from __future__ import annotations

from msgspec import Struct

from overnight.referee.decision import Claim, Evidence, More, Policy, Ruling


class Calibration(Struct, frozen=True):
    """What the baseline showed, and every run since.

    metric   the metric's name
    seeds    its number on each seed on which it ended well
    twice    its numbers of the first seed, which is run twice; fewer than two where a run failed
    timed    whether it is a time, or a number per time
    varies   some commit gave different numbers on different seeds
    beyond   some run of any commit gave a number that is neither 0 nor 1
    """

    metric: str
    seeds: tuple[float, ...]
    twice: tuple[float, ...]
    timed: bool = False
    varies: bool = False
    beyond: bool = False

    @property
    def repeats(self) -> bool:
        """Whether the same code and seed gave the same number twice."""
        return len(self.twice) == 2 and self.twice[0] == self.twice[1]


class Kind:
    """A kind of metric.

    name            as the contract and the views have it
    paired_in_time  both sides of a pair run side by side, because numbers compare only when they are measured together; a seed
                    is never used twice
    stacks          several changes may share a first run
    steady          a change must not make its numbers scatter far more
    robust          one difference that lies far from the others must not decide for all
    """

    name = ""
    paired_in_time = False
    stacks = True
    steady = False
    robust = False

    def next_step(self, evidence: Evidence, policy: Policy) -> More | Ruling:
        """What to do with a candidate: measure more, or the verdict."""
        raise NotImplementedError

    def claims(self, evidence: Evidence) -> bool:
        """Whether a keep would be a claim that may be false by chance, and is paid for from the track's wealth."""
        return True

    def claim(self, evidence: Evidence, policy: Policy) -> Claim:
        """The claim that may be made now."""
        return Claim(evidence.alpha)

    def proof(self, evidence: Evidence, policy: Policy) -> float:
        """The e-value of the claim that was made: the first that suffices, or else the latest."""
        return 1.0

    def odds(self, evidence: Evidence, policy: Policy) -> tuple[float, float] | None:
        """The e-value of what was measured so far, and the one that is asked for now: of the race for a claim, from the claim
        on of the fresh pairs for the keep. None where the verdict rests on no e-value."""
        return None

    def shown_by(self, calibration: Calibration) -> bool:
        """Whether the baseline looks like it, where the contract does not name a kind and none before it fits."""
        return False

    def denied_by(self, calibration: Calibration) -> str:
        """What is wrong with a contract that names this kind, in a sentence; "" where nothing speaks against it."""
        return ""
