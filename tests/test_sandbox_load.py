"""How much other work there was while a command ran: from folders like /proc, then on this machine."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import CONTRACT, commit, home
from overnight.contracts import Command, Ended, Limits, Load
from overnight.errors import Fault
from overnight.execution import starved
from overnight.execution.mounts import interpreter
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.repo import Repo
from overnight.sandbox import load, watch
from overnight.sandbox.load import Meter
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.track import spec
from overnight.track.spec import RunSpec
from overnight.workers.cores import available


class Proc:
    """A folder like /proc: cores as (busy, stolen) seconds, threads as a tree with the seconds that each has waited."""

    def __init__(self, folder):
        self.folder = folder

    def cores(self, *cores):
        ticks = os.sysconf("SC_CLK_TCK")
        lines = [f"cpu{i} {int(busy * ticks)} 0 0 700 0 0 0 {int(stolen * ticks)} 0 0" for i, (busy, stolen) in enumerate(cores)]
        (self.folder / "stat").write_text("\n".join(["cpu 9 9 9 9 9 9 9 9 9 9", *lines, "intr 5", "ctxt 7"]))

    def thread(self, process, number, waited, children=()):
        place = self.folder / str(process) / "task" / str(number)
        place.mkdir(parents=True, exist_ok=True)
        (place / "schedstat").write_text(f"123456789 {int(waited * 1e9)} 42\n")
        (place / "children").write_text(" ".join(map(str, children)))


@pytest.fixture
def proc(tmp_path):
    made = Proc(tmp_path)
    made.cores((10.0, 1.0), (50.0, 0.0))
    made.thread(7, 7, 0.5, children=(8,))
    made.thread(8, 8, 0.0)
    return made


# ---- what is read ----------------------------------------------------------------------------------------------


def test_other_work_is_counted_on_the_cores_of_the_command_alone(proc):
    meter = Meter(None, proc.folder, frozenset({0}))
    proc.cores((12.5, 1.25), (90.0, 9.0))
    assert meter.load() == Load(1, 2.5, 0.25, None)


def test_what_every_thread_of_the_tree_waited_is_summed_from_the_beginning_on(proc):
    assert dict(watch.waits(7, proc.folder)) == {7: 500_000_000, 8: 0}
    meter = Meter(7, proc.folder, frozenset({0, 1}))
    proc.thread(7, 7, 0.75, children=(8,))
    proc.thread(8, 9, 0.5)
    meter.look()
    found = meter.load()
    assert found.cores == 2 and found.waited == pytest.approx(0.75, rel=0.5)  # what came after the last look is thought alike


def test_a_thread_that_is_gone_keeps_what_it_waited(proc):
    meter = Meter(8, proc.folder, frozenset({0}))
    proc.thread(8, 9, 3.0)
    meter.look()
    (proc.folder / "8" / "task" / "9" / "schedstat").unlink()
    meter._due = 0.0
    meter.look()
    assert meter.load().waited == pytest.approx(3.0, rel=0.5)


@pytest.mark.parametrize("text", [None, "", "cpu 1 2 3", "cpu0 1 2 3 4\ncpu1 1 2 3 4", "cpu7 1 2 3 4 5 6 7 8 9 10"])
def test_where_nothing_can_be_read_nothing_is_said(tmp_path, text):
    if text is not None:
        (tmp_path / "stat").write_text(text)
    meter = Meter(1, tmp_path, frozenset({0}))
    meter.look()
    assert meter.load() is None


def test_sleep_of_the_machine_is_what_one_clock_has_more_than_the_other(proc, monkeypatch):
    clocks = {time.CLOCK_BOOTTIME: 1000.0, time.CLOCK_MONOTONIC: 400.0}
    monkeypatch.setattr(load.time, "clock_gettime", clocks.get)
    meter = Meter(None, proc.folder)
    clocks |= {time.CLOCK_BOOTTIME: 1100.0, time.CLOCK_MONOTONIC: 410.0}
    assert meter.slept() == 90.0


@pytest.mark.sandbox
def test_the_cores_are_those_of_the_command_where_it_has_others_than_this_thread(proc):
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        os.sched_setaffinity(sleeper.pid, {available()[-1]})
        assert Meter(sleeper.pid)._cores == {available()[-1]} and Meter(None)._cores == set(available())
    finally:
        sleeper.kill()
        sleeper.wait()
    assert Meter(sleeper.pid)._cores == set(available())  # it is gone


# ---- the share of a run ----------------------------------------------------------------------------------------


def ended(wall, cpu, load=None, setup=0.0):
    return Ended(0, "", wall, cpu, 0, setup, b"", b"", load=load)


@pytest.mark.parametrize(("steps", "share"), [
    ([[ended(10.0, 4.0, Load(1, 10.0, 0.0, 5.0))]], 0.5),  # others had 6 seconds, and it waited for 5
    ([[ended(10.0, 9.5, Load(1, 10.0, 0.0, 30.0))]], 0.05),  # four threads on one core wait for each other
    ([[ended(10.0, 1.0, Load(1, 10.0, 0.0, 0.1))]], 0.01),  # it slept while others worked
    ([[ended(10.0, 4.0, Load(2, 10.0, 0.0, None))]], 0.3),  # what it waited is not known: others had 6 of 20 seconds
    ([[ended(10.0, 10.0, Load(1, 8.0, 2.0, 0.0))]], 0.2),  # stolen by the host
    ([[ended(10.0, 1.0, Load(4, 40.0, 0.0, 25.0))]], 1.0),
    ([[ended(10.0, 3.0, Load(1, 10.0, 0.0, 2.0)), ended(9.0, 5.0, Load(1, 9.0, 0.0, 2.0), setup=1.0)]], 0.1),  # partners
    ([[ended(1.0, 1.0, Load(1, 1.0, 0.0, 0.0))], [ended(3.0, 1.0, Load(1, 3.0, 0.0, 2.0))]], 0.5),
    ([[ended(1.0, 1.0)], [ended(4.0, 1.0, Load(1, 4.0, 0.0, 1.0))]], 0.25),
    ([[ended(1.0, 1.0)]], None),
    ([[ended(1.0, 1.0, Load(0, 0.0, 0.0))]], None),
    ([], None),
])
def test_a_run_lost_what_it_waited_while_others_had_the_core(steps, share):
    assert starved.share(steps) == (None if share is None else pytest.approx(share))


# ---- on this machine -------------------------------------------------------------------------------------------


SPIN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


@contextmanager
def pinned(core):
    """This thread, and what it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def burning(count):
    """So many processes that take all they can get, each a group of its own to the kernel, as the command is."""
    burners = [subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE,
                                start_new_session=True) for _ in range(count)]
    try:
        for burner in burners:
            burner.stdout.readline()
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.communicate()


