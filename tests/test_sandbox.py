"""What every sandbox must do, run against each that there is; then what bubblewrap must do besides.

A stranger's backend inherits `Behaves`, and `Contains` too if it claims to contain what it runs.
"""

import ast
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from conftest import QUICK, processes
from overnight import sandbox
from overnight.contracts import Command, Limits
from overnight.errors import Fault, SandboxMissing
from overnight.runner import interpreter
from overnight.sandbox import watch
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.track import Run

PYTHON, MOUNTS = interpreter(Run(command=("python",)), Path("/"))


class Ground:
    """A tree to run in, a folder to harvest to, and the few words in which a test says what runs."""

    def __init__(self, sandbox, tmp_path):
        self.sandbox, self.tree, self.kept = sandbox, tmp_path / "tree", tmp_path / "kept"
        self.tree.mkdir()
        tmp_path.chmod(0o755)

    def start(self, script, limits=QUICK, **options):
        """Start a Python script (a text with newlines or statements) or an argv."""
        argv = script if isinstance(script, tuple) else (PYTHON, "-S", "-E", "-c", textwrap.dedent(script))
        options = {"mounts": MOUNTS, "harvest": self.kept} | options
        return self.sandbox.start(Command(argv=argv, tree=self.tree, limits=limits, **options))

    def run(self, script, limits=QUICK, **options):
        """Start it and wait for its end."""
        return self.start(script, limits, **options).wait()

    def says(self, script, **options):
        """What it printed, when it ended well."""
        ended = self.run(script, **options)
        assert (ended.code, ended.killed) == (0, ""), ended
        return ended.stdout.decode().strip()


