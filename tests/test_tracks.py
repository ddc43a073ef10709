"""The ready tracks, through the real sandbox: each measures its baseline, has something to find, and is not fooled."""

import itertools
import os
import re
import subprocess
import sys
from contextlib import closing

import pytest

from conftest import ROOT, commit, home, repository
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, sealed
from overnight.repo import Repo
from overnight.researchers.knobs.find import find
from overnight.testing.models import script
from overnight.testing.server import Server
from overnight.track.load import load

NEEDS = "sandbox"
READY = {"packing": ("solve.py", "FIRST_PENALTY"), "sorting": ("sort.py", "INSERTION_MOST"), "digits": ("train.py", "LEARNING_RATE"),
         "prompt": ("prompt.py", "INSTRUCTION"), "specialist": ("adapt.py", "REPLAY")}


@pytest.fixture(scope="module")
def measured(tmp_path_factory, bubblewrap):
    """Measures a ready track, as it is or with its editable file changed; a result is kept for whoever asks again."""
    numbers, kept = itertools.count(), {}

    def measure(name, old="", new=""):
        if (name, old, new) not in kept:
            kept[name, old, new] = once(tmp_path_factory.mktemp(name), bubblewrap, name, old, new, next(numbers))
        return kept[name, old, new]
    return measure


def once(place, sandbox, name, old, new, number, contract=None):
    source = ROOT / "tracks" / name
    files = {p.name: p.read_bytes() for p in source.iterdir() if p.is_file()}
    folder = repository(place / name, files | ({"track.toml": contract} if contract else {}))
    repo, editable = Repo(folder), READY[name][0]
    judge, text = repo.head(), (source / editable).read_text()
    assert old in text
    head = commit(folder, {editable: text.replace(old, new)}) if old else judge
    with closing(Runner(load(folder), repo, sandbox, judge, home(folder))) as runner:
        return runner.measure(sealed(Measure(number, 1, head, 7, "race"), "secret"))


@pytest.mark.parametrize("name", READY)
def test_the_baseline_has_a_number(measured, name):
    run = measured(name)
    assert run.outcome == "ok", run.reason
    assert run.metrics[load(ROOT / "tracks" / name).metric.name] > 0


@pytest.mark.parametrize("name", READY)
def test_there_is_something_to_turn(name):
    editable, knob = READY[name]
    assert f"{editable}:{knob}" in {found.id for found in find({editable: (ROOT / "tracks" / name / editable).read_text()})}


@pytest.mark.parametrize(("name", "old", "new"), [
    ("packing", "LAST_PENALTY = 30.0", "LAST_PENALTY = 100.0"), ("digits", "LEARNING_RATE = 0.02", "LEARNING_RATE = 0.05"),
    ("prompt", 'ANSWER = "free"', 'ANSWER = "word"'), ("specialist", "\nRATE = 0.01 ", "\nRATE = 0.02 ")])
def test_there_is_something_to_find(measured, name, old, new):
    metric = load(ROOT / "tracks" / name).metric
    better = measured(name, old, new).metrics[metric.name] - measured(name).metrics[metric.name]
    assert better * (1 if metric.direction == "maximize" else -1) > metric.worthwhile


@pytest.mark.parametrize("name", READY)
def test_a_warm_start_gives_the_number_of_a_cold_one(measured, bubblewrap, tmp_path, name):
    said, contract = [], (ROOT / "tracks" / name / "track.toml").read_text()
    bubblewrap.say = said.append
    cold, warm = measured(name), once(tmp_path, bubblewrap, name, "", "", 99,
                                      contract.replace("[run]", '[run]\npreload = ["json", "math", "random"]'))
    metric = load(ROOT / "tracks" / name).metric
    assert warm.outcome == "ok" and not said
    if metric.kind == "timing":
        assert warm.artifacts == cold.artifacts
    else:
        assert warm.metrics[metric.name] == cold.metrics[metric.name]


def test_circles_that_overlap_are_no_packing(measured):
    run = measured("packing", "json.dump(answer, out)", "json.dump([[x, y, r * 1.01] for x, y, r in answer], out)")
    assert run.outcome == "invalid" and "the answer breaks 'circle" in run.reason


def test_slack_within_the_tolerance_gains_nothing(measured):
    run = measured("packing", "json.dump(answer, out)", "json.dump([[x, y, r + 1e-10] for x, y, r in answer], out)")
    assert run.outcome == "ok"
    assert run.metrics["sum_of_radii"] <= measured("packing").metrics["sum_of_radii"] + 1e-9


def test_a_claim_is_not_a_packing(measured):
    run = measured("packing", "json.dump(answer, out)", 'json.dump({"sum_of_radii": 2.9}, out)')
    assert run.outcome == "invalid"


def test_a_list_that_is_out_of_order_is_no_time(measured):
    run = measured("sorting", "return radix_sort(numbers) if", "return numbers if")
    assert run.outcome != "ok"


