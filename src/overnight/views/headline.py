"""The first line of a night, and the four answers below it: what it found, whether to believe it, what it cost, what to merge.
Pure.

No number stands without its doubt: marks come beside each, and what is not known is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct

from overnight.referee.kinds import KINDS
from overnight.track.units import number
from overnight.untrusted import readable
from overnight.views import holdout as overfitting
from overnight.views.findings import FindingsView, Standing
from overnight.views.track import TrackView, duration, span

MOST_KEEPS = 4  # that an answer lists
MINUS = "−"


class PartView(Struct, frozen=True):
    """A part of a sentence; the `strong` one holds its number."""

    text: str
    strong: bool = False


class HeadlineView(Struct, frozen=True):
    """The night in a sentence.

    state  as in FindingsView
    parts  what it consists of, in order
    marks  what must stand beside its number: self-reported, one seed only, unsandboxed, estimated guards, drifted
    warn   whether it is to be read as a warning
    """

    state: Standing
    parts: tuple[PartView, ...]
    marks: tuple[str, ...]
    warn: bool

    @property
    def sentence(self) -> str:
        """The whole of it, without a stop."""
        return "".join(part.text for part in self.parts)


class AnswerView(Struct, frozen=True):
    """One of the four answers.

    question  that is answered
    answer    in a few words
    lines     what is to be known besides, each a sentence or the number of a keep
    keeps     the experiments that the lines are of, in their order; () where they are of none
    marks     what must stand beside its numbers
    doubt     what is not known yet, and what to do; "" where nothing is missing
    command   what to type; "" where there is nothing to do
    """

    question: str
    answer: str
    lines: tuple[str, ...] = ()
    keeps: tuple[int, ...] = ()
    marks: tuple[str, ...] = ()
    doubt: str = ""
    command: str = ""


def headline(track: TrackView, found: FindingsView) -> HeadlineView:
    """The sentence for where the night stands."""
    warn = found.state in ("does_not_hold", "unknown") or bool(track.problem)
    numbered = found.state not in ("no_baseline", "nothing_kept")
    return HeadlineView(found.state, tuple(part for part in _PARTS[found.state](track, found) if part.text),
                        found.marks if numbered else (), warn)


def answers(track: TrackView, found: FindingsView) -> tuple[AnswerView, ...]:
    """The four answers, in their order."""
    return _what(track, found), _believe(track, found), _cost(track), _merge(track, found)


# ---- the sentence ----------------------------------------------------------------------------------------------


def _no_baseline(track: TrackView, found: FindingsView) -> Iterator[PartView]:
    if track.problem:
        yield PartView("Nothing can be measured", True)
        yield PartView(f": {readable(track.problem).rstrip('.')}")
    else:
        yield PartView("The baseline is not measured yet", True)
        yield PartView(f", {track.runs:,} run{'s' * (track.runs != 1)} so far" if track.runs else ", so nothing can be better")


def _nothing_kept(track: TrackView, found: FindingsView) -> Iterator[PartView]:
    yield PartView(f"{track.experiments:,} tried", True)
    yield PartView(", nothing shown to be better")


def _not_audited(track: TrackView, found: FindingsView) -> Iterator[PartView]:
    yield PartView(_gain(track), True)
    share = "" if track.ratio is None or _timed(track) else f" ({percent(track.ratio)})"
    kept = f"{track.kept:,} kept change{'s' * (track.kept != 1)}"
    yield PartView(f"{share}, from {kept} out of {track.experiments:,}")


def _again(begin: str, track: TrackView, found: FindingsView) -> Iterator[PartView]:
    assert found.again is not None
    effect = found.again.effect
    yield PartView(f"{begin}: ")
    yield PartView(f"{signed(effect, max(abs(effect), abs(found.claimed)))} when measured again", True)
    yield PartView(f", where {signed(found.claimed, abs(effect)).lstrip('+')} was claimed")


def _holds(track: TrackView, found: FindingsView) -> Iterator[PartView]:
    yield from _again("The night claimed too little" if found.claim == "too low" else "The claim holds", track, found)


def _one_number(track: TrackView, found: FindingsView) -> Iterator[PartView]:
    yield from _again("Found again, on one number", track, found)


def _does_not_hold(track: TrackView, found: FindingsView) -> Iterator[PartView]:
    yield from _again("The claim does not hold", track, found)


def _unknown(track: TrackView, found: FindingsView) -> Iterator[PartView]:
    if found.again is None:
        yield PartView("The audit could not tell", True)
        yield PartView(f": too few runs ended well; {signed(found.claimed).lstrip('+')} was claimed")
    else:
        yield from _again("Not shown to be better", track, found)


_PARTS = {"no_baseline": _no_baseline, "nothing_kept": _nothing_kept, "not_audited": _not_audited, "holds": _holds,
          "one_number": _one_number, "does_not_hold": _does_not_hold, "unknown": _unknown}


def _timed(track: TrackView) -> bool:
    return KINDS[track.kind].paired_in_time


def _gain(track: TrackView) -> str:
    """By how much it is better: of a time as a ratio, for its effects may add up to more than there ever was."""
    unit = f" {readable(track.unit, 24)}" if track.unit else ""
    if track.ratio is not None and _timed(track):
        return f"{percent(track.ratio)} {'lower' if track.ratio < 1 else 'higher'}"
    return f"{'Better' if track.gain >= 0 else 'Worse'} by {number(abs(track.gain), 3, track.baseline or 0.0)}{unit}"


def percent(ratio: float) -> str:
    """By how many per cent something is more or less, where it was multiplied by a ratio."""
    return f"{abs(100 * (ratio - 1)):.2g} %"


def signed(value: float, scale: float = 0.0) -> str:
    """A difference with its sign, the minus a true one."""
    return number(value, 3, scale, "+").replace("-", MINUS)


# ---- the answers -----------------------------------------------------------------------------------------------


def _what(track: TrackView, found: FindingsView) -> AnswerView:
    if not found.keeps:
        tried = f"{track.discarded:,} discarded, {track.crashed:,} crashed, {track.open:,} open"
        return AnswerView("What did it find?", "Nothing yet" if track.open else "Nothing", (tried,) * bool(track.experiments))
    shown = sorted(found.keeps, key=lambda keep: -keep.effect)[:MOST_KEEPS]
    more = len(found.keeps) - len(shown)
    lines = [span(keep.effect, keep.interval, track.baseline).replace("-", MINUS) for keep in shown]
    lines += [f"and {more:,} more"] * bool(more)
    ids = tuple(keep.id for keep in shown)
    return AnswerView("What did it find?", f"{len(found.keeps):,} kept", tuple(lines), ids, found.marks)


def _believe(track: TrackView, found: FindingsView) -> AnswerView:
    question = "Can I believe it?"
    if not found.keeps:
        return AnswerView(question, "There is nothing to believe",
                          (f"at most {100 * track.false_share:g} % of what is kept may be false",))
    fresh = sum(keep.fresh_pairs > 0 for keep in found.keeps)
    lines = [f"{fresh:,} of {len(found.keeps):,} held on fresh seeds"] if found.again else []
    if found.holdout is not None and found.holdout.share is not None:
        lines.append(f"on a holdout that no researcher sees, {overfitting.percent(found.holdout.share)} of the gain")
    lines.append(f"at most {100 * track.false_share:g} % of keeps are false")
    if found.dead:
        lines.append(f"dead weight: {', '.join(f'#{number}' for number in found.dead)}")
    doubt = "not audited yet" if found.state == "not_audited" else ""
    return AnswerView(question, _belief(fresh, found), tuple(lines), (), found.marks, doubt, "overnight audit" if doubt else "")


def _belief(fresh: int, found: FindingsView) -> str:
    if found.again is None:
        return f"{fresh:,} of {len(found.keeps):,} held on fresh seeds"
    shown = span(found.again.effect, found.again.interval).replace("-", MINUS)
    return f"{'Measured again' if found.state == 'holds' else 'Beware: measured again'}, {shown}"


def _cost(track: TrackView) -> AnswerView:
    dollars, unpriced = cost(track)
    price = f"${dollars:.2f}" if dollars else "$0"
    lines = [f"{track.runs:,} runs, {60 * track.runs / track.seconds:.3g} a minute"] if track.seconds else []
    if track.kept:
        lines.append(f"1 keep per {round(track.runs / track.kept):,} runs")
    if track.busy_share is not None:
        lines.append(f"places busy {100 * track.busy_share:.0f} %")
    doubt = "the price of some calls to models is not known" if unpriced else ""
    return AnswerView("What did it cost?", f"{duration(track.seconds)}, {price}", tuple(lines), doubt=doubt)


def cost(track: TrackView) -> tuple[float, bool]:
    """Dollars that calls to models came to, and whether the price of some is not known."""
    spent = [use.dollars for use in track.models.values()]
    return math.fsum(dollars for dollars in spent if dollars is not None), None in spent


def _merge(track: TrackView, found: FindingsView) -> AnswerView:
    count = len(found.keeps)
    if not count:
        return AnswerView("What do I merge?", "Nothing yet")
    lines = [f"branch {readable(track.branch, 100)}"]
    if found.dead:
        lines.append("then revert what is dead weight: `overnight audit` says how")
    doubt = "look at the audit first" if found.state in ("does_not_hold", "unknown") else ""
    return AnswerView("What do I merge?", f"{count:,} commit{'s' * (count != 1)}", tuple(lines), doubt=doubt,
                      command="overnight merge")
