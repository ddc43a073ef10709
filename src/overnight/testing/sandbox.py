"""What every sandbox must do, as tests: a stranger's backend inherits them.

    from overnight.testing.containment import Contains
    from overnight.testing.sandbox import Behaves, Ground

    class TestMine(Behaves, Contains):
        @pytest.fixture
        def ground(self, tmp_path):
            return Ground(MySandbox(), tmp_path)

`Behaves` is for all, `Contains` for those that claim to contain what they run. Nothing here imports pytest; it collects the
class, and gives `tmp_path` and `monkeypatch`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

from overnight.contracts import Command, Ended, Limits, Process, Sandbox
from overnight.execution.mounts import interpreter
from overnight.track.spec import RunSpec

QUICK = Limits(wall=20, memory=256 << 20, disk=16 << 20, processes=64, output=4 << 20)


class Ground:
    """A tree to run in, a folder to harvest to, and the few words in which a test says what runs."""

    def __init__(self, sandbox: Sandbox, tmp_path: Path) -> None:
        self.sandbox, self.tree, self.kept = sandbox, tmp_path / "tree", tmp_path / "kept"
        self.python, self.mounts = interpreter(RunSpec(command=("python",)), Path("/"))
        self.tree.mkdir()
        tmp_path.chmod(0o755)

    def start(self, script: str | tuple[str, ...], limits: Limits = QUICK, **options: Any) -> Process:
        """Start a Python script (a text with newlines or statements) or an argv."""
        argv = script if isinstance(script, tuple) else (self.python, "-S", "-E", "-c", textwrap.dedent(script))
        given: dict[str, Any] = {"mounts": self.mounts, "harvest": self.kept} | options
        return self.sandbox.start(Command(argv=argv, tree=self.tree, limits=limits, **given))

    def run(self, script: str | tuple[str, ...], limits: Limits = QUICK, **options: Any) -> Ended:
        """Start it and wait for its end."""
        return self.start(script, limits, **options).wait()

    def says(self, script: str | tuple[str, ...], **options: Any) -> str:
        """What it printed, when it ended well."""
        ended = self.run(script, **options)
        assert (ended.code, ended.killed) == (0, ""), ended
        return ended.stdout.decode().strip()

    def lets(self, act: str, **options: Any) -> bool:
        """Whether a statement is carried out in it, rather than refused by the system."""
        said = self.says(f"import os, socket\ntry: {act}; print('done')\nexcept OSError: print('refused')", **options)
        assert said in ("done", "refused"), said
        return said == "done"


def processes(mark: str) -> list[int]:
    """Processes of this machine whose command line holds a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def about(pid: int | str, what: str) -> str:
    """What Linux tells of a process in one file of `/proc`: nothing where the process has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid: int) -> list[int]:
    """The processes that the first thread of a process has started."""
    return [int(child) for child in about(pid, f"task/{pid}/children").split()]


def zombies() -> list[int]:
    """Our children that are dead and not yet buried."""
    return [child for child in children(os.getpid()) if about(child, "stat").rpartition(")")[2].split()[:1] == ["Z"]]


class Behaves:
    """The contract in `contracts.Sandbox`: how a command is run and how its end is told."""

    def test_what_it_prints_and_its_status_are_told(self, ground: Ground) -> None:
        ended = ground.run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
        assert (ended.code, ended.killed, ended.stdout, ended.stderr) == (3, "", b"out\n", b"err\n")

    def test_the_signal_that_ended_it_is_told(self, ground: Ground) -> None:
        assert ground.run("import os; os.kill(os.getpid(), 15)").code == -signal.SIGTERM

    def test_a_program_that_does_not_exist_is_an_error_of_the_command(self, ground: Ground) -> None:
        assert ground.run(("/bin/sh", "-c", "/no/such/program")).code == 127

    def test_it_starts_in_a_copy_of_the_tree_and_nothing_that_it_writes_there_survives(self, ground: Ground) -> None:
        (ground.tree / "a").write_text("before")
        ground.says("open('a', 'w').write('after'); open('new', 'w')")
        assert {p.name: p.read_text() for p in ground.tree.iterdir()} == {"a": "before"}

    def test_it_starts_in_the_folder_of_the_track(self, ground: Ground) -> None:
        (ground.tree / "sub").mkdir()
        (ground.tree / "sub/here").touch()
        assert ground.says("import os; print(os.listdir())", cwd="sub") == "['here']"

    def test_its_environment_holds_nothing_of_ours(self, ground: Ground, monkeypatch: Any) -> None:
        monkeypatch.setenv("SECRET_TOKEN", "hunter2")
        names = set(json.loads(ground.says("import json, os; print(json.dumps(dict(os.environ)))", env={"GIVEN": "1"})))
        assert names <= {"GIVEN", "PATH", "HOME", "LANG", "LC_CTYPE", "USER", "PWD", "OLDPWD", "SHLVL", "_", "OVERNIGHT_OUT"}

    def test_it_cannot_ask_anything_from_our_stdin(self, ground: Ground) -> None:
        assert ground.says("import os; print(os.readlink('/proc/self/fd/0'), repr(os.read(0, 1)))") == "/dev/null b''"

    def test_it_inherits_none_of_our_descriptors(self, ground: Ground, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("x")
        with (tmp_path / "secret").open() as secret:
            os.set_inheritable(secret.fileno(), True)
            seen = ground.says("import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
                               " if n > '2' and os.path.exists(f'/proc/self/fd/{n}')])")
        assert seen == "[]"

    def test_pipes_that_are_given_reach_it_under_their_numbers(self, ground: Ground) -> None:
        theirs, ours = os.pipe()
        process = ground.start(f"import os; print(os.read({theirs}, 9))", fds=(theirs,))
        os.write(ours, b"hello")
        ended = process.wait()
        os.close(theirs)
        os.close(ours)
        assert ended.stdout == b"b'hello'\n"

    def test_descriptors_can_be_sent_through_a_socket_that_is_given(self, ground: Ground) -> None:
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        with ours, theirs:
            process = ground.start(f"""
                import os, socket
                harness = socket.socket(fileno={theirs.fileno()})
                harness.send(b"+")
                fd = socket.recv_fds(harness, 1, 1)[1][0]
                os.write(fd, b"hello")
            """, fds=(theirs.fileno(),))
            theirs.close()
            assert ours.recv(1) == b"+"
            socket.send_fds(ours, [b"+"], [write])
            os.close(write)
            assert os.read(read, 9) == b"hello"
            os.close(read)
            assert process.wait().code == 0

    def test_stdin_and_stdout_can_be_pipes_of_ours(self, ground: Ground) -> None:
        read, write = os.pipe()
        back, forth = os.pipe()
        process = ground.start("print(input().upper())", stdin=read, stdout=forth)
        os.close(read)
        os.close(forth)
        os.write(write, b"hello\n")
        assert os.read(back, 99) == b"HELLO\n"
        process.wait()
        os.close(write)
        os.close(back)

    def test_files_left_in_out_are_kept_with_their_folders(self, ground: Ground) -> None:
        ground.says("""
            import os
            out = os.environ["OVERNIGHT_OUT"]
            os.makedirs(out + "/a/b")
            open(out + "/a/b/c.txt", "w").write("kept")
            open(out + "/empty", "w")
        """)
        assert (ground.kept / "a/b/c.txt").read_text() == "kept" and (ground.kept / "empty").read_bytes() == b""

    def test_artefacts_can_be_read_but_not_changed_where_they_are_shown(self, ground: Ground, tmp_path: Path) -> None:
        shown = tmp_path / "shown"
        shown.mkdir()
        (shown / "x").write_text("artefact")
        script = "import os; print(open(os.environ['OVERNIGHT_ARTIFACTS'] + '/x').read())"
        assert ground.says(script, inputs=shown) == "artefact"

    def test_a_secret_is_shown_to_whom_it_is_given(self, ground: Ground, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("holdout")
        assert ground.says("import os; print(open(os.environ['OVERNIGHT_HOLDOUT']).read())",
                           secret=tmp_path / "secret") == "holdout"

    def test_only_plain_files_are_kept(self, ground: Ground, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        ground.says(f"""
            import os, socket
            os.chdir(os.environ["OVERNIGHT_OUT"])
            os.symlink("{tmp_path}/secret", "link")
            os.symlink("/etc", "folder-link")
            os.mkfifo("fifo")
            socket.socket(socket.AF_UNIX).bind("socket")
            open("one", "w").write("x"); os.link("one", "two")
            open(".hidden", "w"); open("new\\nline", "w"); open(b"\\xff\\xfe", "w"); open("n" * 200, "w")
            open("unreadable", "w"); os.chmod("unreadable", 0)
            open("plain", "w").write("kept")
            deep = "d/" * 100
            os.makedirs(deep); open(deep + "file", "w")
        """)
        kept = {p.name for p in ground.kept.iterdir()}
        assert {"plain"} <= kept <= {"plain", "d", "unreadable"}
        assert not [p for p in ground.kept.rglob("*") if p.is_symlink() or p.name == "file"]

    def test_what_is_kept_never_passes_the_bound_of_the_disk(self, ground: Ground) -> None:
        small = Limits(wall=20, memory=256 << 20, disk=4 << 20)
        ground.run("""
            import os
            for n in range(8):
                with open(os.environ["OVERNIGHT_OUT"] + f"/{n}", "wb") as out:
                    out.write(bytes(1 << 20))
        """, small)
        assert sum(p.stat().st_size for p in ground.kept.iterdir()) <= 4 << 20

    def test_what_is_kept_can_be_read_by_others_whatever_the_umask(self, ground: Ground) -> None:
        before = os.umask(0o077)
        try:
            ground.says("import os; o = os.environ['OVERNIGHT_OUT']; os.mkdir(o + '/d'); open(o + '/d/f', 'w')")
        finally:
            os.umask(before)
        assert all(p.stat().st_mode & stat.S_IROTH for p in (ground.kept, ground.kept / "d", ground.kept / "d/f"))

    def test_time_is_bounded_even_for_what_ignores_signals(self, ground: Ground) -> None:
        ended = ground.run("""
            import signal, time
            for n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)
            time.sleep(60)
        """, Limits(wall=0.5))
        assert ended.killed == "time" and ended.wall < 3

    def test_output_is_bounded_while_it_is_read(self, ground: Ground) -> None:
        started = time.monotonic()
        ended = ground.run("import os\nfor _ in range(1 << 20): os.write(1, bytes(1000))", Limits(wall=30, output=1 << 20))
        assert ended.killed == "output" and len(ended.stdout) <= 1 << 16 and time.monotonic() - started < 10

    def test_the_end_of_long_output_is_what_is_kept(self, ground: Ground) -> None:
        ended = ground.run("print('x' * 500_000); print('the end')")
        assert ended.stdout.endswith(b"x\nthe end\n") and len(ended.stdout) <= 1 << 16

    def test_what_it_prints_can_be_heard_while_it_runs(self, ground: Ground) -> None:
        heard: list[bytes] = []

        def hear(chunk: bytes) -> bool:
            heard.append(chunk)
            return False

        process = ground.start("""
            import sys, time
            print("one", flush=True); print("err", file=sys.stderr, flush=True)
            while not input(): pass
            print("two")
        """, heard=hear, stdin=(pipe := os.pipe())[0])
        until = time.monotonic() + 10
        while not heard and time.monotonic() < until:
            time.sleep(0.01)
        early = b"".join(heard)
        os.write(pipe[1], b"go on\n")
        ended = process.wait()
        for fd in pipe:
            os.close(fd)
        assert early == b"one\n" and b"".join(heard) == ended.stdout == b"one\ntwo\n" and ended.killed == ""

    def test_it_can_be_ended_for_what_it_prints(self, ground: Ground) -> None:
        ended = ground.run("""
            import time
            for n in range(1000):
                print(n, flush=True)
                time.sleep(0.02)
            print("the end")
        """, heard=lambda chunk: b"5\n" in chunk)
        assert ended.killed == "behind" and ended.code < 0 and b"5\n" in ended.stdout and b"the end" not in ended.stdout

    def test_what_ended_by_itself_was_not_ended_for_what_it_printed(self, ground: Ground) -> None:
        def slowly(chunk: bytes) -> bool:
            time.sleep(1.0)
            return True
        ended = ground.run("print('done')", heard=slowly)
        assert (ended.code, ended.killed, ended.stdout) == (0, "", b"done\n")

    def test_more_memory_than_allowed_is_refused_or_ends_it(self, ground: Ground) -> None:
        ended = ground.run("x = bytearray(1 << 30)", Limits(wall=20, memory=128 << 20))
        assert ended.code != 0 and (ended.killed == "memory" or b"MemoryError" in ended.stderr)

    def test_shared_memory_counts_as_well(self, ground: Ground) -> None:
        ended = ground.run("""
            import mmap, time
            held = mmap.mmap(-1, 400 << 20)
            for at in range(0, 400 << 20, 4096): held[at] = 1
            time.sleep(10)
        """, Limits(wall=20, memory=128 << 20))
        assert ended.killed == "memory" and ended.wall < 8

    def test_memory_that_processes_share_is_counted_once(self, ground: Ground) -> None:
        ended = ground.run("""
            import mmap, os, time
            held = mmap.mmap(-1, 60 << 20)
            for at in range(0, 60 << 20, 4096): held[at] = 1
            for _ in range(4):
                if not os.fork():
                    sum(held[at] for at in range(0, 60 << 20, 4096))
                    time.sleep(1); os._exit(0)
            for _ in range(4): os.wait()
        """, Limits(wall=20, memory=200 << 20))
        assert (ended.code, ended.killed) == (0, "")

    def test_the_processors_time_is_about_right(self, ground: Ground) -> None:
        ended = ground.run("""
            import os, time
            if not os.fork():
                while time.process_time() < 0.4: pass
                os._exit(0)
            os.wait()
            while time.process_time() < 0.3: pass
        """)
        assert 0.6 <= ended.cpu <= 1.3 and ended.cpu <= 2 * ended.wall + 0.2

    def test_the_peak_of_memory_is_about_right(self, ground: Ground) -> None:
        ended = ground.run("x = bytearray(100 << 20); import time; time.sleep(0.3)")
        assert 100 << 20 <= ended.peak_memory <= 160 << 20

    def test_wall_time_is_that_of_the_command(self, ground: Ground) -> None:
        ended = ground.run("import time; time.sleep(0.5)")
        assert 0.5 <= ended.wall <= 1.5

    def test_children_in_its_group_die_with_it(self, ground: Ground, tmp_path: Path) -> None:
        mark = f"mark{os.getpid()}x{time.monotonic_ns()}"
        ground.says(f"""
            import os, subprocess
            subprocess.Popen(["/bin/sh", "-c", "sleep 50; : {mark}"], stdout=2)
        """)
        assert not processes(mark)

    def test_it_can_be_ended_from_outside(self, ground: Ground) -> None:
        process = ground.start("import time; time.sleep(60)")
        threading.Timer(0.2, process.kill).start()
        ended = process.wait()
        assert ended.killed == "stopped" and ended.wall < 5

    def test_ending_what_has_ended_does_nothing(self, ground: Ground) -> None:
        process = ground.start("pass")
        process.wait()
        process.kill()
        assert ground.says("print(1)") == "1"

    def test_many_runs_leave_no_descriptor_thread_or_child_behind(self, ground: Ground) -> None:
        ground.says("print(1)")
        before, dead = (_descriptors(), threading.active_count()), set(zombies())
        for _ in range(5):
            ground.says("print(1)")
            ground.run("import time; time.sleep(9)", Limits(wall=0.05))
        until = time.monotonic() + 5  # the last thread may still be about to end
        while ((_descriptors(), threading.active_count()) != before or set(zombies()) - dead) and time.monotonic() < until:
            time.sleep(0.01)
        assert (_descriptors(), threading.active_count()) == before and not set(zombies()) - dead
