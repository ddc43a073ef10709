"""What the benches of the time between runs are made of: contracts, pieces of a night, shares and sights."""

import json
import tomllib

import pytest

from bench import busy, carried, overhead, runs
from overnight.lab.events import Measured, Started, Stopped
from overnight.lab.jobs import Measure, Measurement
from overnight.track.spec import parse


def ran(at, worker, spent, stage="race", **parts):
    return Measured(at=at, run=1, experiment=1, commit="c", seed=1, stage=stage, outcome="ok", busy=spent, overhead=parts,
                    worker=worker)


def timed(wall, spent, **metrics):
    job = Measure(1, 0, "c", 1, "race")
    return runs.Timed(100.0, wall, Measurement(job, outcome="ok", busy=spent, overhead={"tree": 0.25}, metrics=metrics))


# ---- contracts and runs ----------------------------------------------------------------------------------------


def test_a_contract_names_what_is_given_and_nothing_else():
    plain = parse(runs.contract())
    assert (plain.oracle, plain.score.private, plain.run.python) == (None, (), "")
    full = parse(runs.contract("bits", "python serve.py", private="words.txt", timeout="2s"))
    assert (full.metric.name, full.oracle.command, full.score.private) == ("bits", ("python", "serve.py"), ("words.txt",))
    assert full.run.timeout == "2s"


def test_what_is_imported_before_a_run_begins_is_a_key_of_the_run():
    told = tomllib.loads(runs.contract(oracle="python serve.py", preload=("json", "torch")))
    assert told["run"]["preload"] == ["json", "torch"] and told["oracle"]["command"] == ["python", "serve.py"]


@pytest.mark.parametrize("name", ["noop", "busy", "prototype", "hostile"])
def test_the_files_of_each_small_track_are_programs(name):
    texts = runs.files(name, **{"notes.txt": "x"})
    assert texts["notes.txt"] == "x" and "train.py" in texts
    for path, text in texts.items():
        compile(text if path.endswith(".py") else "", path, "exec")


def test_the_harness_of_a_run_is_what_its_programs_did_not_take():
    made = [timed(2.0, 1.5), timed(3.0, 2.0)]
    assert [each.harness for each in made] == [0.5, 1.0]
    assert runs.parts(made) == {"tree": [250, 250], "the rest": [250, 750]}


def test_actions_take_turns():
    said = []
    turns = {name: lambda name=name: said.append(name) or len(said) for name in "ab"}
    assert runs.in_turn(turns, 2) == {"a": [1, 3], "b": [2, 4]} and said == [*"abab"]


def test_an_environment_is_the_one_that_is_named_or_this_one(monkeypatch):
    monkeypatch.setenv("OVERNIGHT_TOY", "/somewhere")
    assert str(runs.home_with("no_such_module", "OVERNIGHT_TOY")) == "/somewhere"
    monkeypatch.delenv("OVERNIGHT_TOY")
    assert runs.home_with("no_such_module", "OVERNIGHT_TOY") is None and runs.home_with("json", "OVERNIGHT_TOY") is not None


def test_neither_training_nor_scoring_is_what_both_leave_of_a_run():
    each = timed(10.0, 9.9, first=100.1, ready=100.5, learnt=109.0, scored=0.5)
    assert overhead.neither(each) == pytest.approx(0.1)
    assert overhead.until([each], "first") == pytest.approx([100]) and overhead.until([each], "ready") == pytest.approx([500])


def test_what_is_missing_is_a_row_that_says_what_to_do_and_is_not_judged():
    row = overhead.missing("Ray Tune", "pip install 'ray[tune]'", "OVERNIGHT_RAY")
    assert row.what == "Ray Tune is left out: pip install 'ray[tune]', or set $OVERNIGHT_RAY" and row.verdict == ""


# ---- a night's pieces ------------------------------------------------------------------------------------------


NIGHT = [Started(100.0, 2, "none", "1"), ran(104.0, 1, 3.0, "calibrate", tree=0.5), ran(105.0, 2, 4.0), ran(108.0, 1, 3.0, tree=0.5),
         ran(109.0, 2, 4.0), Stopped(110.0, 10.0, "over")]


def test_a_worker_s_time_is_cut_at_its_records():
    found = [*busy.pieces(NIGHT)]
    assert [(each.worker, each.gap, each.first) for each in found] == [(1, 0.5, True), (2, 1.0, True), (1, 0.5, False), (2, 0.0, False)]
    assert [each.whole for each in found] == [4, 5, 4, 4] and [each.job for each in found] == [3.5, 4, 3.5, 4]
    assert busy.idle_at_the_end(NIGHT) == 2 + 1


def test_what_lies_between_the_first_and_the_last_run_is_shared_out():
    rows = {row.what.strip(): row.value for row in busy.shares([each for each in busy.pieces(NIGHT) if not each.first], "")}
    assert rows["share in which a run's programs worked"] == pytest.approx(7 / 8)
    assert rows["harness: tree"] == pytest.approx(0.5 / 8) == rows["gaps between jobs"]
    assert rows["gap before a run of stage race"] == pytest.approx(250) and rows["the largest, of race"] == pytest.approx(500)


# ---- what runs see of one another ------------------------------------------------------------------------------


def test_a_run_that_sees_another_world_is_counted_and_told(capsys):
    def saw(number, files):
        each = timed(1.0, 0.9, number=float(number))
        each.run.logs["score"] = json.dumps({"files": files}, indent=1).encode()
        return each

    found = carried.Seen()
    found.add(saw(1, []), honest=True)
    assert [row.verdict for row in carried.seen("warm", found)] == ["holds"]
    for each, honest in ((saw(2, ["left"]), True), (saw(3, ["mine"]), False), (saw(1, []), True)):
        found.add(each, honest)
    assert [(row.value, row.count, row.verdict) for row in carried.seen("warm", found)] == [(1, 3, "misses")]
    assert '+ "left"' in capsys.readouterr().out and found.stopped == 0 and len(found.harness) == 3


def test_growth_is_from_the_second_tenth_to_the_last():
    assert carried.growth([9.0] * 10 + [1.0] * 10 + [5.0] * 70 + [4.0] * 10) == 3
