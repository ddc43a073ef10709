"""Each test bears one mark, and a pure one is held to it."""

import os
import socket
import subprocess
import sys

import pytest

from needs import MARKS, bears, marks, needed


def test_every_test_bears_exactly_one_mark(pytestconfig):
    """Of all that were collected, the unselected included."""
    assert pytestconfig.pluginmanager.get_plugin("needs").unclear == {}


def test_every_mark_is_said_to_pytest(pytestconfig):
    known = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert set(MARKS) <= known and "slow" not in known


def connect():
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


@pytest.mark.parametrize("reach", [
    lambda: subprocess.run([sys.executable, "-c", ""], check=True), lambda: subprocess.run(["git", "--version"], check=True),
    lambda: os.system("true"), os.fork, connect],
    ids=["a process", "git", "a shell", "a fork", "a connection"])
def test_a_pure_test_can_start_nothing(reach):
    with pytest.raises(AssertionError, match="a test marked pure needs"):
        reach()


@pytest.mark.git
def test_a_test_of_git_can_start_nothing_else():
    assert subprocess.run(["git", "--version"], check=True, capture_output=True).stdout
    with pytest.raises(AssertionError, match="a test marked git needs sandbox"):
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize(("event", "args", "mark"), [
    ("subprocess.Popen", ("/usr/bin/git", ["git", "log"]), "git"), ("subprocess.Popen", ("bwrap", ["bwrap"]), "sandbox"),
    ("subprocess.Popen", (None, "git"), "git"), ("open", ("x", "r", 0), ""), ("socket.connect", (None, ("::1", 1)), "services")])
def test_what_happens_says_what_it_needs(event, args, mark):
    assert needed(event, args) == mark


@pytest.mark.parametrize(("place", "text", "found"), [
    ("tests", "def test_it(): pass", {"pure"}), ("attacks", "def test_it(): pass", {"sandbox"}),
    ("tests", 'NEEDS = "git"', {"git"}), ("tests", 'NEEDS = "git"\n@pytest.mark.pure', {"git", "pure"}),
    ("tests", "pytestmark = pytest.mark.night", {"pure", "night"})])
def test_a_file_says_which_marks_it_may_bear(tmp_path, place, text, found):
    (tmp_path / place).mkdir()
    (tmp_path / place / "test_it.py").write_text(text)
    assert {mark for mark in MARKS if bears(tmp_path / place / "test_it.py", mark)} == found


def test_every_test_bears_a_mark_that_its_file_shows(request):
    """A file whose text hides a mark would be left out where that mark alone is asked for."""
    assert not [item.nodeid for item in request.session.items for mark in marks(item) if not bears(item.path, mark)]
