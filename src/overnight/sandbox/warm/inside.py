"""What starts a track's Python warm. It runs inside a sandbox, under the track's own interpreter (Python 3.8 or later) and
apart from the rest of Overnight: it imports what the contract names, and then runs programs, never before.

    inside.py cold JSON    import, say so, and run one program in this process
    inside.py warm JSON    import, say so, and fork for each request that comes by a socket

A fork leaves the namespaces of this process, which has no right and no network and can write nowhere, for new ones of its own.
It lays out its files by the options that bubblewrap gets for a cold start, gives away every right, takes the filter of calls
that a cold start has, and becomes the first process of a pid namespace whose second is the program. Nothing that a program does
can reach this process or another program.

Covered: modules that are missing or crash, that begin threads or keep descriptors (a GPU's among them): told in a sentence.
Not covered: objects lie at the same places in memory in all forks of one process.
"""

from __future__ import annotations

import sys

FIRST = frozenset(sys.modules)  # that Python has by itself; those below, which this file needs, no program and no module finds

import atexit
import base64
import contextlib
import ctypes
import errno
import fcntl
import gc
import importlib
import io
import json
import os
import resource
import runpy
import signal
import socket
import struct
import subprocess
import threading
import time
import types
from importlib.machinery import SourceFileLoader
from typing import Any, Callable, Iterable, NoReturn, Sequence  # noqa: UP035  Python 3.8

NAMESPACES, GROUPS = 0x7C020000, 0x02000000  # CLONE_NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
FROZEN = READ_ONLY | NO_SUID | NO_DEV
DETACH = 2
DIE_WITH, DUMPABLE, SECCOMP, BOUND_DROP, NO_NEW_PRIVS, AMBIENT = 1, 4, 22, 24, 38, 47  # of prctl
CAPABILITIES = 0x20080522  # the version of their structure
SET_FLAGS, UP = 0x8914, 0x41  # SIOCSIFFLAGS; IFF_UP and IFF_RUNNING
BASE, OLD = "/overnight/work", "/.old"  # where the new files are laid out, and where the old ones lie for a moment
NODES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = (("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"), ("/proc/self/fd/2", "stderr"),
         ("/proc/kcore", "core"), ("pts/ptmx", "ptmx"))
GPUS = ("/dev/nvidia", "/dev/kfd", "/dev/dri")
MOST_MESSAGE, MOST_GIVEN = 1 << 10, 64  # bytes of a request, and descriptors with it
Config = Any  # what JSON holds

BROUGHT: dict[str, str] = {}  # what modules put into the environment when they were imported
libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """What a contract names cannot be had warm: why, as a sentence without its end."""


def call(name: str, *given: Any) -> None:
    """Call a function of the C library that answers with a number below zero where it fails. Raises OSError."""
    if getattr(libc, name)(*given) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def control(option: int, argument: int) -> None:
    """prctl with one argument. Raises OSError."""
    call("prctl", option, *map(ctypes.c_ulong, (argument, 0, 0, 0)))


# ---- importing -------------------------------------------------------------------------------------------------


def bring(name: str) -> None:
    """Import a module. Raises Refused."""
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001  whatever it raises is the contract's to mend
        told = " ".join(str(error).split())[:300]
        raise Refused(f"'{name}' cannot be imported ({type(error).__name__}: {told}): correct it, or take it out") from None


def settled(name: str, before: set[int]) -> None:
    """Raise Refused where importing a module began what a fork would not carry over: threads, or descriptors."""
    if threads() > 1:
        if not (pid := os.fork()):  # libraries that know of forks end their threads for one
            os._exit(0)
        os.waitpid(pid, 0)
    if (count := threads() - 1) > 0:
        raise Refused(f"importing '{name}' begins {count} thread{'s' * (count > 1)}, which no warm start can carry over: "
                      "take it out")
    for number in sorted(descriptors() - before):
        what = os.readlink(f"/proc/self/fd/{number}")
        kind = "begins to use a GPU" if what.startswith(GPUS) else "keeps a file open"
        raise Refused(f"importing '{name}' {kind} ({what}), which no warm start can carry over: take it out")


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


