"""`check` attacks the scorer: each way to be fooled is found and said, and a scorer that is well written passes."""

import json
import os
import shutil

import pytest

from conftest import ROOT, commit, overnight, repository
from fooled import CONTRACT, FINITE, FOOLED, LEAVES, ORACLE, PREDICTS, READS, SAYS, TRUTH, attacked, made
from overnight.night.hostile import better, worst_of
from overnight.track.spec import parse

NEEDS = "sandbox"
def said(folder, sandbox):
    """The sentences of an attack."""
    return [finding.sentence for finding in attacked(folder, sandbox).findings]


@pytest.mark.parametrize("name", FOOLED)
def test_a_scorer_that_can_be_fooled_is_found(tmp_path, bubblewrap, name):
    solve, score, sentences = FOOLED[name]
    assert said(made(tmp_path, solve, score), bubblewrap) == sentences


def test_the_scorer_can_read_what_is_hostile_whatever_the_umask(tmp_path, bubblewrap):
    solve, score, sentences = FOOLED["what is no number is passed over"]
    before = os.umask(0o077)
    try:
        assert said(made(tmp_path, solve, score), bubblewrap) == sentences
    finally:
        os.umask(before)


# ---- oracles ---------------------------------------------------------------------------------------------------

SERVES = """\
import json, sys
if "--serve" in sys.argv:
    for line in sys.stdin:
        print(json.dumps({"says": 0.4 + json.loads(line)}), flush=True)
"""
ASKS = """\
import json, os
ask, answer = os.fdopen(int(os.environ["OVERNIGHT_ASK"]), "w"), os.fdopen(int(os.environ["OVERNIGHT_ANSWER"]))
def says(question):
    print(question, file=ask, flush=True)
    return answer.readline()
"""
ORACLES = {
    "answers that are not looked at": (
        ASKS + SAYS + "0.25}))\n",
        ["a candidate that ends at once with status 0 scores 0.25, no worse than the baseline's 0.25: the scorer does not measure "
         "the candidate, so let it read what the run left or ask an oracle, and fail where there is nothing."]),
    "answers of which only the kind is looked at": (
        ASKS + "for n in range(3):\n    json.loads(says(n))['says'] + 1.0\n" + SAYS + "0.25}))\n",
        ["an oracle whose answers are all wrong scores 0.25, no worse than the baseline's 0.25: let the scorer look at the answers."]),
    "NaN in max": (
        ASKS + "worst = 0.0\nfor n in range(3):\n    worst = max(worst, abs(json.loads(says(n))['says'] - n))\n" + SAYS + "worst}))\n",
        ["an oracle's answer with NaN in place of its numbers scores 0, no worse than the baseline's 0.4: " + FINITE,
         "an oracle's answer with NaN in place of its numbers but the first scores 0.4, no worse than the baseline's 0.4: " + FINITE]),
}


@pytest.mark.parametrize("name", ORACLES)
def test_a_scorer_that_is_fooled_by_answers_is_found(tmp_path, bubblewrap, name):
    score, sentences = ORACLES[name]
    assert said(made(tmp_path, SERVES, score, oracle=ORACLE), bubblewrap) == sentences


# ---- what passes -----------------------------------------------------------------------------------------------

STRICT = """\
from overnight.scoring import Broken, main, numbers
TRUTH = [0.0, 2.0, 3.0, 4.0, 5.0, 6.0]
def score():
    found = numbers("answer.json")
    if not isinstance(found, list) or len(found) != 6 or any(type(x) is not float for x in found):
        raise Broken("the answer is not six fractions.")
    return {"error": sum(abs(a - b) for a, b in zip(found, TRUTH, strict=True))}
main(score)
"""
DRAWS = """\
import random
from overnight.scoring import Broken, Oracle, main
def score():
    error, lots = 0.0, random.Random(3)
    for question in [lots.random() for _ in range(4)]:
        says = Oracle.given().ask(question)
        if not isinstance(says, dict) or type(says.get("says")) is not float:
            raise Broken("an answer is no number.")
        error += abs(says["says"] - question)
    return {"error": error}
main(score)
"""


@pytest.mark.parametrize(("solve", "score", "oracle"), [(PREDICTS, STRICT, ""), (SERVES, DRAWS, ORACLE)])
def test_a_scorer_that_is_well_written_passes(tmp_path, bubblewrap, solve, score, oracle):
    found = attacked(made(tmp_path, solve, score, oracle=oracle, flags="-B"), bubblewrap)
    assert found.findings == () and found.candidates == 3 and 9 <= found.results <= 10


@pytest.mark.parametrize("name", ["synthetic", "packing", "digits", "microgpt", "sorting", "prompt", "specialist", "kernel", "binpacking", "policy"])
def test_every_ready_track_passes(tmp_path, bubblewrap, name):
    shutil.copytree(ROOT / "tracks" / name, tmp_path / "ready", ignore=shutil.ignore_patterns("__pycache__"))
    found = attacked(repository(tmp_path / "ready", {}), bubblewrap)
    assert found.findings == () and found.results <= 10


