"""MLflow and Weights & Biases as a user meets them: their own clients write, other means read back what is there."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from conftest import LITTLE, ROOT, command, overnight, repository, sentence
from fakes import FakeWorld, Idea, Night
from overnight.export import mlflow, told
from overnight.lab.events import Opened
from overnight.lab.state import State
from overnight.testing.journals import CONTRACT, DUSK, LongNight
from overnight.views.experiment import ExperimentView, experiment, history
from test_views_hostile import CONTROL, HOSTILE, spoiled

NEEDS = "night"
NONE = ("--sandbox", "none")


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    """The smallest track after a short night."""
    folder = repository(tmp_path_factory.mktemp("trackers") / "little", LITTLE)
    done = overnight("run", folder, "--experiments", 5, *NONE)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def empty(track, tmp_path_factory):
    """A database of MLflow's without runs: to make its tables takes MLflow half a minute on a busy machine."""
    place = tmp_path_factory.mktemp("mlflow") / "m.db"
    done = overnight("export", track, "--to", place)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(place)) as database:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            database.execute(f"delete from {table}")
        database.commit()
    return place


def log(folder):
    return [msgspec.json.decode(row, type=ExperimentView) for row in overnight("log", folder, "--json").stdout.splitlines()]


def rows(place, query):
    with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def tags(place):
    """The tags of each run that MLflow has, by the number of the experiment, with its status, numbers and parameters."""
    found = {}
    for run, status, name in rows(place, "select run_uuid, status, name from runs where lifecycle_stage = 'active'"):
        each = dict(rows(place, f"select key, value from tags where run_uuid = '{run}'"))
        each |= {"status": status, "name": name, "run": run,
                 "numbers": dict(rows(place, f"select key, value from latest_metrics where run_uuid = '{run}'")),
                 "fixed": dict(rows(place, f"select key, value from params where run_uuid = '{run}'"))}
        assert int(each["overnight.experiment"]) not in found
        found[int(each["overnight.experiment"])] = each
    return found


