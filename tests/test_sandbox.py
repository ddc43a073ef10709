"""What every sandbox must do (`overnight.testing`), run against those that are always there; then what bubblewrap must do
besides."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from overnight import sandbox
from overnight.contracts import Command, Limits
from overnight.errors import Fault, SandboxMissing
from overnight.execution.mounts import interpreter
from overnight.sandbox import watch
from overnight.sandbox.bubblewrap import Bubblewrap
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.testing.containment import Contains
from overnight.testing.sandbox import Behaves, Ground, about, processes, zombies
from overnight.track.spec import RunSpec

NEEDS = "sandbox"
PYTHON, MOUNTS = interpreter(RunSpec(command=("python",)), Path("/"))


class TestNone(Behaves):
    """`--sandbox none`."""

    @pytest.fixture
    def ground(self, tmp_path):
        return Ground(Unsandboxed(), tmp_path)


class TestBubblewrap(Behaves, Contains):
    """The default."""

    @pytest.fixture
    def ground(self, bubblewrap, tmp_path):
        return Ground(bubblewrap, tmp_path)

    @pytest.mark.parametrize("victim", ["monitor", "first process"])
    def test_a_sandbox_that_is_killed_from_outside_is_a_fault_of_the_machine(self, ground, victim):
        process = ground.start("import time; time.sleep(30)")
        os.kill(process._monitor.pid if victim == "monitor" else process._pid, signal.SIGKILL)
        with pytest.raises(Fault, match="killed from outside"):
            process.wait()

    def test_it_cannot_put_the_hosts_files_out_of_memory(self, ground, tmp_path):
        data = tmp_path / "data.bin"
        data.write_bytes(os.urandom(4 << 20))
        with data.open("rb") as file:
            os.fsync(file.fileno())
            before = os.preadv(file.fileno(), [bytearray(1 << 20)], 2 << 20, getattr(os, "RWF_NOWAIT", 0))
            ground.says(f"import os; os.posix_fadvise(os.open({str(data)!r}, os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)",
                        mounts=(*MOUNTS, data))
            assert os.preadv(file.fileno(), [bytearray(1 << 20)], 2 << 20, getattr(os, "RWF_NOWAIT", 0)) == before

    def test_the_times_of_devices_carry_no_word_to_the_next(self, ground):
        look = "import os; print(*[os.stat('/dev/' + n).st_mtime_ns for n in ('null', 'zero', 'full', 'random', 'urandom', 'tty')])"
        left = ground.says("import os; [os.utime('/dev/' + n) for n in ('null', 'zero', 'full', 'random', 'urandom', 'tty')]\n" + look)
        time.sleep(0.05)
        found = ground.says(look)
        assert not set(left.split()) & set(found.split())

    def test_a_tree_that_is_larger_than_it_may_be_is_no_fault_of_the_machine(self, ground):
        (ground.tree / "large").write_bytes(bytes(3 << 20))
        ended = ground.run("print(1)", Limits(disk=1 << 20))
        assert (ended.killed, ended.stdout) == ("disk", b"")

    def test_a_look_that_fails_leaves_nothing_running(self, ground, monkeypatch):
        mark = f"mark{os.getpid()}x{time.monotonic_ns()}"
        process = ground.start(f"import time; time.sleep(30)  # {mark}")
        monkeypatch.setattr(watch, "folder_is_full", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            process.wait()
        assert processes(mark) == []

    @pytest.mark.parametrize("moment", [0.0, 0.002, 0.004, 0.006, 0.008, 0.012, 0.3])
    def test_nothing_runs_on_when_its_parent_is_killed(self, ground, moment):
        mark = f"mark{os.getpid()}x{time.monotonic_ns()}"
        script = f"""
            import sys
            sys.path.insert(0, {str(Path(sandbox.__file__).parents[2])!r})
            from pathlib import Path
            from overnight import sandbox
            from overnight.contracts import Command, Limits
            box = sandbox.choose({ground.sandbox.name!r})
            print("starts", flush=True)
            while True:
                box.start(Command(("/bin/sh", "-c", "setsid sh -c 'sleep 60; : {mark}' & sleep 60; : {mark}"),
                                  Path({str(ground.tree)!r}), Limits(wall=60)))
        """
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as parent:
            assert parent.stdout.readline() == b"starts\n"
            time.sleep(moment)
            parent.kill()
        time.sleep(0.1)
        assert not [p for p in processes(mark) if about(p, "comm") not in {"bwrap\n", ""}]
        sandbox.choose(ground.sandbox.name)  # sweeps up what was only being set up
        time.sleep(0.1)
        assert not processes(mark)

    def test_control_c_at_our_terminal_does_not_end_what_is_measured(self, ground):
        script = f"""
            import os, signal, sys
            sys.path.insert(0, {str(Path(sandbox.__file__).parents[2])!r})
            from pathlib import Path
            from overnight import sandbox
            from overnight.contracts import Command, Limits
            signal.signal(signal.SIGINT, lambda *_: None)
            process = sandbox.choose({ground.sandbox.name!r}).start(
                Command(("/bin/sleep", "0.5"), Path({str(ground.tree)!r}), Limits(wall=60)))
            os.killpg(0, signal.SIGINT)
            print(process.wait().code)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], start_new_session=True, capture_output=True,
                              text=True, check=True)
        assert done.stdout == "0\n"


# ---- choosing one ----------------------------------------------------------------------------------------------


def test_a_sandbox_is_chosen_by_name():
    assert (sandbox.choose("bubblewrap").name, sandbox.choose("none").name) == ("bubblewrap", "none")


