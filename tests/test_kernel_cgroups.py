"""Control groups: real ones, of whichever version this machine has, then trees of plain files for what it has not."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from overnight.errors import Fault
from overnight.sandbox.kernel import cgroups
from overnight.sandbox.kernel.cgroups import SELF, Cgroups
from overnight.sandbox.kernel.group import LAUNCHER, V1, V2, GroupUsage

NEEDS = "sandbox"
MB = 1 << 20
PYTHON = sys._base_executable if os.access(sys._base_executable, os.X_OK) else sys.executable


@pytest.fixture(scope="session")
def place():
    """Where groups can be made on this machine."""
    found = cgroups.find()
    if found is None:
        pytest.skip(cgroups.advice())
    return found


@pytest.fixture
def group(place):
    """A group for 100 MB and 20 processes."""
    made = place.make(100 * MB, 20)
    yield made
    made.kill()
    made.close()


def start(group, script):
    """A Python script that begins, in its group, when it is told."""
    process = subprocess.Popen([PYTHON, "-I", "-S", "-c", "input()\n" + textwrap.dedent(script)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    group.add(process.pid)
    process.stdin.write("\n")
    process.stdin.flush()
    return process


def run(group, script):
    """Its exit status and what it printed."""
    process = start(group, script)
    said = process.communicate(timeout=60)[0]
    return process.returncode, said.strip()


def listed(group):
    """The processes in a group."""
    return [int(pid) for pid in (group.folders["memory"] / "cgroup.procs").read_text().split()]


def lives(pid):
    """Whether a process runs; one that is dead may stay listed until its new parent looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def exists(group):
    """Whether the kernel still has any of it."""
    return any(folder.exists() for folder in group.folders.values())


# ---- limits ----------------------------------------------------------------------------------------------------

BOMBS = {
    "private memory": "x = bytearray(400 << 20)",
    "shared memory": """
        import mmap
        held = mmap.mmap(-1, 400 << 20)
        for at in range(0, 400 << 20, 4096): held[at] = 1
    """,
    "memory that no process has mapped": """
        import os
        file = os.memfd_create("held")
        for _ in range(400): os.write(file, bytes(1 << 20))
    """,
    "a tree of processes": """
        import os, time
        for _ in range(8):
            if not os.fork():
                held = bytearray(40 << 20)
                time.sleep(1)
                os._exit(0)
        for _ in range(8): os.wait()
    """,
}


@pytest.mark.parametrize("what", BOMBS)
def test_more_memory_than_its_bound_kills(group, what):
    run(group, BOMBS[what])
    assert group.out_of_memory() and group.usage().killed >= 1 and 90 * MB < group.usage().peak_memory <= 100 * MB


def test_less_memory_than_its_bound_does_not(group):
    assert run(group, "x = bytearray(60 << 20); print(len(x))") == (0, str(60 * MB)) and not group.out_of_memory()


def test_it_holds_no_more_processes_than_its_bound(group):
    said = run(group, """
        import os
        born = 0
        try:
            while True:
                if not os.fork():
                    os.read(0, 1)
                    os._exit(0)
                born += 1
        except BlockingIOError:
            print(born)
    """)
    assert said == (0, str(20 + LAUNCHER - 1))


def test_threads_count_as_processes(group):
    said = run(group, """
        import threading
        wait, born = threading.Event(), 0
        try:
            while True:
                threading.Thread(target=wait.wait, daemon=True).start()
                born += 1
        except RuntimeError:
            print(born, flush=True)
            import os
            os._exit(0)
    """)
    assert said == (0, str(20 + LAUNCHER - 1))


# ---- accounts --------------------------------------------------------------------------------------------------


def test_what_was_taken_before_the_beginning_does_not_count(group):
    process = start(group, """
        import time
        held = bytearray(60 << 20)
        until = time.process_time() + 0.3
        while time.process_time() < until: pass
        del held
        print("idle", flush=True)
        input()
    """)
    assert process.stdout.readline() == "idle\n"
    group.begin()
    process.communicate("\n", timeout=60)
    assert group.usage().cpu < 0.2 and (group.version is V2 or group.usage().peak_memory < 40 * MB)


