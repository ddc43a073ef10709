"""One run: what comes out of a candidate, an oracle and a scorer, and what is made of it."""

import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import CONTRACT, LITTLE, RUN, commit, home, repository
from overnight.contracts import Command, Limits
from overnight.errors import Fault, TrackError
from overnight.execution.mounts import interpreter
from overnight.execution.oracle import Oracles
from overnight.execution.runner import Runner, fingerprint
from overnight.lab.jobs import MOST_LOG_BYTES, Measure, sealed
from overnight.repo import Repo
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.track import spec
from overnight.track.load import load
from overnight.track.spec import RunSpec

NEEDS = "sandbox"
ORACLE = CONTRACT + '\n[oracle]\ncommand = ["python", "oracle.py"]\ntimeout = "5s"\n'
ASKING = """\
import json, os, time
ask, answer = (os.fdopen(int(os.environ[n]), m) for n, m in (("OVERNIGHT_ASK", "w"), ("OVERNIGHT_ANSWER", "r")))
total = 0
for number in range(5):
    print(json.dumps(number), file=ask, flush=True)
    line = answer.readline()
    if not line:
        print(json.dumps({"invalid": "the oracle went away"}))
        raise SystemExit
    total += json.loads(line)
print(json.dumps({"loss": total}))
"""
ANSWERING = "import sys\nfor line in sys.stdin:\n    print(2 * int(line), flush=True)\n"


def measured(folder, sandbox, files=None, seed=7, contract=None):
    """Run the head of a repository after a change; the contract is the commit before it."""
    repo = Repo(folder)
    judge = repo.head()
    head = commit(folder, files) if files else judge
    runner = Runner(spec.parse(contract or (folder / "track.toml").read_text()), repo, sandbox, judge, home(folder))
    return runner.measure(Measure(1, 1, head, seed, "race")), home(folder)


@pytest.fixture
def asking(tmp_path):
    return repository(tmp_path / "asking", LITTLE | {"track.toml": ORACLE, "score.py": ASKING, "oracle.py": ANSWERING})


def test_a_good_run_gives_the_scorers_number_and_the_harness_own(little, bubblewrap):
    run, _ = measured(little, bubblewrap)
    assert run.outcome == "ok" and run.metrics["loss"] == 4.0
    assert run.metrics["cpu_seconds"] > 0 and run.metrics["peak_memory"] > 1 << 20
    assert run.metrics["wall_seconds"] < run.busy + sum(run.overhead.values())


def test_the_same_seed_reaches_run_and_scorer(little, bubblewrap):
    assert measured(little, bubblewrap, seed=10)[0].metrics["loss"] == 4.03


def score(line):
    return {"score.py": f"import json, os\n{line}\n"}


@pytest.mark.parametrize(("line", "reason"), [
    ("print('{\"loss\": NaN}')", "'loss' is nan"),
    ("print('{\"loss\": Infinity}')", "'loss' is inf"),
    ("print('{\"loss\": 1e999}')", "'loss' is inf"),
    ("print('{\"loss\": \"1.5\"}')", "is str, not a number"),
    ("print('{\"loss\": true}')", "is bool, not a number"),
    ("print('{\"loss\": null}')", "is NoneType, not a number"),
    ("print('{\"other\": 1}')", "does not give 'loss'"),
    ("print('{\"loss\": 1, \"loss\": 2}')", "'loss' is given twice"),
    ("print('{\"loss\": 1}\\n{\"loss\": 2}')", "did not print one JSON object"),
    ("print('loss: 1')", "did not print one JSON object"),
    ("print('[1]')", "did not print a JSON object"),
    ("pass", "did not print one JSON object"),
    ("print('[' * 10**5)", "did not print one JSON object"),
    ("print('{\"loss\": ' + '9' * 400 + '}')", "is a whole number that no float can hold"),
    ("print(json.dumps({'loss': 1, '\\x1b[2J': 1}))", "'[2J' is no name of a metric"),
    ("print(json.dumps({'invalid': 'no weights'}))", "no weights"),
])
def test_a_number_that_is_none_is_no_result(little, bubblewrap, line, reason):
    commit(little, score(line))
    run, _ = measured(little, bubblewrap)
    assert run.outcome == "invalid" and reason in run.reason and run.metrics == {}


@pytest.mark.parametrize(("program", "outcome", "reason"), [
    ("raise SystemExit('out of ideas')", "crash", "status 1: out of ideas"),
    ("import os; os.kill(os.getpid(), 11)", "crash", "signal 11"),
    ("while True: pass", "timeout", "took longer than 1 s"),
    ("x = bytearray(1 << 30)", "memory", "more memory"),
    ("while True: print('x' * 10_000)", "output", "more output"),
    ("import os\nwhile True: os.fork()", "crash", ""),
    ("open(__import__('os').environ['OVERNIGHT_OUT'] + '/x', 'w').write('3' * (40 << 20))", "crash", ""),
    ("import os\nos.remove('score.py')\nos.rmdir(os.environ['OVERNIGHT_OUT'])", "crash", "status 1"),
    ("pass", "crash", "the scorer ended with status 1"),
])
def test_a_candidate_that_misbehaves_ends_in_a_word_and_a_sentence(little, bubblewrap, program, outcome, reason):
    contract = CONTRACT.replace('timeout = "10s"\nmemory = "256MiB"', 'timeout = "1s"\nmemory = "256MiB"\ndisk = "16MiB"\n'
                                "processes = 32", 1)
    run, _ = measured(little, bubblewrap, {"run.py": program + "\n"}, contract=contract)
    assert run.metrics == {}
    assert (run.outcome == outcome or program.startswith("import os\nwhile")) and reason in run.reason


