"""The door to the benches: intervals, what a row says, exit codes, cells that are kept, what is listed."""

import math
import random
import re
import statistics

import pytest
from scipy import stats

from bench import __main__ as door
from bench import honest, kit, load, referee_long, repositories
from bench.kit import (
    Bench,
    Cell,
    Kept,
    Row,
    bootstrap,
    exact,
    fingerprint,
    imported,
    mean,
    median,
    ratio,
    share,
    student,
    wilson,
)
from bench.order import ORDERS, QUEUE
from bench.worlds import ONE, Outcome, figures
from fakes import FakeWorld, Night, referee_world
from overnight.lab.events import Measured


def row(low, high, asked, count=9, least=1):
    return Row("x", (low + high) / 2, low, high, count, asked, least=least)


def toy(rows, name="toy", **options):
    """A bench of one cell with these rows."""
    return Bench(name, "A toy: nothing.", lambda quick: [Cell("all", lambda: rows)], **options)


def run(*words, **known):
    """The exit code of the command, among benches of these rows."""
    return door.main(words, {name: (lambda made=made: made) for name, made in known.items()})


# ---- intervals -------------------------------------------------------------------------------------------------


def test_students_interval_is_scipys():
    values = [1.0, 2.5, 2.0, 4.0, 3.5]
    theirs = stats.t.interval(0.95, 4, statistics.fmean(values), stats.sem(values))
    assert student(values) == pytest.approx(theirs)


@pytest.mark.parametrize("values", [[], [3.0]])
def test_fewer_than_two_values_bound_no_mean(values):
    assert student(values) == (-math.inf, math.inf)


@pytest.mark.parametrize(("hits", "count"), [(0, 20), (3, 20), (20, 20), (950, 1000)])
def test_wilsons_interval_is_scipys(hits, count):
    theirs = stats.binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((theirs.low, theirs.high))


def test_nothing_tried_says_nothing_of_a_share():
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_bootstrap_of_a_median_covers_it_about_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        lots = random.Random(seed)
        low, high = bootstrap([lots.gauss(0, 1) for _ in range(25)], statistics.median)
        covered += low <= 0 <= high
    assert covered >= 88


def test_the_same_values_have_the_same_bootstrap():
    values = [1.0, 5.0, 2.0, 9.0, 3.0, 4.0]
    assert bootstrap(values, statistics.median) == bootstrap(values, statistics.median)


def test_a_ratio_is_one_of_medians_with_its_interval():
    found = ratio("x", [2.0, 4.0, 6.0, 4.0, 4.2, 3.9], [1.0, 2.0, 3.0, 2.0, 2.1, 1.9])
    assert found.value == pytest.approx(2.0, abs=0.05) and found.low <= found.value <= found.high and found.unit == "x"


# ---- what a row says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high", "asked", "verdict"), [
    (1, 2, "<= 3", "holds"), (1, 2, "<= 1.5", "undecided"), (1, 2, "<= 0.5", "misses"), (1, 2, "<= 1", "undecided"),
    (1, 2, ">= 0.5", "holds"), (1, 2, ">= 1.5", "undecided"), (1, 2, ">= 3", "misses"),
    (1, 2, "== 1.5", "holds"), (0, 0, "== 0", "holds"), (1, 1, "== 0", "misses"), (1, 2, "", ""),
])
def test_a_verdict_is_what_the_interval_says_of_the_number_asked(low, high, asked, verdict):
    assert row(low, high, asked).verdict == verdict


def test_too_few_repetitions_are_not_judged():
    assert row(8, 9, "<= 1", count=5, least=6).verdict == "not judged"
    assert mean("x", [9.0] * 5, "<= 1").verdict == "not judged" and mean("x", [9.0] * 6, "<= 1").verdict == "misses"
    assert share("x", 19, 19, "<= 0.05").verdict == "not judged" and share("x", 20, 20, "<= 0.05").verdict == "misses"


@pytest.mark.parametrize("made", [mean, median, lambda *given: share("x", 0, 0, given[2])])
def test_nothing_measured_is_not_judged(made):
    assert made("x", [], "<= 1").verdict == "not judged"


