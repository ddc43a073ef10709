"""Sandbox by bubblewrap: namespaces for files, processes, network, users; limits inside.

Covered: no network, no home, no environment but the contract's, a read-only world, private bounded places for the
tree, the artefacts, /tmp and /dev/shm, limits on wall time, CPU, memory, processes and output, death of the whole
tree, artefacts copied only after death and without following anything. As root the payload runs under a throw-away
uid without capabilities.
Not covered here: a system-call filter and exact accounting of memory (the tree is polled ten times a second); kernel
bugs; side channels. Host path names of mounts can be read in /proc/self/mountinfo.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from overnight.contracts import Command, Ended, Limits
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import watch

POLL = 0.1  # seconds between two looks at memory and file counts
TMP = 64 << 20  # bytes of /tmp and of /dev/shm, at least
START_WITHIN = 20.0  # seconds after which a sandbox that is not ready is a fault
OWN = "/overnight"  # where our folders lie inside; a name under which nobody keeps data
FIRST_UID, UIDS = 200_000, 10_000  # root only: throw-away users start here, so many for each of our processes
INSTALL = "sudo apt-get install -y bubblewrap"

_REASONS = {
    "uid map: Permission denied": "AppArmor forbids user namespaces: install the profile bwrap-userns-restrict, or run "
    "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    "RTM_NEWADDR": "AppArmor forbids user namespaces: install the profile bwrap-userns-restrict, or run "
    "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    "No permissions to create new namespace": "this container or kernel forbids namespaces: allow them "
    "(`sudo sysctl kernel.unprivileged_userns_clone=1`, or a container with --privileged)",
    "Creating new namespace failed": "this container or kernel forbids namespaces: run outside the container, or raise "
    "`sysctl user.max_user_namespaces`",
}


class Bubblewrap:
    """Runs commands under `bwrap`, as root or as an ordinary user."""

    name = "bubblewrap"

    def __init__(self) -> None:
        self.identity = self.name
        self._bwrap = shutil.which("bwrap") or ""
        self._root = os.geteuid() == 0
        first = FIRST_UID + os.getpid() % 100_000 * UIDS
        self._uids = itertools.cycle(range(first, first + UIDS))
        self._name = watch.name_of(os.getpid())
        watch.adopt_orphans()

    def probe(self) -> None:
        """Run the smallest payload. Raises SandboxMissing with what to install or choose."""
        self._sweep()
        if os.uname().sysname != "Linux":
            raise SandboxMissing("there is no sandbox for this system yet: run Overnight on Linux (a virtual machine or "
                                 "a container will do), or choose `--sandbox none` for code that you trust.")
        if not self._bwrap:
            raise SandboxMissing(f"bubblewrap is not installed: run `{INSTALL}`, or choose `--sandbox none` "
                                 "for code that you trust.")
        with tempfile.TemporaryDirectory() as empty:
            Path(empty).chmod(0o755)
            try:
                ended = self.start(Command(argv=("/bin/true",), tree=Path(empty), limits=Limits(wall=20))).wait()
            except Fault as fault:
                raise SandboxMissing(_why(str(fault))) from fault
        if ended.code:
            raise SandboxMissing(_why(ended.stderr.decode(errors="replace")))

    @staticmethod
    def _sweep() -> None:
        """End what was being set up when an Overnight was killed: bwrap waits for ever in its first milliseconds then."""
        for pid in watch.orphans():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def start(self, command: Command) -> Contained:
        """Start a command. Raises Fault."""
        try:
            return Contained(command, [self._bwrap], self._setup(command), self._launcher(command))
        except OSError as error:
            raise Fault(f"the sandbox could not be started: {error}.") from error

    def _launcher(self, command: Command) -> list[str]:
        """What runs inside before the payload: drop the user, set limits, wait for the word, copy the tree, change into
        it. If we die before we say the word, the payload never begins."""
        limits = command.limits
        drop = []
        if self._root:
            uid = str(next(self._uids))
            drop = ["/usr/bin/setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--inh-caps=-all",
                    "--bounding-set=-all", "--no-new-privs"]
        bounds = ["/usr/bin/prlimit", *watch.bounds(
            nproc=limits.processes, fsize=limits.disk, nofile=1024, core=0, data=limits.memory, memlock=65536, msgqueue=65536)]
        begin = (f'read -r go && cp -R --preserve=mode,links {OWN}/src {OWN}/work/tree && cd "{OWN}/work/tree/$1" && '
                 'stdin=$2 && shift 2 && exec "$@" <"$stdin"')
        stdin = os.devnull if command.stdin is None else f"/proc/self/fd/{command.stdin}"
        return [*drop, *bounds, "/bin/sh", "-c", begin, self._name, command.cwd, stdin, *command.argv]

    def _setup(self, command: Command) -> list[str]:
        """bwrap's options. The order counts: all binds first, `--remount-ro /` last."""
        limits = command.limits
        user = [] if self._root else ["--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns"]
        caps = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"] if self._root else []
        shared = max(TMP, limits.memory // 4)
        return [
            *user, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup",
            "--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", *caps,
            *_world(),
            "--proc", "/proc", "--ro-bind", "/dev/null", "/proc/keys", "--ro-bind", "/dev/null", "/proc/key-users",
            "--remount-ro", "/proc",
            "--dev", "/dev", "--perms", "1777", "--size", str(shared), "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
            "--perms", "1777", "--size", str(max(TMP, limits.disk)), "--tmpfs", "/tmp",
            *itertools.chain.from_iterable(_bind(path) for path in command.mounts),  # after /tmp: some lie there
            "--perms", "0755", "--dir", OWN,
            "--ro-bind", str(command.tree), f"{OWN}/src",
            "--perms", "0777", "--size", str(limits.disk), "--tmpfs", f"{OWN}/work",
            *(["--ro-bind", str(command.inputs), f"{OWN}/artifacts"] if command.inputs else []),
            *(["--ro-bind", str(command.secret), f"{OWN}/holdout"] if command.secret else []),
            *(["--perms", "0777", "--size", str(limits.disk), "--tmpfs", f"{OWN}/out"] if command.harvest else []),
            "--remount-ro", "/", "--chdir", "/",
            *itertools.chain.from_iterable(("--setenv", k, v) for k, v in _environment(command).items()),
        ]


def _environment(command: Command) -> dict[str, str]:
    own = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "USER": "sandbox"}
    own |= {"OVERNIGHT_OUT": f"{OWN}/out"} if command.harvest else {}
    own |= {"OVERNIGHT_ARTIFACTS": f"{OWN}/artifacts"} if command.inputs else {}
    own |= {"OVERNIGHT_HOLDOUT": f"{OWN}/holdout"} if command.secret else {}
    return own | command.env


