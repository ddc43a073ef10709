"""The landscapes, the Lab on them, the optimisers beside it, and Optuna on real tracks."""

import math
import sys

import pytest

from bench import ground, minded, peers, real, search, tuned
from bench.deployed import deployed
from bench.kit import exact
from bench.landscapes import LANDSCAPES, LUCK, Landscape, at, bounds, nothing, unit
from bench.peers import PEERS, Trial
from bench.tuned import Tpe, Tried, Tuning, turned
from overnight import sandbox
from overnight.errors import ExtraMissing
from overnight.execution.runner import Runner
from overnight.repo import Repo
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.space import Space
from overnight.track.load import load
from overnight.workers.cores import available

RACED = search.EXTRA[search.RACED]
MADE_UP = [name for name in LANDSCAPES if name not in search.REAL]
GUARDED = Landscape('"""Trains."""\n\nRATE = 0.5  # knob: linear 0..1\nSTEPS = 4  # knob: int 1..16\n',
                    lambda values: None if values["RATE"] > 0.7 else 2.0 - values["RATE"] - values["STEPS"] / 16, 0.0,
                    cost=lambda values: values["STEPS"])


@pytest.mark.parametrize("name", MADE_UP)
def test_the_defaults_leave_all_regret_and_nothing_leaves_less_than_none(name):
    landscape = LANDSCAPES[name](3)
    blind = peers.Blind(landscape, 0)
    first, *others = [landscape.regret(blind.suggest()) for _ in range(200)]
    assert first == pytest.approx(1) and min(others) >= 0


@pytest.mark.parametrize("name", MADE_UP)
def test_a_run_is_the_truth_and_noise_that_is_the_same_each_time(name):
    landscape = LANDSCAPES[name](1)
    values = landscape.values(landscape.source)
    runs = [landscape.run(values, seed) for seed in range(400)]
    assert runs[7] == landscape.run(values, 7)
    assert sum(runs) / 400 == pytest.approx(1, abs=4 * landscape.noise / 20) and (len(set(runs)) == 1) == landscape.exact


def test_a_place_between_the_bounds_is_found_again_and_so_is_what_optuna_is_told():
    for knob in LANDSCAPES["own"](0).knobs.values():
        if knob.scale.kind != "choice":
            low, high = bounds(knob)
            assert (unit(knob, low), unit(knob, high)) == pytest.approx((0, 1), abs=1e-9)
            assert at(knob, unit(knob, knob.value)) == pytest.approx(knob.value)
        assert peers.decoded(knob, peers.coded(knob, knob.value)) == pytest.approx(knob.value)


def test_a_night_is_the_same_night_again_and_makes_the_runs_that_it_was_given():
    one, two = (deployed(LANDSCAPES["pair"](0), 30, 3) for _ in range(2))
    assert one.state.runs == 30 and (one.values, one.keeps) == (two.values, two.keeps)


def test_what_a_night_keeps_is_what_it_deploys():
    landscape, kept = LANDSCAPES["own, exact"](0), 0
    for seed in range(4):  # another processor rounds otherwise, which makes another night
        done = deployed(landscape, 60, seed, contract_extra=RACED)
        assert all(true > 0 for _, true in done.keeps)
        assert landscape.regret(done.values) == pytest.approx(1 - sum(true for _, true in done.keeps))
        kept += len(done.keeps)
    assert kept


def test_several_benches_measure_on_a_frontier_that_moves():
    done = deployed(LANDSCAPES["own, exact"](0), 80, 1, slots=4, contract_extra=RACED)
    assert len(done.keeps) > 2 and any(each.base for each in done.state.experiments.values())


def test_a_night_under_a_guard_deploys_nothing_that_breaks_it():
    done = deployed(GUARDED, 60, 0, contract_extra=RACED)
    assert done.keeps and GUARDED.usage(done.values) <= 1 and GUARDED.loss(done.values) is not None


@pytest.mark.parametrize("name", [name for name in PEERS if name != search.GP])
def test_an_optimiser_tries_the_defaults_first_and_a_crash_or_a_broken_guard_is_never_taken(name):
    trials, _ = peers.explored(PEERS[name], GUARDED, 0, 40)
    assert trials[0].values == peers.default(GUARDED)
    assert any(math.isinf(trial.worth) for trial in trials)
    assert 0 < GUARDED.regret(peers.best(GUARDED, trials)) < 1


def test_the_best_five_are_measured_again_within_the_budget():
    landscape = LANDSCAPES["pair"](0)
    good, lucky = {**peers.default(landscape), "WIDTH": 0.7, "RATE": 0.7}, peers.default(landscape)
    trials = [Trial(lucky, -9.0, 0.0), Trial(good, 0.5, 0.0), *[Trial(lucky, 9.0, 0.0)] * 14, Trial(good, -10.0, 0.0)]
    assert peers.best(landscape, trials[:2]) == lucky
    assert peers.remeasured(landscape, trials, 0) == good  # the last fifteen are the runs that measure again
    assert peers.remeasured(landscape, trials[:16], 0) == lucky