def test_a_row_prints_what_is_asked_beside_the_figure_its_interval_and_the_repetitions():
    cells = [cell.strip() for cell in str(Row("a start", 8.25, 7.5, 9.0, 30, "<= 12", "ms")).split("|")[1:-1]]
    assert cells == ["a start", "<= 12", "8.25 ms", "7.5 to 9", "30", "holds"]


def test_a_bound_that_is_none_is_refused():
    with pytest.raises(ValueError, match="is no bound"):
        kit.bound("about 3")


# ---- the command -----------------------------------------------------------------------------------------------


HOLDS, MISSES, UNJUDGED = exact("x", 1, "<= 2"), exact("x", 3, "<= 2"), mean("x", [9.0], "<= 1")


@pytest.mark.parametrize(("words", "rows", "code"), [
    (["--check"], [HOLDS], 0), (["--check"], [HOLDS, MISSES], 1), ([], [MISSES], 0), (["--check"], [UNJUDGED], 0)])
def test_check_exits_1_where_an_interval_excludes_the_number_asked(words, rows, code):
    assert run("toy", *words, toy=toy(rows)) == code


def test_all_prints_times_and_does_not_judge_them(capsys):
    assert run("all", "--check", slow=toy([MISSES], "slow", timed=True), toy=toy([HOLDS])) == 0
    assert "slow: 1 missed" in capsys.readouterr().out
    assert run("slow", "--check", slow=toy([MISSES], "slow", timed=True)) == 1


def test_one_table_is_printed_with_not_judged_in_it(capsys):
    run("toy", toy=toy([HOLDS, UNJUDGED]))
    said = capsys.readouterr().out
    assert said.count("| what | asked |") == 1 and "not judged" in said


def test_quick_reaches_the_cells():
    asked = []
    run("toy", "--quick", toy=Bench("toy", "", lambda quick: asked.append(quick) or []))
    assert asked == [True]


def test_only_the_cells_that_are_asked_for_are_measured(capsys):
    cells = [Cell(name, lambda name=name: [exact(name, 1)]) for name in ("level 1", "level 2", "other")]
    assert run("toy", "--cells", "level", toy=Bench("toy", "A toy.", lambda quick: cells)) == 0
    said = capsys.readouterr().out
    assert "| level 1" in said and "| level 2" in said and "other" not in said


def test_a_picture_is_drawn_from_the_rows(tmp_path):
    def draw(rows, to):
        to.write_text(f"{rows['x']:g}")

    assert run("toy", "--plot", str(tmp_path / "x.svg"), toy=toy([HOLDS], draw=draw)) == 0
    assert (tmp_path / "x.svg").read_text() == "1"


@pytest.mark.parametrize(("draw", "why"), [(None, "it has no picture."), (lambda rows, to: rows["y"], "its picture needs the row 'y'")])
def test_a_picture_that_cannot_be_drawn_is_a_sentence(draw, why, tmp_path, capsys):
    assert run("toy", "--plot", str(tmp_path / "x.svg"), toy=toy([HOLDS], draw=draw)) == 2
    assert f"toy cannot run here: {why}" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_referee_s_picture_is_of_the_rows_that_its_bench_prints(tmp_path):
    nights = [Outcome(30.0, [(1.0, 0.9, True), (0.5, 0.0, False)], 2000, 3000)] * 2
    rows = [row for wanted in referee_long.LEVELS for row in figures(f"false_share {wanted:g}", nights, "<= 0.05", ">= 0.94")]
    assert {f"false_share {wanted:g}" for wanted in referee_long.LEVELS} < {cell.name for cell in referee_long.BENCH.cells(False)}
    referee_long.BENCH.draw({row.what: row.value for row in rows}, tmp_path / "level.svg")
    assert "<svg" in (tmp_path / "level.svg").read_text()


def test_what_is_worth_most_first_gains_more_than_first_come_where_many_ideas_wait():
    done = {lab: Night(FakeWorld(1, referee_world), contract=ONE, measure_slots=1, edit_slots=8, lab=lab) for lab in ORDERS.values()}
    queues = {lab: [] for lab in done}
    for lab, night in done.items():
        night.go(runs=600, watch=lambda night, lab=lab: queues[lab].append(len(night.lab.measuring.waiting())))
    assert [max(waited) for waited in queues.values()] == [QUEUE, QUEUE]
    first, second = [night.world.worth[night.lab.state.commit] for night in done.values()]
    assert first > 2 * max(second, 0.5)


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="2"):
        run("nothing", toy=toy([]))


