"""Each keep in words and as HTML, for the report's page and the page of findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from markupsafe import Markup
from msgspec import Struct

from overnight.report.content import TOLD, largest
from overnight.report.diff import diff
from overnight.report.svg.axes import decimals, fixed, odds
from overnight.report.tables import plain
from overnight.views.findings import WORDS, FindingsView, KeepView
from overnight.views.timeline import short_title
from overnight.views.track import duration

MOST_PATCH = 20_000  # characters of a keep's change


class Card(Struct, frozen=True):
    """A keep in words and as HTML: what it gained, how sure that is, what the audit says of it (`tag` in a word, in a `tone`),
    what it changes, and where it comes from."""

    keep: KeepView
    title: str
    gain: str
    interval: str
    pairs: str
    tag: str
    tone: str
    again: str
    change: Markup
    foot: str


def cards(found: FindingsView, patch: Callable[[KeepView], str]) -> Iterator[Card]:
    """The keeps that are shown, oldest first; `patch` gives the change of one."""
    places = decimals(keep.effect for keep in found.keeps)
    for keep in largest(found):
        took = ""
        if keep.proposed_at is not None and keep.judged_at is not None:
            took = f", {duration(keep.judged_at - keep.proposed_at)} from idea to verdict"
        yield Card(keep, short_title(keep.title), fixed(keep.effect, places), _interval(keep, found, places), _pairs(keep),
                   WORDS[keep.code] if keep.code != "not_audited" else "", TOLD.get(keep.code, ""), _again(keep, places),
                   Markup(diff(patch(keep)[:MOST_PATCH], context=False, label=f"The change of experiment {keep.id}")),
                   f"proposed by {plain(keep.researcher, 40)}{took}")


def _interval(keep: KeepView, found: FindingsView, places: int) -> str:
    if keep.interval is None:
        return "No interval is known."
    unit = f" {plain(found.unit, 24)}" if found.unit else ""
    return f"95 % interval [{', '.join(fixed(end, places) for end in keep.interval)}]{unit}."


def _pairs(keep: KeepView) -> str:
    said = f"{keep.pairs} pairs, {keep.fresh_pairs} on fresh seeds"
    said += f"; evidence {odds(keep.e_value)} to 1." if keep.e_value is not None else "."
    if keep.holdout is not None:
        said += f" On the holdout {fixed(keep.holdout, decimals([keep.holdout]))}."
    return said


def _again(keep: KeepView, places: int) -> str:
    said = keep.reason
    if keep.again is not None:
        ends = ", ".join(fixed(end, places) for end in keep.again.interval)
        said = f"again {fixed(keep.again.effect, places)} [{ends}] on {keep.again.pairs} new seeds, by leaving it out"
    if keep.worthless:
        said += f"{'; ' if said else ''}worth nothing in it: {', '.join(keep.worthless)}"
    return said


def legend(found: FindingsView) -> str:
    """What the signs of the forest mean."""
    said = "Round: measured during the night, on fresh seeds."
    if found.again is not None:
        said += f" Square: measured again by the audit, on {found.seeds} new seeds."
    return said + (f" Shaded: less than is worthwhile ({found.worthwhile:g})." if found.worthwhile else "")
