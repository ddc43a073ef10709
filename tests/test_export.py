"""Tables of a track: what is written is what the views say, cleaned, typed, whole or not at all, and nothing that is private."""

import csv
import functools
import math
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pandas
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as arrow

from conftest import ROOT
from fakes import FakeWorld, Idea, Night
from needs import paced
from overnight.errors import TrackError
from overnight.export import csv as comma
from overnight.export import parquet, tables
from overnight.export.columns import EXPERIMENTS, RUNS, Column, ExperimentRow, metric_names, metrics
from overnight.lab.events import Measured, Opened
from overnight.lab.state import State
from overnight.testing.journals import CONTRACT, DUSK, LongNight
from overnight.views import holdout
from overnight.views.experiment import detail, history
from overnight.views.runs import runs
from test_views_hostile import CONTROL, HOSTILE, spoiled

EXECUTED = re.compile(r"(?:^|[;\t\r\n])[ \u00a0]*[=+\-@\t\r＝＋－＠]")


@functools.cache
def long(experiments=400):
    """A long track's state with its record: keeps, stacks, points, crashes, a holdout, hostile words."""
    state = State()
    opened = Opened(DUSK, "long", "c0", CONTRACT, "key")
    state.apply(opened)
    return state, [opened, *LongNight(state, hostile=True).go(experiments)]


def simulated(lots, **world):
    night = Night(FakeWorld(lots, lambda lots: lots.choice((Idea(2.0, 0.9), Idea(1.0, 0.5), Idea(), Idea(outcome="crash"))), **world),
                  measure_slots=3).go(experiments=25)
    return night.lab.state, night.events


def read(place):
    with place.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def both(table, folder, name="x"):
    """A table written as CSV and as Parquet, read back as rows of texts and as rows of values. `table` makes it anew."""
    one, two = folder / f"{name}.csv", folder / f"{name}.parquet"
    assert comma.write(table(), one) == parquet.write(table(), two)
    return read(one), arrow.read_table(two).to_pylist()


# ---- what is written --------------------------------------------------------------------------------------------


def test_each_experiment_is_a_row_that_says_what_its_view_says(tmp_path):
    state, _ = long()
    texts, values = both(lambda: tables.experiments(state, True), tmp_path)
    told = history(state)
    questions = {each.experiment: each for each in told.track.holdout.questions}
    assert len(texts) == len(values) == len(told.experiments) == 400 and questions
    for each, text, value in zip(told.experiments, texts, values, strict=True):
        assert value["id"] == each.id and value["message"] == each.message and value["title"] == each.title
        assert comma.original(text["message"]) == each.message and comma.original(text["title"]) == each.title
        low, high = each.verdict.interval or (None, None)
        plain = (each.verdict.verdict, each.cause, each.verdict.reason, each.verdict.effect, low, high, each.level, each.idea)
        assert plain == tuple(value[name] for name in ("verdict", "cause", "reason", "effect", "effect_low", "effect_high", "level", "idea"))
        assert [text["effect"], text["effect_low"], text["idea"]] == ["" if x is None else str(x) for x in (each.verdict.effect, low, each.idea)]
        assert {name: value[f"metrics.{name}"] for name in each.metrics} == each.metrics
        asked = questions.get(each.id)
        assert value["holdout_effect"] == (asked and asked.holdout)
        at = value["judged_at"]
        assert (at and at.timestamp()) == (each.judged_at and pytest.approx(each.judged_at, abs=1e-5))
    assert {name for name in values[0] if all(row[name] is None for row in values)} <= {"takes_back", "lead", "handicap", "leap"}


@pytest.mark.parametrize("of", [lambda: long(250), lambda: simulated(1), lambda: simulated(2, holdout=1.0), lambda: simulated(3, explores=4)])
def test_each_run_is_compared_as_its_experiment_shows_it(of):
    state, events = of()
    found = {each.run.run: each for each in runs(state, lambda: events)}
    assert list(found) == [event.run for event in events if isinstance(event, Measured)]
    compared = 0
    for chosen in state.experiments.values():
        for run in detail(state, chosen, events, lambda name: "").runs:
            each = found[run.run]
            if run.point is None:
                assert (each.experiment, each.run) == (chosen.id, run)
                compared += run.better_by is not None
            else:
                assert each.experiment is None and each.run.point == run.point and each.run.better_by == run.better_by
    assert compared > 20
    assert {each.run.stage for each in found.values() if each.experiment == 0} >= {"calibrate"}


