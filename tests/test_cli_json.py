"""`--json`, by one rule for every command: objects on standard output, sentences on standard error."""

import importlib.util
import json
import os
import re
import subprocess
import time

import click
import msgspec
import pytest
from click.testing import CliRunner

from conftest import LITTLE, ROOT, command, commit, git, home, repository, write
from overnight.cli import main
from overnight.cli.base import OBJECT, OBJECTS
from overnight.night import dispatch
from overnight.views.points import PointView

NEEDS = "night"
NO_DATA = {"completion", "demo", "mcp", "serve"}
NONE = ("--sandbox", "none")
ENDLESS = {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.05)\n",
           "program.md": "---\nresearchers: [knobs, placebo]\n---\n"}  # a placebo never runs out of changes


def schema():
    spec = importlib.util.spec_from_file_location("schema", ROOT / "scripts" / "schema.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found.PRINTED


def leaves(group=main, before=""):
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        yield from leaves(found, f"{name} ") if isinstance(found, click.Group) else [(f"{before}{name}", found)]


COMMANDS, PRINTED = dict(leaves()), schema()
WITH = [name for name in COMMANDS if name not in NO_DATA]


def called(name, folder, *more):
    done = CliRunner().invoke(main, [*name.split(), *(str(folder) if word is ... else str(word) for word in more), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def objects(name, text):
    """What was printed, as it was promised."""
    rows = [json.loads(line) for line in text.splitlines()]
    assert rows and all(isinstance(row, dict) for row in rows)
    assert len(rows) == 1 or "a line" in PRINTED[f"overnight {name}"][1]
    return [msgspec.convert(row, PRINTED[f"overnight {name}"][0]) for row in rows]


@pytest.fixture(autouse=True)
def same_path(monkeypatch):
    monkeypatch.setenv("PATH", os.environ["PATH"])  # commands in this process leave theirs behind


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    """A track with a night at work, that was paused, resumed and stopped, and what each of these printed."""
    folder = repository(tmp_path_factory.mktemp("json") / "little", LITTLE | ENDLESS)
    night = subprocess.Popen(command("run", folder, "--json", "--workers", "1", *NONE), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    while night.poll() is None and not _kept(folder):
        time.sleep(0.1)
    said = {name: called(name, folder, ...) for name in ("pause", "resume", "stop")}
    out, err = night.communicate(timeout=60)
    assert night.returncode == 0, err
    return folder, said, out, err


def _kept(folder):
    return (home(folder) / "journal.db").exists() and bool(re.search(r'"keep"', called("log", folder, ...).stdout))


def test_every_command_that_prints_data_has_json_and_says_what_it_is():
    assert set(PRINTED) == {f"overnight {name}" for name in WITH}
    for name in WITH:
        (option,) = [each for each in COMMANDS[name].params if "--json" in each.opts]
        assert option.help == (OBJECTS if "a line" in PRINTED[f"overnight {name}"][1] else OBJECT), name


def test_a_night_that_is_steered_prints_objects(track):
    _, said, out, err = track
    for name, done in said.items():
        assert (done.exit_code, done.stderr) == (0, "") and objects(name, done.stdout)[0].said
    (found,) = objects("run", out)
    assert found.kept > 0 and "ended: stopped by `overnight stop`" in err and " keep " in err


ASKED = {"status": [...], "log": [...], "show": ["1", ...], "brief": [...], "where": [...], "trust": [...], "report": [...],
         "idea add": ["Turn X", ...], "idea list": [...], "idea import": ["ideas.md", ...], "idea move": ["1", "1", ...], "idea drop": ["1", ...],
         "program": [...], "merge": [..., "--as", "pr"], "audit": [..., "--seeds", "2", *NONE], "metric list": [...],
         "metric suggest": [...], "check": [..., *NONE], "doctor": [], "export": [..., "--to", "out.csv"]}


def test_every_answer_is_what_its_schema_says(track, tmp_path):
    folder = track[0]
    write(tmp_path, {"ideas.md": "- Try a smaller X\n- Try a larger X\n"})
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@localhost")
    for name, words in ASKED.items():
        done = called(name, folder, *(tmp_path / word if word in ("ideas.md", "out.csv") else word for word in words))
        assert done.exit_code == 0 or name == "doctor", done.stderr
        assert objects(name, done.stdout), name
    (row,) = objects("show", called("show", folder, "1", ...).stdout)
    assert row.runs and len(objects("idea list", called("idea list", folder, ...).stdout)) == 3
    kept = [each.id for each in objects("log", called("log", folder, ...).stdout) if each.verdict.verdict == "keep"]
    assert "taken back" in objects("veto", called("veto", folder, kept[-1], ...).stdout)[0].said[0]
    assert objects("log", called("log", folder, ...).stdout)  # lines of the type that is promised
    explored = called("log", folder, ..., "--explored").stdout.splitlines()
    points = [msgspec.convert(json.loads(row), PointView) for row in explored]
    assert [each.point for each in points] == [*range(1, objects("status", called("status", folder, ...).stdout)[0].explored + 1)]
    assert points and all(each.expected for each in points)
    checked = json.loads(called("log", folder, ..., "--verify").stdout)
    assert "chain whole" in checked["said"][0]


def test_beginnings_and_tries_print_one_object(tmp_path, monkeypatch):
    folder = repository(tmp_path / "any", {"train.py": "x = 0.5\ny = 0.5\nprint('val_loss:', x + y)\n"})
    (begun,) = objects("init", called("init", folder, ..., *NONE).stdout)
    assert any("wrote" in sentence for sentence in begun.said)
    commit(folder, {})
    write(folder, {"train.py": "x = 0.25\ny = 0.25\nprint('val_loss:', x + y)\n"})
    monkeypatch.setattr(dispatch, "TELLS", 0.0)
    done = called("try", folder, ..., *NONE)
    assert "#1 so far: no pair yet, 0 runs" in done.stderr and "nothing is proven yet" in done.stderr
    assert objects("try", done.stdout)[0].verdict.verdict == "keep" and done.exit_code == 0
    (row,) = objects("explain", called("explain", folder, "1", ..., *NONE).stdout)
    assert [each.verdict for each in row.parts] == ["worth it", "worth it"]
    (row,) = objects("journal copy", called("journal copy", folder, home(folder) / "journal.db", tmp_path / "copy.db", ...).stdout)
    assert "records copied" in row.said[0]
    assert set(ASKED) | {"climb", "journal copy", "metric grant", "metric score", "metric show", "explain", "pause", "resume", "stop", "run", "veto", "init", "try"} == set(WITH)


@pytest.mark.parametrize("name", [name for name in WITH if name != "doctor"])
def test_an_error_is_a_sentence_on_standard_error_and_nothing_else(name, tmp_path):
    given = {"show": ["1"], "explain": ["1"], "veto": ["1"], "idea add": ["An idea"], "idea drop": ["1"], "idea move": ["1", "2"],
             "idea import": [tmp_path / "none.md"], "metric grant": ["1"], "metric show": ["1"], "export": ["--to", tmp_path / "x.csv"],
             "journal copy": [tmp_path / "none.db", tmp_path / "copy.db"]}
    done = called(name, tmp_path, *given.get(name, []), ...)
    assert (done.exit_code, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("overnight: ") and last.endswith(".")


def test_a_check_that_finds_something_wrong_prints_it_and_ends_with_2(tmp_path):
    folder = repository(tmp_path / "little", LITTLE | {"run.py": "raise SystemExit('no data')\n"})
    done = called("check", folder, ..., *NONE)
    assert done.exit_code == 2 and any("no data" in sentence for sentence in objects("check", done.stdout)[0].said)
    assert done.stderr.splitlines()[-1].startswith("overnight: this track is not ready")
