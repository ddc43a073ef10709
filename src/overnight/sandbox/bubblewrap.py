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
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from overnight.contracts import Command
from overnight.errors import Fault
from overnight.sandbox import gpus, watch
from overnight.sandbox.backend import Backend
from overnight.sandbox.kernel import seccomp
from overnight.sandbox.kernel.process import USER, BubblewrapProcess
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
        owner = next(self._uids) if self._root else None
        return BubblewrapProcess(command, [self.path, *self._launcher(command, owner)], self._setup(command),
                                 seccomp.program(command.network, self.counts), self.groups, owner)

    def _launcher(self, command: Command, owner: int | None) -> list[str]:
        """The command inside that becomes the payload: change the user, say that it runs, wait for the word `go`, enter the
        tree. If Overnight dies before it says `go`, the payload never begins. LANG comes last, because loading a locale is
        slow."""
        drop = [] if owner is None else become(owner)
        begin = (f'echo >&0 && read -r go && cd "{OWN}/work/tree/$1" && stdin=$2 && shift 2 && '
                 'export LANG="${LANG:-C.UTF-8}" && exec "$@" <"$stdin"')
        stdin = os.devnull if command.stdin is None else f"/proc/self/fd/{command.stdin}"
        return [*drop, "/bin/sh", "-c", begin, self._name, command.cwd, stdin, *words(command, environment(command))]

    def _setup(self, command: Command) -> list[str]:
        """bwrap's options. The order counts: all binds first, `--remount-ro /` last."""
        limits = command.limits
        user = [] if self._root else ["--unshare-user", "--uid", str(USER), "--gid", str(USER), "--disable-userns"]
        caps = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"] if self._root else []
        shared = max(TMP, limits.memory // 4)
        devices = gpus.devices() if command.gpus else []
        return [
            *user, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup",
            "--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", *caps,
            *_world(),
            "--proc", "/proc", "--ro-bind", "/dev/null", "/proc/keys", "--ro-bind", "/dev/null", "/proc/key-users",
            "--remount-ro", "/proc",
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
            "--remount-ro", "/", "--chdir", "/",
            *itertools.chain.from_iterable(("--setenv", k, v) for k, v in environment(command).items()
                                          if k != "LANG" or "LANG" in command.env),  # see _launcher
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
