"""What trackers of experiments are told of one, as plain names and bounded words. Pure.

A track has one key in all of them, by which what was exported before is found again. It follows from the record with which the
track began, so that a track that was begun anew is another one.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from overnight.lab.state import State
from overnight.untrusted import line, plain
from overnight.views.experiment import ExperimentView

MOST_TITLE, MOST_WORDS = 200, 4000  # characters
UNUSUAL = re.compile(r"[^A-Za-z0-9_\-. /]")  # what trackers do not take in a metric's name


class Told(NamedTuple):
    """One experiment.

    name     its number and title
    fixed    what never changes of it, by name, and `words` what may
    numbers  by name: the metrics of its commit, and its effect with evidence below "overnight."
    began    when it was proposed, and `ended` when it was judged, in seconds since 1970; None: not known, or not yet
    digest   of all this: the same while nothing of it changes
    """

    name: str
    fixed: dict[str, str]
    words: dict[str, str]
    numbers: dict[str, float]
    began: float | None
    ended: float | None
    digest: str


def key(state: State) -> str:
    """What tells this track from all others: 16 hexadecimal digits."""
    opened = state.opened
    assert opened is not None
    return hashlib.sha256(f"{opened.track}\n{opened.commit}\n{opened.at!r}\n{opened.rung}".encode()).hexdigest()[:16]


def told(found: ExperimentView) -> Told:
    """One experiment as trackers are told it."""
    fixed = {"researcher": line(found.researcher, MOST_TITLE), "role": line(found.role, MOST_TITLE),
             "idea": "" if found.idea is None else str(found.idea)}
    words = {"verdict": found.verdict.verdict, "word": found.verdict.word, "cause": found.cause, "commit": found.commit,
             "base": found.base, "parent": str(found.parent), "reason": plain(found.verdict.reason, MOST_WORDS),
             "message": plain(found.message, MOST_WORDS), "marks": ", ".join(found.marks)}
    shown = (f"#{found.id} {found.title}", fixed, words, _numbers(found), found.proposed_at, found.judged_at)
    return Told(*shown, hashlib.sha256(msgspec.json.encode([*map(_exact, shown)])).hexdigest()[:16])


def _exact(value: object) -> object:
    return {name: repr(number) for name, number in value.items()} if isinstance(value, dict) else value


def _numbers(found: ExperimentView) -> dict[str, float]:
    low, high = found.verdict.interval or (None, None)
    ours = {"effect": found.verdict.effect, "effect_low": low, "effect_high": high, "e_value": found.verdict.e_value,
            "pairs": found.verdict.pairs, "fresh_pairs": found.verdict.fresh_pairs, "size_delta": found.size_delta,
            "model_dollars": found.model.dollars if found.model else None}
    known = {f"overnight.{name}": float(value) for name, value in ours.items() if value is not None}
    return metric_numbers(found.metrics) | known


def metric_numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics by names that trackers take; of two that become the same the later is told apart by a number. What is no
    number, or is infinite, is left out: trackers differ in what they make of it."""
    made: dict[str, float] = {}
    for name, value in sorted(metrics.items()):
        shown = UNUSUAL.sub("_", line(name, MOST_TITLE)).strip("/ .") or "_"
        free = next(each for n in range(1, len(made) + 2) if (each := f"{shown}_{n}" if n > 1 else shown) not in made)
        if math.isfinite(value):
            made[free] = value
    return made