def descriptors() -> set[int]:
    """The numbers of this process's open descriptors."""
    found = set()
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            os.fstat(number)
        except OSError:
            continue  # that of the list itself
        found.add(number)
    return found


# ---- one program, as `python WORDS` would run it ---------------------------------------------------------------


def begin(config: Config) -> NoReturn:
    """Say that a program begins, run it in this process and its folder, and end as it ends."""
    known = list(filter(None, os.environ.get("PYTHONPATH", "").split(":")))
    more = [os.path.normpath(os.path.join(os.getcwd(), each)) for each in config["imports"]]
    if more:
        place = max((sys.path.index(each) + 1 for each in known if each in sys.path), default=0)
        sys.path[place:place] = more
        for each in more:
            local(each)
        os.environ["PYTHONPATH"] = ":".join([*known, *more])
    mixed()
    if config["before"] and (code := subprocess.call(config["before"])):
        os._exit(code)
    brought = set(sys.modules)
    os.write(2, f"{config['token']}{sum(os.times()[:4]):f} {time.monotonic():f}\n".encode())
    code = guarded(lambda: program(config["words"]))
    os._exit(finished(code, brought))


def mixed() -> None:
    """Let what draws without a seed draw anew: else it would draw the same in every run. Python's own module does by itself."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()


def finished(code: int, brought: set[str]) -> int:
    """Do what Python does at its end, but for taking apart the modules that were imported before: that would copy all of their
    memory. Returns the status."""
    if "threading" in sys.modules:
        code = guarded(sys.modules["threading"]._shutdown) or code  # waits for threads
    code = guarded(atexit._run_exitfuncs) or code
    standard = [sys.stdout, sys.stderr]
    for name in [*sys.modules]:
        if name not in brought or name == "__main__":
            del sys.modules[name]
    gc.collect()  # with all that only they held
    for stream in standard:
        code = 120 if unflushed(stream) else code  # as Python has it
    late = threading.Thread(target=lambda: [unflushed(each) for each in gc.get_objects() if isinstance(each, io.IOBase)],
                            daemon=True)
    with contextlib.suppress(RuntimeError):  # it may begin no more of them
        late.start()
        late.join(0.1)  # a daemon thread of the program may hold one for good
    libc.fflush(None)
    return code


def unflushed(stream: Any) -> bool:
    """Flush a stream of whatever kind; whether that failed."""
    try:
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    except BaseException:  # noqa: BLE001  a program's own class may raise anything
        return True
    return False


def program(words: Sequence[str]) -> None:
    """Run the program that these words behind `python` name."""
    left, plain = list(words), "PYTHONUNBUFFERED" in os.environ
    sys.orig_argv = [sys.executable, *words]
    while left[0].startswith("-") and left[0] not in ("-m", "-c"):
        plain = "u" in left.pop(0) or plain
    if plain:
        unbuffered()
    main = types.ModuleType("__main__")
    vars(main).update(__builtins__=sys.modules["builtins"], __annotations__={})
    sys.argv = left[:1] + left[2:] if left[0] in ("-m", "-c") else left
    found, work = started(left, vars(main))
    local(found or os.getcwd())
    sys.path.insert(0, found)
    sys.modules["__main__"] = main
    work()


def started(left: list[str], names: dict[str, Any]) -> tuple[str, Callable[[], object]]:
    """Where a program's own modules lie, and what runs it; `names` are those of its main module."""
    first = left[0]
    as_main = runpy._run_module_as_main  # type: ignore[attr-defined]  # what `python -m` calls
    if first == "-m":
        return os.getcwd(), lambda: as_main(left[1])
    if first == "-c":
        return "", lambda: exec(compile(left[1], "<string>", "exec"), names)
    place = os.path.abspath(first) if sys.version_info >= (3, 9) else first
    if os.path.isdir(first):
        return place, lambda: as_main("__main__", alter_argv=False)
    text = source(first)
    names.update(__file__=place, __cached__=None, __loader__=SourceFileLoader("__main__", place))
    return os.path.dirname(os.path.realpath(first)), lambda: exec(compile(text, place, "exec"), names)


