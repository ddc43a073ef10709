"""The overfitting monitor: what was gained on the scorer's own data, and how much of it on the holdout.

For the user alone. Whatever a researcher may read (briefs, results.tsv, `overnight log`, the night's lines) is made
elsewhere and knows nothing of these numbers.
"""

from __future__ import annotations

from msgspec import Struct

from overnight.lab.state import State

PRIVATE = "Researchers are told keep or discard, and no number."


class QuestionView(Struct, frozen=True):
    """One experiment that the holdout was asked about.

    experiment  its number
    kept        whether it was kept
    scorer      its mean gain on the scorer's own data, in the metric's unit, positive is better
    holdout     the same on the holdout; None where a run gave no number there
    runs        runs that were compared there
    failed      those of them that gave no number
    """

    experiment: int
    kept: bool
    scorer: float
    holdout: float | None
    runs: int
    failed: int


class HoldoutView(Struct, frozen=True):
    """What the keeps gained on the scorer's own data and on the holdout.

    keeps      how many were asked about and kept
    scorer     the sum of their gains on the scorer's own data, in the metric's unit, positive is better
    holdout    the same on the holdout
    share      `holdout` / `scorer`; None where nothing was gained
    interval   95 % interval of the share; None: too few keeps to tell
    asked      questions
    denied     those of them that were answered with no
    questions  each of them, oldest first
    """

    keeps: int
    scorer: float
    holdout: float
    share: float | None
    interval: tuple[float, float] | None
    asked: int
    denied: int
    questions: tuple[QuestionView, ...]


def holdout(state: State) -> HoldoutView | None:
    """What is known of the holdout; None where the track has none."""
    if not state.track.holdout:
        return None
    found, questions = state.monitor.read(), []
    for asked in state.monitor.asked:
        here, there = asked.gains
        questions.append(QuestionView(asked.experiment, asked.kept, here, None if asked.failed else there, len(asked.pairs),
                                      asked.failed))
    return HoldoutView(found.keeps, found.here, found.there, found.share, found.interval, len(questions), state.monitor.denied,
                       tuple(questions))


def sentence(found: HoldoutView | None, unit: str) -> str:
    """The monitor in a sentence or two; "" where the track has no holdout. `unit` is the metric's."""
    if found is None:
        return ""
    asked = f"; {found.asked:,} asked, {found.denied:,} denied" if found.asked else ""
    if not found.keeps:
        return f"nothing was kept yet, so nothing is known of the holdout{asked}"
    unit = f" {unit}" if unit else ""
    doubt = " (too few keeps to tell)"
    if found.interval is not None:
        low, high = found.interval
        doubt = f" (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    return (f"validation improved by {found.scorer:.3g}{unit}, the holdout by {found.holdout:.3g}: {percent(found.share)} "
            f"carries over{doubt}{asked}")


def percent(share: float | None) -> str:
    """A share in percent; an en dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def advice(found: HoldoutView) -> str:
    """What a gap that is shown asks for; "" where none is."""
    if found.interval is None or found.interval[1] >= 1:
        return ""
    return ("What was kept fits the scorer's data better than others: believe the gain on the holdout, and give the scorer "
            "more data, or other data, before the next night.")


def answer(found: HoldoutView | None, experiment: int) -> str:
    """What the holdout said of one experiment, in a sentence for the user; "" where it was not asked."""
    asked = next((q for q in found.questions if q.experiment == experiment), None) if found else None
    if asked is None:
        return ""
    if asked.holdout is None:
        return f"On the holdout {asked.failed} of {asked.runs} runs gave no number, so it is not kept. {PRIVATE}"
    return f"On the holdout the same runs gain {asked.holdout:+.3g}, on the scorer's own data {asked.scorer:+.3g}. {PRIVATE}"
