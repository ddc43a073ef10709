"""What a reader without the token is not shown.

A coding agent on this machine can open the page of the machine's user. What it may know is what a researcher may know
(views/public.py), whatever the page and the API show its user: no number of the holdout, no seed, no key, nothing that was said
while scoring.
Covered: fields of views, texts in which a candidate printed its seed; hashes of records, from which a seed could be guessed.
Not covered: what a candidate encodes otherwise, and a reader that can read the state folder itself.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from overnight.views.experiment import DetailView, ExperimentView, RunDetailView
from overnight.views.rows import hidden
from overnight.views.track import TrackView

View = TypeVar("View", TrackView, DetailView)
HIDDEN = "[seed]"
DIGITS = re.compile(r"\d+")
LONG = re.compile(r"(?<![\d.])\d{6,}")  # what may be a seed: all but one of 2,000 have so many digits


def unseen(found: View) -> View:
    """A view without what only its user may see: of runs the seed is 0 and what they left behind "", texts hide the seeds."""
    if isinstance(found, TrackView):
        return replace(found, holdout=None)
    seeds = {str(run.seed) for run in found.runs}
    verdict = replace(found.verdict, reason=scrubbed(found.verdict.reason, seeds))
    return replace(found, runs=tuple(map(_run, found.runs)), score_log_tail="", log_tail=scrubbed(found.log_tail, seeds),
                   verdict=verdict)


def _run(run: RunDetailView) -> RunDetailView:
    return replace(run, seed=0, artifacts="", reason=scrubbed(run.reason, [str(run.seed)]))


def without_seeds(found: ExperimentView) -> ExperimentView:
    """An experiment of a list, whose seeds are not at hand: the reason of its verdict hides each number that may be one."""
    return hidden(found, seedless)


@functools.lru_cache(maxsize=2048)  # a search asks for the reasons of all verdicts, of which most say the same
def seedless(text: str) -> str:
    """Words that may quote a candidate, without the whole numbers that are as long as a seed."""
    return LONG.sub("[number]", text)


def scrubbed(text: str, seeds: Iterable[str]) -> str:
    """A candidate's words without these seeds. Small numbers stay, for any text is full of them."""
    hidden = {seed for seed in seeds if len(seed) > 3}
    return DIGITS.sub(lambda found: HIDDEN if found[0] in hidden else found[0], text)
