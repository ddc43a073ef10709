"""The program-speed scorer: what counts, what is checked, and candidates that would rather not work while the clock runs."""

import json
import random
import struct

import pytest

from conftest import ROOT
from overnight.scoring import Broken, Foul
from overnight.scoring.speed import Raw, alike, measure, same
from scoring_harness import Candidate

ASKED = "def asked(): return map(json.loads, sys.stdin.buffer)\n"
SORTER = "for q in asked(): say(sorted(q))"


def case(lots, size):
    return [lots.randrange(1 << 30) for _ in range(size)]


def run(source, make_case=case, right=None, **options):
    """A candidate's times, over real pipes; one process for all trials, unless a test wants more."""
    options = {"sizes": (3, 30), "trials": 4, "lots": random.Random(1), "isolated": False} | options
    with Candidate(ASKED + source) as candidate:
        return measure(make_case, right or same(sorted), **options), candidate


class Clockwork:
    """An oracle in which time passes only while it works: `cost` seconds for the question of a number, from 0 on."""

    def __init__(self, cost):
        self.cost, self.now, self.asked, self.started = cost, 0.0, [], 0

    def start(self):
        self.started += 1
        self.number = 0
        return self

    def ask(self, question, within, longest):
        self.asked.append(question)
        self.now += self.cost(self.number)
        self.number += 1
        return sorted(question)

    def close(self):
        pass

    def measure(self, **options):
        options = {"sizes": (5,), "trials": 5, "lots": random.Random(1), "isolated": False} | options
        return measure(case, same(sorted), start=self.start, clock=lambda: self.now, **options)


# ---- what counts -----------------------------------------------------------------------------------------------


@pytest.mark.sandbox
def test_an_honest_program_gets_its_seconds():
    found, _ = run(SORTER)
    assert found["seconds"] > 0 and found["typical_seconds"] > 0 and found["warm_up_seconds"] == 0


def test_every_size_is_asked_as_often_as_declared():
    oracle = Clockwork(lambda _: 1.0)
    oracle.measure(sizes=(2, 7), trials=3)
    assert sorted(map(len, oracle.asked)) == [2, 2, 2, 7, 7, 7]


def test_both_sides_of_a_pair_are_asked_the_same():
    first, second = Clockwork(lambda _: 1.0), Clockwork(lambda _: 2.0)
    first.measure(lots=random.Random(9))
    second.measure(lots=random.Random(9))
    assert first.asked == second.asked


def test_another_seed_asks_something_else():
    first, second = Clockwork(lambda _: 1.0), Clockwork(lambda _: 1.0)
    first.measure(lots=random.Random(1))
    second.measure(lots=random.Random(2))
    assert not {tuple(q) for q in first.asked} & {tuple(q) for q in second.asked}


def test_the_start_counts_unless_warm_up_is_allowed():
    found = Clockwork(lambda number: 10.0 if number == 0 else 1.0).measure()
    assert found == {"seconds": 14.0, "typical_seconds": 14.0, "warm_up_seconds": 0.0}


def test_allowed_warm_up_is_told_and_not_counted():
    found = Clockwork(lambda number: 5.0 if number == 0 else 1.0).measure(warm_up="allowed", warm_ups=3)
    assert found == {"seconds": 5.0, "typical_seconds": 5.0, "warm_up_seconds": 7.0}


def test_warm_up_is_bounded():
    with pytest.raises(Broken, match="more than 6 s to warm up"):
        Clockwork(lambda number: 5.0).measure(warm_up="allowed", warm_ups=3, warm_up_within=6.0)


def test_a_hiccup_is_not_typical_and_counts_in_the_sum():
    found = Clockwork(lambda number: 100.0 if number == 3 else 1.0).measure()
    assert found["seconds"] == 104.0 and found["typical_seconds"] == 5.0


@pytest.mark.sandbox
def test_trials_have_a_process_each_unless_one_is_asked_for():
    with Candidate(ASKED + SORTER) as candidate:
        measure(case, same(sorted), sizes=(3,), trials=4, lots=random.Random(1))
    assert candidate.starts == 1 + 4


def test_the_start_of_each_process_counts_in_its_trial():
    found = Clockwork(lambda number: 10.0 if number == 0 else 1.0).measure(isolated=True)
    assert found == {"seconds": 50.0, "typical_seconds": 50.0, "warm_up_seconds": 0.0}


def test_a_start_that_is_allowed_is_in_no_trial():
    found = Clockwork(lambda number: 10.0 if number == 0 else 1.0).measure(isolated=True, warm_up="allowed", warm_up_within=60.0)
    assert found == {"seconds": 5.0, "typical_seconds": 5.0, "warm_up_seconds": 50.0}


def test_each_isolated_process_warms_up_anew():
    oracle = Clockwork(lambda number: 1.0)
    found = oracle.measure(isolated=True, warm_up="allowed", warm_ups=2)
    assert found["seconds"] == 5.0 and found["warm_up_seconds"] == 10.0


@pytest.mark.sandbox
def test_raw_bytes_go_both_ways():
    def raw(lots, size):
        return Raw({"count": size}, struct.pack(f"<{size}I", *case(lots, size)), 4 * size)

    def reference(question):
        return struct.pack(f"<{(n := len(question.payload) // 4)}I", *sorted(struct.unpack(f"<{n}I", question.payload)))
    found, _ = run("import struct\nfor h, p in questions():\n n = h['count']\n"
                   " give(struct.pack(f'<{n}I', *sorted(struct.unpack(f'<{n}I', p))))", raw, same(reference))
    assert found["seconds"] > 0


