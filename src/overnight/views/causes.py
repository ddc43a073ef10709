"""Why an experiment was not kept, as one word that a page can group and count by. Pure."""

from __future__ import annotations

import re
from typing import Literal

from overnight.lab.experiment import GUARDED, SCATTERS, Experiment
from overnight.referee.holdout import DENIED, UNCHECKED

TOGETHER = re.compile(r": together with (\d+) more ")  # why the members of a stack were dropped
CONFLICTS, SAME = "conflicts with what was kept", "no better; this metric has no noise"
TAKEN_BACK = ("vetoed by a person", "taken back")

Cause = Literal["", "worse", "no_different", "promising", "guard", "stack", "conflict", "crash", "foul", "scatters", "holdout",
                "taken_back", "not_settled"]
WORDS: dict[Cause, str] = {
    "worse": "worse", "no_different": "no different", "promising": "promising, not proven",
    "guard": "scored better, but broke a guard", "stack": "dropped in a stack, without a number of its own",
    "conflict": "conflicts with what was kept meanwhile", "crash": "crashed", "foul": "broke the rules",
    "scatters": "its runs scatter too much", "holdout": "no better on the holdout", "taken_back": "kept once, and taken back",
    "not_settled": "not settled",
}
"""What each code means, in a few words."""


def cause(chosen: Experiment) -> Cause:
    """Why it was not kept; "" while it is open, and where it was kept."""
    if chosen.verdict in ("crash", "foul"):
        return "crash" if chosen.verdict == "crash" else "foul"
    return _of_a_discard(chosen) if chosen.verdict == "discard" else ""


def _of_a_discard(chosen: Experiment) -> Cause:
    reason = chosen.reason
    for begins, code in _BEGINNINGS.items():
        if reason.startswith(begins):
            return code
    if TOGETHER.search(reason) and not chosen.pairs:
        return "stack"
    if reason.startswith(GUARDED) and (chosen.effect or 0.0) > 0:
        return "guard"
    return _of_its_pairs(chosen)


def _of_its_pairs(chosen: Experiment) -> Cause:
    """What its pairs say of it, where they were taken; in old journals by the side of zero on which its effect lies."""
    if chosen.finding is not None and chosen.finding.word:
        return _FOUND[chosen.finding.word]
    if not chosen.pairs or chosen.effect is None:
        return "not_settled"
    if chosen.effect < 0:
        return "worse"
    return "no_different" if chosen.reason.startswith(SAME) else "not_settled"


_BEGINNINGS: dict[str, Cause] = {
    CONFLICTS: "conflict", SCATTERS: "scatters", DENIED: "holdout", UNCHECKED: "holdout",
    **dict.fromkeys(TAKEN_BACK, "taken_back"),
}
_FOUND: dict[str, Cause] = {"worse": "worse", "no different": "no_different", "promising": "promising"}
