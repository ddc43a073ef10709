"""How safely a track is opened that somebody else made, and how well it is judged.

`scorers`: `check` attacks scorers that can be fooled, each in one of the ways that were seen, and the ready tracks.
`cost`: what opening a track takes, beside another checkout (cost.py).
`kills`: sessions are killed at random moments; nothing is lost, repeated or left behind (kills.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import ROOT, cost, kills
from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact
from fooled import FOOLED, attacked, made
from overnight import sandbox

KINDS = ("the candidate is ignored", "zip stops at the shorter side, and all is summed", "NaN in max", "unpickling",
         "the candidate's own metric", "a tolerance that can be bought")
QUICK = ("synthetic",)  # a ready track whose scorer takes no time


def scorers(kinds: tuple[str, ...], ready: tuple[str, ...]) -> Iterator[Row]:
    """How many of the scorers that can be fooled are found, and how many ready tracks have a finding."""
    box = sandbox.choose("bubblewrap")
    found, tried = 0, list[int]()
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            solve, score, sentences = FOOLED[kind]
            seen = attacked(made(Path(folder), solve, score), box)
            found += [finding.sentence for finding in seen.findings] == sentences
            tried.append(seen.results)
    yield exact(f"scorers that can be fooled, found of {len(kinds)}", found, f">= {len(kinds)}", count=len(kinds))
    wrongly = 0
    for name in ready:
        with tempfile.TemporaryDirectory() as folder:
            seen = attacked(track_in(Path(folder), name), box)
            wrongly += len(seen.findings)
            tried.append(seen.results)
    yield exact(f"findings in {len(ready)} ready tracks", wrongly, "== 0", count=len(ready))
    yield exact("hostile results scored, the most for one track", max(tried), "<= 15", count=len(tried))


def cells(quick: bool) -> Iterator[Cell]:
    """The tables, each as one cell."""
    ready = QUICK if quick else tuple(sorted(p.parent.name for p in ROOT.glob("tracks/*/track.toml")))
    yield Cell("scorers", partial(scorers, KINDS, ready))
    yield Cell("cost", cost.alone)
    yield Cell("kills", partial(kills.rows, *((1, 6, 0.4) if quick else (15, 20, 1.5))))


def against(other: Path, quick: bool) -> Iterator[Cell]:
    """What is compared with another checkout."""
    yield Cell("cost", partial(cost.compared, other, 1 if quick else 20))


BENCH = Bench("trust", "`check` finds each of 6 ways to fool a scorer, and nothing in the ready tracks; 300 kills lose, repeat "
              "and leave nothing; opening a track takes at most 50 ms longer than in another checkout.", cells, against=against)
