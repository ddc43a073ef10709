"""How safely a track is opened that somebody else made, and how well it is judged.

`hostile`: repositories and work trees that attack the user who opens them, each opened by every command in a home full of bait;
what changed outside, what leaked, what ran, what fell over. `--quick` takes a few, and the commands that each reaches:
tests/hostile opens all of them.
`scorers`: `check` attacks scorers that can be fooled, each in one of the ways that were seen, and the ready tracks.
`cost`: what opening a track takes, beside another checkout (cost.py).
`kills`: sessions are killed at random moments; nothing is lost, repeated or left behind (kills.py).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import ROOT, cost, kills
from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact
from fooled import FOOLED, attacked, made
from hostile.attack import Attack, every
from hostile.opened import EVERY, findings, kind
from hostile.scene import Scene, template
from overnight import sandbox

KINDS = ("the candidate is ignored", "zip stops at the shorter side, and all is summed", "NaN in max", "unpickling",
         "the candidate's own metric", "a tolerance that can be bought")
QUICK = ("synthetic",)  # a ready track whose scorer takes no time; and two of the ways, by `KINDS[::4]`


def scorers(kinds: tuple[str, ...], ready: tuple[str, ...]) -> Iterator[Row]:
    """How many of the scorers that can be fooled are found, and how many ready tracks have a finding."""
    box = sandbox.choose("bubblewrap")
    found, tried = 0, list[int]()
    for name in kinds:
        with tempfile.TemporaryDirectory() as folder:
            solve, score, sentences = FOOLED[name]
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


FINDINGS = ("files changed", "secrets leaked", "programs run", "commands fell over or did not end")
WITHOUT_SETTINGS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}  # for those who lay out an attack


def hostile(quick: bool) -> Iterator[Row]:
    """How many hostile repositories are opened, by how many commands, and what goes wrong."""
    os.environ.update(WITHOUT_SETTINGS)
    kinds = every().values()
    chosen = [a for attacks in kinds for a in attacks]
    if quick:
        chosen = [attacks[0] for attacks in kinds][::4]
    found, commands = Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        track = template(Path(folder) / "template/track")
        for each in chosen:
            names = each.commands if quick else (*(("adopt",) if "adopt" in each.reaches else ()), *EVERY)
            wrong = opened(Path(folder) / each.name, track, each, names)
            commands += len(names)
            found.update({kind(sentence) for sentence in wrong})
            for sentence in wrong:
                print(f"{each.name}: {sentence[:300]}", flush=True)
    yield exact("hostile repositories and work trees", len(chosen), "" if quick else ">= 60", count=len(chosen))
    yield exact("commands by which they were opened", commands, count=len(chosen))
    for what in FINDINGS:
        yield exact(f"repositories by which {what}", found[what], "== 0", count=len(chosen))


def opened(folder: Path, track: Path, attack: Attack, names: tuple[str, ...]) -> list[str]:
    """What goes wrong when one is opened by these commands."""
    folder.mkdir()
    scene = Scene(folder, track)
    try:
        return findings(scene, names, attack.build(scene), attack.seconds)[0]
    finally:
        scene.close()


def cells(quick: bool) -> Iterator[Cell]:
    """The tables, each as one cell."""
    ready = QUICK if quick else tuple(sorted(p.parent.name for p in ROOT.glob("tracks/*/track.toml")))
    yield Cell("hostile", partial(hostile, quick))
    yield Cell("scorers", partial(scorers, KINDS[::4] if quick else KINDS, ready))
    yield Cell("cost", cost.alone)
    yield Cell("kills", partial(kills.rows, *((1, 2, 0.4, "") if quick else (15, 20, 1.5, "<= 1"))))


def against(other: Path, quick: bool) -> Iterator[Cell]:
    """What is compared with another checkout."""
    yield Cell("cost", partial(cost.compared, other, 1 if quick else 20))


BENCH = Bench("trust", "Nothing of a hostile repository reaches out of it; `check` finds each of 6 ways to fool a scorer; "
              "300 kills lose, repeat and leave nothing; opening a track takes at most 50 ms longer than in another checkout.",
              cells, against=against)