def test_the_scorer_comes_from_the_contract_and_not_from_the_candidate(little, bubblewrap):
    run, _ = measured(little, bubblewrap, {"score.py": "print('{\"loss\": -1000}')\n"})
    assert run.metrics["loss"] == 4.0


def test_private_files_are_there_for_the_scorer_alone(little, bubblewrap):
    look = "import os\nopen(os.environ['OVERNIGHT_OUT'] + '/x', 'w').write(str(int(os.path.exists('labels.txt'))))\n"
    judge = "import json, os\nx = float(open(os.environ['OVERNIGHT_ARTIFACTS'] + '/x').read())\n" \
            "print(json.dumps({'loss': 10 * x + os.path.exists('labels.txt')}))\n"
    text = CONTRACT + 'private = ["labels.txt"]\n'
    commit(little, {"run.py": look, "score.py": judge, "labels.txt": "secret", "track.toml": text})
    assert measured(little, bubblewrap)[0].metrics["loss"] == 1


def test_the_oracle_answers_line_by_line(asking, bubblewrap):
    assert measured(asking, bubblewrap)[0].metrics["loss"] == 20


@pytest.mark.parametrize(("oracle", "outcome"), [
    ("import sys\nsys.stdin.readline()\nraise SystemExit(3)\n", "invalid"),
    ("raise ValueError('no weights')\n", "invalid"),
    ("import time\ntime.sleep(60)\n", "invalid"),
])
def test_an_oracle_that_dies_or_hangs_is_no_result(asking, bubblewrap, oracle, outcome):
    run, _ = measured(asking, bubblewrap, {"oracle.py": oracle})
    assert run.metrics == {} and run.outcome in (outcome, "crash", "timeout") and run.reason


@pytest.mark.parametrize(("oracle", "outcome", "reason"), [
    ("import time\ntime.sleep(60)\n", "timeout", "the oracle took longer than 1 s"),
    ("import mmap\nm = mmap.mmap(-1, 400 << 20)\nfor i in range(0, 400 << 20, 4096): m[i] = 1\ninput()\ninput()\n",
     "memory", "the oracle needed more memory"),
    ("while True: __import__('sys').stderr.write('x' * 10_000)", "output", "the oracle wrote more output"),
], ids=["hangs", "eats memory", "floods"])
def test_an_oracle_is_held_to_its_own_limits_while_the_scorer_waits(asking, bubblewrap, oracle, outcome, reason):
    contract = ORACLE.replace('timeout = "5s"', 'timeout = "1s"\nmemory = "128MiB"')
    if outcome != "timeout":
        contract = contract.replace('timeout = "1s"', 'timeout = "9s"')
    run, _ = measured(asking, bubblewrap, {"oracle.py": oracle}, contract=contract)
    assert run.outcome == outcome and reason in run.reason


GONE = "    if not line:\n        time.sleep(0.5)  # until the oracle is dead, and not only silent\n    if False:\n"


def test_an_oracle_that_dies_is_named_where_the_scorer_falls_over_it(asking, bubblewrap):
    careless = ASKING.replace("    if not line:\n", GONE)
    commit(asking, {"score.py": careless})
    run, _ = measured(asking, bubblewrap, {"oracle.py": "raise ValueError('no weights')\n"})
    assert (run.outcome, run.reason) == ("crash", "the oracle ended with status 1: ValueError")


@pytest.mark.parametrize("last", ["'the question was ' + line", "type('The_question_was_' + line + '_Error', (Exception,), {})()"])
def test_what_an_oracle_says_of_its_questions_stays_with_the_user(asking, bubblewrap, last):
    careless = ASKING.replace("    if not line:\n", GONE).replace("json.dumps(number)", "'unseen'")
    commit(asking, {"score.py": careless})
    telling = f"import sys\nline = sys.stdin.readline().strip()\nraise SystemExit({last})\n".replace("SystemExit(type", "(type")
    run, _ = measured(asking, bubblewrap, {"oracle.py": telling})
    assert run.reason == "the oracle ended with status 1" and b"unseen" not in run.logs["run"]
    assert b"unseen" in run.logs["score"]


def test_the_oracle_sees_the_artefacts_and_no_private_file(asking, bubblewrap):
    look = "import os\nseen = os.path.exists('labels.txt') + 10 * os.path.exists(os.environ['OVERNIGHT_ARTIFACTS'] + '/x')\n" \
           "while True:\n    input()\n    print(seen, flush=True)\n"
    commit(asking, {"labels.txt": "secret", "oracle.py": look})
    contract = ORACLE.replace('"score.py"]', '"score.py"]\nprivate = ["labels.txt"]')
    assert measured(asking, bubblewrap, contract=contract)[0].metrics["loss"] == 50