def test_a_claim_that_another_optimiser_makes_passes_the_referee_or_leaves_the_defaults():
    landscape = LANDSCAPES["pair"](0)
    best = {**peers.default(landscape), "WIDTH": 0.72, "RATE": 0.72}
    assert deployed(landscape, 40, 0, contract_extra=RACED, researcher=peers.Handed(best)).values == best
    worse = {**best, "RATE": 0.0}
    assert deployed(landscape, 40, 0, contract_extra=RACED, researcher=peers.Handed(worse)).values == peers.default(landscape)


@pytest.mark.parametrize("package", ["optuna", "cmaes"])
def test_a_package_that_is_missing_is_a_sentence(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraMissing, match="comparing with Optuna needs the extra 'dev'"):
        PEERS["TPE"](GUARDED, 0)


@pytest.mark.parametrize("luck", LUCK)
def test_where_nothing_is_to_be_found_runs_differ_by_luck_alone(luck):
    landscape = nothing(luck)
    blind = peers.Blind(landscape, 0)
    every = [blind.suggest() for _ in range(300)]
    assert {landscape.regret(values) for values in every} == {1.0}
    runs = [landscape.run(values, 1) for values in every]
    assert sum(runs) / 300 == pytest.approx(1, abs=0.03) and (max(runs) - min(runs) > 1) == (luck == "heavy tails")
    made, kept = search.deceived(luck, 30, 1)
    assert kept <= made


def table(ours, theirs):
    rows = []
    for world in LANDSCAPES:
        for runs in (*search.BUDGETS, *search.BETWEEN):
            rows.append(exact(f"{world}, {search.OURS}, {runs} runs", ours(world, runs)))
            rows += [exact(f"{world}, {peer}, {runs} runs", theirs(world, runs)) for peer in search.RIVALS]
    return rows


def test_what_all_worlds_come_to():
    rows = table(lambda world, runs: 20 / runs + 0.08 * (world == "near"), lambda world, runs: 30 / runs)
    found = {row.what: row for row in search.sums(rows)}
    assert found["mean over 14 worlds, knobs in the Lab, 100 runs"].value == pytest.approx(0.2 + 0.08 / 14)
    assert found["100 runs: worlds where ours is at least as good as TPE"].value == 14
    assert found["100 runs: how far ours is behind CMA-ES at most"].value == pytest.approx(-0.02)
    assert found["200 runs: worlds where ours is at least as good as hill climb"].value == 13
    assert found["exact worlds, 200 runs"].value == pytest.approx(0.1)
    assert found["runs until ours is where TPE is after 100, median of the worlds"].value == pytest.approx(69, abs=3)
    late = {row.what: row for row in search.sums(table(lambda world, runs: 1.0, lambda world, runs: 0.5))}
    assert late["runs until ours is where TPE is after 100, median of the worlds"].value == math.inf


def test_the_table_of_all_worlds_is_written(tmp_path):
    rows = table(lambda world, runs: 0.25, lambda world, runs: 0.5)
    search.drawn({row.what: row.value for row in (*rows, *search.sums(rows))}, tmp_path / "table.md")
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2] == "| own | **0.25** | 0.50 | 0.50 | 0.50 |" and lines[-1].startswith("| mean, 200 runs | **0.25** |")


# ---- Optuna on real tracks ----------------------------------------------------------------------------------------

PROGRAM = {"a.py": """RATE = 0.01
BETA2 = 0.99
DECAY = 0.1  # knob: log 1e-3..1
WEIGHT_DECAY = 0.001
DROPOUT = 0.0
WIDTH = 16
DEPTH = 2
MIX = 0.5  # knob: linear 0..2
FAST = False
NORM = "layer"  # knob: choice layer rms


def train():
    return RATE, BETA2, DECAY, WEIGHT_DECAY, DROPOUT, WIDTH, DEPTH, MIX, FAST, NORM
"""}


