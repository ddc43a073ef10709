"""The files of a report, written into a folder; what cannot be made for want of an extra is left out and said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from overnight.errors import ExtraMissing, extra
from overnight.lab.events import Event, Proposed, Rebased
from overnight.lab.state import State
from overnight.report import audit as audited
from overnight.report import findings
from overnight.report.content import Checked, Report
from overnight.report.morning import report_md
from overnight.report.tables import results_tsv
from overnight.views.experiment import history


class ReportFiles(NamedTuple):
    """The files that a report consists of, and a sentence on what to install for each that is missing."""

    paths: list[Path]
    missing: list[str]


def read(state: State, home: Path, events: Iterable[Event] = (), checked: Checked | None = None) -> Report:
    """All that a report of a track is made of. `home` is its state folder, where an audit may lie, `events` are those of its
    journal. Raises JournalError before it is opened."""
    kept = {each.id for each in state.chain()}
    patches = {each.experiment: each.patch for each in events
               if isinstance(each, Proposed | Rebased) and each.experiment in kept and each.patch}
    return Report(history(state), findings.read(home, state, full=True), audited.load(home / audited.FILE, state), patches,
                  checked)


def write(report: Report, folder: Path) -> ReportFiles:
    """Write results.tsv and report.md into a folder; with the extra `charts` progress.svg, progress.png and card.png, with the
    extra `web` report.html."""
    folder.mkdir(parents=True, exist_ok=True)
    table, text, *pictures, page = (folder / name for name in (
        "results.tsv", "report.md", "progress.svg", "progress.png", "card.png", "report.html"))
    table.write_text(results_tsv(report.told), encoding="utf-8")
    drawn, missing = [], list[str]()
    if _made(lambda: _pictures(report, *pictures), missing):
        drawn += pictures
    text.write_text(report_md(report, pictures[1].name if drawn else ""), encoding="utf-8")
    if _made(lambda: _page(report, page), missing):
        drawn.append(page)
    return ReportFiles([table, text, *drawn], missing)


def _made(make: Callable[[], None], missing: list[str]) -> bool:
    """Whether something could be made; where it could not, `missing` has the sentence why."""
    try:
        make()
    except ExtraMissing as error:
        missing.append(str(error))
        return False
    return True


def _pictures(report: Report, svg: Path, png: Path, card: Path) -> None:
    with extra("charts", "drawing the report's pictures"):
        from overnight.report import card as share
        from overnight.report import chart  # takes half a second
    chart.draw(report.told, svg, png)
    share.draw(report, card)


def _page(report: Report, place: Path) -> None:
    with extra("web", "the report as a page"):
        from overnight.report.page import report_html
    place.write_text(report_html(report), encoding="utf-8")