class Behaves:
    """The contract in `contracts.Sandbox`: how a command is run and how its end is told."""

    def test_what_it_prints_and_its_status_are_told(self, ground):
        ended = ground.run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
        assert (ended.code, ended.killed, ended.stdout, ended.stderr) == (3, "", b"out\n", b"err\n")

    def test_the_signal_that_ended_it_is_told(self, ground):
        assert ground.run("import os; os.kill(os.getpid(), 15)").code == -signal.SIGTERM

    def test_a_program_that_does_not_exist_is_an_error_of_the_command(self, ground):
        assert ground.run(("/bin/sh", "-c", "/no/such/program")).code == 127

    def test_it_starts_in_a_copy_of_the_tree_and_nothing_that_it_writes_there_survives(self, ground):
        (ground.tree / "a").write_text("before")
        ground.says("open('a', 'w').write('after'); open('new', 'w')")
        assert {p.name: p.read_text() for p in ground.tree.iterdir()} == {"a": "before"}

    def test_it_starts_in_the_folder_of_the_track(self, ground):
        (ground.tree / "sub").mkdir()
        (ground.tree / "sub/here").touch()
        assert ground.says("import os; print(os.listdir())", cwd="sub") == "['here']"

    def test_its_environment_holds_nothing_of_ours(self, ground, monkeypatch):
        monkeypatch.setenv("SECRET_TOKEN", "hunter2")
        names = set(json.loads(ground.says("import json, os; print(json.dumps(dict(os.environ)))", env={"GIVEN": "1"})))
        assert names <= {"GIVEN", "PATH", "HOME", "LANG", "LC_CTYPE", "USER", "PWD", "OLDPWD", "SHLVL", "_", "OVERNIGHT_OUT"}

    def test_it_cannot_ask_anything_from_our_stdin(self, ground):
        assert ground.says("import os; print(os.readlink('/proc/self/fd/0'), repr(os.read(0, 1)))") == "/dev/null b''"

    def test_it_inherits_none_of_our_descriptors(self, ground, tmp_path):
        (tmp_path / "secret").write_text("x")
        with (tmp_path / "secret").open() as secret:
            os.set_inheritable(secret.fileno(), True)
            seen = ground.says("import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
                               " if n > '2' and os.path.exists(f'/proc/self/fd/{n}')])")
        assert seen == "[]"

    def test_pipes_that_are_given_reach_it_under_their_numbers(self, ground):
        theirs, ours = os.pipe()
        process = ground.start(f"import os; print(os.read({theirs}, 9))", fds=(theirs,))
        os.write(ours, b"hello")
        ended = process.wait()
        os.close(theirs)
        os.close(ours)
        assert ended.stdout == b"b'hello'\n"

    def test_stdin_and_stdout_can_be_pipes_of_ours(self, ground):
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

    def test_files_left_in_out_are_kept_with_their_folders(self, ground):
        ground.says("""
            import os
            out = os.environ["OVERNIGHT_OUT"]
            os.makedirs(out + "/a/b")
            open(out + "/a/b/c.txt", "w").write("kept")
            open(out + "/empty", "w")
        """)
        assert (ground.kept / "a/b/c.txt").read_text() == "kept" and (ground.kept / "empty").read_bytes() == b""

    def test_artefacts_can_be_read_but_not_changed_where_they_are_shown(self, ground, tmp_path):
        shown = tmp_path / "shown"
        shown.mkdir()
        (shown / "x").write_text("artefact")
        assert ground.says("import os; print(open(os.environ['OVERNIGHT_ARTIFACTS'] + '/x').read())", inputs=shown) == "artefact"

    def test_a_secret_is_shown_to_whom_it_is_given(self, ground, tmp_path):
        (tmp_path / "secret").write_text("holdout")
        assert ground.says("import os; print(open(os.environ['OVERNIGHT_HOLDOUT']).read())",
                           secret=tmp_path / "secret") == "holdout"

    def test_only_plain_files_are_kept(self, ground, tmp_path):
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

    def test_what_is_kept_never_passes_the_bound_of_the_disk(self, ground):
        small = Limits(wall=20, memory=256 << 20, disk=4 << 20)
        ground.run("""
            import os
            for n in range(8):
                with open(os.environ["OVERNIGHT_OUT"] + f"/{n}", "wb") as out:
                    out.write(bytes(1 << 20))
        """, small)
        assert sum(p.stat().st_size for p in ground.kept.iterdir()) <= 4 << 20

    def test_what_is_kept_can_be_read_by_others_whatever_the_umask(self, ground):
        before = os.umask(0o077)
        try:
            ground.says("import os; o = os.environ['OVERNIGHT_OUT']; os.mkdir(o + '/d'); open(o + '/d/f', 'w')")
        finally:
            os.umask(before)
        assert all(p.stat().st_mode & stat.S_IROTH for p in (ground.kept, ground.kept / "d", ground.kept / "d/f"))

    def test_time_is_bounded_even_for_what_ignores_signals(self, ground):
        ended = ground.run("""
            import signal, time
            for n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)
            time.sleep(60)
        """, Limits(wall=0.5))
        assert ended.killed == "time" and ended.wall < 3

    def test_output_is_bounded_while_it_is_read(self, ground):
        started = time.monotonic()
        ended = ground.run("import os\nfor _ in range(1 << 20): os.write(1, bytes(1000))", Limits(wall=30, output=1 << 20))
        assert ended.killed == "output" and len(ended.stdout) <= 1 << 16 and time.monotonic() - started < 10

    def test_the_end_of_long_output_is_what_is_kept(self, ground):
        ended = ground.run("print('x' * 500_000); print('the end')")
        assert ended.stdout.endswith(b"x\nthe end\n") and len(ended.stdout) <= 1 << 16

    def test_what_it_prints_can_be_heard_while_it_runs(self, ground):
        heard = []
        process = ground.start("""
            import sys, time
            print("one", flush=True); print("err", file=sys.stderr, flush=True)
            while not input(): pass
            print("two")
        """, heard=lambda chunk: heard.append(chunk) or False, stdin=(pipe := os.pipe())[0])
        until = time.monotonic() + 10
        while not heard and time.monotonic() < until:
            time.sleep(0.01)
        early = b"".join(heard)
        os.write(pipe[1], b"go on\n")
        ended = process.wait()
        for fd in pipe:
            os.close(fd)
        assert early == b"one\n" and b"".join(heard) == ended.stdout == b"one\ntwo\n" and ended.killed == ""

    def test_it_can_be_ended_for_what_it_prints(self, ground):
        ended = ground.run("""
            import time
            for n in range(1000):
                print(n, flush=True)
                time.sleep(0.02)
            print("the end")
        """, heard=lambda chunk: b"5\n" in chunk)
        assert ended.killed == "behind" and ended.code < 0 and b"5\n" in ended.stdout and b"the end" not in ended.stdout

    def test_what_ended_by_itself_was_not_ended_for_what_it_printed(self, ground):
        def slowly(chunk):
            time.sleep(1.0)
            return True
        ended = ground.run("print('done')", heard=slowly)
        assert (ended.code, ended.killed, ended.stdout) == (0, "", b"done\n")

    def test_more_memory_than_allowed_is_refused_or_ends_it(self, ground):
        ended = ground.run("x = bytearray(1 << 30)", Limits(wall=20, memory=128 << 20))
        assert ended.code != 0 and (ended.killed == "memory" or b"MemoryError" in ended.stderr)

    def test_shared_memory_counts_as_well(self, ground):
        ended = ground.run("""
            import mmap, time
            held = mmap.mmap(-1, 400 << 20)
            for at in range(0, 400 << 20, 4096): held[at] = 1
            time.sleep(10)
        """, Limits(wall=20, memory=128 << 20))
        assert ended.killed == "memory" and ended.wall < 8

    def test_memory_that_processes_share_is_counted_once(self, ground):
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

    def test_the_processors_time_is_about_right(self, ground):
        ended = ground.run("""
            import os, time
            if not os.fork():
                while time.process_time() < 0.4: pass
                os._exit(0)
            os.wait()
            while time.process_time() < 0.3: pass
        """)
        assert 0.6 <= ended.cpu <= 1.3 and ended.cpu <= 2 * ended.wall + 0.2

    def test_the_peak_of_memory_is_about_right(self, ground):
        ended = ground.run("x = bytearray(100 << 20); import time; time.sleep(0.3)")
        assert 100 << 20 <= ended.peak_memory <= 160 << 20

    def test_wall_time_is_that_of_the_command(self, ground):
        ended = ground.run("import time; time.sleep(0.5)")
        assert 0.5 <= ended.wall <= 1.5

    def test_children_in_its_group_die_with_it(self, ground, tmp_path):
        mark = f"mark{os.getpid()}x{time.monotonic_ns()}"
        ground.says(f"""
            import os, subprocess
            subprocess.Popen(["/bin/sh", "-c", "sleep 50; : {mark}"], stdout=2)
        """)
        assert not processes(mark)

    def test_it_can_be_ended_from_outside(self, ground):
        process = ground.start("import time; time.sleep(60)")
        threading.Timer(0.2, process.kill).start()
        ended = process.wait()
        assert ended.killed == "stopped" and ended.wall < 5

    def test_ending_what_has_ended_does_nothing(self, ground):
        process = ground.start("pass")
        process.wait()
        process.kill()
        assert ground.says("print(1)") == "1"

    def test_many_runs_leave_no_descriptor_thread_or_child_behind(self, ground):
        ground.says("print(1)")
        before = len(os.listdir("/proc/self/fd")), threading.active_count(), _zombies()
        for _ in range(5):
            ground.says("print(1)")
            ground.run("import time; time.sleep(9)", Limits(wall=0.05))
        time.sleep(0.1)
        assert (len(os.listdir("/proc/self/fd")), threading.active_count(), _zombies()) == before


