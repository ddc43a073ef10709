"""A verdict with its evidence, typed, and what is said of it in a few words."""

from __future__ import annotations

from msgspec import Struct

from overnight.lab.experiment import Experiment
from overnight.referee.findings import Finding
from overnight.track.units import number
from overnight.untrusted import readable
from overnight.views.causes import TOGETHER


class VerdictView(Struct, frozen=True):
    """A verdict with its evidence; of an experiment that is open, the evidence so far.

    verdict      keep, discard, crash or foul; open: not judged yet
    reason       why, in words; may quote the candidate
    effect       mean paired difference, in the metric's unit, positive is better: on the fresh seeds alone where there are
                 any, else in the race; None: never compared
    interval     95 % interval of the true gain, in the metric's unit
    pairs        paired runs that were compared, and `fresh_pairs` those of them on seeds drawn after the commit existed;
                 `older_pairs` were measured against an older frontier, or before the track was begun anew, and count for the
                 race alone
    e_value      evidence that it is better, as odds to 1
    word         of a discard, what was found: worse, no different (within so much), promising but not proven, or that it was
                 only looked at together with others; "" where that is not known
    finding      the same in numbers; None where its pairs say nothing, or where it was discarded for something else
    """

    verdict: str
    reason: str
    effect: float | None
    interval: tuple[float, float] | None
    pairs: int
    fresh_pairs: int
    older_pairs: int
    e_value: float | None
    word: str
    finding: Finding | None

    @property
    def said(self) -> str:
        """The verdict with the word for what was found."""
        return f"{self.verdict}: {self.word}," if self.word else self.verdict


def verdict(chosen: Experiment, unit: str) -> VerdictView:
    """The verdict on an experiment of a track whose metric has this unit, or of an open one the evidence so far."""
    judged = chosen.verdict != "open"  # what an earlier verdict said of a change that is measured again is not told with it
    compared = bool(chosen.pairs)
    return VerdictView(
        chosen.verdict, readable(chosen.reason), chosen.effect if compared else None,
        chosen.interval if judged and compared else None, chosen.pairs, chosen.fresh_pairs,
        min(chosen.older, chosen.pairs - chosen.fresh_pairs), chosen.e_value if judged else None,
        word(chosen, unit) if chosen.verdict == "discard" else "", chosen.found)


# ---- in words --------------------------------------------------------------------------------------------------


def word(chosen: Experiment, unit: str = "") -> str:
    """What was found of a discarded change, in a few words; "" where that is not known."""
    if found := chosen.found:
        within = f"{found.word} (within ±{number(found.within, 2)} {unit}".rstrip() + ")"
        return {"no different": within, "promising": "promising, not proven"}.get(found.word, found.word)
    together = TOGETHER.search(chosen.reason) if chosen.verdict == "discard" and not chosen.pairs else None
    return f"only looked at together with {together[1]} more" if together else ""


def unproven(verdict: VerdictView) -> bool:
    """Whether the interval of an improvement that was kept contains zero: then the proof was of more pairs."""
    low, high = verdict.interval or (0.0, 1.0)
    improves = verdict.verdict == "keep" and not verdict.reason.startswith("simplification")
    return improves and verdict.interval is not None and low <= 0 <= high and verdict.pairs > verdict.fresh_pairs


def promise(verdict: VerdictView) -> str:
    """How promising a change is, after its effect; "" where it is not."""
    found = verdict.finding
    if found is None or found.word != "promising":
        return ""
    return f", worth having with a chance of {100 * found.chance:.0f} %, about {found.runs} more runs would show it"
