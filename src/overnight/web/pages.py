"""The pages of a track."""

from __future__ import annotations

from overnight.web.compare_page import beside
from overnight.web.findings_page import findings
from overnight.web.frame import Page
from overnight.web.ideas_page import ideas
from overnight.web.journal_page import journal
from overnight.web.ladder_page import ladder
from overnight.web.listing import experiments
from overnight.web.night_page import night
from overnight.web.notices import listed, notice
from overnight.web.one import experiment
from overnight.web.program_page import program
from overnight.web.team_page import team

__all__ = ["PAGES", "Page", "listed", "notice"]

PAGES: tuple[Page, ...] = (
    Page("", "Night", night),
    Page("findings", "Findings", findings),
    Page("experiments", "Experiments", experiments),
    Page("experiments/{number:int}", "Experiment", experiment),
    Page("ideas", "Ideas", ideas),
    Page("program", "Program", program),
    Page("team", "Team", team),
    Page("compare", "Compare", beside),
    Page("ladder", "Ladder", ladder),
    Page("journal", "Journal", journal),
)
