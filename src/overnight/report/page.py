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

from jinja2 import Environment, PackageLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from overnight.report import learned, morning
from overnight.report.cards import cards, legend
from overnight.report.content import Report, commands, forest_rows, largest, listed, next_steps, sum_sentences
from overnight.report.figures import of_progress
from overnight.report.svg.axes import MINUS
from overnight.report.svg.intervals import forest
from overnight.report.svg.progress import Look
from overnight.report.tables import headline, plain
from overnight.views.experiment import effect
from overnight.views.timeline import short_title

HREF = "#experiment-{id}"
POLICY = ("default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; base-uri 'none'; "
          "form-action 'none'")
UNWANTED = ["image", "link", "autolink", "html_inline", "html_block"]  # that no section of ours has


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
        forest=Markup(forest(forest_rows(found, HREF), found.worthwhile, plain(found.unit, 24))), legend=legend(found),
        sums=[_inline(each) for each in sum_sentences(found) if each],
        cards=list(cards(found, lambda keep: report.patches.get(keep.id, ""))),
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