def source(path: str) -> bytes:
    """The text of a program; this process ends where it cannot be read, as Python does."""
    try:
        with io.open_code(os.path.realpath(path)) as file:
            return file.read()
    except OSError as error:
        why = f"[Errno {error.errno}] {error.strerror}"
        sys.stderr.write(f"{sys.executable}: can't open file {os.path.abspath(path)!r}: {why}\n")
        sys.exit(2)


def unbuffered() -> None:
    """Write what is printed at once, as with `python -u`."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        old = getattr(sys, name)
        raw = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115  for the rest of its life
        stream = io.TextIOWrapper(raw, old.encoding, old.errors, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def guarded(work: Callable[[], object]) -> int:
    """Do it; the status with which Python would end. An error is told without the lines of this file."""
    try:
        work()
    except SystemExit as wanted:
        if wanted.code is None or isinstance(wanted.code, int):
            return (wanted.code or 0) & 0xFF
        sys.stderr.write(f"{wanted.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001  this is the interpreter's own last word
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 1
    return 0


def local(folder: str) -> None:
    """Forget modules whose names a program's own folder has: there its own come first."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    own = {entry.name[:-3] for entry in entries if entry.name.endswith(".py")}
    own |= {entry.name for entry in entries if os.path.isfile(os.path.join(entry.path, "__init__.py"))}
    for name in [*sys.modules]:
        if (top := name.partition(".")[0]) in own and top not in FIRST:
            del sys.modules[name]
    importlib.invalidate_caches()


# ---- files of its own ------------------------------------------------------------------------------------------


