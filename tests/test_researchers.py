"""Researchers that need no model: each passes the suite that any researcher must pass."""

import difflib

import pytest

from overnight.researchers.knobs.propose import Knobs
from overnight.researchers.placebo import Placebo
from overnight.researchers.replay import Replay
from overnight.researchers.team import RESEARCHERS
from overnight.testing.researchers import PATH, SOURCE, ResearcherSuite
from overnight.track.roles import PROPOSE

NEEDS = "git"


class TestKnobs(ResearcherSuite):
    def make(self):
        return Knobs()


class TestPlacebo(ResearcherSuite):
    def make(self):
        return Placebo()


class TestReplay(ResearcherSuite):
    """Of two patches."""

    @pytest.fixture(autouse=True)
    def patches(self, tmp_path):
        self.folder = tmp_path
        for name, rate in (("a", "0.02"), ("b", "0.04")):
            lines = difflib.unified_diff(SOURCE.splitlines(True), SOURCE.replace("0.01", rate).splitlines(True), f"a/{PATH}", f"b/{PATH}")
            (tmp_path / f"{name}.patch").write_text("".join(lines))

    def make(self):
        return Replay(self.folder)


def test_there_is_a_researcher_of_every_kind_that_a_program_may_name():
    assert set(RESEARCHERS) == PROPOSE
