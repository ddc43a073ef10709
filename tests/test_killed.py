"""kill -9 of the loop at a dozen random moments, and Ctrl-C: nothing is lost, repeated or left behind."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from conftest import CONTRACT, command, git, home, overnight, stop
from overnight.journal import open as open_journal
from overnight.lab.events import Judged, Measured, Proposed, Reopened
from overnight.testing.sandbox import processes

NEEDS = "night"
KILLS = 12
STARTING = range(0, KILLS, 4)  # those that strike at any moment after the start; the others wait for the session to be at work
EXPERIMENTS = 8  # a session; the kills come before that
RUN_SLOWLY = """\
import os, time, settings
time.sleep(0.7)
with open(os.environ["OVERNIGHT_OUT"] + "/x", "w") as out:
    out.write(str(settings.X))
"""


def events(folder):
    journal = open_journal(home(folder) / "journal.db")
    found = list(journal.replay())
    journal.close()
    return found


def launch(folder, *more):
    return subprocess.Popen(command("run", folder, "--experiments", EXPERIMENTS, *more), start_new_session=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(process, come):
    """Until something has come about, however slow the machine is; a session that ends before it has failed."""
    while not come():
        assert process.poll() is None, process.stdout.read().decode()
        time.sleep(0.02)


def records(folder):
    """How many events the journal holds."""
    return len(events(folder)) if (home(folder) / "journal.db").exists() else 0


def children(pid):
    """The processes that the threads of one have started; none where it has ended."""
    try:
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []


def called(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def candidates(pid):
    """The processes below one that run a candidate, those left out that still wait for their word to begin."""
    below = [process for child in children(pid) for process in (child, *candidates(child))]
    return [p for p in below if called(p).startswith("python") and "run.py" in words(p)]


def words(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


@pytest.fixture(scope="module")
def survivor(tmp_path_factory):
    """A track whose loop was killed again and again, then run to the end of a session."""
    from conftest import ROOT, repository

    source = ROOT / "tracks" / "synthetic"
    folder = repository(tmp_path_factory.mktemp("killed") / "synthetic",
                        {p.name: p.read_bytes() for p in source.iterdir() if p.is_file()})
    dice, seen = random.Random(20), []
    for number in range(KILLS):
        process = launch(folder)
        if number not in STARTING:
            enough = records(folder) + dice.randrange(1, 12)
            wait_for(process, lambda enough=enough: records(folder) >= enough)
        time.sleep(dice.uniform(0.0, 1.3 if number in STARTING else 0.1))
        stop(process)
        process.stdout.close()
        if (home(folder) / "journal.db").exists():
            seen.append(events(folder))
    done = overnight("run", folder, "--experiments", EXPERIMENTS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, seen


def test_the_record_only_ever_grows(survivor):
    folder, seen = survivor
    last = events(folder)
    for earlier, later in zip(seen, [*seen[1:], last], strict=True):
        assert later[:len(earlier)] == earlier


def test_the_kills_struck_while_it_was_at_work(survivor):
    _, seen = survivor
    assert len({len(s) for s in seen}) >= KILLS - len(STARTING)


def test_no_verdict_is_given_twice(survivor):
    """One for each experiment, and one more each time that it was opened again."""
    found = events(survivor[0])
    opened = Counter(e.experiment for e in found if isinstance(e, Proposed | Reopened))
    assert Counter(e.experiment for e in found if isinstance(e, Judged)) == opened


def test_every_experiment_has_its_verdict(survivor):
    found = events(survivor[0])
    proposed = {e.experiment for e in found if isinstance(e, Proposed)}
    assert proposed == {e.experiment for e in found if isinstance(e, Judged)}
    assert len(proposed) > EXPERIMENTS


def test_no_finished_run_is_repeated(survivor):
    runs = Counter((e.commit, e.seed, e.stage == "calibrate") for e in events(survivor[0])
                   if isinstance(e, Measured) and e.stage != "check")
    twice = [key for key, times in runs.items() if times > 1]
    assert len(twice) == 1 and twice[0][2] and runs[twice[0]] == 2  # the one that calibration asks for


def test_the_chain_is_whole_and_the_branch_agrees(survivor):
    done = overnight("log", survivor[0], "--verify")
    assert done.returncode == 0 and "chain whole, branch agrees" in done.stdout


def test_the_branch_holds_the_baseline_and_the_keeps(survivor):
    folder = survivor[0]
    records = [json.loads(line) for line in overnight("log", folder, "--json").stdout.splitlines()]
    kept = [r["commit"] for r in records if r["verdict"]["verdict"] == "keep"]
    branch = git(folder, "rev-list", "--reverse", "overnight/synthetic").splitlines()
    assert branch[0] == git(folder, "rev-parse", "HEAD") and sorted(branch[1:]) == sorted(kept)


def test_nothing_is_left_behind(survivor):
    folder = survivor[0]
    state = home(folder)
    assert not (state / "trees").exists() and not (state / "artifacts").exists()
    assert list((state / "scratch").iterdir()) == []
    assert git(folder, "for-each-ref", "refs/overnight") == ""
    assert git(folder, "worktree", "list").count("\n") == 0
    assert git(folder, "status", "--porcelain") == ""
    assert processes(str(folder)) == [] and processes(str(state)) == []


def test_interrupted_it_ends_soon_and_in_order_and_goes_on(synthetic):
    process = launch(synthetic, "--experiments", 1000)
    wait_for(process, lambda: records(synthetic) > 9)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 0, out
    assert time.monotonic() - began < 10
    assert "Traceback" not in out
    before = events(synthetic)
    assert type(before[-1]).__name__ == "Stopped" and "SIGINT" in before[-1].reason
    assert overnight("run", synthetic, "--experiments", 2).returncode == 0
    assert events(synthetic)[:len(before)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_terminal_is_no_verdict_on_what_runs(little, number):
    (little / "run.py").write_text(RUN_SLOWLY)
    git(little, "commit", "-qam", "slowly")
    process = launch(little)
    wait_for(process, lambda: candidates(process.pid))
    began = time.monotonic()
    os.killpg(process.pid, number)
    out = process.communicate(timeout=30)[0].decode()
    assert (process.returncode, "Traceback" in out) == (0, False), out
    assert time.monotonic() - began < 3
    assert not [e for e in events(little) if isinstance(e, Measured) and e.outcome != "ok"]


def ended_well(folder):
    """How many runs of the record ended as they should."""
    return sum(isinstance(e, Measured) and e.outcome == "ok" for e in events(folder))


def test_sandboxes_that_are_killed_are_faults_of_the_machine_and_no_verdicts(synthetic):
    process = launch(synthetic, "--researcher", "placebo", "--experiments", 20)
    dice, struck, enough = random.Random(7), 0, 0
    wait_for(process, (home(synthetic) / "journal.db").exists)
    while process.poll() is None:
        if ended_well(synthetic) < enough:
            time.sleep(0.02)
            continue
        try:  # a monitor, whose only child is the first process inside, or that
            monitors = [child for child in children(process.pid) if called(child) == "bwrap"]
            inside = [p for m in monitors for p in children(m)]
            os.kill(dice.choice(monitors if dice.random() < 0.5 else inside), signal.SIGKILL)
            struck += 1
            enough = ended_well(synthetic) + 3  # three faults in a row would stop the night, and should
        except (OSError, IndexError):
            time.sleep(0.003)
    out = process.communicate()[0].decode()
    assert process.returncode == 0, out
    state = json.loads(overnight("status", synthetic, "--json").stdout)
    assert struck > 5 and state["faults"] > 2 and state["crashed"] == 0 and state["experiments"] == 20


def test_killed_it_leaves_no_process_of_a_candidate(little):
    mark = f"candidate-of-{os.getpid()}"
    (little / "track.toml").write_text(CONTRACT.replace('"run.py"', f'"run.py", "{mark}"').replace('"10s"', '"60s"'))
    (little / "run.py").write_text("import time\ntime.sleep(60)\n")
    git(little, "commit", "-qam", "sleep")
    process = launch(little)
    wait_for(process, lambda: candidates(process.pid))
    assert processes(mark)
    stop(process)
    process.stdout.close()
    until = time.monotonic() + 20
    while processes(mark) and time.monotonic() < until:
        time.sleep(0.02)
    assert processes(mark) == []
