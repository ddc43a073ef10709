"""Processes: the host's are out of reach, the run's own are bounded and die with it, and privileges are gone for good.

Where a number of processes is told it counts threads, bubblewrap's own first process and the payload.
"""

import os
import signal
import subprocess
import sys
import time

from attacks.night import CONTRACT
from attacks.suite import Attack, Stopped, only, probe
from conftest import stop
from overnight.execution.mounts import interpreter
from overnight.testing.sandbox import processes
from overnight.track.spec import RunSpec

KIND = "processes"
GROUND = {"track.toml": CONTRACT.replace('timeout = "3s"', 'timeout = "2s"')}
LATE = "longer than 2 s"
DENIED = only("EPERM", "ENOSYS")
BOUNDED = r"^probe: EAGAIN after ([12]?\d|3[0-2])$"
DAEMON = "sleeps-behind-the-run"  # a word on the command line of those that try to outlive their run


def gone(night):
    """Nothing that an attack left behind is alive."""
    assert processes(DAEMON) == []


ATTACKS = [
    # -- others --
    probe("bears a name that is no text", KIND, """
        import time
        syscall("prctl", 15, b"\\xff\\xfe\\x85 no text", 0, 0, 0)
        time.sleep(0.5)
        """, "the kernel's files are read as bytes", said="^probe: absent$"),
    probe("lives for ever under a name that is no text", KIND, """
        import time
        if os.fork():
            syscall("prctl", 15, b"\\xff", 0, 0, 0)
        time.sleep(30)
        """, "limit on time", verdict="crash", reason=LATE, said=""),
    probe("bounds the first process, to have it die as if from outside", KIND, """
        import struct
        return each(**{str(which): lambda which=which: syscall("prlimit64", 1, which, struct.pack("QQ", 1, 1), None)
                       for which in (0, 3, 7)})
        """, "system-call filter", said=DENIED),
    probe("kills a process of the host", KIND, """
        return each(ask=lambda: os.kill(VICTIM, 0), handle=lambda: os.pidfd_open(VICTIM), group=lambda: os.getpgid(VICTIM),
                    nice=lambda: os.getpriority(os.PRIO_PROCESS, VICTIM), harness=lambda: os.kill(HARNESS, 0),
                    session=lambda: os.getsid(VICTIM), cores=lambda: os.sched_getaffinity(VICTIM))
        """, "own process namespace", said=only("ESRCH"), works="^probe: OPEN"),
    probe("reads other processes' environments", KIND, """
        found = []
        for pid in (pid for pid in os.listdir("/proc") if pid.isdigit()):
            try:
                found += [pid] * (b"SECRET=" in open(f"/proc/{pid}/environ", "rb").read())
            except OSError as error:
                print(f"  {pid}: {error.strerror}")
        return found
        """, "own process namespace, empty environment", said="^probe: absent$", works="^probe: OPEN"),
    probe("traces other processes", KIND, """
        sibling = os.fork()
        if not sibling:
            import time
            time.sleep(10)
            os._exit(0)
        try:
            return each(attach=lambda: syscall("ptrace", 16, sibling, 0, 0), seize=lambda: syscall("ptrace", 0x4206, sibling, 0, 0),
                        first=lambda: syscall("ptrace", 16, 1, 0, 0), victim=lambda: syscall("ptrace", 16, VICTIM, 0, 0),
                        me=lambda: syscall("ptrace", 0, 0, 0, 0))
        finally:
            os.kill(sibling, 9)
        """, "system-call filter", said=DENIED),
    probe("reads and writes other processes' memory", KIND, """
        import ctypes
        sibling = os.fork()
        if not sibling:
            import time
            time.sleep(10)
            os._exit(0)
        held = ctypes.create_string_buffer(8)
        vector = (ctypes.c_size_t * 2)(ctypes.addressof(held), 8)
        calls = {f"{name} {pid}": lambda name=name, pid=pid: syscall(name, pid, vector, 1, vector, 1, 0)
                 for name in ("process_vm_readv", "process_vm_writev") for pid in (sibling, 1, VICTIM)}
        try:
            return each(advise=lambda: syscall("process_madvise", os.pidfd_open(sibling), vector, 1, 21, 0),
                        compare=lambda: syscall("kcmp", os.getpid(), sibling, 1, 0, 0),
                        move=lambda: syscall("move_pages", sibling, 0, 0, 0, 0, 0),
                        migrate=lambda: syscall("migrate_pages", sibling, 0, 0, 0), **calls)
        finally:
            os.kill(sibling, 9)
        """, "system-call filter", said=DENIED),
    probe("takes a descriptor from another process", KIND, """
        sibling = os.fork()
        if not sibling:
            import time
            time.sleep(10)
            os._exit(0)
        try:
            return each(sibling=lambda: syscall("pidfd_getfd", os.pidfd_open(sibling), 0, 0),
                        first=lambda: syscall("pidfd_getfd", os.pidfd_open(1), 0, 0))
        finally:
            os.kill(sibling, 9)
        """, "system-call filter", said=DENIED),
    probe("kills the first process and everybody else", KIND, """
        import signal
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
            for pid in (1, -1):
                try:
                    os.kill(pid, number)
                except OSError as error:
                    print(f"  {pid}: {error.strerror}")
        say("the first process lives" if os.path.exists("/proc/1/stat") else "OPEN")
        """, "the first process of a namespace is immune", said="^probe: the first process lives$"),
    Attack("dies as if the machine had killed it", KIND, {"run.py": "import os\nos.kill(os.getpid(), 9)\n"},
           "a signal of its own is its own end", "crash", "signal 9"),
    Attack("ends with the status of one that was killed", KIND, {"run.py": "import os\nos._exit(137)\n"},
           "a status of its own is its own end", "crash", "signal 9"),
    # -- privileges --
    probe("holds privileges", KIND, """
        status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        held = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
        held += [name for name, due in (("NoNewPrivs", "1"), ("Seccomp", "2")) if status[name].strip() != due]
        held += [f"{name} 0" for name in ("Uid", "Gid", "Groups") if "0" in status[name].split()]
        say(" ".join(held) or "none")
        """, "no capability, throw-away user, filter", said="^probe: none$"),
    probe("becomes root", KIND, """
        data = (0x20080522).to_bytes(4, "little") + bytes(4), bytes([255] * 24)
        return each(user=lambda: syscall("setresuid", 0, 0, 0), group=lambda: syscall("setresgid", 0, 0, 0),
                    groups=lambda: os.setgroups([0]), capabilities=lambda: syscall("capset", *data),
                    real=lambda: os.setreuid(0, 0), file=lambda: os.setuid(0))
        """, "no capability", said=only("EPERM", "EINVAL")),
    probe("asks for a faster place", KIND, """
        return each(real=lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
                    nice=lambda: os.setpriority(os.PRIO_PROCESS, 0, -5), disk=lambda: syscall("ioprio_set", 1, 0, 1 << 13))
        """, "no capability", said=only("EPERM", "EACCES")),
    probe("takes another core", KIND, """
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, range(os.cpu_count()))  # it may be told that this worked
        return sorted(os.sched_getaffinity(0) - before)
        """, "system-call filter", said="^probe: (absent|EPERM)$"),
    probe("raises its limits", KIND, """
        limits = {"processes": 6, "file": 1, "descriptors": 7, "core": 4, "data": 2, "locked": 8, "queues": 12}
        return each(**{name: lambda number=number: syscall("prlimit64", 0, number, bytes([255] * 16), None)
                       for name, number in limits.items()})
        """, "hard limits, no capability", said=only("EPERM")),
    probe("hides from the killer of memory hogs", KIND, """
        return each(new=lambda: open("/proc/self/oom_score_adj", "w").write("-1000"),
                    old=lambda: open("/proc/self/oom_adj", "w").write("-17"))
        """, "/proc is read-only", said=only("EROFS", "EACCES")),
    probe("calls by the numbers of x32", KIND, """
        import platform
        if platform.machine() != "x86_64":
            return say("SIGSYS")
        say(ended(lambda: syscall(0x40000000 | 39)))
        """, "system-call filter kills", said="^probe: SIGSYS$"),
    probe("calls by the gate of 32 bits", KIND, """
        import ctypes, mmap, platform
        if platform.machine() != "x86_64":
            return say("SIGSYS")
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20 (getpid); int 0x80; ret
        say(ended(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))))
        """, "system-call filter kills", said="^probe: (SIGSYS|SIGSEGV)$"),
    # -- numbers and time --
    probe("forks five thousand times", KIND, """
        import time
        for count in range(5000):
            try:
                if not os.fork():
                    time.sleep(20)
                    os._exit(0)
            except OSError as error:
                return say(f"{errno.errorcode[error.errno]} after {count}")
        return "5000"
        """, "bound on processes", said=BOUNDED),
    probe("starts five thousand threads", KIND, """
        import _thread, time
        _thread.stack_size(262144)
        gate, over = _thread.allocate_lock(), []
        gate.acquire()
        def hold():
            with gate:
                over.append(1)
        for count in range(5000):
            try:
                _thread.start_new_thread(hold, ())
            except RuntimeError:
                gate.release()
                while len(over) < count:  # Python may crash when it ends before its threads do
                    time.sleep(0.01)
                time.sleep(0.05)
                return say(f"EAGAIN after {count}")
        return "5000"
        """, "bound on processes", said=BOUNDED),
    probe("is a fork bomb", KIND, """
        import time
        until = time.monotonic() + 6
        while time.monotonic() < until:
            try:
                os.fork()
            except OSError:
                pass
        return "still there"
        """, "wall time", verdict="crash", reason=LATE, said=""),
    probe("ignores every signal and sleeps", KIND, """
        import signal, time
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        os.fork()
        time.sleep(6)
        return "still there"
        """, "wall time", verdict="crash", reason=LATE, said="", after=gone),
    probe("stops its own group", KIND, "os.killpg(0, 19)", "wall time", verdict="crash", reason=LATE, said=""),
    probe("spins on every core", KIND, """
        import time
        os.fork(), os.fork()
        while time.monotonic_ns():
            pass
        """, "wall time", verdict="crash", reason=LATE, said=""),
    probe("leaves a daemon behind", KIND, f"""
        import signal, time
        if not os.fork():
            os.setsid()
            for number in (1, 2, 3, 15):
                signal.signal(number, signal.SIG_IGN)
            os.closerange(0, 64)
            if os.fork():
                os._exit(0)
            os.execv("/bin/sh", ["sh", "-c", "sleep 30; : {DAEMON}"])
        os.wait()
        time.sleep(0.05)
        say("left behind")
        """, "the process namespace dies with the run", said="^probe: left behind$", after=gone),
    probe("leaves a daemon that moves on and on", KIND, f"""
        import time
        if not os.fork():
            os.setsid()
            while True:
                if os.fork():
                    os._exit(0)
                os.environ["NAME"] = "{DAEMON}"
                time.sleep(0.002)
        os.wait()
        time.sleep(0.1)
        say("left behind")
        """, "the process namespace dies with the run", said="^probe: left behind$", after=gone),
    probe("leaves a daemon that holds its output open", KIND, f"""
        if not os.fork():
            os.setsid()
            os.execv("/bin/sh", ["sh", "-c", "sleep 30; : {DAEMON}"])
        say("left behind")
        """, "nobody waits for an output's end", said="^probe: left behind$", after=gone),
]