def test_an_unknown_sandbox_is_refused_with_the_known_ones():
    with pytest.raises(SandboxMissing, match="choose one of bubblewrap, podman, docker, gvisor, none"):
        sandbox.choose("chroot")


def test_without_bubblewrap_it_says_what_to_install_and_nothing_else_is_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxMissing, match="apt-get install -y bubblewrap"):
        sandbox.choose("bubblewrap")


def test_a_program_in_the_folder_that_the_user_is_in_is_no_sandbox(monkeypatch, tmp_path):
    (tmp_path / "bwrap").write_text("#!/bin/sh\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".:")
    assert Bubblewrap().path == ""


REFUSALS = {
    "setting up uid map: Permission denied": "apparmor_restrict_unprivileged_userns=0",
    "loopback: Failed RTM_NEWADDR: Operation not permitted": "bwrap-userns-restrict",
    "No permissions to create new namespace, likely because the kernel does not allow": "unprivileged_userns_clone=1",
    "Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)": "user.max_user_namespaces=15000",
    "Creating new namespace failed: Operation not permitted": "start it with --privileged",
    "mount proc on /newroot/proc: Operation not permitted": "systempaths=unconfined",
    "Failed to make / slave: Permission denied": "start it with --privileged",
    "pivot_root: Invalid argument": "this container's root cannot be changed",
    "Unexpected capabilities but not setuid, old file caps config?": "chmod u-s",
    "setting up uid map: Operation not permitted": "entries in /etc/subuid",
    "prctl(PR_SET_SECCOMP): Invalid argument": "CONFIG_SECCOMP_FILTER",
    "Unknown option --disable-userns": "0.8 or newer",
    "something unheard of": "see its message",
}


@pytest.mark.parametrize("said", REFUSALS, ids=lambda s: s[:20])
def test_a_bubblewrap_that_does_not_work_here_says_why_and_what_to_do(monkeypatch, tmp_path, said):
    broken = tmp_path / "bwrap"
    broken.write_text(f"#!/bin/sh\necho 'bwrap: {said}' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxMissing) as caught:
        sandbox.choose("bubblewrap")
    assert REFUSALS[said] in str(caught.value) and "--sandbox none" in str(caught.value)


def test_a_sandbox_that_does_not_start_leaves_nothing_behind(bubblewrap, tmp_path):
    def unburied():
        """Dead children that are sandboxes': the keeper of an earlier test's Overnight, adopted here, may end at any time."""
        return {pid for pid in zombies() if about(pid, "comm") == "bwrap\n"}

    before, dead = len(os.listdir("/proc/self/fd")), unburied()
    for _ in range(3):
        with pytest.raises(Fault, match="could not be started"):
            bubblewrap.start(Command(("/bin/true",), tmp_path / "nowhere", Limits()))
    time.sleep(0.1)
    assert len(os.listdir("/proc/self/fd")) == before and unburied() <= dead


def test_limits_above_what_we_may_have_are_lowered_rather_than_refused(bubblewrap, tmp_path):
    tmp_path.chmod(0o755)
    script = f"""
        import resource, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))
        sys.path.insert(0, {str(Path(sandbox.__file__).parents[2])!r})
        from pathlib import Path
        from overnight import sandbox
        from overnight.contracts import Command, Limits
        print(sandbox.choose("bubblewrap").start(Command(("/bin/true",), Path({str(tmp_path)!r}), Limits())).wait().code)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


# ---- interpreters ----------------------------------------------------------------------------------------------


def test_a_virtual_environment_works_in_the_sandbox(bubblewrap, tmp_path):
    tmp_path.chmod(0o755)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    packages = next((tmp_path / "venv/lib").iterdir()) / "site-packages"
    (packages / "only_there.py").write_text("WORD = 'found'")
    python, mounts = interpreter(RunSpec(command=("python",), python="venv"), tmp_path)
    ground = Ground(bubblewrap, tmp_path)
    assert ground.says((python, "-c", "import only_there; print(only_there.WORD)"), mounts=mounts) == "found"


def test_a_virtual_environment_over_links_shows_nothing_but_the_interpreter(bubblewrap, tmp_path):
    tmp_path.chmod(0o755)
    real = Path(PYTHON)
    (tmp_path / "home/bin").mkdir(parents=True)
    (tmp_path / "home/private").write_text("secret")
    (tmp_path / "home/versions").symlink_to(real.parent.parent)
    (tmp_path / "home/bin/python3").symlink_to(tmp_path / "home/versions/bin" / real.name)
    subprocess.run([tmp_path / "home/bin/python3", "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python, mounts = interpreter(RunSpec(command=("python",), python="venv"), tmp_path)
    ground = Ground(bubblewrap, tmp_path)
    script = f"import sys, os; print(sys.prefix != sys.base_prefix, os.path.exists({str(tmp_path / 'home/private')!r}))"
    assert ground.says((python, "-c", script), mounts=mounts) == "True False"


def test_a_link_in_the_home_folder_does_not_open_the_home_folder(bubblewrap, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "home/bin").mkdir(parents=True)
    (tmp_path / "home/bin/python3").symlink_to(PYTHON)
    python, mounts = interpreter(RunSpec(command=("python",), python=str(tmp_path / "home/bin/python3")), tmp_path)
    assert not [m for m in mounts if (tmp_path / "home").is_relative_to(m)]
    assert Ground(bubblewrap, tmp_path).says((python, "-c", "print(1)"), mounts=mounts) == "1"