# ---- who would rather not work ---------------------------------------------------------------------------------


@pytest.mark.sandbox
def test_a_wrong_answer_is_no_answer():
    with pytest.raises(Broken, match="of size 30 is wrong"):
        run("for q in asked(): say(sorted(q) if len(q) < 30 else q)")


@pytest.mark.sandbox
def test_wrong_answers_while_warming_up_are_seen():
    with pytest.raises(Broken, match="is wrong"):
        run("for n, q in enumerate(asked()): say(sorted(q) if n >= 2 else [])", warm_up="allowed", warm_ups=2)


@pytest.mark.sandbox
def test_work_put_off_until_after_the_answer_is_paid_in_the_next_trial():
    found, _ = run("for q in asked():\n say(sorted(q))\n time.sleep(0.05)", sizes=(3,), trials=5)
    assert found["seconds"] >= 4 * 0.05


@pytest.mark.sandbox
def test_a_slowed_clock_of_the_candidate_changes_nothing():
    found, _ = run("nap = time.sleep\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0\n"
                   "for q in asked():\n nap(0.05)\n say(sorted(q))", sizes=(3,), trials=4)
    assert found["seconds"] >= 4 * 0.05


@pytest.mark.sandbox
def test_a_late_start_counts():
    found, _ = run("time.sleep(0.2)\n" + SORTER, trials=1)
    assert found["seconds"] >= 0.2


@pytest.mark.sandbox
def test_a_promise_is_no_answer():
    with pytest.raises(Broken, match=r"longer than 0\.3 s"):
        run("for q in asked():\n sys.stdout.buffer.write(b'['); sys.stdout.buffer.flush()", within=0.3)


@pytest.mark.sandbox
def test_an_answer_before_the_question_is_foul():
    with pytest.raises(Foul):
        run("for q in asked():\n give(json.dumps(sorted(q)).encode() + b'\\n[]\\n')", trials=20)


@pytest.mark.sandbox
def test_an_answer_too_many_at_the_end_is_foul():
    oracle_says_more = "for n, q in enumerate(asked()):\n a = json.dumps(sorted(q)).encode() + b'\\n'\n give(a + a)"
    with pytest.raises(Foul):
        run(oracle_says_more, sizes=(3,), trials=1)


@pytest.mark.sandbox
def test_answers_that_were_kept_are_of_no_use():
    """The candidate counts how often it could answer from memory, and answers wrongly when it could."""
    found, _ = run("kept = {}\nfor q in asked():\n k = tuple(q)\n say([] if k in kept else sorted(q))\n kept[k] = 1",
                   sizes=(2,), trials=50)
    assert found["seconds"] > 0


@pytest.mark.sandbox
def test_a_case_that_comes_twice_is_the_tracks_mistake():
    with pytest.raises(ValueError, match="twice"):
        run(SORTER, lambda lots, size: [lots.randrange(2)], trials=5)


@pytest.mark.sandbox
def test_nothing_is_learnt_from_trial_to_trial_in_isolation():
    _, candidate = run("for n, q in enumerate(asked()): say(sorted(q) if n == 0 else [])", isolated=True)
    assert candidate.starts == 1 + 8


@pytest.mark.sandbox
def test_a_process_that_dies_is_broken():
    with pytest.raises(Broken, match="ended before"):
        run("for n, q in enumerate(asked()):\n if n == 3: os._exit(0)\n say(sorted(q))")


@pytest.mark.sandbox
def test_the_example_of_the_page_works(capsys, monkeypatch):
    page = (ROOT / "docs" / "scorers.md").read_text().partition("## Program speed")[2]
    example = page.partition("```python\n")[2].partition("```")[0].replace("10_000", "300")
    monkeypatch.setenv("OVERNIGHT_SEED", "3")
    with Candidate(ASKED + SORTER):
        exec(compile(example, "scorers.md", "exec"), {})
    assert json.loads(capsys.readouterr().out)["seconds"] > 0


# ---- alike -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "answer"), [
    (1, 1), ("a", "a"), (None, None), (True, True), ([1, [2.0]], [1, [2.0]]), ((1, 2), [1, 2]), ({"a": 1.5}, {"a": 1.5}),
    (2.0, 2), (b"ab", bytearray(b"ab"))])
def test_what_is_alike(wanted, answer):
    assert alike(wanted, answer)


@pytest.mark.parametrize(("wanted", "answer"), [
    (1, True), (True, 1), (1, 1.0), (0, False), (None, 0), ([1, 2], [1]), ([], {}), ({"a": 1}, {"a": 1, "b": 2}), ("1", 1),
    (1.0, 1.0 + 1e-15), (1.0, "1.0"), (1.0, None), (1.0, True), (1.0, 10**400), (b"ab", "ab"), (b"ab", bytearray(b"abc"))])
def test_what_is_not_alike(wanted, answer):
    assert not alike(wanted, answer)


def test_a_declared_tolerance_is_absolute_up_to_one_and_relative_above():
    assert alike([1e-9, 1e6], [0.0009, 1e6 + 900], 1e-3) and not alike(0.5, 0.5011, 1e-3) and not alike(1e6, 1e6 + 1100, 1e-3)