def test_what_is_born_in_it_is_in_it_and_we_are_not(place):
    """The thread that starts it goes in and back; where it could not go back it stays outside."""
    group, own = place.make(100 * MB, 20), Path("/proc/thread-self/cgroup").read_text()
    with group.bearing() as born:
        assert (Path("/proc/thread-self/cgroup").read_text() != own) == born
        process = subprocess.Popen(["/bin/sleep", "60"])
    assert Path("/proc/thread-self/cgroup").read_text() == own
    assert listed(group) == [process.pid] * born
    process.kill()
    process.wait()
    group.close()


def test_a_thread_that_cannot_go_in_is_where_it_was(place):
    group, own = place.make(100 * MB, 20), Path("/proc/thread-self/cgroup").read_text()
    group.close()
    if group.places and place._bears:
        with pytest.raises(OSError, match="No such file"), group.bearing():
            pass
    assert Path("/proc/thread-self/cgroup").read_text() == own


def test_the_time_of_children_that_nobody_waits_for_is_counted(group):
    run(group, """
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for _ in range(2):
            if not os.fork():
                while time.process_time() < 0.3: pass
                os._exit(0)
        try: os.wait()
        except ChildProcessError: pass
    """)
    assert group.usage().cpu >= 0.6


def test_no_more_time_is_counted_than_was_used(group):
    used = float(run(group, "import time; time.sleep(0.3); print(time.process_time())")[1])
    assert 0 < group.usage().cpu < used + 0.1


def test_a_peak_between_two_looks_is_seen(group):
    run(group, "x = bytearray(60 << 20); del x")
    assert 60 * MB <= group.usage().peak_memory <= 80 * MB


def test_a_file_in_a_tmpfs_is_memory(group):
    run(group, """
        import tempfile
        with tempfile.TemporaryFile(dir="/dev/shm") as file:
            for _ in range(60): file.write(bytes(1 << 20))
    """)
    assert 60 * MB <= group.usage().peak_memory <= 80 * MB


@pytest.fixture
def dataset(tmp_path):
    """A file of 80 MB that is on the disk and not in memory."""
    path = tmp_path / "dataset"
    with path.open("wb") as file:
        for _ in range(80):
            file.write(os.urandom(MB))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    yield path
    path.unlink()


READS = "with open({!r}, 'rb') as file:\n    while file.read(1 << 20): pass\n"


def test_a_file_that_was_read_is_not_in_the_peak(group, dataset):
    run(group, READS.format(str(dataset)))
    mark = int((group.folders["memory"] / group.version.mark).read_text())
    if mark < 80 * MB:
        pytest.skip("the folder for temporary files is not on a disk")
    assert group.usage().peak_memory < 30 * MB


def test_a_peak_after_a_file_was_read_is_seen(group, dataset):
    run(group, READS.format(str(dataset)) + "x = bytearray(60 << 20)")
    assert 60 * MB <= group.usage().peak_memory <= 85 * MB


def test_a_run_that_fills_its_limit_with_files_is_not_out_of_memory(group, dataset):
    assert run(group, READS.format(str(dataset)) * 2)[0] == 0 and not group.out_of_memory()


def test_the_account_can_be_read_when_everything_is_dead(group):
    run(group, "x = bytearray(30 << 20)")
    assert not listed(group) and group.usage().peak_memory >= 30 * MB and group.usage().killed == 0


# ---- the end ---------------------------------------------------------------------------------------------------


def test_killing_ends_what_ran_away(group):
    process = start(group, """
        import os, signal, time
        for n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)
        for _ in range(3):
            if not os.fork():
                os.setsid()
                if os.fork(): os._exit(0)
                time.sleep(60)
        print("away", flush=True)
        time.sleep(60)
    """)
    assert process.stdout.readline() == "away\n"
    group.kill()
    assert not listed(group) and process.wait(timeout=5) == -signal.SIGKILL
    process.stdout.close()
    process.stdin.close()


def test_killing_ends_what_forks_as_fast_as_it_can(group):
    process = start(group, """
        import os
        print("on", flush=True)
        while True:
            try:
                if os.fork(): os._exit(0)
            except OSError: pass
    """)
    assert process.stdout.readline() == "on\n"
    group.kill()
    assert not listed(group)
    process.communicate()


def test_killing_an_empty_group_does_nothing(group):
    group.kill()
    assert group.usage().killed == 0


def test_a_closed_group_is_gone_and_closing_again_is_no_error(place):
    made = place.make(50 * MB, 5)
    before = exists(made)
    made.close()
    made.close()
    assert before and not exists(made) and not made.out_of_memory()