def test_optuna_is_given_the_knobs_that_knobs_searches_and_their_bounds():
    searched = Space(find(PROGRAM))
    tpe, seen = Tpe(searched, False, 0), {knob.id: [] for knob in searched.knobs}
    first, default = tpe.ask()
    assert default == pytest.approx({knob.id: knob.value for knob in searched.knobs})
    tpe.tell(first, 1.0, 0.5)
    for _ in range(60):
        trial, config = tpe.ask()
        tpe.tell(trial, 1.0, 0.5)
        text = turned(PROGRAM, searched.knobs, config).get("a.py", PROGRAM["a.py"])
        assert {knob.id: knob.value for knob in find({"a.py": text})} == pytest.approx(config)  # the edit says what was asked
        for name, value in config.items():
            seen[name].append(value)
    for knob, values in zip(searched.knobs, searched.values, strict=True):
        assert {type(value) for value in seen[knob.id]} == {type(knob.value)}
        if knob.scale.kind == "choice":
            assert set(seen[knob.id]) == set(values)
        else:
            reached = (min(seen[knob.id]), max(seen[knob.id]))
            assert min(values) <= reached[0] <= knob.value < reached[1] <= max(values) * (1 + 1e-9)
    assert 0.0 in seen["a.py:WEIGHT_DECAY"]


def tuning(**again):
    made = Tuning.__new__(Tuning)
    made.again = {place: [Tried({}, worth, usage) for worth, usage in runs] for place, runs in enumerate(again.values())}
    return made


def test_of_the_best_five_the_one_is_taken_that_new_runs_show_to_be_best_within_the_guards():
    best = [Tried({"k": place}, 9.0 - place, 0.5) for place in range(3)]
    lucky, good, heavy = [(0.1, 0.5), (0.3, 0.5)], [(1.0, 0.5)], [(5.0, 0.9), (5.0, 1.3)]
    assert tuning(lucky=lucky, good=good, heavy=heavy)._best(best) == {"k": 1}
    assert tuning(heavy=heavy)._best(best) == {}  # then the default is deployed
    assert tuning()._best(best) == {"k": 0} and tuning()._best([]) == {}


def test_a_night_on_a_real_track_is_compared_by_the_medians_of_its_gains():
    rows = [exact(f"real, digits, night {night}, {arm}: gain on 8 fresh seeds", gain, unit="nats")
            for arm, gains in ((real.OURS, (0.1, 0.3, 0.5, 0.2, 0.4)), (real.TPE, (0.2, 0.1, 0.2, 0.3, -0.1)))
            for night, gain in enumerate(gains)]
    found = list(real.compared(rows))
    assert [row.what for row in found] == ["real, digits: gain of ours over that of TPE, medians",
                                           "real, digits: gain of ours less that of TPE, median"]
    assert [row.value for row in found] == pytest.approx([0.3 / 0.2, 0.2]) and found[0].verdict == "undecided"
    assert not list(real.compared([]))


@pytest.mark.sandbox
def test_a_short_night_of_optuna_leaves_a_commit_that_can_be_measured(tmp_path):
    here = ground.track_in(tmp_path, "packing")
    repo, track = Repo(here, tmp_path), load(here)
    runner = Runner(track, repo, sandbox.choose("bubblewrap"), repo.head(), tmp_path / "home")
    searched = tuned.space(runner, (here / "track.toml").read_text(), repo.head())
    assert {"solve.py:RATE", "solve.py:STEPS"} <= {knob.id for knob in searched.knobs}
    done = Tuning(runner, searched, repo.head(), 1.0, available()[:2], 0).go()
    assert done.runs >= done.explored >= 2 and not repo.foul(repo.head(), done.commit, track)
    assert ground.measured(runner, [(done.commit, 1)])[done.commit, 1] > 1


def test_an_edit_of_a_minds_is_kept_beside_constants_and_conflicts_where_its_line_was_turned():
    landscape = LANDSCAPES["hartmann"](1)
    texts = minded.Minded(landscape, 1, False)
    name, *_ = sorted(landscape.knobs)
    knob = landscape.knobs[name]
    turned = landscape.source.replace(f"{name} = {knob.text}", f"{name} = {at(knob, 0.9)!r}")
    assert turned != landscape.source
    texts.texts |= {"c1": f"{landscape.source}\n# edit 1", "c2": f"{landscape.source}\n# edit 2 on {name} = {knob.value!r}", "c3": turned}
    texts.changes |= dict.fromkeys(("c1", "c2"), minded.Change({}, "edit"))
    texts.written |= {1: texts.values("c0"), 2: texts.values("c0")}
    put = texts.answer(minded.Rebase(1, "c1", "c0", "c3"))
    assert texts.edits(put.commit) == [1] and texts.values(put.commit) == texts.values("c3")
    assert texts.answer(minded.Rebase(2, "c2", "c0", "c3")).commit == ""
    loss = landscape.regret(texts.values("c3")) - texts.regret(put.commit)
    assert loss == pytest.approx(landscape.noise * texts.gain(1, texts.values("c3")))


def test_a_night_with_a_mind_on_leads_is_the_same_night_again():
    one, two = (minded.night("hartmann", 40, False, "on", 3) for _ in range(2))
    assert one == two and one.idle >= 0