@pytest.mark.parametrize(("line", "outcome", "reason"), [
    ("raise SystemExit('broken')", "crash", "the scorer ended with status 1: broken"),
    ("while True: pass", "timeout", "the scorer took longer than 1 s"),
    ("x = bytearray(1 << 30)", "memory", "the scorer needed more memory"),
    ("while True: print('x' * 10_000)", "output", "the scorer wrote more output"),
])
def test_a_scorer_that_fails_is_named(little, bubblewrap, line, outcome, reason):
    commit(little, score(line))
    contract = CONTRACT[::-1].replace('"s01"', '"s1"', 1)[::-1]
    run, _ = measured(little, bubblewrap, contract=contract)
    assert (run.outcome, run.metrics) == (outcome, {}) and reason in run.reason


def test_the_scorer_imports_nothing_of_the_candidates(little, bubblewrap):
    judge = "import json, settings\nprint(json.dumps({'loss': settings.X}))\n"
    commit(little, {"score.py": judge})
    assert measured(little, bubblewrap, {"settings.py": "X = -1000.0\n"})[0].metrics["loss"] == 1.0


def test_the_scorer_cannot_be_led_to_its_own_secrets_by_a_link(little, bubblewrap):
    lead = "import os\nos.symlink('/overnight/work/tree/labels.txt', os.environ['OVERNIGHT_OUT'] + '/x')\n"
    commit(little, {"labels.txt": "3.0"})
    run, _ = measured(little, bubblewrap, {"run.py": lead}, contract=CONTRACT + 'private = ["labels.txt"]\n')
    assert run.outcome == "crash" and "No such file" in run.reason


def test_a_private_folder_is_hidden_as_a_whole(little, bubblewrap):
    look = "import os\nopen(os.environ['OVERNIGHT_OUT'] + '/x', 'w').write('1' if os.path.exists('labels') else '3')\n"
    commit(little, {"run.py": look, "labels/a.txt": "secret", "track.toml": CONTRACT + 'private = ["labels"]\n'})
    assert measured(little, bubblewrap)[0].metrics["loss"] == 0


