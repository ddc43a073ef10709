"""What mattered on earlier tracks, by names and kinds of knobs: what one track teaches, and what another makes of it. Pure.

A belief is worth few runs: it scales how promising each knob looks at first, by a factor of two at most; what is measured soon
outweighs it. Which way keeps moved a knob is told to people alone: first steps that leaned that way made nights worse, as
`docs/search.md` says. Nothing of a track is in it but words of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from overnight.contracts import Mattered
from overnight.researchers.knobs import scales, words
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.process import Array
from overnight.researchers.knobs.scales import Value

SAME = {"lr": "learning rate", "wd": "weight decay", "bs": "batch size", "eps": "epsilon", "embd": "embedding",
        "embed": "embedding", "emb": "embedding", "mom": "momentum", "std": "deviation", "hid": "hidden", "temp": "temperature",
        "act": "activation", "opt": "optimizer", "optim": "optimizer", "reg": "regularization", "iters": "iterations"}
MOST_CHARACTERS = 48  # of a name
MOST = 2.0  # times as much as its name alone promises that a knob is thought to matter at most, or that part of it
DOUBT = 2.0  # tracks that the belief in no difference is worth
FAR = 4.0  # steps: a way that was moved is no farther


def name(label: str) -> str:
    """What a knob is called, the same for `LR`, `lr` and `optimizer.learning_rate`; no part of a path."""
    last = re.split(r"[.(\[]", label.rstrip(")=]"))[-1]
    known = (SAME.get(word, word) for word in words.spaced(last) if word)
    return " ".join(sorted({part for word in known for part in word.split()}))[:MOST_CHARACTERS]


def learnt(knobs: Sequence[Knob], relevance: Array, moved: Mapping[str, tuple[Value, Value]]) -> list[Mattered]:
    """What a track teaches: of each knob how relevant it was found beside what its name promises, as a multiple of the mean,
    and by how many of its steps what was kept moved it, knob -> (before, after)."""
    even = float(np.mean(relevance)) or 1.0
    return [Mattered(name(knob.label), knob.scale.kind, round(float(part) / even, 3), round(_way(knob, moved.get(knob.id)), 2))
            for knob, part in zip(knobs, relevance, strict=True) if name(knob.label)]


def _way(knob: Knob, pair: tuple[Value, Value] | None) -> float:
    if pair is None or knob.scale.kind == "choice":
        return 0.0
    before, after = (scales.position(knob.scale, value) for value in pair)
    return min(max(after - before, -FAR), FAR)


def believed(knobs: Sequence[Knob], beliefs: Iterable[Mattered]) -> list[Knob]:
    """Today's knobs, the most promising first, with what earlier tracks say of how much each is worth."""
    by_name = {(each.name, each.kind): each for each in beliefs}
    if not by_name:
        return list(knobs)
    made = [_weighed(knob, by_name.get((name(knob.label), knob.scale.kind))) for knob in knobs]
    return sorted(made, key=lambda knob: -knob.worth)


def _weighed(knob: Knob, belief: Mattered | None) -> Knob:
    if belief is None:
        return knob
    trust = belief.tracks / (belief.tracks + DOUBT)
    factor = min(max(belief.share, 1e-3), 1e3) ** (trust / 2)  # a worth counts squared, as a variance
    return replace(knob, worth=knob.worth * min(max(factor, 1 / MOST), MOST))