def mounted(what: str | None, place: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """mount(2). Raises OSError."""
    call("mount", what and os.fsencode(what), os.fsencode(place), kind and kind.encode(), ctypes.c_ulong(flags),
         options and options.encode())


def there(path: str, folder: bool) -> str:
    """A place among the new files where something can be mounted, or written."""
    place = BASE + path
    if folder:
        os.makedirs(place, 0o755, exist_ok=True)
    elif not os.path.lexists(place):
        os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    return place


def lay_out(options: Iterable[str]) -> None:
    """Lay out the files of a sandbox as bubblewrap would by these options, and leave the old ones. Raises OSError."""
    mounted(None, "/", flags=RECURSIVE | PRIVATE)
    mounted("tmpfs", BASE, "tmpfs", NO_SUID | NO_DEV, "mode=0755")
    left = iter(options)
    told: dict[str, str] = {}
    for option in left:
        given = [next(left) for _ in range(ARGUMENTS[option])]
        if option in ("--perms", "--size"):
            told[option] = given[0]
            continue
        PLACES[option](*given, told.get("--perms", "0755"), told.get("--size", ""))
        told = {}
    os.mkdir(BASE + OLD, 0o700)
    call("pivot_root", BASE.encode(), (BASE + OLD).encode())
    os.chdir("/")
    call("umount2", OLD.encode(), DETACH)
    os.rmdir(OLD)
    frozen("/")


def bound(what: str, path: str, mode: str = "", size: str = "") -> None:
    """What this process can see, for reading alone."""
    place = shown(what, path)
    has = os.statvfs(place).f_flag & (READ_ONLY | NO_SUID | NO_DEV | NO_EXEC)
    if has & FROZEN != FROZEN:
        frozen(place, has)


def shown(what: str, path: str, mode: str = "", size: str = "") -> str:
    """What this process can see, as it can see it."""
    place = there(path, os.path.isdir(what))
    mounted(what, place, flags=BIND | RECURSIVE)
    return place


def bound_if(what: str, path: str, mode: str, size: str) -> None:
    """The same, where there is such a thing."""
    if os.path.lexists(what):
        bound(what, path)


def folder(path: str, mode: str, size: str) -> None:
    """An empty folder, where there is none."""
    if not os.path.isdir(BASE + path):
        os.chmod(there(path, True), int(mode, 8))


def memory(path: str, mode: str, size: str) -> None:
    """A folder in memory, of so many bytes at most."""
    mounted("tmpfs", there(path, True), "tmpfs", NO_SUID | NO_DEV, f"mode={mode}{size and f',size={size}'}")


def link(target: str, path: str, mode: str, size: str) -> None:
    """A symbolic link."""
    os.makedirs(os.path.dirname(BASE + path), 0o755, exist_ok=True)
    os.symlink(target, BASE + path)


def text(written: str, path: str, mode: str, size: str) -> None:
    """A file with this text."""
    with open(there(path, False), "w", encoding="utf-8") as file:
        file.write(written)
    os.chmod(BASE + path, int(mode, 8))


def processes(path: str, mode: str, size: str) -> None:
    """The list of processes."""
    mounted("proc", there(path, True), "proc", NO_SUID | NO_DEV | NO_EXEC)


def devices(path: str, mode: str, size: str) -> None:
    """A folder of devices, as bubblewrap makes it."""
    mounted("tmpfs", there(path, True), "tmpfs", NO_SUID | NO_DEV, "mode=0755")
    for name in NODES:
        shown(f"/dev/{name}", f"{path}/{name}")
    for target, name in LINKS:
        link(target, f"{path}/{name}", mode, size)
    for name in ("shm", "pts"):
        folder(f"{path}/{name}", "0755", size)
    mounted("devpts", f"{BASE}{path}/pts", "devpts", NO_SUID | NO_EXEC, "newinstance,ptmxmode=0666,mode=620")


def refrozen(path: str, mode: str, size: str) -> None:
    """A place where nothing can be written any more; the root is done when it is one."""
    if path != "/":
        frozen(BASE + path, NO_EXEC if path == "/proc" else 0)


def frozen(place: str, more: int = 0) -> None:
    """A mount where nothing can be written any more."""
    mounted(None, place, flags=REMOUNT | BIND | FROZEN | more)


# Options of bubblewrap, and --text, which is its --file with the text itself: what does it, and how many arguments it has.
PLACES: dict[str, Callable[..., object]] = {
    "--ro-bind": bound, "--dev-bind": shown, "--ro-bind-try": bound_if, "--tmpfs": memory, "--dir": folder, "--symlink": link,
    "--text": text, "--proc": processes, "--dev": devices, "--remount-ro": refrozen}
ARGUMENTS = {"--perms": 1, "--size": 1, "--ro-bind": 2, "--dev-bind": 2, "--ro-bind-try": 2, "--tmpfs": 1, "--dir": 1,
             "--symlink": 2, "--text": 2, "--proc": 1, "--dev": 1, "--remount-ro": 1}


def unpacked(entries: Iterable[tuple[str, str, int, int, Any]], packed: int) -> None:
    """Write a program's tree: of each entry its path, kind, mode, time in nanoseconds, and size or target. Raises OSError."""
    offset = 0
    os.mkdir(f"{BASE}/tree", 0o755)
    for path, kind, mode, when, what in entries:
        place = f"{BASE}/tree/{path}"
        if kind == "folder":
            os.mkdir(place, 0o755)
        elif kind == "link":
            os.symlink(what, place)
        else:
            file, end = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC), offset + what
            try:
                while offset < end and (sent := os.sendfile(file, packed, offset, end - offset)):
                    offset += sent
                os.fchmod(file, mode)
                os.utime(file, ns=(when, when))
            finally:
                os.close(file)


# ---- fewer rights ----------------------------------------------------------------------------------------------


