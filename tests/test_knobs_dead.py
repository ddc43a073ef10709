"""What did not run is not turned: from what a run was seen to do, and through the real sandbox."""

import os
import subprocess
import sys

import pytest

from overnight.contracts import Brief, Executed
from overnight.execution.executed import TRACER, read
from overnight.researchers.knobs.dead import dead
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.mutate import mutations
from overnight.researchers.knobs.propose import Knobs

SCRIPT = '''import os
RATE = 0.25
WIDTH = 24
GRID = 12.5
LATE = 3.5
exec(open("settings.txt").read())


def draw(screen, wide=6.5):
    screen.turn(GRID)
    screen.move(7.5)


def train(rate, steps=40):
    level = 1.5
    for step in range(steps):
        if step > 1000:
            level = level * 8.5
        level = level - rate * (
            level - 2.5)
    return level


out = train(RATE, 30) * WIDTH
print("out", out)
'''
RAN = frozenset({1, 2, 3, 4, 5, 6, 9, 14, 15, 16, 17, 19, 20, 21, 24, 25})
VALUES = {"RATE": "0.25", "WIDTH": "64", "GRID": "12.5", "LATE": "3.5"}
EXECUTED = Executed({"train.py": SCRIPT}, {"train.py": RAN}, {"train.py": VALUES})


def texts(text: str = SCRIPT, executed: Executed | None = EXECUTED) -> set[str]:
    return {knob.text for knob in find({"train.py": text}, dead({"train.py": text}, executed))}


def test_what_ran_is_offered_and_what_did_not_is_not():
    assert texts() == {"0.25", "3.5", "1.5", "2.5", "30", "1000"}  # not: draw's, what only it reads, what was overridden, a branch
    assert {"12.5", "7.5", "6.5", "24", "8.5"} <= texts(executed=None)


def test_edits_of_what_did_not_run_are_not_offered():
    titles = [edit.title for edit in mutations({"train.py": SCRIPT}, dead({"train.py": SCRIPT}, EXECUTED))]
    assert titles
    assert not [title for title in titles if "screen." in title or "8.5" in title]


def test_lines_that_are_new_since_count_as_run():
    later = "# a comment\n" + SCRIPT.replace("            level = level * 8.5\n", "            level = level * 9.5\n")
    assert texts(later) == texts() | {"9.5"}


def test_a_file_of_which_no_line_ran_is_left_alone():
    files = {"train.py": SCRIPT, "other.py": "DEPTH = 5\n"}
    known = Executed(files, {"train.py": RAN})
    assert not [knob for knob in find(files, dead(files, known)) if knob.path == "other.py"]


def test_it_is_asked_until_it_is_known():
    answers = [None, EXECUTED]
    knobs = Knobs(lambda: answers.pop(0))
    brief = Brief("", "loss", "minimize", {"a.py": "RATE = 0.5\n"}, 0, None, [], "", 1)
    assert knobs.propose(brief) == knobs.propose(brief) == knobs.propose(brief)
    assert answers == []


@pytest.mark.sandbox
@pytest.mark.parametrize("python", [sys.executable, "python3.12", "python3.10"])
def test_a_run_says_what_runs(tmp_path, python):
    """In its threads and in what it forks too, and once each."""
    text = ("import os, threading\nA = 3\nB = 4\n\n\ndef f(x):\n    if x > 100:\n        return 1\n    return x\n\n\n"
            "t = threading.Thread(target=f, args=(1,))\nt.start()\nt.join()\nchild = os.fork()\nif not child:\n    f(200)\n"
            "    os._exit(0)\nos.waitpid(child, 0)\nB = 7\n\n\ndef never():\n    return 5\n")
    (tmp_path / "run.py").write_text(text)
    out = tmp_path / "out"
    out.mkdir()
    try:
        subprocess.run([python, "run.py"], cwd=tmp_path, check=True, capture_output=True,
                       env={**os.environ, "PYTHONPATH": str(TRACER), "OVERNIGHT_OUT": str(out)})
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        if python == sys.executable or getattr(error, "returncode", 127) != 127:
            raise
        pytest.skip(f"no {python} here")
    found = read(out, {"run.py": text})
    assert found is not None
    assert found.lines["run.py"] - {6} == frozenset({1, 2, 3, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23})
    assert {name: found.values["run.py"][name] for name in "AB"} == {"A": "3", "B": "7"}


@pytest.mark.parametrize("value", ["-" * 100_000 + "1", "1" + "+1" * 100_000, "[" * 100_000, "(", "\0", "1" * 10_000])
def test_a_value_that_the_program_forged_is_another_value_and_no_end(value, tmp_path):
    """The file of notes is the program's own to write."""
    assert texts(executed=Executed({"train.py": SCRIPT}, {"train.py": RAN}, {"train.py": {"LATE": value}})) == texts() - {"3.5"} | {"24"}
    (tmp_path / "overnight-lines").write_text(f"train.py\x001\ntrain.py\x00LATE={value}\n")
    found = read(tmp_path, {"train.py": SCRIPT})
    assert found is not None
    assert len(found.values["train.py"]["LATE"]) <= 400


def test_notes_of_other_files_are_no_notes(tmp_path):
    (tmp_path / "overnight-lines").write_bytes(b"other.py\x001\nrun.py\x00x\nnothing\n")
    assert read(tmp_path, {"run.py": "x = 1\n"}) is None
    assert read(tmp_path / "missing", {"run.py": "x = 1\n"}) is None