def _world() -> Iterator[str]:
    """The read-only system: /usr and the few files of /etc that programs need to start."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    yield from ("--perms", "0755", "--dir", "/etc")
    for name in ("ld.so.cache", "alternatives", "localtime"):
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _bind(path: Path) -> Iterator[str]:
    """One read-only host path at its own place, with parents that the throw-away user may pass; a link stays a link."""
    if path.is_relative_to("/usr"):
        return
    for parent in reversed(path.parents[:-1]):
        yield from ("--perms", "0755", "--dir", str(parent))
    if path.is_symlink():
        yield from ("--symlink", str(path.readlink()), str(path))
    else:
        yield from ("--ro-bind", str(path), str(path))


def _why(text: str) -> str:
    """bwrap's error as one sentence that says what to do."""
    found = next((advice for sign, advice in _REASONS.items() if sign in text), "")
    said = text.strip().splitlines()[-1] if text.strip() else "it said nothing"
    return (f"bubblewrap does not work here ({said}): {found or 'see its message'}; or choose `--sandbox none` "
            "for code that you trust.")


class Contained:
    """One command under bwrap. Two processes are ours to end: the monitor that we started, and pid 1 inside."""

    def __init__(self, command: Command, bwrap: list[str], setup: list[str], launcher: list[str]) -> None:
        self._limits, self._harvest = command.limits, command.harvest
        self._clock = watch.Clock()
        self._killed = ""
        self._ending = threading.Lock()
        self._pidfd = self._out = -1
        ready = f"/.ready-{secrets.token_hex(8)}"
        info, info_theirs = os.pipe()
        block_theirs, self._block = os.pipe()
        word_theirs, self._word = os.pipe()
        options = os.memfd_create("options")
        setup = [*setup, "--info-fd", str(info_theirs), "--block-fd", str(block_theirs)]
        place = setup.index(f"{OWN}/src") - 2
        setup[place:place] = ["--perms", "0555", "--dir", ready]
        os.write(options, "\0".join(setup).encode() + b"\0")
        os.lseek(options, 0, os.SEEK_SET)
        given = () if command.stdin is None else (command.stdin,)
        if given:
            os.fchmod(given[0], 0o666)  # the throw-away user opens it anew
        try:
            self._monitor = subprocess.Popen(
                [*bwrap, "--args", str(options), "--", *launcher],
                env={}, close_fds=True, pass_fds=(options, info_theirs, block_theirs, *given, *command.fds),
                stdin=word_theirs, stdout=subprocess.PIPE if command.stdout is None else command.stdout, stderr=subprocess.PIPE,
                start_new_session=True)  # Ctrl-C is for us, not for what we measure
        except OSError:
            for fd in (info, self._block, self._word):
                os.close(fd)
            raise
        finally:
            for fd in (options, info_theirs, block_theirs, word_theirs):
                os.close(fd)
        self._monitor_fd = os.pidfd_open(self._monitor.pid)
        out = None if self._monitor.stdout is None else os.dup(self._monitor.stdout.fileno())
        assert self._monitor.stderr is not None
        self._drain = watch.Drain(out, os.dup(self._monitor.stderr.fileno()), command.limits.output, self._end,
                                 command.heard)
        for stream in (self._monitor.stdout, self._monitor.stderr):
            if stream is not None:
                stream.close()
        try:
            self._pid = self._first_process(info)
            self._release(ready)
        except BaseException:
            self._abandon()
            raise
        self._setup_seconds = self._clock.lap()
        self._started = time.monotonic()

    # -- start --

    def _first_process(self, info: int) -> int:
        with open(info, "rb") as stream:
            text = stream.read()
        if not text:
            raise self._failed()
        pid: int = json.loads(text)["child-pid"]
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise self._failed() from None
        return pid

    def _release(self, ready: str) -> None:
        """Let the payload go once every mount is in place and its output folder is in our hands."""
        root = Path(f"/proc/{self._pid}/root")
        self._until(lambda: (root / ready[1:]).exists())
        if self._harvest is not None:
            self._out = os.open(root / OWN[1:] / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.write(self._block, b"\n")
        self._until(lambda: watch.waits_for(self._pid, "bwrap"))  # from here on its life is bound to the monitor's
        os.write(self._word, b"go\n")

    def _until(self, come: Callable[[], bool]) -> None:
        """Wait for a sign of the sandbox. Raises Fault when it dies or takes too long."""
        until = time.monotonic() + START_WITHIN
        while True:
            with suppress(OSError):
                if come():
                    return
            if time.monotonic() > until or watch.dead(self._monitor_fd, 0.0005):
                raise self._failed()

    def _failed(self) -> Fault:
        """The sandbox itself broke before the payload began."""
        self._end("stopped")
        said = self._drain.result()[1].decode(errors="replace").strip()
        return Fault(f"the sandbox failed to start: {said or 'bwrap said nothing'}")

    def _abandon(self) -> None:
        """Leave nothing of a sandbox that did not start."""
        self._end("stopped")
        self._monitor.wait()
        if self._pidfd >= 0:
            self._account()
        self._close()

    # -- end --

    def _end(self, reason: str) -> None:
        """Kill the monitor first: then pid 1 is ours to wait for, with its accounts."""
        with self._ending:
            self._killed = self._killed or reason
            for fd in (self._monitor_fd, self._pidfd):
                if fd >= 0:
                    watch.slay(fd)

    def kill(self) -> None:
        """End the whole tree now; nothing happens when it is dead."""
        self._end("stopped")

    def wait(self) -> Ended:
        """Block until the tree is dead, then take its artefacts."""
        limits, peak, cpu = self._limits, 0, 0.0
        deadline = self._started + limits.wall
        while not watch.dead(self._monitor_fd, min(POLL, max(0.0, deadline - time.monotonic()))):
            used = watch.memory_of(self._pid, limits.memory)
            cpu = max(cpu, watch.cpu_of(self._pid))
            peak = max(peak, used)
            if time.monotonic() >= deadline:
                self._end("time")
            elif used > limits.memory:
                self._end("memory")
            elif self._out >= 0 and watch.folder_is_full(self._out):
                self._end("disk")
        wall = time.monotonic() - self._started
        self._clock.lap()
        code = self._monitor.wait()
        outside = code < 0 and not self._killed  # a payload's signal is reported as 128 and more
        watch.slay(self._pidfd)
        usage = self._account()
        try:
            if outside or (usage is None and not self._killed):
                raise Fault("the sandbox was killed from outside.")
            if self._harvest is not None:
                watch.harvest(self._out, self._harvest, limits.disk)
        finally:
            self._close()
        stdout, stderr = self._drain.result()
        cpu, peak = max(cpu, usage[0] if usage else 0.0), max(peak, usage[1] if usage else 0)
        return Ended(code=code if code < 128 else 128 - code, killed=watch.reason(self._killed, code),
                     wall=wall, cpu=cpu, peak_memory=peak,
                     setup=self._setup_seconds + self._clock.lap(), stdout=stdout, stderr=stderr)

    def _account(self) -> tuple[float, int] | None:
        """CPU seconds and peak bytes of what pid 1 waited for; the kernel makes us its parent when the monitor dies.
        None when the monitor has reaped it, which it only does when pid 1 was killed."""
        watch.dead(self._pidfd, START_WITHIN)
        try:
            usage = os.wait4(self._pid, 0)[2]
        except ChildProcessError:
            return None
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10

    def _close(self) -> None:
        with self._ending:
            for fd in (self._monitor_fd, self._pidfd, self._out, self._block, self._word):
                if fd >= 0:
                    os.close(fd)
            self._monitor_fd = self._pidfd = self._out = self._block = self._word = -1


