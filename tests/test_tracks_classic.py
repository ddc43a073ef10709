"""The tracks kernel, binpacking and policy, in the real sandbox: what is better is kept, and what changes nothing or cheats never is."""

import importlib.util
import random
import subprocess
import sys

import pytest

from bench import ready
from bench import tracks_classic as classic
from bench.kit import exact
from conftest import ROOT, git, home, overnight, repository
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, sealed
from overnight.repo import Repo
from overnight.researchers.knobs.find import find
from overnight.scoring import Broken
from overnight.track.load import load

NEEDS = "sandbox"
KNOBS = {"kernel": {"multiply.c:BLOCK_COLUMNS", "flags.toml:optimize", "flags.toml:native"},
         "binpacking": {"pack.py:AT_0", "pack.py:AT_10"}, "policy": {"policy.py:HIT_WORTH", "policy.py:GHOSTS"}}
CHEATS = [(name, title) for name, planted in classic.PLANTED.items() for title in planted.cheats]
FREE = "\n[referee]\nmay_starve = 1\n"  # a machine with other work measures as well: what is planted is several times as quick


class Track:
    """Measures commits of one track, in short runs."""

    def __init__(self, place, sandbox, name):
        self.name, self.files, self.done = name, classic.texts(name), {}
        folder = repository(place / name, self.files | classic.swapped(self.files, [classic.PLANTED[name].small]))
        self.repo = Repo(folder)
        self.judge = self.repo.head()
        self.runner = Runner(load(folder), self.repo, sandbox, self.judge, home(folder))
        self.metric = self.runner.track.metric

    def run(self, *swaps, seed=7):
        """A run with a seed, of the track with these swaps."""
        commit = self.repo.commit(self.judge, classic.swapped(self.files, swaps), "a change") if swaps else self.judge
        return self.runner.measure(sealed(Measure(1, 1, commit, seed, "race"), "secret"))

    def number(self, *swaps, seed=7):
        """The metric of such a run."""
        if (swaps, seed) not in self.done:
            run = self.run(*swaps, seed=seed)
            assert run.outcome == "ok", run.reason
            self.done[swaps, seed] = run.metrics[self.metric.name]
        return self.done[swaps, seed]


@pytest.fixture(scope="module")
def tracks(tmp_path_factory, bubblewrap):
    """The three, each with its runner."""
    found = {name: Track(tmp_path_factory.mktemp("classic"), bubblewrap, name) for name in classic.PLANTED}
    yield found
    for track in found.values():
        track.runner.close()