def test_mlflow_has_a_run_for_each_experiment_and_is_brought_up_to_date(track, tmp_path):
    place = tmp_path / "m.db"
    done = overnight("export", track, "--to", place, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    told, found = log(track), tags(place)
    assert done.stdout == f"{len(told)} experiments in MLflow at {place}, {len(told)} of them new or changed\n"
    assert rows(place, "select name from experiments where name != 'Default'") == [("overnight/little",)]
    for each in told:
        run = found[each.id]
        assert run["overnight.verdict"] == each.verdict.verdict and run["mlflow.source.git.commit"] == each.commit
        assert run["status"] == "FINISHED" and run["name"] == f"#{each.id} {each.title}" and run["fixed"]["researcher"] == "knobs"
        assert run["numbers"]["loss"] == each.metrics["loss"] and run["numbers"]["overnight.effect"] == each.verdict.effect
    measured = rows(place, "select count(*) from metrics")
    again = overnight("export", track, "--to", f"sqlite:///{place}")
    assert ", 0 of them new or changed" in again.stdout and rows(place, "select count(*) from metrics") == measured
    kept = next(each.id for each in reversed(told) if each.verdict.verdict == "keep")
    assert overnight("veto", kept, track).returncode == 0
    changed = overnight("export", track, "--to", place)
    now = tags(place)
    assert changed.returncode == 0 and ", 0 of them" not in changed.stdout, changed.stdout
    assert {number: run["run"] for number, run in now.items()} == {number: run["run"] for number, run in found.items()}
    assert [now[each.id]["overnight.verdict"] for each in log(track)] == [each.verdict.verdict for each in log(track)]
    assert now[kept]["overnight.verdict"] != "keep"
    assert not {"mlruns", "mlartifacts"} & set(os.listdir(tmp_path))


def test_an_export_to_mlflow_that_is_killed_goes_on_where_it_was(track, empty, tmp_path):
    place = Path(shutil.copy(empty, tmp_path))
    first = subprocess.Popen(command("export", track, "--to", place), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + 90
    while not _some(place):
        assert first.poll() is None and time.monotonic() < ends
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=30)
    done = overnight("export", track, "--to", place)
    assert done.returncode == 0, done.stderr
    assert set(tags(place)) == {each.id for each in log(track)} and all("overnight.digest" in run for run in tags(place).values())


def _some(place):
    try:
        return rows(place, "select count(*) from tags where key = 'overnight.digest'")[0][0] > 0
    except sqlite3.Error:
        return False


def test_what_mlflow_cannot_take_is_a_sentence(track, tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    env = os.environ | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    said = sentence(overnight("export", track, "--to", f"http://ada:secret@127.0.0.1:{port}", env=env))
    assert said.startswith(f"MLflow at http://127.0.0.1:{port} did not take the export") and "secret" not in said
    (tmp_path / "no.db").write_text("no database " * 999)
    assert "did not take the export" in sentence(overnight("export", track, "--to", tmp_path / "no.db"))
    assert "no folder" in sentence(overnight("export", track, "--to", tmp_path / "none" / "m.db"))
    assert "does not tell what to write" in sentence(overnight("export", track, "--to", tmp_path / "x"))
    assert "--runs makes a table" in sentence(overnight("export", track, "--runs", "--to", tmp_path / "x.db"))


@pytest.mark.pure
def test_an_address_is_a_file_a_folder_or_what_was_given(tmp_path):
    assert mlflow.address("https://h/x") == "https://h/x" and mlflow.address(str(tmp_path)) == f"sqlite:///{tmp_path}/mlflow.db"
    assert mlflow.address(str(tmp_path / "m.db")) == f"sqlite:///{tmp_path}/m.db"


@pytest.mark.pure
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_trackers_are_told_plain_bounded_words(text):
    night = Night(FakeWorld(1, lambda lots: Idea(2.0, 0.9, metrics={"m": 1.0}))).go(experiments=2)
    state = spoiled(night, text)
    for each in state.experiments.values():
        found = told.told(experiment(state, each))
        every = [found.name, *found.fixed.values(), *found.words.values(), *found.numbers]
        assert not [word for word in every if CONTROL.search(word) or len(word) > 4200]
    names = told.metric_numbers({text[:100]: 1.0, f"{text[:90]}\u200b": 2.0, "x": float("inf"), "y": float("nan")})
    assert all(name and not told.UNUSUAL.search(name) for name in names) and len(names) == 2


@pytest.mark.pure
def test_what_changes_changes_the_digest_and_nothing_else_does():
    night = Night(FakeWorld(1, lambda lots: Idea(2.0, 0.9))).go(experiments=4)
    state = night.lab.state
    before = [told.told(each) for each in history(state).experiments]
    assert before == [told.told(each) for each in history(state).experiments] and len({each.digest for each in before}) == 4
    state.experiments[1].reason += "!"
    after = [told.told(each).digest for each in history(state).experiments]
    assert [a != b.digest for a, b in zip(after, before, strict=True)] == [True, False, False, False]
    key = told.key(state)
    state.apply(Opened(5.0, "fake", "c0", state.opened.contract, "key"))
    assert told.key(state) != key


# ---- Weights & Biases -------------------------------------------------------------------------------------------------


def records(place):
    """What a run's file holds: a log of LevelDB's, of one kind of message."""
    data, at, found, parts = place.read_bytes(), 7, [], []
    while at < len(data):
        if (room := 32768 - at % 32768) < 7:
            at += room
            continue
        length, kind = int.from_bytes(data[at + 4:at + 6], "little"), data[at + 6]
        parts.append(data[at + 7:at + 7 + length])
        at += 7 + length
        if kind in (1, 4):
            found.append(b"".join(parts))
            parts = []
    return found


DECODE = """
import json, sys
from wandb.proto import wandb_internal_pb2 as messages
history, run = [], {}
for line in sys.stdin:
    record = messages.Record.FromString(bytes.fromhex(line))
    kind = record.WhichOneof("record_type")
    if kind == "history":
        history.append({(item.key or ".".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item})
    if kind == "run":
        run = {"id": record.run.run_id, "project": record.run.project, "host": record.run.host,
               "config": {item.key: json.loads(item.value_json) for item in record.run.config.update}}
print(json.dumps([history, run]))
"""


def decoded(place):
    lines = "\n".join(record.hex() for record in records(place))
    done = subprocess.run([sys.executable, "-c", DECODE], input=lines, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_wandb_has_one_run_with_a_step_for_each_experiment(track, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    env = os.environ | {"HOME": str(home), "WANDB_API_KEY": "secret" * 8, "WANDB_MODE": "online", "WANDB_NAME": "other"}
    done = overnight("export", track, "--to", tmp_path / "w", "--format", "wandb", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (place,) = (tmp_path / "w").rglob("*.wandb")
    history, run = decoded(place)
    told = log(track)
    assert [row["experiment"] for row in history] == [each.id for each in told] == [row["_step"] for row in history]
    assert [row["verdict"] for row in history] == [each.verdict.verdict for each in told]
    assert [row["loss"] for row in history] == [each.metrics["loss"] for each in told]
    assert history[-1]["kept"] == sum(each.verdict.verdict == "keep" for each in told)
    assert ("frontier" in history[-1]) == (history[-1]["kept"] > 0)
    assert run["project"] == "overnight" and run["config"]["metric"] == "loss" and run["host"] in ("", "overnight")
    whole = place.read_bytes()
    for private in (socket.gethostname(), str(tmp_path), str(track), str(Path.home()), str(ROOT), "secret", "click=="):
        assert len(private) < 4 or private.encode() not in whole, private
    assert os.listdir(tmp_path) == ["home", "w"] or set(os.listdir(tmp_path)) == {"home", "w"}
    place.with_name(f"{place.name}.synced").write_text("")
    again = overnight("export", track, "--to", tmp_path / "w", "--format", "wandb", cwd=tmp_path, env=env)
    assert again.stdout == done.stdout and [*(tmp_path / "w").rglob("*.wandb*")] == [place]
    assert decoded(place)[0][-1]["experiment"] == told[-1].id and len(decoded(place)[0]) == len(told)


def test_wandb_cannot_be_written_is_a_sentence(track, tmp_path):
    (tmp_path / "file").write_text("")
    said = sentence(overnight("export", track, "--to", tmp_path / "file", "--format", "wandb"))
    assert "cannot be made" in said


LONG = """
import sys
from pathlib import Path
from overnight.export import mlflow, wandb
from overnight.lab.events import Opened
from overnight.lab.state import State
from overnight.testing.journals import CONTRACT, DUSK, LongNight
state = State()
state.apply(Opened(DUSK, "long", "c0", CONTRACT, "key"))
for _ in LongNight(state, hostile=True).go(int(sys.argv[2])): pass
print(mlflow.export(state, sys.argv[1], False) if sys.argv[3] == "mlflow" else wandb.export(state, Path(sys.argv[1]), False)[1])
"""


@pytest.mark.parametrize(("kind", "count"), [("mlflow", 60), ("wandb", 500)])
def test_a_long_track_with_hostile_words_and_a_holdout_arrives(kind, count, empty, tmp_path):
    place = Path(shutil.copy(empty, tmp_path)) if kind == "mlflow" else tmp_path / "w"
    done = subprocess.run([sys.executable, "-c", LONG, place, str(count), kind], capture_output=True, text=True, check=False, timeout=300,
                          env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    assert done.returncode == 0, done.stderr[-2000:]
    state = State()
    state.apply(Opened(DUSK, "long", "c0", CONTRACT, "key"))
    seeds = {str(event.seed) for event in LongNight(state, hostile=True).go(count) if event.__class__.__name__ == "Measured"}
    if kind == "mlflow":
        found = tags(place)
        assert set(found) == set(state.experiments) and {run["status"] for run in found.values()} == {"FINISHED", "RUNNING", "FAILED"}
        whole = " ".join(map(str, found.values()))
    else:
        (file,) = place.rglob("*.wandb")
        history, _ = decoded(file)
        assert [row["experiment"] for row in history] == sorted(state.experiments)
        whole = json.dumps(history)
    assert not [seed for seed in seeds if len(seed) > 7 and f"{seed}" in whole]