def test_a_group_in_which_something_lives_is_not_closed(group):
    process = start(group, "input()")
    with pytest.raises(Fault, match="something in it lives"):
        group.close()
    assert listed(group) == [process.pid]
    process.communicate("\n")


def test_a_process_that_is_gone_cannot_be_put_in(group):
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    with pytest.raises(Fault, match="could not be put under its limits"):
        group.add(gone.pid)


def test_each_group_has_a_name_of_its_own(place, group):
    other = place.make(50 * MB, 5)
    assert other.folders["memory"] != group.folders["memory"] and exists(group)
    other.close()


def test_the_account_of_a_group_that_is_gone_is_a_fault(place):
    made = place.make(50 * MB, 5)
    made.close()
    with pytest.raises(Fault, match="could not be read"):
        made.usage()


ABANDONS = """
    import os, subprocess, sys
    from overnight.sandbox import cgroups
    group = cgroups.find().make(50 << 20, 5)
    process = subprocess.Popen(["/bin/sleep", "60"], stdout=2)
    group.add(process.pid)
    print(group.folders["memory"], flush=True)
    if sys.argv[1:]: input()
    os._exit(9)
"""


def test_what_a_killed_overnight_left_is_swept_with_all_that_lives_in_it(place):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(ABANDONS)], stdout=subprocess.PIPE, text=True, check=False)
    folder = Path(done.stdout.strip())
    pids = (folder / "cgroup.procs").read_text().split()
    place.sweep()
    assert len(pids) == 1 and not folder.exists() and not lives(pids[0])


def test_the_groups_of_the_living_are_left_alone(place):
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(ABANDONS), "stay"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    folder = Path(process.stdout.readline().strip())
    place.sweep()
    alive = (folder / "cgroup.procs").read_text().split()
    process.communicate("\n")
    place.sweep()
    assert len(alive) == 1 and not folder.exists()


def test_the_groups_of_another_pid_namespace_are_left_alone(place):
    foreign = place.homes["memory"] / "overnight-1-1-1-theirs"
    foreign.mkdir()
    place.sweep()
    left = foreign.exists()
    foreign.rmdir()
    assert left


# ---- who may ---------------------------------------------------------------------------------------------------

ORDINARY = """
    import os, subprocess
    from overnight.sandbox import cgroups
    os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
    found = cgroups.find()
    if found is None:
        print("none")
    else:
        group = found.make(50 << 20, 5)
        process = subprocess.Popen(["/bin/sh", "-c", "read go; exec /usr/bin/tail /dev/zero"], stdin=subprocess.PIPE)
        group.add(process.pid)
        process.communicate(b"go")
        print(group.usage().killed, group.folders["memory"].parent.name)
        group.close()
"""


def ordinary():
    """What an ordinary user is told, with our own groups."""
    return subprocess.run([sys.executable, "-c", textwrap.dedent(ORDINARY)], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


@pytest.fixture
def given(place):
    """Groups that root made in its own and gave away."""
    if os.geteuid():
        pytest.skip("only root can give groups away")
    if place.version is not V1:
        pytest.skip("in version 2 a user needs the group above as well")
    folders = [home / SELF for home in place.homes.values()]
    for folder in folders:
        folder.mkdir()
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, 65534)
    yield folders
    for folder in folders:
        folder.rmdir()


def test_a_user_to_whom_root_gave_groups_has_them(given):
    assert ordinary() == f"1 {SELF}"


def test_a_user_to_whom_nothing_was_given_has_none(place):
    if os.geteuid():
        pytest.skip("only root can become another user")
    assert ordinary() == "none"


DELEGATED = """
    import os, sys
    from pathlib import Path
    from overnight.sandbox import cgroups
    input()
    if sys.argv[1:]:
        os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
    found = cgroups.find()
    print(Path("/proc/self/cgroup").read_text().strip(), found.homes["memory"].name, flush=True)
    input()
"""


