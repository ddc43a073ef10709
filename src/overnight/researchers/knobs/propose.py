"""The researcher that needs no key: it turns the constants of the editable Python files, and now and then a statement.

Covered: constants, defaults, named choices; a few structural edits. Not covered: ideas.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from overnight.contracts import EXPECTS, MATTERS, TURNED, Brief, Change, Executed, Explore, Mattered, Past
from overnight.researchers.knobs import history, mutate, prior, scales
from overnight.researchers.knobs.choose import Choice, choose
from overnight.researchers.knobs.dead import dead
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.explore import next_run, relevance
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.history import KnobEvidence, Trial
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.parts import Ruler
from overnight.researchers.knobs.ruler import of
from overnight.researchers.knobs.scales import Value
from overnight.researchers.knobs.space import Space
from overnight.track import regions

WIDEST = 64  # knobs that are considered at once; more are looked at as the night goes on
TAUGHT = 20  # points from which on something of a track is believed on another
EACH = 2  # how many more for each point of a campaign, WIDEST by WIDEST
FIRST = 6  # turns of knobs before the first structural edit
SHARE = 0.17  # of proposals that are structural edits while neither kind does better
FACTORS = {2.0: "Doubled", 0.5: "Halved", 4.0: "Four times as much", 0.25: "A quarter"}
WIDENED = {"finer": "All larger steps were tried here, so they are finer now.",
           "farther": "All near values were tried here, so this one is far away.",
           "together": "All single turns were tried here, so some of them are put together."}
TOLD = 120  # characters of a title that tell it from others
MOST_NAMED = 3  # knobs that a title names
TOGETHER = {2: "Both at once", 3: "All three at once"}


class Knobs:
    """Proposes a turn of one or a few knobs, by expected improvement. `executed` gives what ran in the baseline, where that is
    known; beside that nothing is remembered but what it last read."""

    name = "knobs"

    def __init__(self, executed: Callable[[], Executed | None] = lambda: None) -> None:
        self._ask = executed
        self._executed: Executed | None = None
        self._last: tuple[object, tuple[Ruler, list[Knob]]] | None = None
        self._space: Space | None = None

    def propose(self, brief: Brief) -> Change | None:
        """The next change; None when nothing can be turned or everything near has been tried."""
        if brief.again is not None:
            return _again(brief, brief.again, self._read(brief)[0])
        ruler, knobs = self._read(brief)
        evidence = history.read(brief.history, brief.frontier, {knob.id: knob.value for knob in knobs})
        lots = random.Random(f"{brief.seed}:{len(brief.history)}")
        if lots.random() < mutating(evidence):
            edit = mutate.pick(brief.files, evidence.mutations, lots, ruler)
            if edit and lots.random() < edit[0].worth / mutate.REFINED:
                return _mutated(edit)
        if brief.explore is not None and knobs:
            return _explored(brief, brief.explore, self._searched(brief.explore, knobs), lots)
        turn = _turn(brief, knobs, evidence, lots)
        return turn or _mutated(mutate.pick(brief.files, evidence.mutations, lots, ruler))

    def taught(self, brief: Brief) -> list[Mattered]:
        """What the campaign so far teaches of knobs by their names; nothing where little was explored."""
        _, knobs = self._read(brief)
        if brief.explore is None or len(brief.explore.points) < TAUGHT or not knobs:
            return []
        space = self._searched(brief.explore, knobs)
        return prior.learnt(space.knobs, relevance(brief, brief.explore, space), history.kept(brief.history))

    def _read(self, brief: Brief) -> tuple[Ruler, list[Knob]]:
        """What is never turned and what can be, looked for once while the files are the same."""
        self._executed = self._executed or self._ask()
        what = brief.files, brief.metric, brief.contract, brief.region, self._executed
        if self._last is None or self._last[0] != what:
            ruler = self._fixed(brief)
            self._last = what, (ruler, find(brief.files, ruler))
        return self._last[1]

    def _searched(self, explore: Explore, knobs: list[Knob]) -> Space:
        """The space of a campaign, worked out once while its knobs are the same."""
        near = prior.believed(knobs, explore.mattered)[: WIDEST * (1 + EACH * len(explore.points) // WIDEST)]
        if self._space is None or self._space.knobs != near:
            self._space = Space(near)
        return self._space

    def _fixed(self, brief: Brief) -> Ruler:
        """What is never turned: what measures, what did not run, and what lies outside the regions of the contract."""
        marked = {path: regions.spans(text, brief.region) for path, text in brief.files.items() if brief.region}
        ruler = of(brief.files, brief.metric, brief.contract) | dead(brief.files, self._executed)
        return ruler | Ruler(frozenset(), regions={path: spans for path, spans in marked.items() if spans is not None})


def _again(brief: Brief, past: Past, ruler: Ruler) -> Change | None:
    """An earlier change made anew on today's files: the same knobs to the same values; None if they are gone or there."""
    if past.note.get("kind") == "mutation":
        edit = next((m for m in mutate.mutations(brief.files, ruler) if m.id == past.note.get("id")), None)
        if edit is None:
            return None
        return Change({edit.path: splice(brief.files[edit.path], [(edit.span, edit.new)])}, past.message, past.note)
    knobs = {knob.id: knob for knob in find(brief.files, ruler)}
    wanted = {knob: pair[1] for knob, pair in past.note.get(TURNED, {}).items()}
    if not wanted or not wanted.keys() <= knobs.keys():
        return None
    made = {knob: value for knob, value in wanted.items() if knobs[knob].value != value}
    if not made:
        return None
    text = f"{_title(made, knobs)}\n\nMade anew on a newer frontier, where it no longer applied as text: {past.message}"
    return Change(_files(brief, knobs, made), text, _note(knobs, made))