ALONE = """\
import sys
from pathlib import Path
from overnight.contracts import Command, Limits
from overnight.sandbox.bubblewrap import Bubblewrap

tree, python, *mounts = sys.argv[1:]
payload = ("import os, time\\n"
           "os.setsid() if not os.fork() else None\\n"
           "os.execv('/bin/sh', ['sh', '-c', 'sleep 60; : {daemon}'])")
command = Command(argv=(python, "-c", payload), tree=Path(tree), limits=Limits(wall=60), mounts=tuple(map(Path, mounts)))
process = Bubblewrap().start(command)
print("started", flush=True)
process.wait()
""".replace("{daemon}", DAEMON)


class TestProcesses(Stopped):
    """A night of killing and outliving."""

    def test_a_supervisor_that_is_killed_takes_its_run_along(self, tmp_path):
        tmp_path.chmod(0o755)
        python, mounts = interpreter(RunSpec(command=("python",)), tmp_path)
        supervisor = subprocess.Popen([sys.executable, "-c", ALONE, tmp_path, python, *mounts], stdout=subprocess.PIPE)
        assert supervisor.stdout.readline() == b"started\n"
        _until(lambda: len(processes(DAEMON)) >= 2)
        stop(supervisor, signal.SIGKILL)
        supervisor.stdout.close()
        _until(lambda: not processes(DAEMON))


def _until(come, seconds=10):
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < end, os.times()
        time.sleep(0.02)