@pytest.mark.parametrize("history", [[0.9, 0.7, 0.6], ["far", "near", "there"]])
def test_what_the_score_does_not_come_from_may_be_anything(tmp_path, bubblewrap, history):
    solve = LEAVES.format(f"{{'history': {history}, 'answer': 0.5}}")
    score = READS + "if not 0 <= found['answer'] <= 1:\n    raise SystemExit(1)\n" + SAYS + "abs(found['answer'] - 0.3)}))\n"
    assert said(made(tmp_path, solve, score), bubblewrap) == []


def test_a_better_result_is_no_fooling(tmp_path, bubblewrap):
    solve = LEAVES.format("[1.0, 1.0, 1.0]")  # half of them, shifted or scaled, are nearer: that is what research is for
    score = READS + TRUTH + "if len(found) != 3 or not all(x < 9 for x in found):\n    raise SystemExit(1)\n" + SAYS + (
        "sum(abs(a - 1.01) for a in found)}))\n")
    assert said(made(tmp_path, solve, score), bubblewrap) == []


def test_a_scorer_that_hangs_is_given_up_after_two_timeouts(tmp_path, bubblewrap):
    score = READS + "import time\nwhile not all(x > 0 for x in found) or len(found) != 6:\n    time.sleep(1)\n" + SAYS + "sum(found)}))\n"
    folder = made(tmp_path, PREDICTS, score)
    (folder / "track.toml").write_text((folder / "track.toml").read_text().replace('timeout = "10s"', 'timeout = "1s"'))
    found = attacked(folder, bubblewrap)
    assert found.findings == () and found.results < 8


def test_a_number_of_the_harness_needs_a_scorer_that_looks(tmp_path, bubblewrap):
    folder = made(tmp_path, "sum(range(10_000_000))\n", "", metric="cpu_seconds")
    text = (folder / "track.toml").read_text()
    (folder / "track.toml").write_text(text[:text.index("[score]")])
    (finding,) = attacked(folder, bubblewrap).findings
    assert not finding.wrong and finding.sentence.startswith("a candidate that ends at once with status 0 scores 0.")
    assert finding.sentence.endswith("let a [score] command fail where the work was not done.")


# ---- the command -----------------------------------------------------------------------------------------------


@pytest.mark.night
def test_a_scorer_that_ignores_the_candidate_is_not_ready(tmp_path):
    solve, score, sentences = FOOLED["the candidate is ignored"]
    done = overnight("check", made(tmp_path, solve, score))
    assert done.returncode == 2 and f"wrong: {sentences[0]}" in done.stdout.splitlines()
    assert done.stderr.splitlines()[-1] == "overnight: this track is not ready: mend what is wrong, commit, and check again."


@pytest.mark.night
def test_a_finding_is_a_warning_and_what_was_tried_is_counted(tmp_path):
    solve, score, sentences = FOOLED["what is no number is passed over"]
    done = overnight("check", made(tmp_path, solve, score))
    assert done.returncode == 0, done.stderr
    assert f"warning: {sentences[0]}" in done.stdout.splitlines()
    assert "the scorer was tried with 3 candidates and 10 results that are no good" in done.stdout.splitlines()


@pytest.mark.night
def test_a_track_whose_scorer_unpickles_is_marked_self_reported(tmp_path):
    solve, score, sentences = FOOLED["unpickling"]
    folder = made(tmp_path, "X = 2.0\n" + solve.replace("2.0, out", "X, out"), score)
    assert f"warning: {sentences[0]}" in overnight("check", folder).stdout.splitlines()
    assert "(self-reported)" in overnight("run", folder, "--experiments", 1).stdout
    assert json.loads(overnight("status", folder, "--json").stdout)["marks"] == ["self-reported"]


# ---- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.pure
@pytest.mark.parametrize(("direction", "bounds", "score", "claim", "worst"), [
    ("minimize", "", 0.5, 0.25, None), ("minimize", "", -2.0, -4.0, None), ("minimize", "", 0.0, -1.0, None),
    ("maximize", "", 0.5, 0.75, 0.0), ("maximize", "", 8.0, 16.0, 0.0), ("maximize", "range = [-1, 3]", 2.0, 2.5, -1.0),
    ("minimize", "range = [1, 3]", 2.0, 1.5, 3.0)])
def test_a_claim_lies_between_the_score_and_the_best_that_there_can_be(direction, bounds, score, claim, worst):
    track = parse(CONTRACT.format(metric="error", direction=direction, oracle="", more=bounds, flags="-S"))
    assert (better(track, score), worst_of(track)) == (claim, worst)


def test_a_track_that_prints_its_own_number_is_ready_and_said_to_be_self_reported(tmp_path):
    """What init writes for a script: a printed number counts, which the mark says; it is no fault of the scorer's."""
    folder = repository(tmp_path / "mine", {"train.py": "import os\nloss = 1 + int(os.environ['OVERNIGHT_SEED']) % 7\nprint(f'loss: {loss}')\n"})
    assert overnight("init", folder).returncode == 0
    commit(folder, {}, "a track")
    done = overnight("check", folder)
    assert done.returncode == 0 and "self-reported" in done.stdout and "wrong" not in done.stdout