def test_runs_of_a_track_that_was_begun_anew_are_those_since():
    _, events = simulated(4)
    opened = Opened(9e9, "fake", "c0", events[0].contract, "another")
    again = Night(FakeWorld(5, lambda lots: Idea(2.0, 0.9)), past=[*events, opened]).go(experiments=30)
    new = [event.run for event in again.events[len(events):] if isinstance(event, Measured)]
    assert new and [each.run.run for each in runs(again.lab.state, lambda: again.events)] == new


def test_a_table_of_runs_is_written_as_it_is(tmp_path):
    state, events = long(250)
    texts, values = both(lambda: tables.runs(state, lambda: events, True), tmp_path)
    measured = [event for event in events if isinstance(event, Measured)]
    assert [row["run"] for row in values] == [event.run for event in measured]
    assert [row["seed"] for row in texts] == [str(event.seed) for event in measured] == [str(row["seed"]) for row in values]
    assert [row["metrics.val_bpb"] for row in values] == [event.metrics.get("val_bpb") for event in measured]
    assert [row["older"] == "true" for row in texts] == [row["older"] for row in values]


def test_a_frame_is_what_pandas_reads_from_the_file(tmp_path):
    state, _ = long()
    parquet.write(tables.experiments(state, False), tmp_path / "x.parquet")
    frame = parquet.frame(tables.experiments(state, False))
    pandas.testing.assert_frame_equal(frame, pandas.read_parquet(tmp_path / "x.parquet", dtype_backend="pyarrow"), check_dtype=True)
    assert frame.attrs["metric"] == "val_bpb" and frame.attrs["direction"] == "minimize" and frame.attrs["unit"] == "bits/byte"
    comma.write(tables.experiments(state, False), tmp_path / "x.csv")
    plain = pandas.read_csv(tmp_path / "x.csv", parse_dates=["judged_at"], keep_default_na=False, na_values={"effect": [""]})
    assert list(plain.columns) == list(frame.columns) and len(plain) == len(frame)
    kept = frame[frame.verdict == "keep"]
    assert len(kept) > 3 and kept.effect.min() > 0
    assert plain[plain.verdict == "keep"].effect.tolist() == kept.effect.tolist()
    assert str(plain.judged_at.dtype).startswith("datetime64")


def test_the_schema_says_types_units_and_meanings(tmp_path):
    state, _ = long()
    parquet.write(tables.experiments(state, False), tmp_path / "x.parquet")
    schema = arrow.read_schema(tmp_path / "x.parquet")
    assert schema.metadata[b"overnight.track"] == b"long" and schema.metadata[b"overnight.unit"] == b"bits/byte"
    assert schema.field("effect").type == pyarrow.float64() and schema.field("idea").type == pyarrow.int64()
    assert schema.field("judged_at").type == pyarrow.timestamp("us", tz="UTC")
    assert schema.field("metrics.peak_memory").metadata[b"unit"] == b"bytes"
    assert schema.field("metrics.val_bpb").metadata[b"unit"] == b"of the metric"
    assert all(field.metadata[b"meaning"] for field in schema)


def test_the_order_of_columns_is_the_same_whatever_was_measured():
    state, _ = long()
    names = metric_names(state, [{"b": 1.0, "a": 2.0}, {"val_bpb": 1.0, "c": 2.0}])
    assert names == ("val_bpb", "cpu_seconds", "peak_memory", "a", "b", "c")
    table = tables.experiments(state, False)
    assert [column.name for column in table.columns][:3] == ["track", "id", "commit"]
    assert len({column.name for column in table.columns}) == len(table.columns)


