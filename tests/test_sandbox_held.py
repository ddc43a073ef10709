"""Sandboxes that are held between their set-up and their beginning: nothing runs in them, and nothing stays of them."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import CONTRACT, LITTLE, commit, home, repository
from overnight import sandbox
from overnight.contracts import Command, Limits, Prepares
from overnight.errors import Fault
from overnight.execution.held import Later, prepared
from overnight.execution.oracle import Judging
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.repo import Repo
from overnight.sandbox import keeper, watch
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.testing.holding import Holds, held
from overnight.testing.sandbox import Ground, processes, zombies
from overnight.track import spec

NEEDS = "sandbox"
SOURCE = Path(sandbox.__file__).parents[2]

@pytest.fixture
def ground(bubblewrap, tmp_path):
    return Ground(bubblewrap, tmp_path)


def state(box):
    """What a sandbox could leave: descriptors, threads, dead children, control groups, each by its name and how often."""
    gc.collect()  # what earlier tests left to the collector is closed now, not in between
    homes = box.groups.homes.values() if box.groups else ()
    groups = [name for home in homes for name in os.listdir(home) if name.startswith(watch.name_of(os.getpid()))]
    return Counter([*descriptors(), *threading.enumerate(), *zombies(), *groups])


def descriptors():
    """What each open descriptor of this process leads to; pipes and sockets have names of their own."""
    for each in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one by which they are listed
            yield os.readlink(f"/proc/self/fd/{each}")


def comes(wanted, seconds=10.0):
    """Whether something becomes true in time."""
    until = time.monotonic() + seconds
    while not wanted() and time.monotonic() < until:
        time.sleep(0.01)
    return wanted()


def left(box, before):
    """What there is beyond what there was before, once that had the time to go."""
    comes(lambda: not state(box) - before)
    return state(box) - before


# ---- one ------------------------------------------------------------------------------------------------------


def test_only_bubblewrap_holds(bubblewrap):
    assert isinstance(bubblewrap, Prepares) and not isinstance(Unsandboxed(), Prepares)


class TestBubblewrap(Holds):
    """What every sandbox must do that can hold a command."""


def test_one_that_is_discarded_leaves_nothing(ground):
    held(ground).discard()
    before = state(ground.sandbox)
    for _ in range(3):
        held(ground).discard()
    assert not left(ground.sandbox, before)


@pytest.mark.parametrize("victim", ["monitor", "first process", "launcher"])
def test_one_that_breaks_is_a_fault_and_leaves_nothing(ground, victim):
    held(ground).discard()
    before, waiting = state(ground.sandbox), held(ground)
    inside = [pid for pid in watch.tree(waiting._pid) if pid != waiting._pid]
    os.kill({"monitor": waiting._monitor.pid, "first process": waiting._pid, "launcher": inside[0]}[victim], signal.SIGKILL)
    assert watch.dead(waiting._monitor_fd, 10.0)
    with pytest.raises(Fault, match="failed to start|killed from outside"):
        waiting.release().wait()
    assert not left(ground.sandbox, before)


def test_nothing_is_left_of_held_ones_after_a_kill(bubblewrap, tmp_path):
    script = f"""
        import sys, time
        sys.path.insert(0, {str(SOURCE)!r})
        from pathlib import Path
        from overnight.contracts import Command, Limits
        from overnight.sandbox.bubblewrap import Bubblewrap
        box = Bubblewrap()
        box.probe()
        waiting = [box.prepare(Command(("/bin/true",), Path({str(tmp_path)!r}), Limits())) for _ in range(3)]
        print("held", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        name = watch.name_of(process.pid)
        assert processes(name)
        process.kill()
    assert comes(lambda: not processes(name), keeper.LINGERS + 10.0)


# ---- where a sandbox cannot hold --------------------------------------------------------------------------------


def test_elsewhere_it_starts_when_it_is_released(tmp_path):
    mark = tmp_path / "mark"
    waiting = prepared(Unsandboxed(), Command(("/bin/sh", "-c", f"echo ran > {mark}"), tmp_path, Limits()))
    assert isinstance(waiting, Later) and not mark.exists()
    assert waiting.release().wait().code == 0 and mark.exists()


def test_elsewhere_one_that_was_killed_does_not_start(tmp_path):
    waiting = prepared(Unsandboxed(), Command(("/bin/true",), tmp_path, Limits()))
    waiting.kill()
    with pytest.raises(Fault, match="stopped from outside before it began"):
        waiting.release()


# ---- in a run ---------------------------------------------------------------------------------------------------

ASKING = """\
import json, os
ask, answer = (os.fdopen(int(os.environ[n]), m) for n, m in (("OVERNIGHT_ASK", "w"), ("OVERNIGHT_ANSWER", "r")))
print(3, file=ask, flush=True)
print(json.dumps({"loss": int(answer.readline())}))
"""
ANSWERING = "import sys\nfor line in sys.stdin:\n    print(2 * int(line), flush=True)\n"
ORACLE = CONTRACT + '\n[oracle]\ncommand = ["python", "-S", "-E", "oracle.py"]\ntimeout = "5s"\n'
GUARD = '\n[[guard]]\nmetric = "cpu_seconds"\nat_most = "2x"\n'


class Noted:
    """A sandbox that notes what is prepared and released, in which order. `patient`: the scorer is not ready before the run has
    begun."""

    name = identity = "noted"

    def __init__(self, box, patient=False):
        self.box, self.did, self._patient, self._begun = box, [], patient, threading.Event()

    def start(self, command):
        return self.prepare(command).release()

    def prepare(self, command):
        role = "run" if command.harvest else "oracle" if command.stdin is not None else "scorer"
        if role == "scorer" and self._patient:
            assert self._begun.wait(10.0)
        waiting, outer = self.box.prepare(command), self
        self.did.append(f"{role} ready")

        class Process:
            def __init__(self, process):
                self.kill, self._wait = process.kill, process.wait

            def wait(self):
                ended = self._wait()
                outer.did.append(f"{role} ended")
                return ended

        class Held:
            def release(self):
                outer.did.append(f"{role} begins")
                process = waiting.release()
                if role == "run":
                    outer._begun.set()
                return Process(process)

            def kill(self):
                waiting.kill()

            def discard(self):
                outer.did.append(f"{role} discarded")
                waiting.discard()

        return Held()


@pytest.fixture
def asking(tmp_path):
    return repository(tmp_path / "asking", LITTLE | {"track.toml": ORACLE, "score.py": ASKING, "oracle.py": ANSWERING})


def measured(folder, box, contract=ORACLE, running=lambda process: None, files=None, cores=()):
    repo = Repo(folder)
    judge = repo.head()
    runner = Runner(spec.parse(contract), repo, box, judge, home(folder))
    return runner.measure(Measure(1, 1, commit(folder, files) if files else judge, 7, "race"), cores, running=running)


def test_scorer_and_oracle_may_become_ready_while_the_run_runs(asking, bubblewrap):
    box = Noted(bubblewrap, patient=True)
    run = measured(asking, box)
    assert (run.outcome, run.metrics["loss"]) == ("ok", 6.0)
    assert box.did.index("run begins") < box.did.index("scorer ready") < box.did.index("oracle begins")


@pytest.mark.parametrize(("more", "cores"), [
    (GUARD, ()), (GUARD, (0, 1)), ("", (0,))], ids=["a time", "a time on two cores", "one core"])
def test_where_that_would_take_from_the_run_they_are_set_up_after_it(asking, bubblewrap, more, cores):
    box = Noted(bubblewrap)
    assert measured(asking, box, ORACLE + more, cores=cores).outcome == "ok"
    assert box.did[:3] == ["run ready", "run begins", "run ended"] and box.did[5:7] == ["oracle begins", "scorer begins"]
    assert set(box.did[3:5]) == {"oracle ready", "scorer ready"}


@pytest.mark.parametrize(("name", "kind", "timed"), [
    ("loss", "auto", False), ("seconds", "auto", True), ("seconds", "noisy", False), ("loss", "timing", True)])
def test_which_metrics_are_times(asking, bubblewrap, name, kind, timed):
    contract = ORACLE.replace('name = "loss"', f'name = "{name}"\nkind = "{kind}"')
    repo = Repo(asking)
    assert Runner(spec.parse(contract), repo, bubblewrap, repo.head(), home(asking)).timed == timed


@pytest.mark.parametrize("guard", ["", GUARD])
def test_a_run_that_fails_leaves_nothing_of_its_judges(asking, bubblewrap, guard):
    measured(asking, bubblewrap)
    before, box = state(bubblewrap), Noted(bubblewrap)
    run = measured(asking, box, ORACLE + guard, files={"run.py": "raise SystemExit('broken')\n"})
    assert run.outcome == "crash" and "broken" in run.reason and "scorer begins" not in box.did
    assert ({"oracle discarded", "scorer discarded"} <= set(box.did)) == (guard == "")
    assert not left(bubblewrap, before)


def test_a_night_that_closes_ends_what_waits(asking, bubblewrap):
    measured(asking, bubblewrap)
    before = state(bubblewrap)
    with pytest.raises(Fault, match="stopped"):
        measured(asking, bubblewrap, running=lambda each: each.kill() if isinstance(each, Judging) else None)
    assert not left(bubblewrap, before)


def test_a_judge_that_cannot_be_set_up_is_a_fault_where_it_is_wanted_and_none_where_it_is_not(asking, bubblewrap):
    class Broken(Noted):
        def prepare(self, command):
            if command.inputs and command.stdin is None:
                raise Fault("no scorer today.")
            return super().prepare(command)

    measured(asking, bubblewrap)
    before = state(bubblewrap)
    with pytest.raises(Fault, match="no scorer today"):
        measured(asking, Broken(bubblewrap))
    assert measured(asking, Broken(bubblewrap), files={"run.py": "raise SystemExit('broken')\n"}).outcome == "crash"
    assert not left(bubblewrap, before)
