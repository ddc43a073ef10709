"""The pages of a track."""

from __future__ import annotations

from overnight.web.frame import Page
from overnight.web.ideas_page import ideas
from overnight.web.journal_page import journal
from overnight.web.ladder_page import ladder
from overnight.web.listing import experiments
from overnight.web.night_page import night
from overnight.web.notices import listed, notice
from overnight.web.one import experiment
from overnight.web.team_page import team

__all__ = ["PAGES", "Page", "listed", "notice"]

PAGES: tuple[Page, ...] = (
    Page("", "Night", night),
    Page("experiments", "Experiments", experiments),
    Page("experiments/{number:int}", "Experiment", experiment),
    Page("ideas", "Ideas", ideas),
    Page("team", "Team", team),
    Page("ladder", "Ladder", ladder),
    Page("journal", "Journal", journal),
)
