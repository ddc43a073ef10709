"""kill -9 while sandboxes are being set up leaves none of them, and an end in order leaves no keeper."""

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from overnight import sandbox
from overnight.sandbox import keeper, watch
from overnight.testing.sandbox import about, children, processes

NEEDS = "sandbox"
KILLS, TOGETHER = 60, 6
SOURCE = Path(sandbox.__file__).parents[2]
PARENT = """
    import sys, threading
    sys.path.insert(0, {source!r})
    from pathlib import Path
    from overnight.contracts import Command, Limits
    from overnight.sandbox.bubblewrap import Bubblewrap
    box, tree = Bubblewrap(), Path({tree!r})
    box.probe()
    def work():
        while {forever}:
            box.start(Command(("/bin/sleep", "0.02"), tree, Limits(wall=60))).wait()
    threads = [threading.Thread(target=work) for _ in range(2)]
    print("starts", flush=True)
    sys.stdin.readline()
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def parent(tree, forever=True):
    script = textwrap.dedent(PARENT.format(source=str(SOURCE), tree=str(tree), forever=forever))
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def keepers(process):
    """The keepers among the children of a process."""
    return [pid for pid in children(process.pid) if "read -r name || exit" in about(pid, "cmdline")]


@pytest.mark.parametrize("batch", range(KILLS // TOGETHER))
def test_nothing_stays_behind_after_a_kill_at_any_moment(bubblewrap, tmp_path, batch):
    lots = random.Random(batch)
    parents = [parent(tmp_path) for _ in range(TOGETHER)]
    names = []
    for process in parents:
        assert process.stdout.readline() == b"starts\n"
        names.append(watch.name_of(process.pid))
    for process in parents:
        process.stdin.write(b"\n")
        process.stdin.flush()
        time.sleep(lots.random() * 0.02)
        process.kill()
    until = time.monotonic() + keeper.LINGERS + 10 * TOGETHER / 6  # other work on these cores makes it wait
    for process in parents:
        process.wait()
        process.stdin.close()
        process.stdout.close()
    while (left := [pid for name in names for pid in processes(name)]) and time.monotonic() < until:
        time.sleep(0.02)
    assert left == []


def test_an_end_in_order_ends_the_keeper(bubblewrap, tmp_path):
    with parent(tmp_path, forever=False) as process:
        assert process.stdout.readline() == b"starts\n"
        found = keepers(process)
        assert len(found) == 1
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(timeout=30) == 0
        assert not Path(f"/proc/{found[0]}").exists()