def test_declared_data_can_be_read_and_nothing_beside_it(little, bubblewrap, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x").write_text("3")
    (tmp_path / "beside").write_text("secret")
    look = f"import os\nassert not os.path.exists({str(tmp_path / 'beside')!r})\n" \
           f"open(os.environ['OVERNIGHT_OUT'] + '/x', 'w').write(open({str(tmp_path / 'data/x')!r}).read())\n"
    text = CONTRACT.replace("[run]", f"[run]\ndata = ['{tmp_path / 'data'}']")
    commit(little, {"run.py": look, "track.toml": text})
    run, _ = measured(little, bubblewrap)
    assert run.metrics.get("loss") == 0, run.reason


def test_a_tree_that_is_forgotten_while_it_is_needed_stays_until_then(little, bubblewrap):
    repo = Repo(little)
    runner = Runner(spec.parse(CONTRACT), repo, bubblewrap, repo.head(), home(little))
    tree = runner.trees / repo.head()
    there = []

    def meanwhile(process):
        runner.forget(repo.head())
        there.append(tree.exists())

    assert runner.measure(Measure(1, 1, repo.head(), 7, "race"), running=meanwhile).outcome == "ok"
    assert there[0] and not tree.exists()


def test_a_run_that_is_stopped_is_a_fault_and_no_result(little, bubblewrap):
    repo = Repo(little)
    runner = Runner(spec.parse(CONTRACT), repo, bubblewrap, repo.head(), home(little))
    with pytest.raises(Fault, match="stopped"):
        runner.measure(Measure(1, 1, repo.head(), 7, "race"), running=lambda process: process.kill())


def test_the_parts_of_a_run_are_told_apart(little, bubblewrap):
    run, _ = measured(little, bubblewrap)
    assert set(run.spent) == {"run", "scoring", "start-up"} and sum(run.spent.values()) == pytest.approx(run.busy)
    assert run.spent["run"] > 0 and run.spent["scoring"] > 0
    assert set(run.overhead) >= {"tree", "sandbox of the run", "sandbox of the scorer", "clean-up"}
    assert all(0 <= spent < 5 for spent in run.overhead.values()) and 0 < run.busy < 5


PRINTED = CONTRACT.partition("[score]")[0].replace("worthwhile = 0.01", "from = \"output\"\npattern = '^loss: (\\S+)'")


@pytest.mark.parametrize(("program", "outcome", "reason"), [
    ("print('loss: 0.5')", "ok", ""),
    ("print('nothing')", "invalid", "0 times"),
    ("print('loss: 1'); print('loss: 2')", "invalid", "2 times"),
    ("print('loss: low')", "invalid", "not a number"),
    ("print('loss: nan')", "invalid", "is nan"),
])
def test_a_printed_number_counts_only_once_and_only_as_a_number(little, bubblewrap, program, outcome, reason):
    commit(little, {"run.py": program + "\n", "track.toml": PRINTED})
    run, _ = measured(little, bubblewrap)
    assert run.outcome == outcome and reason in run.reason


# ---- progress --------------------------------------------------------------------------------------------------

PROGRESS = CONTRACT + "\n[progress]\npattern = '^step (\\d+) loss (\\S+)'\n"
REPORTS = """\
import os, time
for step in range(1, 101):
    print(f"step {step} loss {LOSS}", flush=True)
    time.sleep(PAUSE)
print("the end")
open(os.environ["OVERNIGHT_OUT"] + "/x", "w").write("3")
"""
PACE = tuple((float(step), 1 + 1 / step) for step in range(1, 101, 2))


def reporting(folder, sandbox, loss, pause=0.0, pace=PACE, program="", **options):
    """Run a program that reports its progress against an incumbent's curve; the run and its log."""
    contract = options.pop("contract", PROGRESS)
    head = commit(folder, {"run.py": program or REPORTS.replace("LOSS", loss).replace("PAUSE", str(pause)), **options})
    runner = Runner(spec.parse(contract), Repo(folder), sandbox, head, home(folder))
    run = runner.measure(Measure(1, 1, head, 7, "race", pace=pace))
    return run, run.logs["run"].decode(errors="replace")


@pytest.fixture(params=["bubblewrap", "none"])
def either(request):
    return Unsandboxed() if request.param == "none" else request.getfixturevalue("bubblewrap")


def test_a_run_that_falls_behind_is_ended_early_and_gives_no_number(little, either):
    run, log = reporting(little, either, "2 + 1 / step", 0.05)
    assert (run.outcome, run.metrics) == ("behind", {}) and "the end" not in log
    assert run.reason.startswith("fell behind the incumbent's curve at step ") and " of 99 (2.0" in run.reason
    assert run.curve[0] == (1.0, 3.0) and 30 <= run.curve[-1][0] < 90 and run.busy > 0


def test_a_run_that_keeps_pace_runs_to_its_end_and_is_scored(little, either):
    run, log = reporting(little, either, "0.9 + 1 / step")
    assert (run.outcome, run.metrics["loss"]) == ("ok", 0.0) and "the end" in log
    assert len(run.curve) == 64 and (run.curve[0], run.curve[-1]) == ((1.0, 1.9), (100.0, 0.91))


def test_without_the_incumbents_curve_a_run_is_heard_and_not_stopped(little, bubblewrap):
    run, _ = reporting(little, bubblewrap, "2 + 1 / step", pace=())
    assert run.outcome == "ok" and run.curve[-1] == (100.0, 2.01)


def test_where_larger_is_better_it_is_the_lower_curve_that_is_behind(little, bubblewrap):
    up = tuple((step, -value) for step, value in PACE)
    run, _ = reporting(little, bubblewrap, "-2 - 1 / step", 0.05, up, contract=PROGRESS + 'direction = "maximize"\n')
    assert run.outcome == "behind"


@pytest.mark.parametrize("said", [
    "'step 50 loss 9 ' * 70_000",
    "'\\n'.join(f'step {n} loss nan' for n in range(200)) + '\\n'",
    "'step 99 loss 9\\n' * 20_000",
    "'\\n'.join(f'step {200 - n} loss 9' for n in range(200))",
], ids=["a line without end", "not a number", "again and again", "backwards"])
def test_hostile_output_does_no_harm(little, bubblewrap, said):
    program = f"import os\nprint({said}, flush=True)\nos.write(1, os.urandom(100_000) + bytes(range(256)))\n" \
              "open(os.environ['OVERNIGHT_OUT'] + '/x', 'w').write('3')\n"
    run, _ = reporting(little, bubblewrap, "", program=program)
    assert (run.outcome, run.metrics["loss"]) == ("ok", 0.0) and len(run.curve) <= 1


def test_only_the_run_is_heard_and_only_where_progress_is_declared(asking, bubblewrap):
    class Overhears:
        name = identity = "overhears"

        def start(self, command):
            heard.append((command.heard is not None, "PYTHONUNBUFFERED" in command.env))
            return bubblewrap.start(command)

    for contract, expected in ((ORACLE, (False, False)), (ORACLE + PROGRESS.removeprefix(CONTRACT), (True, True))):
        heard = []
        run, _ = measured(asking, Overhears(), contract=contract)
        assert run.outcome == "ok" and heard == [expected, (False, False), (False, False)]


# ---- two commits side by side ----------------------------------------------------------------------------------

OTHER = {"settings.py": "X = 2.0\n"}


class Recorded:
    """A sandbox that remembers which commit's tree was run in which order, with which seed."""

    name = identity = "recorded"

    def __init__(self, box):
        self.box, self.started = box, []

    def start(self, command):
        if command.harvest is not None:
            self.started.append((command.tree.name, command.env["OVERNIGHT_SEED"], command.env["OMP_NUM_THREADS"]))
        return self.box.start(command)


def side_by_side(folder, sandbox, files=OTHER, beside=None, seed=7):
    """Run a change beside the commit before it (or beside one with these files): the run, what was started, the commits."""
    judge = Repo(folder).head()
    theirs = commit(folder, beside) if beside else judge
    mine = commit(folder, LITTLE | files)
    box = Recorded(sandbox)
    runner = Runner(spec.parse(CONTRACT), Repo(folder), box, judge, home(folder))
    run = runner.measure(Measure(1, 1, mine, seed, "race", theirs), (0,))
    return run, box.started, (mine, theirs), runner


def test_a_run_beside_another_measures_both_with_the_same_seed(little, bubblewrap):
    run, started, commits, _ = side_by_side(little, bubblewrap, seed=10)
    assert (run.outcome, run.metrics["loss"], run.paired_metrics["loss"]) == ("ok", 1.03, 4.03)
    assert {tree for tree, _, _ in started} == set(commits)
    assert {(seed, threads) for _, seed, threads in started} == {("10", "1")}


def test_both_sides_measure_what_the_harness_measures(little, bubblewrap):
    run, *_ = side_by_side(little, bubblewrap, beside={"run.py": LITTLE["run.py"] + "sum(range(20_000_000))\n"})
    assert run.metrics.keys() == run.paired_metrics.keys() >= {"loss", "wall_seconds", "cpu_seconds", "peak_memory"}
    assert run.paired_metrics["cpu_seconds"] > run.metrics["cpu_seconds"]
    assert run.busy >= run.metrics["wall_seconds"] + run.paired_metrics["wall_seconds"]


@pytest.mark.parametrize("seed", [6, 7, 8, 9])
def test_which_side_comes_first_is_up_to_the_seed(little, bubblewrap, seed):
    _, started, (mine, theirs), _ = side_by_side(little, bubblewrap, seed=seed)
    assert [tree for tree, _, _ in started] == ([mine, theirs] if seed % 2 == 0 else [theirs, mine])


def test_which_side_comes_first_cannot_be_told_from_a_runs_seed():
    jobs = [sealed(Measure(1, 1, "c", seed, "race"), "key") for seed in range(20)]
    assert len({(job.scorer_seed ^ job.seed) % 2 for job in jobs}) == 2


@pytest.mark.parametrize("seed", [6, 7])
def test_a_failure_of_the_other_side_leaves_nothing_beside(little, bubblewrap, seed):
    run, started, *_ = side_by_side(little, bubblewrap, beside={"run.py": "raise SystemExit('broken')\n"}, seed=seed)
    assert (run.outcome, run.paired_metrics, len(started)) == ("ok", {}, 2) and run.metrics["loss"] > 0


@pytest.mark.parametrize("seed", [6, 7])
def test_a_failure_of_its_own_leaves_what_the_other_side_measured(little, bubblewrap, seed):
    run, *_ = side_by_side(little, bubblewrap, {"run.py": "raise SystemExit('broken')\n"}, seed=seed)
    assert (run.outcome, run.metrics) == ("crash", {}) and "broken" in run.reason and run.paired_metrics["loss"] >= 4.0


def test_each_side_has_a_log_of_its_own(little, bubblewrap):
    run, *_ = side_by_side(little, bubblewrap, {"run.py": LITTLE["run.py"] + "print('mine')\n"},
                                     beside={"run.py": LITTLE["run.py"] + "print('theirs')\n"})
    assert dict(run.files()) == {"1.log": b"mine\n", "1-paired.log": b"theirs\n"}


def test_a_run_by_itself_has_nothing_beside(little, bubblewrap):
    assert measured(little, bubblewrap)[0].paired_metrics == {}


# ---- what is left of a run -------------------------------------------------------------------------------------


def test_the_log_is_kept_and_bounded(little, bubblewrap):
    run, _ = measured(little, bubblewrap, {"run.py": "print('x' * 300_000)\nprint('the end')\n"})
    assert len(run.logs["run"]) == MOST_LOG_BYTES and b"the end\n" in run.logs["run"]


def test_nothing_of_a_run_stays_but_its_log_and_tree(little, bubblewrap):
    _, home = measured(little, bubblewrap)
    assert list((home / "artifacts").iterdir()) == []


def test_a_virtual_environment_can_be_named(little, bubblewrap, tmp_path):
    import venv
    venv.create(tmp_path / "env", symlinks=True)
    text = CONTRACT.replace("[run]", f'[run]\npython = "{tmp_path / "env"}"').replace('"-S", "-E", "run.py"', '"run.py"')
    commit(little, {"track.toml": text, "run.py": "import os, sys\nopen(os.environ['OVERNIGHT_OUT'] + '/x', 'w')"
                                                  ".write(str(int(sys.prefix != sys.base_prefix)))\n"})
    assert measured(little, bubblewrap)[0].metrics["loss"] == 4.0


def test_an_interpreter_that_is_not_there_is_a_sentence(little):
    with pytest.raises(TrackError, match="does not exist: name an interpreter"):
        interpreter(spec.RunSpec(command=("python",), python="nowhere"), little)


def test_data_that_is_not_there_is_a_sentence(little, bubblewrap):
    text = CONTRACT.replace("[run]", '[run]\ndata = ["nowhere"]')
    with pytest.raises(TrackError, match="prepare the data first"):
        measured(little, bubblewrap, contract=text)


def test_the_default_interpreter_is_the_one_that_overnight_runs_on(little):
    python, mounts = interpreter(spec.RunSpec(command=("python",)), little)
    assert mounts and sys.version_info[:2] == tuple(map(int, _version(python).split(".")[:2]))


def _version(python):
    import subprocess
    return subprocess.run([python, "-c", "import sys; print(sys.version.split()[0])"], capture_output=True, text=True,
                          check=True).stdout.strip()


FRESH = """\
import json, os, socket
wish = socket.socket(fileno=int(os.environ["OVERNIGHT_FRESH"]))
first = (int(os.environ["OVERNIGHT_ASK"]), int(os.environ["OVERNIGHT_ANSWER"]))


def ask(pipes, text):
    try:
        os.write(pipes[0], text.encode() + b"\\n")
    except BrokenPipeError:
        return ""
    return os.read(pipes[1], 1 << 16).decode().strip()


def fresh():
    wish.sendall(b"+")
    said, fds, _, _ = socket.recv_fds(wish, 1, 2)
    return fds if said == b"+" else None


"""
COUNTING = """\
import pathlib, sys
for number, line in enumerate(sys.stdin, 1):
    note = pathlib.Path("/tmp/note")
    seen = note.read_text() if note.exists() else "-"
    note.write_text(line.strip())
    print(number, seen, flush=True)
"""


def test_a_scorer_gets_a_fresh_oracle_that_remembers_nothing(asking, bubblewrap):
    commit(asking, {"oracle.py": COUNTING, "score.py": FRESH + """
said = [ask(first, "a"), ask(first, "b")]
again = fresh()
said += [ask(again, "c"), ask(first, "d"), ask(fresh(), "e")]
print(json.dumps({"loss": float(said == ["1 -", "2 a", "1 -", "", "1 -"])}))
"""})
    run, _ = measured(asking, bubblewrap)
    assert run.metrics["loss"] == 1.0


def test_a_fresh_oracle_that_breaks_explains_the_run(asking, bubblewrap):
    commit(asking, {"oracle.py": "import sys\nsys.stdin.readline()\nraise SystemExit('no memory of it')", "score.py": FRESH + """
said = ask(fresh(), "a")
raise SystemExit(1)
"""})
    run, _ = measured(asking, bubblewrap)
    assert run.outcome == "crash" and "the oracle ended with status 1" in run.reason


def test_an_oracle_that_breaks_after_its_last_word_explains_the_run(asking, bubblewrap):
    commit(asking, {"oracle.py": "import sys, time\nsys.stdin.readline()\nprint('?', flush=True)\ntime.sleep(0.3)\nraise SystemExit(1)",
                    "score.py": FRESH + """
said = ask(fresh(), "a")
raise SystemExit(1)
"""})
    run, _ = measured(asking, bubblewrap)
    assert run.outcome == "crash" and "the oracle ended with status 1" in run.reason


def test_oracles_leave_nothing_open(asking, bubblewrap):
    commit(asking, {"oracle.py": COUNTING, "score.py": FRESH + """
for _ in range(5):
    ask(fresh(), "a")
print(json.dumps({"loss": 1.0}))
"""})
    measured(asking, bubblewrap)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    measured(asking, bubblewrap)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_what_the_scorer_calls_foul_is_foul(little, bubblewrap):
    commit(little, score("print(json.dumps({'foul': 'it saw the\\x1b[31m future'}))"))
    run, _ = measured(little, bubblewrap)
    assert (run.outcome, run.reason) == ("foul", "it saw the[31m future")


def test_a_metric_outside_its_range_is_no_result(little, bubblewrap):
    ranged = (little / "track.toml").read_text().replace('name = "loss"', 'name = "loss"\nrange = [0, 3]')
    run, _ = measured(little, bubblewrap, contract=ranged)
    assert (run.outcome, run.reason) == ("invalid", "'loss' is 4, and can only be from 0 to 3")


def test_a_scorer_can_import_the_library_for_scorers(little, bubblewrap):
    commit(little, score("import overnight\nprint(json.dumps({'loss': len(overnight.__path__)}))"))
    run, _ = measured(little, bubblewrap, contract=CONTRACT.replace('"-S", "-E", "score.py"', '"score.py"'))
    assert (run.reason, run.metrics["loss"]) == ("", 1.0)


def test_a_run_says_which_sandbox_it_ran_in_and_what_it_left(little, bubblewrap):
    run, _ = measured(little, bubblewrap)
    assert run.sandbox == bubblewrap.identity and re.fullmatch("[0-9a-f]{64}", run.artifacts)
    assert measured(little, bubblewrap)[0].artifacts == run.artifacts
    other = measured(little, bubblewrap, {"settings.py": "X = 2.0\n"})[0]
    assert other.artifacts != run.artifacts


def test_the_fingerprint_holds_names_and_bytes(tmp_path):
    def of(files):
        folder = tmp_path / os.urandom(4).hex()
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return fingerprint(folder)

    assert of({"a": "1", "b/c": "2"}) == of({"b/c": "2", "a": "1"})
    assert len({of({"a": "1"}), of({"a": "2"}), of({"b": "1"}), of({"a": "1", "b": ""}), of({"a/b": "1"})}) == 5


# ---- what may not be mounted -----------------------------------------------------------------------------------


def with_data(folder):
    return CONTRACT.replace("[score]", f'data = ["{folder}"]\n\n[score]', 1)


@pytest.mark.parametrize("kind", ["socket", "pipe"])
def test_data_that_holds_a_socket_or_a_pipe_is_refused(little, bubblewrap, tmp_path, kind):
    place = tmp_path / "data/deep"
    place.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(place / "door")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place / "door"))
    with pytest.raises(TrackError, match=r"data may not be mounted, because .*deep/door is a socket, a pipe"):
        measured(little, bubblewrap, contract=with_data(tmp_path / "data"))