def test_list_names_every_bench_and_what_it_asks(capsys):
    assert door.main(["list"]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said.keys() == {"aa_nights", "builds", "busy", "classic", "contact", "demo", "early_stop", "holdout", "ideas", "journal", "knobs", "ladder",
                           "light", "load", "minds", "overhead", "patient", "planted", "ready", "referee", "referee_long", "registry",
                           "sandbox", "sandboxes", "scale", "scoring", "search", "seccomp", "seeds", "shares", "tracks",
                           "trust", "walk", "web"}
    assert all(line.endswith(".") for line in said.values())


def test_a_bench_has_its_file_s_name_and_every_bound_that_it_asks_can_be_read():
    assert all(find().name == name for name, find in door.benches().items())


# ---- cells that are kept ---------------------------------------------------------------------------------------


def counted(measured, name="a"):
    def measure():
        measured.append(name)
        return [exact("x", len(measured), "<= 9")]

    return Cell(name, measure)


def test_a_finished_cell_is_not_measured_again(tmp_path):
    measured = []
    for _ in range(2):
        kept = Kept(tmp_path / "results" / "toy.jsonl", "s1")
        assert kept.rows(counted(measured)) == [exact("x", 1, "<= 9")]
    assert measured == ["a"]


def test_a_bench_that_was_broken_off_goes_on_with_the_next_cell(tmp_path):
    measured, broken = [], [True]

    def breaks():
        if broken:
            raise KeyboardInterrupt
        return [exact("y", 2)]

    bench = Bench("toy", "", lambda quick: [counted(measured), Cell("b", breaks)], long=True)
    with pytest.raises(KeyboardInterrupt):
        list(kit.measured(bench, False, tmp_path, lambda: "s1"))
    broken.clear()
    assert [r.what for r in kit.measured(bench, False, tmp_path, lambda: "s1")] == ["x", "y"] and measured == ["a"]


def test_a_cell_that_other_sources_measured_is_stale(tmp_path):
    measured = []
    for sources in ("s1", "s2", "s2"):
        Kept(tmp_path / "toy.jsonl", sources).rows(counted(measured))
    assert measured == ["a", "a"] and len((tmp_path / "toy.jsonl").read_text().splitlines()) == 2


def test_a_kept_row_comes_back_as_it_was_also_without_an_interval(tmp_path):
    made = [mean("x", [1.0], "<= 2", "ms"), share("y", 3, 20), exact("z", 4)]
    kept = [Kept(tmp_path / "toy.jsonl", "s1").rows(Cell("a", lambda: made)) for _ in range(2)]
    assert kept == [made, made] and made[0].low == -math.inf


def test_a_last_line_that_was_broken_off_is_cut_and_its_cell_measured_again(tmp_path):
    measured, path = [], tmp_path / "toy.jsonl"
    Kept(path, "s1").rows(counted(measured))
    path.write_bytes(path.read_bytes() + b'{"cell": "b", "sou')
    kept = Kept(path, "s1")
    kept.rows(counted(measured))
    kept.rows(counted(measured, "b"))
    assert measured == ["a", "b"] and len(path.read_text().splitlines()) == 2


def test_sums_are_of_all_cells_those_that_were_kept_too_and_come_last(tmp_path):
    bench = Bench("toy", "", lambda quick: [Cell(name, lambda: [HOLDS]) for name in "ab"], long=True,
                  sums=lambda rows: [kit.exact("rows", len(rows))])
    for _ in range(2):
        assert [row.value for row in kit.measured(bench, False, tmp_path, lambda: "s1")] == [HOLDS.value, HOLDS.value, 2]


@pytest.mark.parametrize(("long", "quick"), [(True, True), (False, False)])
def test_nothing_is_kept_of_a_quick_run_or_a_short_bench(tmp_path, long, quick):
    list(kit.measured(toy([HOLDS], long=long), quick, tmp_path, lambda: "s1"))
    assert not list(tmp_path.iterdir())


# ---- the import graph ------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    """Modules: bench.toy imports pack.a, which imports pack.b; pack.c is nobody's."""
    for name, text in {"bench/toy.py": "import random\nfrom pack import a\n", "pack/__init__.py": "", "pack/b.py": "X = 1\n",
                       "pack/a.py": "def f():\n    from pack.b import X\n    return X\n", "pack/c.py": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(("changed", "stale"), [
    ("bench/toy.py", True), ("pack/a.py", True), ("pack/b.py", True), ("pack/__init__.py", True), ("pack/c.py", False)])
def test_only_what_a_bench_imports_directly_or_not_makes_its_cells_stale(tree, changed, stale):
    before = fingerprint(["bench.toy"], [tree])
    (tree / changed).write_text((tree / changed).read_text() + "Y = 2\n")
    assert (fingerprint(["bench.toy"], [tree]) != before) == stale


def test_what_runs_in_another_process_is_named_besides(tree):
    before = fingerprint(["bench.toy", "pack.c"], [tree])
    (tree / "pack/c.py").write_text("Z = 3\n")
    assert fingerprint(["bench.toy", "pack.c"], [tree]) != before


def test_a_source_may_import_a_package_a_module_and_a_name():
    assert imported("import a.b\nfrom c import d") == {"a", "a.b", "c", "c.d"}


# ---- first contact ---------------------------------------------------------------------------------------------


def ran(at, wall):
    return Measured(at=at, run=1, experiment=0, commit="c", seed=1, stage="race", outcome="ok", metrics={"wall_seconds": wall})


def test_the_tool_s_own_seconds_are_those_in_which_no_run_was_at_work():
    assert repositories.idle([], 10, 15) == 5
    assert repositories.idle([ran(14, 2), ran(15, 2), ran(19, 1), ran(40, 3)], 10, 20) == 2 + 3 + 1
    assert repositories.idle([ran(22, 5)], 10, 20) == 7


def test_every_repository_is_there_and_its_marks_tell_what_matters_from_what_measures():
    for met in repositories.REPOSITORIES:
        lines = [line for path in (repositories.HERE / met.name).rglob("*") if path.is_file()
                 for line in path.read_text().splitlines()]
        assert any(re.search(met.matters, line) and not re.search(met.ruler, line) for line in lines), met.name
        assert any(re.search(met.ruler, line) for line in lines), met.name


def test_repositories_and_nights_are_summed_where_there_are_enough_of_them():
    true = [exact(f"r{number}: {repositories.TRUE}", number % 3 > 0) for number in range(11)]
    assert [(row.value, row.verdict) for row in repositories.sums(true)] == [(7, "misses")]
    assert not [*repositories.sums(true[:5])]
    nights = [exact(f"night of s{number}: {what}", number == 7, count=40) for number in range(30) for what in (honest.KEEPS, honest.EDITED)]
    assert [(row.value, row.count, row.verdict) for row in honest.sums(nights)] == [(1, 1200, ""), (1, 1200, "misses")]
    assert not [*honest.sums(nights[:-2])]


# ---- nights under load -----------------------------------------------------------------------------------------


def test_what_nights_under_load_come_to_is_summed_by_their_sort():
    nights = [("short night", (0, 0, 200, 9)), ("short night, whatever the load,", (2, 1, 200, 0)), ("short night", (1, 1, 150, 4))]
    rows = [kit.exact(f"{sort} {number:02}: {what}", value) for number, (sort, values) in enumerate(nights)
            for what, value in zip((load.KEEPS, load.ZERO, load.JUDGED, load.LOST), values, strict=True)]
    found = {row.what: (row.value, row.asked) for row in load.sums(rows)}
    assert found["short night: share that ends with a keep"] == (0.5, "<= 0.05")
    assert found[f"short night: {load.ZERO}, in all"] == (1, "== 0") and found[f"short night: {load.LOST}, in all"] == (13, "")
    assert found["short night, whatever the load,: share that ends with a keep"] == (1.0, "")


def test_a_short_night_sorts_small_lists_and_a_free_one_counts_everything():
    assert "sizes=(3000,)" in load.edited("short", False)["score.py"]
    assert load.edited("long", True)["track.toml"].endswith("may_starve = 1\n") and not load.edited("long", False)