def test_names_of_metrics_that_read_the_same_stay_two_columns():
    row = ExperimentRow("t", None, None)
    found = [*metrics(["a b", "a\u200b b", "a_b", "\x1b[31m"], lambda row: {"a b": 1.0, "a_b": 3.0, "\x1b[31m": 4.0}, "", "")]
    assert [column.name for column in found] == ["metrics.a_b", "metrics.a_b_2", "metrics.a_b_3", "metrics."]
    assert [column.value(row) for column in found] == [1.0, None, 3.0, 4.0]


def made(*cells, kind="number"):
    return tables.Table((Column("x", kind, "a value", lambda row: row),), list(cells), {})


def test_no_value_and_no_number_differ(tmp_path):
    cells = (1.5, None, math.nan, math.inf, -math.inf, -0.25, 1e-300)
    comma.write(made(*cells), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().splitlines() == ["x", "1.5", '""', "NaN", "inf", "-inf", "-0.25", "1e-300"]
    parquet.write(made(*cells), tmp_path / "x.parquet")
    column = arrow.read_table(tmp_path / "x.parquet")["x"]
    assert column.null_count == 1 and math.isnan(column[2].as_py()) and column[3].as_py() == math.inf
    frame = parquet.frame(made(*cells))
    assert frame.x.isna().tolist()[:3] == [False, True, False]


def test_an_empty_track_is_a_table_without_rows(tmp_path):
    state = State()
    state.apply(Opened(DUSK, "long", "c0", CONTRACT, "key"))
    texts, values = both(lambda: tables.experiments(state, False), tmp_path)
    assert texts == values == [] and (tmp_path / "x.csv").read_text().startswith("track,id,commit")
    assert len(parquet.frame(tables.experiments(state, False))) == 0


# ---- hostile words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_harmless_in_every_cell(text, tmp_path):
    state = spoiled(Night(FakeWorld(1, lambda lots: Idea(2.0, 0.9))).go(experiments=3), text)
    texts, values = both(lambda: tables.experiments(state, False), tmp_path)
    words = [column.name for column in tables.experiments(state, False).columns if column.type == "text"]
    assert len(texts) == 3
    for row, value in zip(texts, values, strict=True):
        for name in words:
            assert not EXECUTED.search(row[name]) and not CONTROL.search(row[name]) and not CONTROL.search(value[name])
            assert comma.original(row[name]) == value[name]


SIGNS = st.text(st.sampled_from("=+-@\t\r\n;' \u00a0＝＋aé\"，,"), max_size=12) | st.text(max_size=20)


@given(SIGNS)
@paced
def test_no_text_is_executed_and_each_can_be_had_back(text):
    cell = comma.harmless(text)
    assert not EXECUTED.search(cell) and comma.original(cell) == text


def test_what_looks_like_a_formula_is_a_text():
    assert comma.harmless("=HYPERLINK(1)") == "'=HYPERLINK(1)" and comma.harmless("a;=1;b") == "a;'=1;b"
    assert comma.harmless("- one\n- two") == "'- one\n'- two" and comma.harmless("lr - 0.5 = 1") == "lr - 0.5 = 1"


# ---- what is private -----------------------------------------------------------------------------------------------


def test_seeds_and_the_holdout_leave_with_private_alone(tmp_path):
    state, events = long()
    seeds = {str(event.seed) for event in events if isinstance(event, Measured)}
    for number, each in enumerate(state.experiments.values()):  # whose candidate printed its seed
        each.reason = f"it failed with seed {sorted(seeds)[number % len(seeds)]}"
    kinds = {"experiments": lambda private: tables.experiments(state, private),
             "runs": lambda private: tables.runs(state, lambda: events, private)}
    gains = {f"{each.holdout!r}" for each in holdout.holdout(state).questions if each.holdout}
    for name, table in kinds.items():
        both(functools.partial(table, False), tmp_path, name)
        both(functools.partial(table, True), tmp_path, f"{name}-private")
        shown, whole = [(tmp_path / f"{each}.csv").read_text(encoding="utf-8") for each in (name, f"{name}-private")]
        numbers = set(re.findall(r"(?<![\d.])\d+(?![\d.])", shown))
        assert not numbers & {seed for seed in seeds if len(seed) >= 6} and numbers
        assert not [gain for gain in gains if gain in shown]
        assert set(re.findall(r"(?<![\d.])\d+(?![\d.])", whole)) & seeds
        secret = [column.name for column in (EXPERIMENTS if name == "experiments" else RUNS) if column.private]
        head = [next(csv.reader([text.splitlines()[0]])) for text in (shown, whole)]
        assert secret and not set(secret) & set(head[0]) and set(secret) <= set(head[1])
    assert [gain for gain in gains if gain in (tmp_path / "experiments-private.csv").read_text(encoding="utf-8")]


# ---- whole or not at all --------------------------------------------------------------------------------------------


def breaking(after, error):
    def rows():
        yield from map(float, range(after))
        raise error
    return tables.Table((Column("x", "number", "a value", lambda row: row),), rows(), {})


@pytest.mark.parametrize("write", [comma.write, parquet.write])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken"), MemoryError()])
def test_what_breaks_off_leaves_what_was_there(write, error, tmp_path):
    place = tmp_path / "x"
    place.write_text("before")
    with pytest.raises(type(error)):
        write(breaking(5000, error), place)
    assert place.read_text() == "before" and os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("write", [comma.write, parquet.write])
def test_a_place_that_cannot_be_taken_is_a_sentence(write, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "aim")
    for place, why in ((tmp_path, "no plain file"), (tmp_path / "link", "no plain file"), (tmp_path / "none" / "x", "no folder"),
                       (Path("/proc/x.csv"), "cannot be written")):
        with pytest.raises(TrackError, match=why) as caught:
            write(made(1.0), place)
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["link"]


HALF = """
import sys, time
from pathlib import Path
from overnight.export import csv, parquet, tables
from overnight.export.columns import Column
def rows():
    for n in range(10**9):
        yield float(n)
        if n == 20000:
            print("half", flush=True)
            time.sleep(60)
{write}.write(tables.Table((Column("x", "number", "", lambda row: row),), rows(), {{}}), Path(sys.argv[1]))
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("write", ["csv", "parquet"])
def test_an_export_that_is_killed_leaves_no_half_file(write, tmp_path):
    place = tmp_path / "x.out"
    process = subprocess.Popen([sys.executable, "-c", HALF.format(write=write), place], stdout=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    process.stdout.close()
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".x.out.") and left.endswith(".part")
    comma.write(made(1.0), place)
    assert set(os.listdir(tmp_path)) == {left, "x.out"}  # another may be writing there
    os.utime(tmp_path / left, (0, time.time() - 7200))
    comma.write(made(2.0), place)
    assert os.listdir(tmp_path) == ["x.out"]


FULL = """
import resource, signal, sys
from pathlib import Path
from overnight.errors import TrackError
from overnight.export import csv, parquet, tables
from overnight.export.columns import Column
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    {write}.write(tables.Table((Column("x", "number", "", lambda row: row),), map(float, range(10**5)), {{}}), Path(sys.argv[1]))
except TrackError as error:
    print(error)
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("write", ["csv", "parquet"])
def test_a_full_disk_is_a_sentence(write, tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL.format(write=write), tmp_path / "x"], capture_output=True, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, timeout=60)
    assert "cannot be written" in done.stdout and len(done.stdout.splitlines()) == 1 and os.listdir(tmp_path) == []


# ---- at length -------------------------------------------------------------------------------------------------------


def test_ten_thousand_experiments_are_streamed(tmp_path):
    state, events = long(10_000)
    assert comma.write(tables.runs(state, lambda: events, False), tmp_path / "runs") == sum(isinstance(e, Measured) for e in events)
    for write in (comma.write, parquet.write):
        write(made(1.0), tmp_path / "warm")  # imports
        tracemalloc.start()
        count = write(tables.experiments(state, False), tmp_path / "x")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 10_000 and peak < 8e6, (write, peak)  # all rows together are several times that