@pytest.fixture(params=["root", "user"])
def scope(place, request):
    """Version 2: a group below one that is divided, both given to an ordinary user or not; how to start in it, too."""
    if os.geteuid() or place.version is not V2:
        pytest.skip("for version 2, as root")
    above = place.homes["memory"] / "above"
    inside = above / "a.scope"
    above.mkdir()
    (above / "cgroup.subtree_control").write_text("+memory +pids")
    inside.mkdir()
    if request.param == "user":
        for folder in (above, inside):
            for path in (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control"):
                os.chown(path, 65534, 65534)
    yield inside, [sys.executable, "-c", textwrap.dedent(DELEGATED), *([] if request.param == "root" else ["user"])]
    for folder in (inside / SELF, inside, above):
        if folder.exists():
            folder.rmdir()


def answer(inside, command):
    """Where an Overnight in that group finds itself, and where it makes groups."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    (inside / "cgroup.procs").write_text(str(process.pid))
    process.stdin.write("\n")
    process.stdin.flush()
    said = process.stdout.readline().split()
    process.communicate("\n")
    return Path(said[0].partition("::")[2]).name, said[1]


def test_alone_in_its_group_overnight_moves_into_a_leaf(scope):
    """Version 2 has limits only for groups below one that holds no process."""
    assert answer(*scope) == (SELF, "a.scope")


def test_beside_others_overnight_uses_the_group_above_and_moves_nobody(scope):
    inside, command = scope
    other = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    (inside / "cgroup.procs").write_text(str(other.pid))
    said = answer(inside, command)
    left = (inside / "cgroup.procs").read_text().split()
    other.communicate()
    assert said == ("a.scope", "above") and left == [str(other.pid)]


def test_where_the_tree_is_read_only_there_is_none_and_the_advice_is_for_a_container(bubblewrap):
    code = "from overnight.sandbox import cgroups; print(cgroups.find(), cgroups.advice())"
    said = subprocess.run(["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", sys.executable, "-c", code],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    if not Path("/sys/fs/cgroup/memory").exists() and not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        pytest.skip("this machine has no control groups")
    assert said.startswith("None ") and "this container may not" in said


# ---- trees of plain files --------------------------------------------------------------------------------------


def tree(tmp_path, files, own):
    """A tree like /sys/fs/cgroup, and what /proc/self/cgroup says beside it."""
    root, told = tmp_path / "cgroup", tmp_path / "own"
    root.mkdir()
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    told.write_text(own)
    return root, told


LAPTOP = {
    "cgroup.controllers": "cpu io memory pids", "cgroup.subtree_control": "memory pids",
    "user/cgroup.subtree_control": "cpu memory pids", "user/memory.max": "max",
    "user/a.scope/cgroup.subtree_control": "", "user/a.scope/memory.max": "max",
    "user/a.scope/cgroup.procs": "",
}


def homes(root, told):
    """Where memory might be bounded, relative to the root."""
    return [str(found.homes["memory"].relative_to(root)) for found in cgroups.candidates(root, told)]


def test_our_own_group_comes_first_then_those_above_it(tmp_path):
    assert homes(*tree(tmp_path, LAPTOP, "0::/user/a.scope\n")) == ["user/a.scope", "user", "."]


def test_a_group_above_that_is_not_divided_is_left_as_it_is(tmp_path):
    root, told = tree(tmp_path, LAPTOP | {"user/cgroup.subtree_control": "cpu"}, "0::/user/a.scope\n")
    assert homes(root, told) == ["user/a.scope", "."] and (root / "user/cgroup.subtree_control").read_text() == "cpu"


def test_a_limit_that_somebody_set_for_us_is_not_left(tmp_path):
    assert homes(*tree(tmp_path, LAPTOP | {"user/a.scope/memory.max": "1000000"}, "0::/user/a.scope\n")) == ["user/a.scope"]


def test_the_leaf_into_which_an_overnight_moved_is_not_divided_again(tmp_path):
    files = LAPTOP | {"user/a.scope/cgroup.subtree_control": "memory pids", f"user/a.scope/{SELF}/cgroup.procs": ""}
    assert homes(*tree(tmp_path, files, f"0::/user/a.scope/{SELF}\n"))[0] == "user/a.scope"


@pytest.mark.parametrize("own", ["0::/not/visible/from/here\n", "0::/../../outside\n", "0::/\n"])
def test_where_our_group_cannot_be_seen_the_visible_root_is_ours(tmp_path, own):
    assert homes(*tree(tmp_path, LAPTOP, own)) == ["."]


def test_version_1_has_one_home_for_each_controller(tmp_path):
    files = {"memory/a/b/cgroup.procs": "", "pids/c/cgroup.procs": "", "cpuacct/cgroup.procs": ""}
    root, told = tree(tmp_path, files, "3:cpu,cpuacct:/\n2:memory:/a/b\n1:pids:/c\n0::/\n")
    found = next(cgroups.candidates(root, told)).homes
    assert found == {"memory": root / "memory/a/b", "pids": root / "pids/c", "cpuacct": root / "cpuacct"}


def test_where_the_system_has_no_such_thing_there_is_none(tmp_path):
    assert cgroups.find(tmp_path / "nothing", tmp_path / "neither") is None


BOUNDS = [(V1, {"memory.limit_in_bytes": "1000", "memory.memsw.limit_in_bytes": "1000", "memory.swappiness": "0",
            "memory.kmem.tcp.limit_in_bytes": "1000"}),
          (V2, {"memory.max": "1000", "memory.swap.max": "0", "memory.oom.group": "1"})]


def plain(tmp_path, version):
    """Groups of plain files."""
    return Cgroups(version, dict.fromkeys(("memory", "pids", "cpu", "cpuacct"), tmp_path), shutil.rmtree)


@pytest.mark.parametrize(("version", "bounds"), BOUNDS, ids=["v1", "v2"])
def test_bounds_are_written_under_the_names_of_the_version(tmp_path, version, bounds):
    folder = plain(tmp_path, version).make(1000, 5).folders["memory"]
    assert {path.name: path.read_text() for path in folder.iterdir()} == bounds | {"pids.max": str(5 + LAUNCHER)}


def test_version_2_is_accounted_from_its_files(tmp_path):
    group = plain(tmp_path, V2).make(1000, 5)
    for name, text in {"memory.peak": "900", "memory.current": "500", "memory.stat": "anon 200\nfile 250\nshmem 50\n",
                       "memory.events": "low 0\nmax 4\noom 2\noom_kill 2\noom_group_kill 1\n",
                       "cpu.stat": "usage_usec 1500000\nuser_usec 1\n"}.items():
        (group.folders["memory"] / name).write_text(text)
    assert group.usage() == GroupUsage(cpu=1.5, peak_memory=700, killed=2) and group.out_of_memory()
    pressure = "some avg10=0.00 avg60=9.0 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    (group.folders["memory"] / "cpu.pressure").write_text(pressure)
    assert group.usage().waited == 2.5


def test_a_kernel_without_a_mark_is_known_by_looks(tmp_path):
    group = plain(tmp_path, V2).make(1000, 5)
    folder = group.folders["memory"]
    for name, text in {"memory.current": "500", "memory.stat": "file 250\nshmem 50\n", "memory.events": "oom_kill 0\n",
                       "cpu.stat": "usage_usec 0\n"}.items():
        (folder / name).write_text(text)
    asked = group.out_of_memory()
    (folder / "memory.current").write_text("400")
    assert not asked and group.usage().peak_memory == 300


def test_a_limit_that_cannot_be_written_is_a_fault_and_leaves_nothing(tmp_path):
    with pytest.raises(Fault, match="could not be made"):
        Cgroups(V2, {"memory": tmp_path / "missing", "pids": tmp_path}, shutil.rmtree).make(1000, 5)
    assert not list(tmp_path.iterdir())


ADVICE = [
    ({}, 0, False, "no control groups are mounted"),
    ({"cgroup.controllers": "cpu pids"}, 1000, True, "cgroup_enable=memory"),
    ({"cgroup.controllers": "memory pids"}, 1000, True, "`systemd-run --user --scope -q -p Delegate=yes -- overnight run`"),
    ({"cgroup.controllers": "memory pids"}, 0, True, "`systemd-run --scope -q -p Delegate=yes -- overnight run`"),
    ({"cgroup.controllers": "memory pids"}, 1000, False, "start Overnight as root"),
    ({"cgroup.controllers": "memory pids"}, 0, False, "--privileged --cgroupns=private"),
    ({"memory/tasks": "", "pids/tasks": ""}, 1000, True, "chown -R $SUDO_UID"),
    ({"pids/tasks": ""}, 1000, False, "cgroup_enable=memory"),
]


@pytest.mark.parametrize(("files", "uid", "systemd", "words"), ADVICE)
def test_the_advice_is_one_sentence_for_the_machine_at_hand(tmp_path, files, uid, systemd, words):
    root, _ = tree(tmp_path, files, "")
    said = cgroups.advice(root, booted=tmp_path if systemd else tmp_path / "none", uid=uid)
    assert words in said and said.endswith(".") and "\n" not in said


def test_the_page_names_every_line_that_the_advice_gives():
    page = (Path(__file__).parents[1] / "docs/cgroups.md").read_text(encoding="utf-8")
    assert all(f"`{said.split('`')[1]}`" in page for said in cgroups.ADVICE.values() if "`" in said)

