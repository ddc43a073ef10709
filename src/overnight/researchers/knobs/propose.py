"""The researcher that needs no key: it turns the constants of the editable Python files, and now and then a statement.

Covered: constants, defaults, named choices; a few structural edits. Not covered: ideas.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from overnight.contracts import Brief, Change
from overnight.researchers.knobs import history, mutate, scales
from overnight.researchers.knobs.afford import strains
from overnight.researchers.knobs.choose import Choice, choose
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.find import Knob, find
from overnight.researchers.knobs.history import Evidence
from overnight.researchers.knobs.say import message

WIDEST = 64  # knobs that are considered at once; more are looked at as the night goes on
FIRST = 6  # turns of knobs before the first structural edit
SHARE = 0.17  # of proposals that are structural edits while neither kind does better


class Knobs:
    """Proposes a turn of one or a few knobs, by expected improvement; stateless."""

    name = "knobs"

    def propose(self, brief: Brief) -> Change | None:
        """The next change; None when nothing can be turned or everything near has been tried."""
        knobs = find(brief.files)
        evidence = history.read(brief.history, brief.frontier, {knob.id: knob.value for knob in knobs})
        lots = random.Random(f"{brief.seed}:{len(brief.history)}")
        if lots.random() < mutating(evidence):
            edit = mutate.pick(brief.files, evidence.mutations, lots)
            if edit and lots.random() < edit[0].worth / mutate.REFINED:
                return _mutated(edit)
        turn = _turn(brief, knobs, evidence, lots)
        return turn or _mutated(mutate.pick(brief.files, evidence.mutations, lots))


def mutating(evidence: Evidence) -> float:
    """The share of structural edits: more while they are kept more often than turned knobs, fewer while less."""
    (turned, useful), (mutated, lucky) = evidence.turned, evidence.mutated
    if turned < FIRST:
        return 0.0
    ratio = ((lucky + 1) / (mutated + 8)) / ((useful + 1) / (turned + 8))
    return min(max(SHARE * ratio, 0.03), 0.5)


def _turn(brief: Brief, knobs: Sequence[Knob], evidence: Evidence, lots: random.Random) -> Change | None:
    widest = WIDEST + evidence.turned[0] // 4
    touched = {knob for trial in evidence.trials for knob in (*trial.move, *trial.base, *trial.made)}
    near = [knob for place, knob in enumerate(knobs) if place < widest or knob.id in touched]
    known = strains(brief.history, brief.strain)
    choice = choose(near, evidence, brief.noise, lots.randrange(1 << 32), brief.frontier, known) if near else None
    return _change(brief, {knob.id: knob for knob in near}, choice, evidence) if choice else None


def _change(brief: Brief, knobs: dict[str, Knob], choice: Choice, evidence: Evidence) -> Change:
    """The edit of the files, its message, and the note that later briefs bring back."""
    files: dict[str, str | None] = {}
    for path in {knobs[knob].path for knob in choice.made}:
        turned = [(knobs[knob], value) for knob, value in choice.made.items() if knobs[knob].path == path]
        files[path] = splice(brief.files[path], [(knob.span, scales.write(value, knob.text)) for knob, value in turned])
    note = {"kind": "knobs", "set": {knob: [knobs[knob].value, value] for knob, value in choice.made.items()}}
    return Change(files=files, message=message(choice, knobs, evidence.trials, brief.metric), note=note)


def _mutated(picked: tuple[mutate.Mutation, str] | None) -> Change | None:
    """A structural edit as a change."""
    if picked is None:
        return None
    edit, text = picked
    return Change({edit.path: text}, f"{edit.title}\n\n{edit.why}", {"kind": "mutation", "id": edit.id})
