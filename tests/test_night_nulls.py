"""Noise by commit, in real nights: a program whose number depends on which lots it draws."""

import json

import pytest

from conftest import LITTLE, home, overnight, repository
from overnight.execution.runner import Runner
from overnight.lab.events import Measured
from overnight.lab.jobs import Measure
from overnight.night.session import Session
from overnight.repo import Repo
from overnight.track.load import load

NEEDS = "night"
CONTRACT = """[track]
name = "lots"
editable = ["train.py"]
[metric]
name = "loss"
direction = "minimize"
from = "output"
pattern = "loss: (.*)"
[run]
command = ["python", "train.py"]
"""
TRAIN = """import random
RATE = 0.5
random.seed(42)
lots = [random.gauss(0, 1) for _ in range(50)]
print('loss:', abs(sum(lots) / 50 + RATE - 0.5))
"""
EXACT = "WIDTH = 3\nDEPTH = 2.5\nprint('loss:', sum(0.1 * n for n in range(WIDTH)) + DEPTH)\n"


def done(*arguments):
    """What a command prints."""
    made = overnight(*arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_where_the_draws_decide_every_run_draws_others(tmp_path):
    folder = repository(tmp_path / "lots", {"track.toml": CONTRACT, "train.py": TRAIN})
    assert "a night begins with 8 edits that do nothing: if one moves loss, every run gets one of its own" in done("check", folder)
    ran = done("run", folder, "--experiments", 2, "--researcher", "placebo")
    assert "baseline with an edit that does nothing: loss" in ran and " keep " not in ran
    status = json.loads(done("status", folder, "--json"))
    assert (status["under_edits"], status["kind"]) == (True, "noisy")
    assert status["null_moved"] == status["null_edits"] in range(5, 9)  # some may be under way when five have moved it
    assert 0.02 < status["null_spread"] < 1.0 and status["experiments"] == 2
    assert f" of {status['null_edits']} edits that do nothing moved loss, by 0." in done("log", folder).splitlines()[0]
    done("report", folder)
    assert "every run is made with one of its own" in (home(folder) / "report" / "report.md").read_text()
    session = Session(folder)
    runs = [event for event in session.read() and session.journal.replay() if isinstance(event, Measured)]
    calibrated, later = [run for run in runs if run.stage == "calibrate"], [run for run in runs if run.stage not in ("calibrate", "null")]
    assert len({run.metrics["loss"] for run in calibrated}) == 1 and not any(run.edit for run in calibrated)
    assert later and all(run.edit and run.draws for run in later)


def test_where_nothing_is_drawn_the_number_is_exact(tmp_path):
    folder = repository(tmp_path / "exact", {"track.toml": CONTRACT, "train.py": EXACT})
    done("run", folder, "--experiments", 3, "--researcher", "placebo")
    status = json.loads(done("status", folder, "--json"))
    assert (status["null_edits"], status["null_moved"], status["under_edits"], status["kind"]) == (8, 0, False, "deterministic")
    assert done("log", folder).startswith("8 edits that do nothing left loss as it is: at most 31 % of all such edits move it")


def test_a_track_can_decline(tmp_path):
    folder = repository(tmp_path / "lots", {"track.toml": CONTRACT + "[referee]\nnull_edits = 0\n", "train.py": TRAIN})
    assert "no edits that do nothing are tried" in done("check", folder)
    done("run", folder, "--experiments", 1, "--researcher", "placebo")
    assert json.loads(done("status", folder, "--json"))["null_edits"] == 0 and "edits that do nothing" not in done("log", folder)


@pytest.mark.sandbox
def test_the_tree_of_an_edit_is_one_of_its_own_and_is_removed(tmp_path, bubblewrap):
    folder = repository(tmp_path / "below", {"deep/track.toml": CONTRACT, "deep/train.py": TRAIN, "deep/private/train.py": "x = 1\n"})
    repo = Repo(folder / "deep")
    runner = Runner(load(folder / "deep"), repo, bubblewrap, repo.head(), tmp_path / "home")
    jobs = [Measure(n, 0, repo.head(), 1, "null", edit=edit, draws=draws) for n, (edit, draws) in enumerate([(0, False), (5, False), (5, True),
                                                                                                          (5, True), (6, True)])]
    first, plain, drawn, again, other = (runner.measure(job).metrics["loss"] for job in jobs)
    assert first == plain and len({first, drawn, other}) == 3 and drawn == again
    assert [path.name for path in runner.trees.iterdir()] == [repo.head()]
    assert (runner.tree(repo.head()) / "deep" / "train.py").read_text() == TRAIN


def test_the_little_track_is_judged_as_before(tmp_path):
    folder = repository(tmp_path / "little", LITTLE)
    assert " begins with 8 edits that do nothing" in done("check", folder)
    done("run", folder, "--experiments", 2)
    assert json.loads(done("status", folder, "--json"))["null_edits"] == 0
