"""What the commit message says: what changed and why it was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overnight.researchers.knobs import scales
from overnight.researchers.knobs.choose import Choice
from overnight.researchers.knobs.find import Knob
from overnight.researchers.knobs.history import Trial

FACTORS = {2.0: "Doubled", 0.5: "Halved", 4.0: "Four times as much", 0.25: "A quarter"}
TOGETHER = {2: "Both at once", 3: "All three at once"}


def message(choice: Choice, knobs: Mapping[str, Knob], trials: Sequence[Trial], metric: str) -> str:
    """Title, blank line, reason."""
    turned = [knobs[knob] for knob in choice.made]
    lines = [f"{_size(knob, choice)}: {_reason(knob, choice, trials)}." for knob in turned]
    if len(turned) > 1:
        each = [f"- {knob.label} {line[0].lower()}{line[1:]}" for knob, line in zip(turned, lines, strict=True)]
        lines = [f"{TOGETHER[len(turned)]}, since each alone may be lost in the noise.", *each]
    if any(trial.past.pairs for trial in trials):
        lines.append(f"The surrogate expects {choice.mean:+.2g} ± {choice.deviation:.2g} {metric} (+ is better).")
    return f"{title(choice.made, knobs)}\n\n" + "\n".join(lines)


def title(made: Mapping[str, scales.Value], knobs: Mapping[str, Knob]) -> str:
    """What was turned, from what to what, and where."""
    turned = [knobs[knob] for knob in made]
    changes = [f"{knob.label} {knob.text} -> {scales.write(made[knob.id], knob.text)}" for knob in turned]
    return f"{', '.join(changes)} ({', '.join(sorted({knob.path for knob in turned}))})"


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