def test_data_with_links_and_files_is_mounted(little, bubblewrap, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/words").write_text("a b")
    (tmp_path / "data/link").symlink_to("words")
    run, _ = measured(little, bubblewrap, contract=with_data(tmp_path / "data"))
    assert run.outcome == "ok"


def test_a_virtual_environment_that_moved_is_refused(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "old"], check=True)
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(TrackError, match=r"new was made as .*/old and has moved: make it anew where it is\.$"):
        interpreter(RunSpec(command=("python",), python=str(tmp_path / "new")), tmp_path)


def test_a_virtual_environment_whose_interpreter_is_gone_is_refused(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    python.unlink()
    python.symlink_to("/opt/gone/bin/python3")
    with pytest.raises(TrackError, match=r"leads to /opt/gone/bin/python3, which is gone: make the virtual environment anew"):
        interpreter(RunSpec(command=("python",), python=str(tmp_path / "venv")), tmp_path)


def test_an_environment_of_another_tool_that_moved_is_refused(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (tmp_path / "venv/pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.5\n")
    (tmp_path / "venv/bin/activate").write_text("VIRTUAL_ENV='/home/me/old'\nexport VIRTUAL_ENV\n")
    with pytest.raises(TrackError, match=r"was made as /home/me/old and has moved"):
        interpreter(RunSpec(command=("python",), python=str(tmp_path / "venv")), tmp_path)


# ---- what the harness measures ---------------------------------------------------------------------------------


def test_work_that_is_moved_into_the_oracle_is_paid_for(asking, bubblewrap):
    idle, _ = measured(asking, bubblewrap)
    busy = "import time\nwhile time.process_time() < 1.0: pass\nhoard = bytearray(80 << 20)\nhoard[::4096] = bytes(len(hoard[::4096]))\n"
    run, _ = measured(asking, bubblewrap, {"oracle.py": busy + ANSWERING})
    assert run.metrics["cpu_seconds"] > idle.metrics["cpu_seconds"] + 0.8
    assert run.metrics["peak_memory"] > 80 << 20 > idle.metrics["peak_memory"]


@pytest.mark.parametrize("name", ["cpu_seconds", "wall_seconds", "peak_memory"])
def test_a_scorer_cannot_speak_for_the_harness(little, bubblewrap, name):
    commit(little, score(f"print(json.dumps({{'loss': 1.0, '{name}': 0.0}}))"))
    run, _ = measured(little, bubblewrap)
    assert run.outcome == "invalid" and f"'{name}', which only the harness measures" in run.reason


def test_a_scorers_secret_is_long_the_same_for_a_pair_and_unknown_to_the_candidate(little, bubblewrap):
    tell = "import hashlib, json, os\nprint(json.dumps({'loss': float(int(os.environ['OVERNIGHT_SECRET'], 16) % 2**40)}))\n"
    look = RUN + "assert 'OVERNIGHT_SECRET' not in os.environ\n"
    commit(little, {"score.py": tell, "run.py": look})
    first, again, other = (measured(little, bubblewrap, seed=seed)[0].metrics["loss"] for seed in (7, 7, 8))
    assert first == again != other


SEEN = "import json, os\nprint(json.dumps({'loss': int(os.environ['OVERNIGHT_AUDIT'])}))\n"
SELDOM = CONTRACT + 'audit = "confirm"\n'


@pytest.mark.parametrize("audited", [True, False])
def test_a_scorer_is_told_whether_to_audit_and_a_candidate_is_not(little, bubblewrap, audited):
    head = commit(little, {"score.py": SEEN, "run.py": RUN + "assert 'OVERNIGHT_AUDIT' not in os.environ\n"})
    runner = Runner(load(little), Repo(little), bubblewrap, head, home(little))
    assert runner.measure(Measure(1, 1, head, 7, "race", audited=audited)).metrics["loss"] == audited


@pytest.mark.parametrize(("contract", "counted"), [(ORACLE, True), (SELDOM + ORACLE.removeprefix(CONTRACT), False)])
def test_what_only_some_runs_have_audited_makes_none_of_them_dearer(asking, bubblewrap, contract, counted):
    """Else a race would compare runs that are audited with runs that are not."""
    busy = "import time\nwhile time.process_time() < 0.5: pass\n"
    twice = "from overnight.scoring import Oracle, fresh, main\ndef score():\n    Oracle.given().ask(1)\n" \
            "    return {'loss': fresh(audit=True).ask(2)}\nmain(score)\n"
    commit(asking, {"score.py": twice, "oracle.py": busy + ANSWERING, "track.toml": contract.replace('"-S", "-E", "score.py"', '"score.py"')})
    run, _ = measured(asking, bubblewrap)
    assert run.metrics["loss"] == 4
    assert (run.metrics["cpu_seconds"] > 1.0) is counted and run.metrics["cpu_seconds"] > 0.5


def test_a_scorer_gets_so_many_oracles_and_no_more(tmp_path, bubblewrap):
    """Each is a process: what a stranger's scorer asks for is bounded, and it is told why."""
    oracles = Oracles(bubblewrap, Command(("/bin/cat",), tmp_path, Limits(wall=30.0)), most=3)
    mine, theirs = socket.socketpair()
    answers = []
    with oracles.started(), ThreadPoolExecutor(1) as beside:
        serving = beside.submit(oracles.serve, mine)
        for _ in range(3):
            theirs.sendall(b"+")
            said, fds, _, _ = socket.recv_fds(theirs, 1, 2)
            answers.append(said)
            for fd in fds:
                os.close(fd)
        size = int.from_bytes(theirs.recv(2, socket.MSG_WAITALL), "big")
        why = theirs.recv(size, socket.MSG_WAITALL)
        theirs.close()
        serving.result()
    oracles.close()
    assert (answers, why) == ([b"+", b"+", b"-"], b"a scorer may have 3 oracles")


# ---- what is required ------------------------------------------------------------------------------------------

REQUIRED = CONTRACT + '\n[[require]]\ncommand = ["python", "-S", "-E", "tests.py"]\ntimeout = "5s"\n'
TESTS = """\
import os, settings
assert open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read() == str(settings.X)
print("looked at", settings.X)
assert settings.X < 5, "X is too large"
"""


@pytest.fixture
def requiring(tmp_path):
    return repository(tmp_path / "requiring", LITTLE | {"track.toml": REQUIRED, "tests.py": TESTS})


def test_a_candidate_that_fails_what_is_required_is_not_scored(requiring, bubblewrap):
    run, _ = measured(requiring, bubblewrap, {"settings.py": "X = 6.0\n"})
    assert run.outcome == "crash" and not run.metrics
    assert run.reason == "the required command python -S -E tests.py ended with status 1: AssertionError: X is too large (tests.py, line 4)"
    assert b"looked at 6.0" in run.logs["run"]


def test_what_is_required_is_run_once_for_a_commit_and_counts_as_none_of_its_time(requiring, bubblewrap):
    repo = Repo(requiring)
    runner = Runner(spec.parse(REQUIRED), repo, bubblewrap, repo.head(), home(requiring))
    first, second = (runner.measure(Measure(n, 1, repo.head(), n, "race")) for n in (1, 2))
    assert first.outcome == second.outcome == "ok" and "required" in first.overhead and "required" not in second.overhead


def test_what_judges_by_being_required_is_not_editable(requiring):
    contract = REQUIRED.replace('["settings.py"]', '["settings.py", "tests.py"]')
    commit(requiring, {"track.toml": contract})
    with pytest.raises(TrackError, match=r"tests.py may not be editable: it judges"):
        load(requiring)


@pytest.mark.parametrize(("word", "editable", "said"), [
    ("tests", "t*/*.py", "tests/test_a.py may not be editable: it judges"), ("tests/", "tests/**", "tests/test_a.py may not be editable")])
def test_a_folder_of_tests_that_is_required_is_not_editable(requiring, word, editable, said):
    contract = CONTRACT.replace('["settings.py"]', f'["settings.py", "{editable}"]') + (
        f'\n[[require]]\ncommand = ["python", "-m", "pytest", "-q", "{word}"]\n')
    commit(requiring, {"track.toml": contract, "tests/test_a.py": ""})
    with pytest.raises(TrackError, match=said):
        load(requiring)


def test_one_required_command_is_written_as_one_of_several():
    with pytest.raises(TrackError, match=r"write \[\[require\]\] for each"):
        spec.parse(REQUIRED.replace("[[require]]", "[require]"))


def traced(folder, sandbox, files, most=30.0):
    head = commit(folder, files)
    return Runner(load(folder), Repo(folder), sandbox, head, home(folder)).trace(head, most)


def test_a_traced_run_says_what_ran_and_leaves_nothing(little, bubblewrap):
    text = "X = 1.0\n\n\ndef never():\n    return 2.0\n"
    found = traced(little, bubblewrap, {"settings.py": text})
    assert found is not None and found.files == {"settings.py": text}
    assert found.lines == {"settings.py": frozenset({1, 4})}
    assert not list((home(little) / "artifacts").iterdir())


@pytest.mark.parametrize(("program", "most"), [("raise SystemExit(3)\n", 30.0), ("import time\ntime.sleep(9)\n", 0.5)])
def test_a_run_that_fails_or_takes_too_long_says_nothing(little, bubblewrap, program, most):
    assert traced(little, bubblewrap, {"run.py": program}, most) is None


def test_the_modules_that_a_run_imports_are_timed(little, bubblewrap):
    text = "import settings\nimport json.decoder, os\nimport late\n"
    head = commit(little, {"run.py": text, "late.py": "import wave\n"})
    runner = Runner(load(little), Repo(little), bubblewrap, head, home(little))
    found = runner.importing(head, 30.0)
    assert {"json.decoder", "wave"} <= found.keys() and not {"settings", "late"} & found.keys()
    assert all(0 <= took < 5 for took in found.values()) and not list((home(little) / "artifacts").iterdir())


def test_what_is_imported_before_a_run_is_ended_is_timed_too(little, bubblewrap):
    head = commit(little, {"run.py": "import json, time\ntime.sleep(60)\n"})
    runner = Runner(load(little), Repo(little), bubblewrap, head, home(little))
    assert "json" in runner.importing(head, 2.0)