def mutating(evidence: KnobEvidence) -> float:
    """The share of structural edits: more while they are kept more often than turned knobs, fewer while less."""
    (turned, useful), (mutated, lucky) = evidence.turned, evidence.mutated
    if turned < FIRST:
        return 0.0
    ratio = ((lucky + 1) / (mutated + 8)) / ((useful + 1) / (turned + 8))
    return min(max(SHARE * ratio, 0.03), 0.5)


def _explored(brief: Brief, explore: Explore, space: Space, lots: random.Random) -> Change | None:
    """The next point of a campaign, or the claim that its lead is better."""
    seed, named = lots.randrange(1 << 32), {knob.id: knob for knob in space.knobs}
    found = next_run(brief, explore, space, seed)
    if found is not None and found.claim and _forgotten(brief, _title(found.config, named)):
        found = next_run(brief, explore, space, seed, claim=False)
    if found is None:
        return None
    what = f"What {len(explore.points) - 1} single runs and more have led to" if found.claim else "A single run, to learn from"
    turned = [f"- {change}" for change in _changes(found.config, named)] if len(found.config) > MOST_NAMED else []
    expects = f"The surrogate expects {found.mean:+.2g} ± {found.deviation:.2g} {brief.metric} (+ is better)."
    text = "\n".join([_title(found.config, named), "", f"{what}. {expects}", *turned])
    note = _note(named, found.config) | {EXPECTS: [float(f"{number:.4g}") for number in (found.mean, found.deviation)]}
    note |= ({"arm": found.arm} if found.arm else {}) | ({MATTERS: found.matters} if found.matters else {})
    return Change(_files(brief, named, found.config), text, note, probe=not found.claim)


def _forgotten(brief: Brief, title: str) -> bool:
    """Whether a claim of this title was refused on the frontier, of which the history holds no note since that was too long."""
    return any(not past.note and past.base == brief.frontier and past.verdict not in ("keep", "open")
               and past.message[:TOLD] == title[:TOLD] for past in brief.history)


def _turn(brief: Brief, knobs: Sequence[Knob], evidence: KnobEvidence, lots: random.Random) -> Change | None:
    widest = WIDEST + evidence.turned[0] // 4
    touched = {knob for trial in evidence.trials for knob in (*trial.move, *trial.base, *trial.made)}
    near = [knob for place, knob in enumerate(knobs) if place < widest or knob.id in touched]
    choice = choose(brief, near, evidence, lots.randrange(1 << 32)) if near else None
    if choice is None:
        return None
    named = {knob.id: knob for knob in near}
    text = _message(choice, named, evidence.trials, brief.metric)
    return Change(_files(brief, named, choice.made), text, _note(named, choice.made))


