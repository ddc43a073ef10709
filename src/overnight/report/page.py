"""The report as one page: it opens from disk, asks for nothing, and prints. `morning.py` says the same in markdown.

Covered: all words from outside are escaped, and a policy in the page allows its one style and its one script alone, by their
hashes. Not covered: a reader that is shown the file by a server sees what the user sees, the holdout included.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files

import msgspec
from jinja2 import Environment, PackageLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from overnight.report import learned, morning
from overnight.report.content import Report, commands, forest_rows, largest, listed, next_steps, sum_sentences
from overnight.report.diff import diff
from overnight.report.figures import of_progress
from overnight.report.svg.axes import MINUS, decimals, fixed, odds
from overnight.report.svg.intervals import forest
from overnight.report.svg.progress import Look
from overnight.report.tables import headline, plain
from overnight.views.experiment import effect
from overnight.views.findings import WORDS, FindingsView, KeepView
from overnight.views.timeline import short_title
from overnight.views.track import duration

HREF = "#experiment-{id}"
MOST_PATCH = 20_000  # characters of a keep's change
POLICY = ("default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; base-uri 'none'; "
          "form-action 'none'")
UNWANTED = ["image", "link", "autolink", "html_inline", "html_block"]  # that no section of ours has


class Card(msgspec.Struct, frozen=True):
    """A keep on the page, in words and as HTML."""

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


def report_html(report: Report) -> str:
    """The page."""
    style, script = (files("overnight.report").joinpath("static", name).read_text(encoding="utf-8")
                     for name in ("overnight.css", "chart.js"))
    track, found, told = report.told.track, report.found, report.told
    environment = Environment(loader=PackageLoader("overnight.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    progress = of_progress(told, Look(href=HREF)) if track.baseline is not None else ""
    return environment.get_template("report.html").render(
        policy=POLICY.format(style=_hash(style), script=_hash(script)), style=Markup(style), script=Markup(script),
        title=headline(track), track=track, name=plain(track.track, 60), goal=plain(track.goal, 400), when=_when(report),
        head=report.headline, answers=[(each, _named(each.keeps, each.lines)) for each in report.answers],
        warnings=[(mark, _inline(morning.WARNINGS[mark])) for mark in track.marks],
        effort=_inline(morning.effort(track)), limits=_inline(morning.limits(track)), progress=Markup(progress),
        forest=Markup(forest(forest_rows(found, HREF), found.worthwhile, plain(found.unit, 24))), legend=_legend(found),
        sums=[_inline(each) for each in sum_sentences(found) if each], cards=list(_cards(report)),
        rest=len(found.keeps) - len(largest(found)),
        groups=learned.discarded(told.experiments), examples=learned.EXAMPLES, shown=_effect, plain=plain,
        short=short_title, listed=listed,
        ended=[(word, learned.ended(told.experiments, verdict)[:learned.REASONS])
               for word, verdict in (("Crashed", "crash"), ("Out of bounds", "foul"))],
        more=[Markup(_section(parts)) for parts in _sections(report) if parts], steps=list(next_steps(report)),
        commands=commands(report), checked=report.checked)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _when(report: Report) -> str:
    """The day of the last verdict, or of the last proposal."""
    times = [at for each in report.told.experiments for at in (each.judged_at, each.proposed_at) if at]
    return f"{datetime.fromtimestamp(max(times), UTC):%-d %B %Y}" if times else ""


def _named(keeps: Sequence[int], lines: Sequence[str]) -> list[tuple[int, str]]:
    """Each line with the experiment that it is of; 0 where it is of none."""
    return [(keeps[place] if place < len(keeps) else 0, line) for place, line in enumerate(lines)]


def _effect(each: object) -> str:
    return effect(each).replace("-", MINUS)  # type: ignore[arg-type]


# ---- what was kept ---------------------------------------------------------------------------------------------


def _cards(report: Report) -> Iterator[Card]:
    found = report.found
    places = decimals(keep.effect for keep in found.keeps)
    for keep in largest(found):
        took = ""
        if keep.proposed_at is not None and keep.judged_at is not None:
            took = f", {duration(keep.judged_at - keep.proposed_at)} from idea to verdict"
        patch = report.patches.get(keep.id, "")[:MOST_PATCH]
        yield Card(keep, short_title(keep.title), fixed(keep.effect, places), _interval(keep, found, places),
                   _pairs(keep, found), WORDS[keep.code] if keep.code != "not_audited" else "",
                   {"holds": "again", "does_not_hold": "warn"}.get(keep.code, ""), _again(keep, places),
                   Markup(diff(patch, context=False, label=f"The change of experiment {keep.id}")),
                   f"proposed by {plain(keep.researcher, 40)}{took}")


def _interval(keep: KeepView, found: FindingsView, places: int) -> str:
    if keep.interval is None:
        return "No interval is known."
    unit = f" {plain(found.unit, 24)}" if found.unit else ""
    return f"95 % interval [{', '.join(fixed(end, places) for end in keep.interval)}]{unit}."


def _pairs(keep: KeepView, found: FindingsView) -> str:
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


def _legend(found: FindingsView) -> str:
    said = "Round: measured during the night, on fresh seeds."
    if found.again is not None:
        said += f" Square: measured again by the audit, on {found.seeds} new seeds."
    return said + (f" Shaded: less than is worthwhile ({found.worthwhile:g})." if found.worthwhile else "")


# ---- what the markdown says as well ----------------------------------------------------------------------------


def _sections(report: Report) -> Iterator[list[str]]:
    """Those sections that both forms have word for word."""
    told, track = report.told, report.told.track
    yield morning.overfitting(track)
    yield morning.further(track)
    yield morning.ladder(told)
    yield morning.explored(told)
    yield morning.by_researcher(told)
    yield morning.decided(track)
    yield morning.cost(track)


def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(UNWANTED)


def _section(parts: Sequence[str]) -> str:
    """A section of the markdown as HTML, its table in a box of its own."""
    title = parts[0].lstrip("# ")
    body = _markdown().render("\n\n".join(parts[1:]))
    label = f'<div class="wide" tabindex="0" role="region" aria-label="{title}"><table>'
    body = body.replace("<table>", label).replace("</table>", "</table></div>")
    body = re.sub(r' style="text-align:right"', ' class="n"', body)
    return f'<section class="long"><header><h2>{title}</h2></header><div class="told soft">{body}</div></section>'


def _inline(text: str) -> Markup:
    return Markup(_markdown().renderInline(text))