def _zombies():
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [c for c in children if Path(f"/proc/{c}/stat").read_text().rpartition(")")[2].split()[0] == "Z"]


class Contains:
    """What a sandbox besides must keep from what it runs."""

    def test_it_reaches_no_listener_on_this_machine(self, ground):
        with socket.create_server(("127.0.0.1", 0)) as server:
            said = ground.says(f"""
                import socket
                try: socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 2); print("connected")
                except OSError as error: print("refused")
            """)
        assert said == "refused"

    @pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
    def test_it_reaches_nobody_outside(self, ground, address):
        family = "AF_INET6" if ":" in address else "AF_INET"
        said = ground.says(f"""
            import socket
            try: socket.socket(socket.{family}, socket.SOCK_DGRAM).connect(("{address}", 53)); print("sent")
            except OSError: print("no network")
        """)
        assert said == "no network"

    def test_it_reaches_no_abstract_socket(self, ground):
        name = f"\\0overnight-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name.replace("\\0", "\0"))
            server.listen()
            assert ground.says(f"""
                import socket
                try: socket.socket(socket.AF_UNIX).connect("{name}"); print("connected")
                except OSError: print("refused")
            """) == "refused"

    def test_it_sees_no_home_and_no_other_files_of_ours(self, ground, tmp_path):
        (tmp_path / "private").write_text("secret")
        paths = [str(Path.home()), str(tmp_path / "private"), "/etc/passwd", "/etc/shadow", "/root", "/home", "/var",
                 "/run", "/sys", str(Path(__file__))]
        seen = json.loads(ground.says(f"""
            import json, os
            def seen(path):
                try: return bool(os.listdir(path) if os.path.isdir(path) else open(path).read())
                except OSError: return False
            print(json.dumps([p for p in {paths!r} if seen(p)]))
        """))
        roots = [str(p) for p in (Path.home(), Path("/root"), Path("/home"))]
        allowed = {r for r in roots for m in MOUNTS if m.is_relative_to(r)}  # a bare path to the interpreter
        assert set(seen) <= allowed

    def test_of_its_home_it_sees_only_the_way_to_the_interpreter(self, ground):
        names = ground.says(f"import os; print(os.listdir({str(Path.home())!r}) if os.path.isdir({str(Path.home())!r}) else [])")
        below = {m.relative_to(Path.home()).parts[0] for m in MOUNTS if m.is_relative_to(Path.home())}
        assert set(ast.literal_eval(names)) <= below

    @pytest.mark.parametrize("place", ["/usr/evil", "/etc/evil", "/evil", "/dev/evil", "/proc/sys/kernel/core_pattern",
                                       "/proc/self/oom_score_adj", "/bin/evil", "/overnight/src/evil", "/overnight/evil", "/proc/sysrq-trigger"])
    def test_it_writes_nowhere_else(self, ground, place):
        value = "1000" if "oom" in place else "x"
        assert ground.says(f"""
            try:
                with open("{place}", "w") as out: out.write("{value}")
                print("written")
            except OSError: print("refused")
        """) == "refused"

    def test_it_cannot_change_what_is_mounted_for_it(self, ground, tmp_path):
        data = tmp_path / "data"
        data.mkdir()
        (data / "x").write_text("data")
        (data / "x").chmod(0o666)
        said = ground.says(f"""
            import os
            print(open("{data}/x").read())
            for act in (lambda: open("{data}/x", "w"), lambda: os.unlink("{data}/x"), lambda: os.chmod("{data}/x", 0),
                        lambda: os.utime("{data}/x"), lambda: os.rename("{data}/x", "{data}/y")):
                try: act(); print("done")
                except OSError: pass
        """, mounts=(*MOUNTS, data))
        assert said == "data" and (data / "x").read_text() == "data"

    def test_artefacts_are_read_only(self, ground, tmp_path):
        (tmp_path / "shown").mkdir()
        (tmp_path / "shown").chmod(0o777)
        said = ground.says("import os\ntry: open(os.environ['OVERNIGHT_ARTIFACTS'] + '/new', 'w'); print('written')\n"
                           "except OSError: print('refused')", inputs=tmp_path / "shown")
        assert said == "refused"

    def test_its_tmp_is_private(self, ground):
        mark = f"overnight-{os.getpid()}-{time.monotonic_ns()}"
        ground.says(f"for place in ('/tmp', '/dev/shm'): open(place + '/{mark}', 'w').write('x')")
        assert not Path("/tmp", mark).exists() and not Path("/dev/shm", mark).exists()
        assert ground.says(f"import os; print(os.path.exists('/tmp/{mark}'))") == "False"

    def test_it_sees_and_signals_no_process_of_ours(self, ground):
        victim = subprocess.Popen(["sleep", "60"])
        said = ground.says(f"""
            import os
            try: os.kill({victim.pid}, 9); print("killed")
            except OSError: print("gone")
            print(len([n for n in os.listdir("/proc") if n.isdigit()]))
        """).split()
        alive = victim.poll() is None
        victim.kill()
        victim.wait()
        assert alive and int(said[1]) <= 5

    def test_it_holds_no_privilege(self, ground):
        said = dict(line.split(":\t") for line in ground.says("""
            for line in open("/proc/self/status"):
                if line.startswith(("Cap", "NoNewPrivs", "Uid")): print(line.strip())
        """).splitlines())
        assert {said[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16} and said["NoNewPrivs"] == "1"
        assert "0" not in said["Uid"].split()

    def test_it_is_never_our_own_root(self, ground):
        process = ground.start("import time; time.sleep(0.5)")
        time.sleep(0.2)
        inside = [p for p in watch.tree(process._pid) if p != process._pid]
        owners = {os.stat(f"/proc/{p}").st_uid for p in inside}
        process.wait()
        assert owners and 0 not in owners

    @pytest.mark.parametrize("first", ["0", "0x10020000"], ids=["as it is", "in namespaces of its own"])
    def test_it_cannot_undo_the_mounts(self, ground, first):
        assert ground.says(f"""
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            libc.unshare({first})
            print(libc.umount(b"/proc"), libc.umount(b"/overnight/src"), libc.mount(b"none", b"/usr", None, 32 | 4096, None))
        """) == "-1 -1 -1"

    def test_it_cannot_come_back_as_a_setuid_program(self, ground):
        ground.run("import os, shutil; p = os.environ['OVERNIGHT_OUT'] + '/sh'; shutil.copy('/bin/sh', p); os.chmod(p, 0o6755)")
        assert not (ground.kept / "sh").stat().st_mode & 0o6111

    def test_processes_are_bounded(self, ground):
        ended = ground.run("""
            import os, time
            made = 0
            try:
                while made < 500:
                    if not os.fork(): time.sleep(30); os._exit(0)
                    made += 1
            except OSError: pass
            print(made)
        """, Limits(wall=20, processes=40))
        assert ended.code == 0 and 10 <= int(ended.stdout) <= 40

    def test_a_fork_bomb_ends_with_its_time(self, ground):
        started = time.monotonic()
        ended = ground.run("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", Limits(wall=1, processes=64))
        assert ended.killed == "time" and time.monotonic() - started < 10

    def test_many_processes_together_keep_to_the_bound_of_memory(self, ground):
        ended = ground.run("""
            import os, time
            for _ in range(8):
                if not os.fork():
                    held = bytearray(60 << 20)
                    time.sleep(10); os._exit(0)
            time.sleep(10)
        """, Limits(wall=20, memory=200 << 20))
        assert ended.killed == "memory" and ended.wall < 8

    @pytest.mark.parametrize("place", ["os.environ['OVERNIGHT_OUT']", "'/tmp'", "'.'", "'/dev/shm'"])
    def test_every_place_it_may_write_to_is_bounded(self, ground, place):
        said = ground.says(f"""
            import os
            total = 0
            try:
                for n in range(300):
                    with open({place} + f"/{{n}}", "wb") as out:
                        for _ in range(4): out.write(bytes(1 << 18)); total += 1 << 18
            except OSError: pass
            print(total >> 20)
        """, limits=Limits(wall=20, memory=256 << 20, disk=8 << 20))
        assert int(said) <= 64

    def test_a_flood_of_empty_files_is_ended(self, ground):
        ended = ground.run("""
            import os
            os.chdir(os.environ["OVERNIGHT_OUT"])
            for n in range(400_000): open(str(n), "w").close()
        """, Limits(wall=30))
        assert ended.killed == "disk" and sum(1 for _ in ground.kept.iterdir()) <= watch.MOST_FILES

    def test_a_huge_sparse_file_cannot_be_made(self, ground):
        assert ground.says("""
            import os
            try: os.truncate(os.open(os.environ["OVERNIGHT_OUT"] + "/x", os.O_CREAT | os.O_RDWR), 1 << 40); print("made")
            except OSError: print("refused")
        """) == "refused"

    def test_a_daemon_in_a_session_of_its_own_dies_too(self, ground):
        mark = f"mark{os.getpid()}x{time.monotonic_ns()}"
        started = time.monotonic()
        ground.says(f"""
            import os, signal, time
            if not os.fork():
                os.setsid()
                for n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)
                if os.fork(): os._exit(0)
                os.execv("/bin/sh", ["sh", "-c", "sleep 60; : {mark}"])
            time.sleep(0.2)
        """)
        assert not processes(mark) and time.monotonic() - started < 5

    @pytest.mark.parametrize("victim", ["monitor", "first process"])
    def test_a_sandbox_that_is_killed_from_outside_is_a_fault_of_the_machine(self, ground, victim):
        process = ground.start("import time; time.sleep(30)")
        os.kill(process._monitor.pid if victim == "monitor" else process._pid, signal.SIGKILL)
        with pytest.raises(Fault, match="killed from outside"):
            process.wait()

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
        assert not [p for p in processes(mark) if Path(f"/proc/{p}/comm").read_text() != "bwrap\n"]
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


# ---- choosing one ----------------------------------------------------------------------------------------------


def test_a_sandbox_is_chosen_by_name():
    assert (sandbox.choose("bubblewrap").name, sandbox.choose("none").name) == ("bubblewrap", "none")


def test_an_unknown_sandbox_is_refused_with_the_known_ones():
    with pytest.raises(SandboxMissing, match="choose one of bubblewrap, none"):
        sandbox.choose("docker")


def test_without_bubblewrap_it_says_what_to_install_and_nothing_else_is_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxMissing, match="apt-get install -y bubblewrap"):
        sandbox.choose("bubblewrap")