@pytest.mark.sandbox
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel does not count what threads wait")
@pytest.mark.parametrize("kind", ["plain", "bubblewrap"])
def test_a_command_beside_three_others_on_its_core_has_waited(tmp_path, kind, request):
    box = Unsandboxed() if kind == "plain" else request.getfixturevalue("bubblewrap")
    tree = tmp_path / "tree"
    tree.mkdir()
    python, mounts = interpreter(RunSpec(command=("python",)), tmp_path)
    command = Command((str(python), "-c", SPIN.format(0.5)), tree, Limits(wall=60.0), mounts=mounts, harvest=tmp_path / "out")
    with pinned(available()[-1]), burning(3):
        found = box.start(command).wait()
    assert found.code == 0, found.stderr
    assert found.load is not None and found.load.waited is not None
    assert starved.share([[found]]) > 0.4  # of four that want a core, each has a quarter of it


class Asleep(Unsandboxed):
    """A machine that sleeps during every run."""

    def start(self, command):
        process = super().start(command)
        process._meter._asleep -= 3600.0
        return process


@pytest.mark.sandbox
def test_a_run_during_which_the_machine_slept_is_a_fault_and_no_result(little):
    repo = Repo(little)
    runner = Runner(spec.parse(CONTRACT), repo, Asleep(), repo.head(), home(little))
    with pytest.raises(Fault, match="the machine slept for 3600 s during a run: keep it awake"):
        runner.measure(Measure(1, 0, repo.head(), 1, "calibrate"))


@pytest.mark.sandbox
def test_a_run_tells_for_how_long_it_waited_and_a_pair_the_longer_of_both(little):
    repo, head = Repo(little), Repo(little).head()
    mine = commit(little, {"run.py": "x = 1\n" + (little / "run.py").read_text()})
    runner = Runner(spec.parse(CONTRACT), repo, Unsandboxed(), head, home(little))
    assert 0.0 <= runner.measure(Measure(1, 0, head, 1, "calibrate")).starved <= 1.0
    assert 0.0 <= runner.measure(Measure(2, 1, mine, 1, "race", head)).starved <= 1.0
