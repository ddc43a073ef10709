"""Researchers that need no model: each passes the suite that any researcher must pass."""

import difflib

import pytest

from overnight.contracts import Brief
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

    @pytest.mark.parametrize(("files", "path", "ends"), [
        (("a.c", "b.py"), "b.py", "# placebo 00000007\n"), (("flags.toml", "multiply.c"), "flags.toml", "# placebo 00000007\n"),
        (("data.bin", "multiply.c"), "multiply.c", "// placebo 00000007\n"), (("query.sql",), "query.sql", "-- placebo 00000007\n")])
    def test_it_writes_a_comment_in_the_language_of_the_file(self, files, path, ends):
        change = Placebo().propose(Brief("", "y", "minimize", dict.fromkeys(files, "x\n"), 0, None, (), "", 7))
        assert change.files == {path: "x\n" + ends}

    def test_where_no_comment_is_known_there_is_none(self):
        assert Placebo().propose(Brief("", "y", "minimize", {"data.bin": "x\n", "json": "{}\n"}, 0, None, (), "", 7)) is None


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
