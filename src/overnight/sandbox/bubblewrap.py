"""Sandbox by bubblewrap: namespaces for files, processes, network and users, a filter of system calls, limits inside.

Covered: no network, no home, no environment but the contract's, a read-only world, private bounded places for the
tree, the artefacts, /tmp and /dev/shm, limits on wall time, CPU, memory, processes, files and output, death of the whole
tree, artefacts copied only after death and without following anything. As root the payload runs under a throw-away
uid without capabilities. Where a cgroup can be made, the kernel counts and bounds memory, CPU and processes exactly;
elsewhere the tree is polled ten times a second, and each result says `estimate`.
Not covered: kernel bugs in the calls that remain, side channels (caches, load), and as an ordinary user the kernel's bounds
per user (pipes, pending signals). Host path names of mounts can be read in /proc/self/mountinfo. See docs/security.md.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from overnight.contracts import Command, Warm
from overnight.errors import Fault
from overnight.sandbox import gpus, watch
from overnight.sandbox.backend import Backend
from overnight.sandbox.kernel import seccomp
from overnight.sandbox.kernel.process import USER, BubblewrapProcess
from overnight.sandbox.warm.cold import launched
from overnight.sandbox.warm.process import KeptProcess, KeptRootProcess, WarmProcess
from overnight.sandbox.warm.zygote import ENDED, Zygote, Zygotes
from overnight.sandbox.world import ETC, OWN, TMP, become, environment, system, words

FIRST_UID, UIDS = 200_000, 10_000  # root only: throw-away users start here, a range for each process of Overnight

_APPARMOR = ("AppArmor forbids user namespaces: install the profile bwrap-userns-restrict, or run "
             "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`")
_REASONS = {
    "uid map: Permission denied": _APPARMOR,
    "RTM_NEWADDR": _APPARMOR,
    "No permissions to create new namespace": "this container or kernel forbids namespaces: run "
    "`sudo sysctl kernel.unprivileged_userns_clone=1` on the machine, or give the container --privileged",
    "nesting depth": "user namespaces are switched off: run `sudo sysctl user.max_user_namespaces=15000`, or be root",
    "Creating new namespace failed": "this container may not make namespaces: start it with --privileged, or run outside of it",
    "mount proc on": "this container masks parts of /proc: start it with --security-opt systempaths=unconfined (podman: "
    "--security-opt unmask=ALL), or with --privileged",
    "make / slave": "this container may not mount: start it with --privileged, or run outside of it",
    "pivot_root": "this container's root cannot be changed: start it with --privileged, or run outside of it",
    "Unexpected capabilities": "bubblewrap is installed with rights of its own and started by another program that has some: "
    "run `sudo chmod u-s $(command -v bwrap)`, or outside of that program",
    "uid map: Operation not permitted": "this container or user may not map users: start it with --privileged, or "
    "run as a user with entries in /etc/subuid",
    "SECCOMP": "this kernel cannot filter system calls: take one with CONFIG_SECCOMP_FILTER",
    "nknown option": "bubblewrap 0.8 or newer is needed: install a newer one",
}


class Bubblewrap(Backend):
    """Runs commands under `bwrap`, as root or as an ordinary user."""

    name, program, title, install = "bubblewrap", "bwrap", "bubblewrap", "sudo apt-get install -y bubblewrap"
    instead = "`--sandbox none` for code that you trust"
    reasons = _REASONS

    def __init__(self) -> None:
        super().__init__()
        self._root = os.geteuid() == 0
        first = FIRST_UID + os.getpid() % 100_000 * UIDS
        self._uids = itertools.cycle(range(first, first + UIDS))
        self._name = watch.name_of(os.getpid())
        self.say: Callable[[str], None] = lambda sentence: None
        self._zygotes = Zygotes(self._zygote, lambda sentence: self.say(sentence))
        watch.adopt_orphans()

    def launch(self, command: Command) -> BubblewrapProcess:
        """Start a command. Raises Fault, OSError."""
        return self.prepare(command).release()

    def prepare(self, command: Command) -> BubblewrapProcess:
        """Set a command up, to be released later. The calling thread must outlive the process. Raises Fault."""
        try:
            return self._prepared(command)
        except OSError as error:
            raise Fault(f"the sandbox could not be started: {error}.") from error

    def _prepared(self, command: Command) -> BubblewrapProcess:
        if command.warm is None:
            return self._cold(command)
        if (zygote := self._zygotes.one_for(command)) is not None:
            try:
                return self._forked(zygote, command)
            except ConnectionError:
                self._zygotes.lost(command, zygote, ENDED)
            except (OSError, Fault) as error:
                self._zygotes.lost(command, zygote, str(error).rstrip("."))
        return self._cold(launched(command))

    def warm_up(self, command: Command) -> None:
        """Have what is kept warm for a command, where there is anything. Raises TrackError."""
        if command.warm is not None:
            self._zygotes.one_for(command)

    def cool(self, those: Iterable[Warm]) -> None:
        """End what is kept warm for these; what runs in it ends too."""
        self._zygotes.close(those)

    def _cold(self, command: Command) -> BubblewrapProcess:
        owner = next(self._uids) if self._root else None
        return BubblewrapProcess(command, [self.path, *self._launcher(command, owner)], self._setup(command),
                                 seccomp.program(command.network, self.counts), self.groups, owner)

    def _forked(self, zygote: Zygote, command: Command) -> WarmProcess:
        owner, keeper = (next(self._uids), next(self._uids)) if self._root else (None, None)
        return WarmProcess(zygote, command, layout(command), seccomp.program(command.network, self.counts), self.groups,
                           owner, keeper)

    def _zygote(self, command: Command) -> KeptProcess:
        """Start a process that forks. As root bwrap lacks a right that would let it cover parts of /proc."""
        owner = next(self._uids) if self._root else None
        started = KeptRootProcess if self._root else KeptProcess
        return started(command, [self.path, *self._launcher(command, owner)], self._setup(command, forks=True),
                       seccomp.program(command.network, self.counts, forks=True), self.groups, owner).release()

    def _launcher(self, command: Command, owner: int | None) -> list[str]:
        """The command inside that becomes the payload: change the user, say that it runs, wait for the word `go`, enter the
        tree. If Overnight dies before it says `go`, the payload never begins. LANG comes last, because loading a locale is
        slow."""
        drop = [] if owner is None else become(owner)
        begin = (f'echo >&0 && read -r go && cd "{OWN}/work/tree/$1" && stdin=$2 && shift 2 && '
                 'export LANG="${LANG:-C.UTF-8}" && exec "$@" <"$stdin"')
        stdin = os.devnull if command.stdin is None else f"/proc/self/fd/{command.stdin}"
        return [*drop, "/bin/sh", "-c", begin, self._name, command.cwd, stdin, *words(command, environment(command))]

    def _setup(self, command: Command, forks: bool = False) -> list[str]:
        """bwrap's options. `forks`: for a process that makes sandboxes within its own."""
        user = ["--unshare-user", "--uid", str(USER), "--gid", str(USER), *([] if forks else ["--disable-userns"])]
        caps = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        return [
            *([] if self._root else user),
            "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup", "--hostname",
            "sandbox", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL",
            *(caps if self._root else []), *layout(command, forks), "--chdir", "/",
            *itertools.chain.from_iterable(("--setenv", k, v) for k, v in environment(command).items()
                                          if k != "LANG" or "LANG" in command.env),  # see _launcher
        ]