def test_only_the_small_lists_sorted_is_no_time(measured):
    run = measured("sorting", "array(\"I\", in_order(list(numbers)))", "array(\"I\", in_order(list(numbers)) if len(numbers) < 9999 else numbers)")
    assert run.outcome == "invalid" and "size 20000 is wrong" in run.reason


def test_digits_judged_by_their_company_are_foul(measured):
    run = measured("digits", "for row in rows for s in forward(weights, row)[2]]",
                   "for row in rows for s in forward(weights, [p + pixels[9] for p in row])[2]]")
    assert run.outcome == "foul" and "other company" in run.reason


def test_whoever_draws_digits_is_not_there_to_be_asked(measured):
    run = measured("digits", "import json\n", "import json\nimport draw\n")
    assert run.outcome == "crash" and "No module named 'draw'" in run.reason


def test_the_digits_to_learn_from_are_those_that_are_drawn():
    drawn = subprocess.run([sys.executable, "draw.py"], cwd=ROOT / "tracks" / "digits", capture_output=True, check=True)
    assert drawn.stdout == (ROOT / "tracks" / "digits" / "digits.txt").read_bytes()


def test_the_examples_of_tickets_and_the_digits_of_both_kinds_are_those_that_are_drawn():
    for track, words, file in (("prompt", ["tickets.py"], "examples.txt"), ("specialist", ["draw.py", "print"], "print.txt"),
                               ("specialist", ["draw.py", "display"], "display.txt")):
        drawn = subprocess.run([sys.executable, *words], cwd=ROOT / "tracks" / track, capture_output=True, check=True)
        assert drawn.stdout == (ROOT / "tracks" / track / file).read_bytes()


@pytest.mark.parametrize(("new", "why"), [
    ('json.dump([{"role": "user", "content": "Sort it."}]', "has to stand once"),
    ('json.dump([{"role": "user", "content": "{ticket} {ticket}"}]', "has to stand once"),
    ('json.dump([{"role": "user", "content": "{ticket}"}, {"role": "assistant", "content": "billing"}]', "which is the user's"),
    ('json.dump({"error_rate": 0.0}', "not a list of"),
    ('json.dump([{"role": "user", "content": "{ticket}", "error_rate": 0.0}]', "a message is not"),
    ('json.dump([{"role": "tool", "content": "{ticket}"}]', "none of system, user and assistant"),
    ('json.dump([{"role": "user", "content": "{ticket}" + "!" * 20_000}]', "longer than 20000"),
])
def test_what_is_no_conversation_has_no_score(measured, new, why):
    run = measured("prompt", "json.dump(messages(random.Random(int(os.environ[\"OVERNIGHT_SEED\"])))", new)
    assert run.outcome == "invalid" and why in run.reason, run.reason


@pytest.mark.parametrize("private", ["tickets.py", "wordings.json", "scripted.py", "holdout.json"])
def test_what_tickets_are_made_of_is_not_there_to_be_read(measured, private):
    run = measured("prompt", "    with open(os.path.join", f"    open({private!r})\n    with open(os.path.join")
    assert run.outcome == "crash" and private in run.reason


def test_who_forgets_print_shows_it(measured):
    before, after = measured("specialist"), measured("specialist", "lots.choices(prints, k=round(REPLAY * len(displays)))", "displays * 5")
    assert after.metrics["display_loss"] < before.metrics["display_loss"]
    assert after.metrics["print_accuracy"] < 0.9 * before.metrics["print_accuracy"]


def test_displays_judged_by_their_company_are_foul(measured):
    run = measured("specialist", "for row in rows for s in forward(weights, row)[2]]",
                   "for row in rows for s in forward(weights, [p + pixels[9] for p in row])[2]]")
    assert run.outcome == "foul" and "other company" in run.reason


def test_a_model_behind_a_url_is_asked_by_hand(tmp_path):
    folder = repository(tmp_path / "prompt", {p.name: p.read_bytes() for p in (ROOT / "tracks" / "prompt").iterdir() if p.is_file()})
    text = (folder / "prompt.py").read_text()
    commit(folder, {"prompt.py": text.replace('ANSWER = "free"', 'ANSWER = "word"')})
    with Server(script(folder / "scripted.py")) as server:
        asks = [sys.executable, "by_hand.py", "--url", server.url, "--model", "any", "--tickets", "60", "--before", "HEAD~1"]
        said = subprocess.run(asks, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True)
    found = re.fullmatch(r"error_rate (\S+)  \(60 tickets\)\nbetter by  (\S+)  \[(\S+), (\S+)\]  than HEAD~1\n", said.stdout)
    rate, better, low, high = map(float, found.groups())
    assert 0 < rate < 1 and low < better < high and better > 0 and server.tally.answered == 120