def scorer(name):
    """The scorer of a track as a module, without being run."""
    spec = importlib.util.spec_from_file_location(f"score_of_{name}", ROOT / "tracks" / name / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- what counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", classic.PLANTED)
def test_what_is_planted_is_better_on_every_seed(tracks, name):
    track = tracks[name]
    for seed in (7, 8):
        assert track.number(*classic.PLANTED[name].better, seed=seed) < track.number(seed=seed) - track.metric.worthwhile


@pytest.mark.parametrize("name", ["binpacking", "policy"])
def test_each_seed_has_instances_of_its_own_and_always_the_same(tracks, name):
    track = tracks[name]
    assert track.number(seed=7) != track.number(seed=8)
    assert track.run(seed=7).metrics[track.metric.name] == track.number(seed=7)


@pytest.mark.parametrize("name", classic.PLANTED)
def test_there_is_something_to_turn(name):
    assert {knob.id for knob in find({path: text for path, text in classic.texts(name).items() if path in (
        "multiply.c", "flags.toml", "pack.py", "policy.py")})} >= KNOBS[name]


@pytest.mark.parametrize(("name", "title"), CHEATS)
def test_a_cheat_gains_nothing(tracks, name, title):
    ends, *swaps = classic.PLANTED[name].cheats[title]
    run, track = tracks[name].run(*swaps), tracks[name]
    assert run.outcome == ends, run.reason
    if ends == "ok":
        assert run.metrics[track.metric.name] == track.number()


@pytest.mark.night
@pytest.mark.parametrize("name", classic.PLANTED)
def test_a_night_keeps_what_is_better_and_nothing_else(tmp_path, name):
    here = classic.laid_out(tmp_path, name, small=True)
    with (here / "track.toml").open("a") as contract:
        contract.write(FREE)
    git(here, "commit", "-qam", "on any machine")
    judged = classic.night(here, "--experiments", len(classic.edits(name)), "--for", "240s")
    verdicts = {each.message.strip(): each.verdict.verdict for each in judged}
    assert verdicts.keys() == classic.edits(name).keys()
    assert [title for title, verdict in verdicts.items() if verdict == "keep"] == [classic.BETTER]


@pytest.mark.night
@pytest.mark.parametrize("name", classic.PLANTED)
def test_it_is_laid_out_in_an_empty_folder(tmp_path, name):
    assert overnight("init", "--from", name, cwd=tmp_path).returncode == 0
    assert git(tmp_path / name, "status", "--porcelain") == "" and load(tmp_path / name).name == name


# ---- the scorers -----------------------------------------------------------------------------------------------


def test_a_product_is_checked_to_its_last_entry():
    score = scorer("kernel")
    lots, size = random.Random(1), 23
    question = score.case(lots, size)
    a, b = (score.rows_of(half, size) for half in (question.payload[:size * size], question.payload[size * size:]))
    c = [sum(x * y for x, y in zip(row, column, strict=True)) for row in a for column in zip(*b, strict=True)]
    right = score.right(lots)
    assert right(question, score.array("i", c).tobytes())
    for at in (0, 5, size * size - 1):
        wrong = [*c[:at], c[at] + 1, *c[at + 1:]]
        assert not right(question, score.array("i", wrong).tobytes())


def test_bins_are_counted_by_the_scorer():
    packing = scorer("binpacking").Packing()
    for item, room in ((60, 100), (50, 100), (40, 40), (50, 50), (10, 100)):
        packing.put(item, room)
    assert packing.used == 3 and packing.excess == 0.0  # 210 take three bins
    packing.put(80, 100)
    assert packing.excess == pytest.approx(100 / 3)


@pytest.mark.parametrize(("room", "says"), [(5, "cannot go"), (-90, "cannot go"), (101, "cannot go"), (50, "no bin"),
                                            (100.0, "cannot go"), (True, "cannot go"), (None, "cannot go"), ([100], "cannot go")])
def test_an_item_goes_into_a_bin_that_is_there_and_has_room(room, says):
    packing = scorer("binpacking").Packing()
    packing.put(95, 100)
    with pytest.raises(Broken, match=says):
        packing.put(10, room)


def test_a_question_ends_with_the_first_request_that_needs_a_decision():
    score = scorer("policy")
    full = [*range(score.CAPACITY)]
    cache = score.Cache([*full, 3, 3, 777, 778, 3, 779])
    assert cache.ask() == [*full, 3, 3, 777] and cache.misses == score.CAPACITY + 1
    cache.told([777], 3)
    assert cache.ask() == [778]
    cache.told([778], 778)  # it is not stored
    assert cache.ask() == [3] and 777 in cache.held and 778 not in cache.held
    cache.told([3], 777)
    assert cache.ask() == [779]
    cache.told([779], 5)
    assert cache.ask() == [] and cache.misses == score.CAPACITY + 4
    cache.told([], None)


@pytest.mark.parametrize(("keys", "gone"), [([9], 8), ([9], None), ([9], True), ([9], "9"), ([], 9)])
def test_only_what_is_there_can_leave(keys, gone):
    with pytest.raises(Broken):
        scorer("policy").Cache([]).told(keys, gone)


def test_traces_are_as_long_as_one_another_and_their_names_say_nothing():
    score = scorer("policy")
    traces = [score.trace(random.Random(seed)) for seed in range(3)]
    assert {len(trace) for trace in traces} == {score.REQUESTS}
    assert all(100 < len(set(trace)) <= score.KEYS for trace in traces) and not set(traces[0]) & set(traces[1])


# ---- the bench -------------------------------------------------------------------------------------------------


def fewest(requests, capacity, held=frozenset()):
    """The fewest misses that there can be, by trying everything."""
    if not requests:
        return 0
    key, *others = requests
    if key in held:
        return fewest(others, capacity, held)
    after = [held | {key}] if len(held) < capacity else [held, *(held - {gone} | {key} for gone in held)]
    return 1 + min(fewest(others, capacity, each) for each in after)


@pytest.mark.parametrize("seed", range(8))
def test_whoever_knows_the_future_misses_least(seed):
    requests = random.Random(seed).choices(range(5), k=9)
    assert ready.least_misses(requests, 2) == fewest(requests, 2)


def test_nights_that_the_time_did_not_suffice_for_are_not_judged():
    rows = [exact(f"kernel night 1: {ready.KEPT}", 0, ""), exact(f"kernel night 2: {ready.KEPT}", 1, "== 1"),
            *(exact(f"{ready.LOAD} 0{number}: {ready.A_KEEP}", number == 2) for number in (1, 2)),
            exact(f"{ready.FREE} 01: {ready.JUDGED}", 7)]
    kept, loaded, judged = ready.sums(rows)
    assert (kept.value, kept.asked, kept.count) == (1, "== 1", 1)
    assert (loaded.value, loaded.count, loaded.asked) == (0.5, 2, "<= 0.05") and judged.value == 7


# ---- the compiler ----------------------------------------------------------------------------------------------


def compiled(folder, flags, **options):
    """What compiling the kernel with this flags.toml says, outside of the sandbox."""
    for path, text in (classic.texts("kernel") | {"flags.toml": flags}).items():
        (folder / path).write_text(text)
    return subprocess.run([sys.executable, "compile.py"], cwd=folder, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(("flags", "says"), [
    ("optimize = 4\n", "`optimize` is a whole number from 0 to 3"), ("fast = true\n", "`fast` is not one of native, unroll"),
    ("native = 1\n", "neither true nor false"), ('more = "-O3"\n', "'-O3' in `more` is not allowed"),
    ('more = "-fplugin=x"\n', "is not allowed"), ('more = "-I/"\n', "is not allowed"), ('more = "multiply.c"\n', "is not allowed")])
def test_flags_that_are_none_end_in_a_sentence(tmp_path, flags, says):
    done = compiled(tmp_path, flags)
    assert done.returncode == 1 and says in done.stderr and done.stderr.startswith("flags.toml: ")


def test_all_flags_make_a_program_that_multiplies(tmp_path):
    done = compiled(tmp_path, 'optimize = 3\nnative = true\nunroll = true\nmore = "-fno-tree-vectorize -mtune=native"\n')
    assert (done.returncode, done.stderr) == (0, "")
    assert subprocess.run([tmp_path / "bin/multiply", "--try"], check=False).returncode == 0


def test_without_a_compiler_it_says_what_to_install(tmp_path):
    done = compiled(tmp_path, "optimize = 1\n", env={"PATH": str(tmp_path)})
    assert done.returncode == 1 and done.stderr == (
        "there is no C compiler: install one (on Debian and Ubuntu: apt install gcc libc6-dev).\n")