def layout(command: Command, forks: bool = False) -> list[str]:
    """bwrap's options for what a command finds. The order counts: all binds first, `--remount-ro /` last."""
    limits = command.limits
    shared = max(TMP, limits.memory // 4)
    devices = gpus.devices() if command.gpus else []
    covered = ["--ro-bind", "/dev/null", "/proc/keys", "--ro-bind", "/dev/null", "/proc/key-users", "--remount-ro", "/proc"]
    return [
        *_world(),
        "--proc", "/proc", *([] if forks else covered),  # the kernel gives no /proc where another is covered
        "--dev", "/dev",
        *itertools.chain.from_iterable(("--dev-bind", str(path), str(path)) for path in devices),
        "--perms", "1777", "--size", str(shared), "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
        "--perms", "1777", "--size", str(max(TMP, limits.disk)), "--tmpfs", "/tmp",
        *(_home(command.home, limits.disk) if command.home else []),
        *itertools.chain.from_iterable(_bind(path) for path in command.mounts),  # after /tmp: some lie there
        "--perms", "0755", "--dir", OWN,
        "--perms", "0777", "--size", str(limits.disk), "--tmpfs", f"{OWN}/work",
        *(["--ro-bind", str(command.inputs), f"{OWN}/artifacts"] if command.inputs else []),
        *(["--ro-bind", str(command.secret), f"{OWN}/holdout"] if command.secret else []),
        *(["--perms", "0777", "--size", str(limits.disk), "--tmpfs", f"{OWN}/out"] if command.harvest else []),
        "--remount-ro", "/",
    ]


@cache
def _world() -> tuple[str, ...]:
    """The read-only system: /usr and the few files of /etc that programs need to start."""
    etc = itertools.chain.from_iterable(("--ro-bind-try", f"/etc/{name}", f"/etc/{name}") for name in ETC)
    return ("--ro-bind", "/usr", "/usr", *itertools.chain.from_iterable(map(_bind, system())),
            "--perms", "0755", "--dir", "/etc", *etc)


def _home(home: Path, size: int) -> Iterator[str]:
    """An empty folder of the payload's own, of at most so many bytes."""
    for parent in reversed(home.parents[:-1]):
        yield from ("--perms", "0755", "--dir", str(parent))
    yield from ("--perms", "0777", "--size", str(size), "--tmpfs", str(home))


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