REFUSALS = {
    "setting up uid map: Permission denied": "apparmor_restrict_unprivileged_userns=0",
    "loopback: Failed RTM_NEWADDR: Operation not permitted": "bwrap-userns-restrict",
    "No permissions to create new namespace, likely because the kernel does not allow": "unprivileged_userns_clone=1",
    "Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)": "user.max_user_namespaces=15000",
    "Creating new namespace failed: Operation not permitted": "start it with --privileged",
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
    before = len(os.listdir("/proc/self/fd")), _zombies()
    for _ in range(3):
        with pytest.raises(Fault, match="could not be started"):
            bubblewrap.start(Command(("/bin/true",), tmp_path / "nowhere", Limits()))
    time.sleep(0.1)
    assert (len(os.listdir("/proc/self/fd")), _zombies()) == before


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
    python, mounts = interpreter(Run(command=("python",), python="venv"), tmp_path)
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
    python, mounts = interpreter(Run(command=("python",), python="venv"), tmp_path)
    ground = Ground(bubblewrap, tmp_path)
    script = f"import sys, os; print(sys.prefix != sys.base_prefix, os.path.exists({str(tmp_path / 'home/private')!r}))"
    assert ground.says((python, "-c", script), mounts=mounts) == "True False"


def test_a_link_in_the_home_folder_does_not_open_the_home_folder(bubblewrap, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "home/bin").mkdir(parents=True)
    (tmp_path / "home/bin/python3").symlink_to(PYTHON)
    python, mounts = interpreter(Run(command=("python",), python=str(tmp_path / "home/bin/python3")), tmp_path)
    assert not [m for m in mounts if (tmp_path / "home").is_relative_to(m)]
    assert Ground(bubblewrap, tmp_path).says((python, "-c", "print(1)"), mounts=mounts) == "1"
