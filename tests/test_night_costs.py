"""What `check` says of the seconds of a run, and what the modules that it imports take of them."""

import pytest
from msgspec import UNSET

from conftest import CONTRACT
from overnight.contracts import Command, Limits
from overnight.execution import importing
from overnight.lab.jobs import Measure, Measurement
from overnight.lab.usage import divided as noted
from overnight.night.costs import itself, of_audits, of_imports, spent
from overnight.track.spec import parse
from overnight.views.track import divided, moments

JOB = Measure(1, 0, "c0", 7, "calibrate")
SELDOM = parse(CONTRACT + 'audit = "confirm"\n')


def run(loss=1.0, run=2.9, scoring=0.2, start=0.05, harness=0.06, reason=""):
    times = {"run": run, "scoring": scoring, "start-up": start}
    return Measurement(JOB, outcome="invalid" if reason else "ok", metrics={} if reason else {"loss": loss}, busy=run + scoring + start,
                       spent=times, overhead={"tree": harness / 3, "hash": 2 * harness / 3}, reason=reason)


def test_the_seconds_of_a_run_are_told_apart():
    assert divided(spent([run(), run()])) == ("of 3.21 s that a run takes, 2.9 s are the run, 0.2 s scoring, 50 ms start-up and 60 ms the "
                                              "harness: 3.4 % is neither run nor scoring")
    assert itself([run(), run(run=1.9)]) == pytest.approx(2.45)


def test_what_takes_nothing_is_not_named():
    assert divided(spent([run(start=0.0)])) == ("of 3.16 s that a run takes, 2.9 s are the run, 0.2 s scoring and 60 ms the harness: "
                                                "1.9 % is neither run nor scoring")
    assert "scoring and" not in divided({"run": 1.0, "harness": 0.1}) and divided({"run": 5e-5}) == divided({}) == ""


def test_runs_of_an_older_journal_say_nothing():
    old = Measurement(JOB, outcome="ok", metrics={"loss": 1.0}, busy=3.0, overhead={"tree": 0.1})
    assert old.spent is UNSET and noted(old) == {} and spent([old, old]) == {} and itself([old]) == 0.0
    assert spent([old, run()]) == spent([run()])


@pytest.mark.parametrize(("seconds", "said"), [(0.0004, "0 ms"), (0.0504, "50 ms"), (0.1, "0.1 s"), (3.14159, "3.14 s"), (119.0, "119 s"),
                                               (1234.0, "20m 34s")])
def test_few_seconds_are_told_as_people_say_them(seconds, said):
    assert moments(seconds) == said


def test_imports_that_take_a_notable_share_are_told_with_what_would_save_them():
    said = of_imports({"torch": 1.6, "numpy": 0.25, "json": 0.05}, 3.2)
    assert said == ('imports take 1.9 s of the 3.2 s that a run itself takes (torch 1.6 s, numpy 0.25 s): `preload = ["torch", "numpy"]` in '
                    "[run] has them done once for all runs")


@pytest.mark.parametrize(("modules", "seconds"), [({}, 3.0), ({"json": 0.2}, 1.0), ({"torch": 2.0}, 30.0)])
def test_imports_that_take_little_are_not_told(modules, seconds):
    assert of_imports(modules, seconds) == ""


def test_of_many_modules_that_take_as_little_each_one_is_named():
    assert "(a 50 ms)" in of_imports(dict.fromkeys("abcdefghijkl", 0.05), 1.0)


def test_what_an_audit_costs_is_told():
    assert [*of_audits(SELDOM, run(scoring=0.5, start=0.0, run=0.0), run(scoring=0.2, start=0.0, run=0.0), True)] == [
        "scoring takes 0.2 s, and 0.5 s with an audit, which comes where a change is confirmed"]


@pytest.mark.parametrize(("plain", "exact", "said"), [
    (run(loss=2.0), True, "without an audit the scorer gives 2, with one it gives 1:"),
    (run(reason="no numbers"), True, "without an audit the scorer fails (no numbers), with one it gives 1:"),
    (run(loss=2.0), False, ""), (run(), True, "")])
def test_a_number_that_an_audit_changes_is_told_where_runs_repeat_themselves(plain, exact, said):
    _, *notes = of_audits(SELDOM, run(), plain, exact)
    assert len(notes) == bool(said) and all(said in note for note in notes)


# ---- what Python notes of imports ------------------------------------------------------------------------------

NOTES = """\
import time: self [us] | cumulative | imported package
import time:       300 |        300 |   _io
import time:       100 |        400 | zipimport
import time:     90000 |      90000 |   named_by_a_pth_file
import time:       100 |      90100 | site
said by the program
import time:      1000 |       1000 |     numpy.core
import time:      1000 |       2000 |   numpy
import time:      3000 |       3000 |   torch
import time:        10 |       5010 | model
import time:       500 |        500 |   model.parts
import time:       700 |       1200 | torch.nn
import time:       100 |        100 | torch.nn._reduction.parts
import time:        50 |         50 | _struct
import time:       200 |        200 | helpers
"""


def test_modules_are_timed_with_what_they_import_and_the_candidates_own_are_not_among_them():
    """Under the names that the program imports: a package need not import its parts."""
    assert importing.read(NOTES, {"model", "helpers"}) == pytest.approx({"torch": 0.003, "torch.nn": 0.0013, "numpy": 0.002, "zipimport": 0.0004,
                                                                            "_struct": 0.00005})


@pytest.mark.parametrize("notes", ["", "no notes", "import time: x | y | z\n", "import time:  1 |\n"])
def test_what_is_no_note_says_nothing(notes):
    assert importing.read(notes, ()) == {}


def test_what_a_candidate_may_call_its_own(tmp_path):
    (tmp_path / "src" / "parts").mkdir(parents=True)
    for name in ("train.py", "src/model.py", "src/parts/__init__.py", "data.txt"):
        (tmp_path / name).write_text("")
    assert importing.own(tmp_path) >= {"train", "src", "model", "parts"} and "data" not in importing.own(tmp_path)


def test_an_isolated_python_heeds_what_it_is_told(tmp_path):
    command = importing.timed(Command(("/usr/bin/python3", "-S", "-E", "-u", "run.py"), tmp_path, Limits(), env={"A": "b"}))
    assert command.argv == ("/usr/bin/python3", "-u", "run.py") and command.env == {"A": "b", "PYTHONPROFILEIMPORTTIME": "1"}
