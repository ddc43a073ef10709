"""What a sandbox must keep from what it runs, as tests; `overnight.testing.sandbox` says how to inherit them."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import time
from pathlib import Path

from overnight.contracts import Limits
from overnight.sandbox import watch
from overnight.testing.sandbox import Ground, processes


class Contains:
    """What a sandbox besides must keep from what it runs."""

    seen_from_outside = True  # whether what runs inside is a process of this machine's, as it is not with a kernel of its own

    def test_it_reaches_no_listener_on_this_machine(self, ground: Ground) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            assert not ground.lets(f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)")

    def test_it_reaches_nobody_outside(self, ground: Ground) -> None:
        for family, address in ("AF_INET", "8.8.8.8"), ("AF_INET6", "2001:4860:4860::8888"):
            assert not ground.lets(f"socket.socket(socket.{family}, socket.SOCK_DGRAM).connect(('{address}', 53))")

    def test_it_reaches_no_abstract_socket(self, ground: Ground) -> None:
        name = f"\\0overnight-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name.replace("\\0", "\0"))
            server.listen()
            assert not ground.lets(f"socket.socket(socket.AF_UNIX).connect('{name}')")

    def test_it_knows_no_users_of_this_machine(self, ground: Ground) -> None:
        seen = ground.says("""
            import os
            print(open("/etc/passwd").read() if os.path.exists("/etc/passwd") else "")
        """)
        theirs = {line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()} - {"root"}
        assert not theirs & {line.partition(":")[0] for line in seen.splitlines()}

    def test_it_sees_no_home_and_no_other_files_of_ours(self, ground: Ground, tmp_path: Path) -> None:
        (tmp_path / "private").write_text("secret")
        paths = [str(Path.home()), str(tmp_path / "private"), "/etc/shadow", "/root", "/home", "/var",
                 "/run", "/sys", str(Path(__file__))]
        seen = json.loads(ground.says(f"""
            import json, os
            def seen(path):
                try: return bool(os.listdir(path) if os.path.isdir(path) else open(path).read())
                except OSError: return False
            print(json.dumps([p for p in {paths!r} if seen(p)]))
        """))
        roots = [str(p) for p in (Path.home(), Path("/root"), Path("/home"))]
        allowed = {r for r in roots for m in ground.mounts if m.is_relative_to(r)}  # a bare path to the interpreter
        assert set(seen) <= allowed

    def test_of_its_home_it_sees_only_the_way_to_the_interpreter(self, ground: Ground) -> None:
        home = str(Path.home())
        names = ground.says(f"import os; print(os.listdir({home!r}) if os.path.isdir({home!r}) else [])")
        below = {m.relative_to(Path.home()).parts[0] for m in ground.mounts if m.is_relative_to(Path.home())}
        assert set(ast.literal_eval(names)) <= below

    def test_it_writes_nowhere_else(self, ground: Ground) -> None:
        places = ["/usr/evil", "/etc/evil", "/evil", "/dev/evil", "/proc/sys/kernel/core_pattern", "/bin/evil", "/sys/evil",
                  "/overnight/src/evil", "/overnight/evil", "/proc/sysrq-trigger"]
        places += ["/proc/self/oom_score_adj"] if self.seen_from_outside else []  # of its own kernel's it may do as it likes
        assert ground.says(f"""
            for place in {places!r}:
                try:
                    with open(place, "w") as out: out.write("-1000" if "oom" in place else "x")
                    print("written:", place)
                except OSError: pass
        """) == ""

    def test_it_cannot_change_what_is_mounted_for_it(self, ground: Ground, tmp_path: Path) -> None:
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
        """, mounts=(*ground.mounts, data))
        assert said == "data" and (data / "x").read_text() == "data"

    def test_artefacts_are_read_only(self, ground: Ground, tmp_path: Path) -> None:
        (tmp_path / "shown").mkdir()
        (tmp_path / "shown").chmod(0o777)
        assert not ground.lets("open(os.environ['OVERNIGHT_ARTIFACTS'] + '/new', 'w')", inputs=tmp_path / "shown")

    def test_its_tmp_is_private(self, ground: Ground) -> None:
        mark = f"overnight-{os.getpid()}-{time.monotonic_ns()}"
        ground.says(f"for place in ('/tmp', '/dev/shm'): open(place + '/{mark}', 'w').write('x')")
        assert not Path("/tmp", mark).exists() and not Path("/dev/shm", mark).exists()
        assert ground.says(f"import os; print(os.path.exists('/tmp/{mark}'))") == "False"

    def test_it_sees_and_signals_no_process_of_ours(self, ground: Ground) -> None:
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

    def test_it_holds_no_privilege(self, ground: Ground) -> None:
        said = dict(line.split(":\t") for line in ground.says("""
            import ctypes
            print(f"NoNewPrivs:\\t{ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)}")
            for line in open("/proc/self/status"):
                if line.startswith(("Cap", "Uid")): print(line.strip())
        """).splitlines())
        assert {value for name, value in said.items() if name.startswith("Cap")} == {"0" * 16}
        assert said["NoNewPrivs"] == "1" and "0" not in said["Uid"].split()

    def test_it_is_never_our_own_root(self, ground: Ground) -> None:
        mark = f"mark{time.monotonic_ns() % 10**9}"
        process = ground.start(f"""
            import ctypes, time
            ctypes.CDLL(None).prctl(15, b"{mark}", 0, 0, 0)
            print("here", flush=True)
            time.sleep(0.5)
        """)
        time.sleep(0.3)
        owners = {entry.stat().st_uid for entry in Path("/proc").iterdir() if entry.name.isdigit() and _called(entry, mark)}
        assert process.wait().code == 0
        assert 0 not in owners and (owners or not self.seen_from_outside)

    def test_a_home_is_an_empty_folder_of_its_own_with_what_is_mounted_there(self, ground: Ground, tmp_path: Path) -> None:
        home = tmp_path / "home"
        (home / ".cache/elsewhere").mkdir(parents=True)
        (home / "private").touch()
        (home / "data").symlink_to(home / ".cache/elsewhere")
        (home / ".cache/elsewhere/x").write_text("data")
        said = ground.says("""
            import os
            home = os.path.expanduser("~")
            print(home, sorted(os.listdir(home)), open(home + "/data/x").read())
            open(home + "/made", "w").write("mine")
            try: open(home + "/data/x", "w")
            except OSError: print("refused")
        """, mounts=(*ground.mounts, home / ".cache/elsewhere", home / "data"), home=home)
        assert said == f"{home} ['.cache', 'data'] data\nrefused" and not (home / "made").exists()

    def test_it_cannot_undo_the_mounts(self, ground: Ground) -> None:
        for flags in ("0", "0x10020000"):  # as it is, and in namespaces of its own
            assert ground.says(f"""
                import ctypes
                libc = ctypes.CDLL(None, use_errno=True)
                libc.unshare({flags})
                print(libc.umount(b"/proc"), libc.umount(b"/overnight/src"))
                print(libc.mount(b"none", b"/usr", None, 32 | 4096, None))
            """) == "-1 -1\n-1"

    def test_it_cannot_come_back_as_a_setuid_program(self, ground: Ground) -> None:
        ground.says("import os, shutil; p = os.environ['OVERNIGHT_OUT'] + '/sh'; shutil.copy('/bin/sh', p)\n"
                    "try: os.chmod(p, 0o6755)\nexcept OSError: pass")
        assert not (ground.kept / "sh").stat().st_mode & 0o6000

    def test_processes_are_bounded(self, ground: Ground) -> None:
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

    def test_a_fork_bomb_ends_with_its_time(self, ground: Ground) -> None:
        started = time.monotonic()
        bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        ended = ground.run(bomb, Limits(wall=1, processes=64))
        assert ended.killed == "time" and time.monotonic() - started < 10

    def test_many_processes_together_keep_to_the_bound_of_memory(self, ground: Ground) -> None:
        ended = ground.run("""
            import os, time
            for _ in range(8):
                if not os.fork():
                    held = bytearray(60 << 20)
                    time.sleep(10); os._exit(0)
            time.sleep(10)
        """, Limits(wall=20, memory=200 << 20))
        assert ended.killed == "memory" and ended.wall < 8

    def test_every_place_it_may_write_to_is_bounded(self, ground: Ground) -> None:
        for place in ("os.environ['OVERNIGHT_OUT']", "'/tmp'", "'.'", "'/dev/shm'"):
            ended = ground.run(f"""
                import os
                total = 0
                try:
                    for n in range(300):
                        with open({place} + f"/{{n}}", "wb") as out:
                            for _ in range(4): out.write(bytes(1 << 18)); total += 1 << 18
                except OSError: pass
                print(total >> 20)
            """, Limits(wall=20, memory=256 << 20, disk=8 << 20))
            assert ended.code == 0 and int(ended.stdout) <= 64, (place, ended)

    def test_a_flood_of_empty_files_is_ended(self, ground: Ground) -> None:
        ended = ground.run("""
            import os
            os.chdir(os.environ["OVERNIGHT_OUT"])
            for n in range(100_000): open(str(n), "w").close()
        """, Limits(wall=30))
        kept = list(ground.kept.iterdir()) if ground.kept.exists() else []
        assert ended.killed == "disk" and len(kept) <= watch.MOST_FILES

    def test_a_huge_sparse_file_cannot_be_made(self, ground: Ground) -> None:
        assert not ground.lets("os.truncate(os.open(os.environ['OVERNIGHT_OUT'] + '/x', os.O_CREAT | os.O_RDWR), 1 << 40)")

    def test_a_daemon_in_a_session_of_its_own_dies_too(self, ground: Ground) -> None:
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


def _called(entry: Path, name: str) -> bool:
    """Whether a folder of /proc is that of a process of this name."""
    try:
        return (entry / "comm").read_text() == f"{name}\n"
    except OSError:
        return False