def _files(brief: Brief, knobs: Mapping[str, Knob], made: Mapping[str, Value]) -> dict[str, str | None]:
    files: dict[str, str | None] = {}
    for path in {knobs[knob].path for knob in made}:
        turned = [(knobs[knob], value) for knob, value in made.items() if knobs[knob].path == path]
        files[path] = splice(brief.files[path], [(knob.span, scales.write(value, knob.text)) for knob, value in turned])
    return files


def _note(knobs: Mapping[str, Knob], made: Mapping[str, Value]) -> dict[str, Any]:
    return {"kind": "knobs", TURNED: {knob: [knobs[knob].value, value] for knob, value in made.items()}}


def _mutated(picked: tuple[mutate.Mutation, str] | None) -> Change | None:
    """A structural edit as a change."""
    if picked is None:
        return None
    edit, text = picked
    return Change({edit.path: text}, f"{edit.title}\n\n{edit.why}", {"kind": "mutation", "id": edit.id})


# ---- what the commit message says: what changed and why it was tried -----------------------------------------------


def _message(choice: Choice, knobs: Mapping[str, Knob], trials: Sequence[Trial], metric: str) -> str:
    """Title, blank line, reason."""
    turned = [knobs[knob] for knob in choice.made]
    lines = [f"{_size(knob, choice)}: {_reason(knob, choice, trials)}." for knob in turned]
    if len(turned) > 1:
        each = [f"- {knob.label} {line[0].lower()}{line[1:]}" for knob, line in zip(turned, lines, strict=True)]
        lines = [f"{TOGETHER[len(turned)]}, since each alone may be lost in the noise.", *each]
    if choice.stage:
        lines.append(WIDENED[choice.stage])
    if any(trial.past.pairs for trial in trials):
        lines.append(f"The surrogate expects {choice.mean:+.2g} ± {choice.deviation:.2g} {metric} (+ is better).")
    return f"{_title(choice.made, knobs)}\n\n" + "\n".join(lines)


def _title(made: Mapping[str, Value], knobs: Mapping[str, Knob]) -> str:
    """What was turned, from what to what, and where; of many the most promising and how many more."""
    turned, changes = [knobs[knob] for knob in made], _changes(made, knobs)
    if len(changes) > MOST_NAMED:
        changes[MOST_NAMED:] = [f"and {len(changes) - MOST_NAMED} more"]
    places = [f"{path}, {_lines(sorted({knob.line for knob in turned if knob.path == path}))}"
              for path in sorted({knob.path for knob in turned})]
    return f"{', '.join(changes)} ({'; '.join(places)})"


def _changes(made: Mapping[str, Value], knobs: Mapping[str, Knob]) -> list[str]:
    """Each knob that was turned, from what to what."""
    turned = ((knobs[knob], value) for knob, value in made.items())
    return [f"{knob.label} {knob.text} -> {scales.write(value, knob.text)}" for knob, value in turned]


def _lines(lines: Sequence[int]) -> str:
    return f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}"


def _size(knob: Knob, choice: Choice) -> str:
    """By how much, in a word."""
    old, new = knob.value, choice.made[knob.id]
    if isinstance(new, bool):
        return "Switched " + ("on" if new else "off")
    if isinstance(old, str) or isinstance(new, str):
        return "Exchanged"
    up = "Raised" if new > old else "Lowered"
    return FACTORS.get(new / old, up) if old else up


def _reason(knob: Knob, choice: Choice, trials: Sequence[Trial]) -> str:
    """Why this knob and why this way."""
    mine = [trial for trial in trials if knob.id in trial.move and trial.past.verdict != "open"]
    if not mine:
        return "first look at it"
    kept = [trial for trial in mine if trial.past.verdict == "keep"]
    if knob.scale.kind == "choice":
        return f"looked at before in #{mine[-1].past.id}, which {_outcome(mine[-1])}"
    last = kept[-1] if kept else mine[-1]
    same = scales.upwards(knob.scale, knob.value, choice.made[knob.id]) == scales.upwards(knob.scale, *last.move[knob.id])
    return f"{'the same way as' if same else 'the other way than'} #{last.past.id}, which {_outcome(last)}"


def _outcome(trial: Trial) -> str:
    if trial.past.verdict == "keep":
        return "was kept"
    return "crashed" if trial.past.effect is None else f"gave {trial.past.effect:+.2g}"
