"""What the commit message says: what changed and why it was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overnight.researchers.knobs import scales
from overnight.researchers.knobs.choose import Choice
from overnight.researchers.knobs.find import Knob
from overnight.researchers.knobs.history import Trial


def message(choice: Choice, knobs: Mapping[str, Knob], trials: Sequence[Trial], metric: str) -> str:
    """Title, blank line, reason."""
    turned = [knobs[knob] for knob in choice.made]
    changes = [f"{knob.label} {knob.text} -> {scales.write(choice.made[knob.id], knob.text)}" for knob in turned]
    where = ", ".join(sorted({knob.path for knob in turned}))
    reasons = [_reason(knob, choice, trials) for knob in turned]
    if len(turned) > 1:
        reasons = ["Together: " + " ".join(reasons)]
    sign = "+" if choice.mean >= 0 else "-"
    expected = (
        f"The surrogate expects {sign}{abs(choice.mean):.2g} ± {choice.deviation:.2g} in {metric} (positive is better)."
    )
    known = [expected] if any(trial.past.pairs for trial in trials) else []
    return f"{', '.join(changes)} ({where})\n\n" + "\n".join([*reasons, *known])


def _reason(knob: Knob, choice: Choice, trials: Sequence[Trial]) -> str:
    """Why this knob, in one sentence."""
    mine = [trial for trial in trials if knob.id in trial.move and trial.past.verdict != "open"]
    name = f"{knob.label}: " if len(choice.made) > 1 else ""
    if not mine:
        return f"{name}first look at this constant."
    kept = [trial for trial in mine if trial.past.verdict == "keep"]
    if knob.scale.kind == "choice":
        return f"{name}another choice, after #{mine[-1].past.id}."
    last = kept[-1] if kept else mine[-1]
    way = _way(knob, knob.value, choice.made[knob.id])
    before, after = last.move[knob.id]
    same = way == _way(knob, before, after)
    if kept:
        return f"{name}{'further in' if same else 'back from'} the direction kept in #{last.past.id}."
    return f"{name}{_verdict(last, same)}"


def _verdict(last: Trial, same: bool) -> str:
    effect = last.past.effect
    told = "crashed" if effect is None else f"gave {effect:+.2g}"
    return f"{'the same way as' if same else 'the other way than'} #{last.past.id}, which {told}."


def _way(knob: Knob, before: scales.Value, after: scales.Value) -> bool:
    return scales.position(knob.scale, after) > scales.position(knob.scale, before)
