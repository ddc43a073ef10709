"""An experiment as whoever proposed it may see it: the verdict with its evidence.

Covered: no seed of a run, no number of the holdout, nothing that was said while scoring, no key; words from outside are
cleaned, bounded and, on the page, fenced.
Not covered: somebody who can read the track's folder reads the journal itself; docs/agents.md says what to do about that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from overnight.lab.events import Event
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.untrusted import fenced, line, plain, quoted
from overnight.views import sentences, track

RECORD = ("id", "commit", "base", "researcher", "verdict", "effect", "interval", "pairs", "fresh_pairs", "e_value", "level",
          "metrics")
UNTRUSTED = ("message", "reason", "patch", "log")  # keys that hold words from outside
TITLE, PATCH, LOG, RUNS = 160, 8_000, 2_000, 40  # characters, and runs, that are shown at most


def experiment(state: State, chosen: Experiment, events: Sequence[Event],
               log: Callable[[str], str]) -> dict[str, Any]:
    """An experiment as plain data. `untrusted` names the keys that hold words from outside; `log` gives the text of a
    kept log by its name, "" where there is none."""
    found = sentences.gather(state, chosen, list(events), log)
    known = track.record(state, chosen)
    return {**{name: known[name] for name in RECORD}, "idea": chosen.idea or None, "grown": chosen.grown,
            "evidence": list(sentences.measured(state, chosen, found)),
            "runs": [_run(state, run) for run in found["runs"][-RUNS:]],
            "message": plain(chosen.message, PATCH), "reason": line(chosen.reason, 2 * TITLE),
            "patch": plain(found["patch"], PATCH), "frontier": state.commit,
            "log": plain(log(chosen.log) if chosen.log else "", LOG, end=True),
            "untrusted": list(UNTRUSTED)}


def _run(state: State, run: dict[str, Any]) -> dict[str, Any]:
    """A run beside its base's, without the seed."""
    name = state.track.metric.name
    mine, theirs = run["metrics"].get(name), run["base"]
    better = None if mine is None or theirs is None else state.track.oriented(mine - theirs)
    return {"stage": run["stage"], "outcome": run["outcome"], name: mine, "base": theirs, "better_by": better,
            "seconds": run["seconds"]}


def words(found: dict[str, Any], whole: bool = True) -> str:
    """The same as a page of markdown; `whole`: with the diff."""
    title = found["message"].partition("\n")[0]
    told = [f"Experiment #{found['id']}: **{found['verdict']}**, {quoted(title, TITLE)}", ""]
    told += [f"- Why: {quoted(found['reason'], 2 * TITLE)}"] if found["reason"] else []
    told += [f"- {sentence}" for sentence in found["evidence"]]
    told += [f"- The frontier is commit {found['frontier'][:12]}."]
    parts = ["\n".join(told)]
    if found["log"]:
        parts.append(fenced(found["log"], f"the end of the log of experiment #{found['id']}", LOG, end=True))
    if whole and found["patch"]:
        parts.append(fenced(found["patch"], f"the diff of experiment #{found['id']}", PATCH))
    return "\n\n".join(parts)