def powerless(rules: bytes) -> None:
    """Give away every right, for good, and take a filter of calls. Raises OSError."""
    control(AMBIENT, 4)  # PR_CAP_AMBIENT_CLEAR_ALL
    try:
        for number in range(64):
            control(BOUND_DROP, number)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the kernel knows no more
            raise
    call("capset", struct.pack("=Ii", CAPABILITIES, 0), struct.pack("=6I", *[0] * 6))
    control(NO_NEW_PRIVS, 1)
    held = ctypes.create_string_buffer(rules, len(rules))
    call("prctl", SECCOMP, ctypes.c_ulong(2), struct.pack("@HP", len(rules) // 8, ctypes.addressof(held)))


def bounded(limits: dict[str, int]) -> None:
    """Set limits by their names, none of them above what holds already."""
    for name, wanted in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        most = resource.getrlimit(number)[1]
        resource.setrlimit(number, (wanted if most == resource.RLIM_INFINITY else min(wanted, most),) * 2)


def loopback() -> None:
    """Let the network that holds nothing but itself be used."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        fcntl.ioctl(some, SET_FLAGS, struct.pack("16sH22x", b"lo", UP))


# ---- forks -----------------------------------------------------------------------------------------------------


def serve(line: socket.socket) -> None:
    """Fork for each request until no more can come. A request is a message with the descriptors that it needs, of which the
    first is a socket to the caller. Comes back only in a program's process."""
    while True:
        given = received(line)
        if not given:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with contextlib.suppress(ChildProcessError):
                while os.wait():  # what runs is not to end with it
                    continue
            os._exit(0)
        try:
            pid = os.fork()
        except OSError as error:
            failed(socket.socket(fileno=given.pop(0)), error)
            pid = -1
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            line.close()
            tried(socket.socket(fileno=given[0]), given[1:])
            return
        for number in given:
            os.close(number)


def received(line: socket.socket) -> list[int]:
    """The descriptors that come with the next message; none when no more can come."""
    _, extra, _, _ = line.recvmsg(MOST_MESSAGE, socket.CMSG_SPACE(4 * MOST_GIVEN))
    return [number for level, kind, data in extra if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for number in struct.unpack(f"{len(data) // 4}i", data[:len(data) // 4 * 4])]


def reap(*_: Any) -> None:
    """Let go of forks that have ended: what is done when one does."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def tried(line: socket.socket, given: list[int]) -> None:
    """Carry out one request; what fails before the program begins is told to the caller. Comes back only in a program's
    process."""
    try:
        outer(line, given)
    except OSError as error:
        failed(line, error)
        os._exit(1)


def failed(line: socket.socket, error: OSError) -> None:
    """Say what went wrong to the caller; where it no longer listens, as the program."""
    if line.fileno() >= 0:
        with line:
            line.send(f"failed {error}".encode(errors="replace")[:MOST_MESSAGE])
    else:
        sys.stderr.write(f"{error}\n")


def outer(line: socket.socket, given: list[int]) -> None:
    """The outermost process of one sandbox: it leaves the namespaces, begins the first process of the new ones, waits for its
    end and says how that was."""
    control(DIE_WITH, signal.SIGKILL)
    with open(given[0], "rb") as file:
        config = json.load(file)
    call("unshare", NAMESPACES)
    line.send(b"left")
    if line.recv(MOST_MESSAGE) != b"mapped":  # the process outside could not set its user
        written("setgroups", "deny")
        for kind in ("uid", "gid"):
            written(f"{kind}_map", f"{config['user']} {config['user']} 1")
    pid = os.fork()
    if not pid:
        first(line, config, given[1:])
        return
    for number in given[1:]:
        os.close(number)
    code = status(os.waitpid(pid, 0)[1])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    line.send(f"ended {code} {used.ru_utime + used.ru_stime:f} {used.ru_maxrss << 10}".encode())
    os._exit(0)


def written(name: str, value: str) -> None:
    """Write a file of this process in /proc. Raises OSError."""
    with open(f"/proc/self/{name}", "w") as file:
        file.write(value)


def first(line: socket.socket, config: Config, given: list[int]) -> None:
    """The first process of the new namespaces: it lays out the files, gives its rights away and begins the program, and ends as
    that ends."""
    packed, *given = given
    doors, given = given[:config["doors"]], given[config["doors"]:]
    os.setsid()
    os.sched_setaffinity(0, config["cores"])
    socket.sethostname("sandbox")
    if config["network"] == "loopback":
        loopback()
    mask = os.umask(0o022)
    become(config["keeper"])
    lay_out(config["files"])
    become(config["user"])
    try:
        unpacked(config["tree"], packed)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        line.send(b"full")
    os.umask(mask)
    for door in doors:  # into the control group that counts it
        os.write(door, b"0")
    call("unshare", GROUPS)  # whose root is the group that it is in now
    for number in [packed, *doors]:
        os.close(number)
    bounded(config["limits"])
    powerless(base64.b64decode(config["rules"]))
    line.send(f"ready {time.process_time():f}".encode())
    if line.recv(MOST_MESSAGE) != b"go\n":
        os._exit(1)
    line.close()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # Python's handlers, and modules', are the program's
    pid = os.fork()
    if not pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        second(config, given)
        return
    for number in [0, 1, 2, *given]:
        os.close(number)
    while True:
        gone, how = os.wait()
        if gone == pid:
            os._exit(status(how))


def become(user: int) -> None:
    """Be this user, whose processes cannot look into this one, and end with the parent."""
    for name in ("setresgid", "setresuid"):
        call(name, user, user, user)
    control(DIE_WITH, signal.SIGKILL)
    control(DUMPABLE, 0)


def second(config: Config, given: list[int]) -> None:
    """The program's process, with the descriptors that came under the numbers that they are to have, and no others."""
    control(DUMPABLE, 1)
    numbers = config["fds"]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(numbers) + 1) for fd in given]
    for nth, number in enumerate(numbers):
        os.dup2(high[nth], number)
    for number in descriptors() - set(numbers):
        os.close(number)
    os.environ.clear()
    os.environ.update({**BROUGHT, **config["env"]})
    os.chdir(os.path.join(BASE, "tree", config["cwd"]))
    os.environ.update(PWD=os.getcwd(), OLDPWD="/")  # as from the shell of a cold start
    begin(config)


def status(how: int) -> int:
    """How a process ended, as a shell tells it: 128 and more for a signal."""
    return os.WEXITSTATUS(how) if os.WIFEXITED(how) else 128 + os.WTERMSIG(how)


# ---- the start -------------------------------------------------------------------------------------------------


def apart() -> None:
    """Go on in a fork, for which this process waits: its number is none that a program has, and libraries that know a fork by
    its number then see one."""
    if pid := os.fork():
        os._exit(status(os.waitpid(pid, 0)[1]))
    control(DIE_WITH, signal.SIGKILL)


def main(kind: str, config: Config) -> None:
    """Import, and begin as the first argument says."""
    del sys.path[0]  # the folder of this file
    for name in set(sys.modules) - FIRST - {__name__}:
        del sys.modules[name]
    here, had = os.getcwd(), dict(os.environ)
    os.chdir("/")  # no module finds a program's files
    line = None
    if kind == "warm":
        apart()
        line = socket.socket(fileno=config["line"])
    try:
        for name in config["modules"]:
            if line is not None:
                line.send(b"imports " + name.encode())
            before = descriptors()
            bring(name)
            if line is not None:
                settled(name, before)
    except Refused as refused:
        os.write(2, f"{config['token']}failed: {refused}\n".encode(errors="replace"))
        os._exit(1)
    BROUGHT.update({name: value for name, value in os.environ.items() if had.get(name) != value})
    gc.collect()
    gc.freeze()  # what all forks share is not looked through, and so not copied
    os.chdir(here)
    if line is None:
        begin(config)
    signal.signal(signal.SIGCHLD, reap)
    line.send(b"warm")
    serve(line)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
