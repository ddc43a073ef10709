"""What the self-test runs inside a sandbox, alone: attempts to get out. Standard library only; it imports nothing of Overnight.

Covered: the host's files, processes, environment, descriptors, sockets and keys; rights, namespaces, bounds.
Not covered: limits in time and memory, and all that takes long; see tests/attacks.

Each attempt returns when it has succeeded and raises OSError when it was stopped; SKIPPED where it cannot be tried.
"""

import ctypes
import errno
import json
import os
import platform
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

BAIT: dict[str, Any] = {}
X86 = {"keyctl": 250, "unshare": 272, "mount": 165, "ptrace": 101, "io_uring_setup": 425, "process_vm_readv": 310}
ARM = {"keyctl": 219, "unshare": 97, "mount": 40, "ptrace": 117, "io_uring_setup": 425, "process_vm_readv": 270}
CALLS = ARM if platform.machine() == "aarch64" else X86
NEW_USER, MS_REMOUNT, SEIZE, VSOCK, GET_NO_NEW_PRIVS = 0x10000000, 32, 0x4206, 40, 39
_libc = ctypes.CDLL(None, use_errno=True)
_absent = FileNotFoundError(errno.ENOENT, "absent")


def call(name: str, *arguments: Any) -> int:
    """A system call by number. Raises OSError."""
    found: int = _libc.syscall(ctypes.c_long(CALLS[name]), *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), name)
    return found


def _found(yes: bool) -> None:
    if not yes:
        raise _absent


def _connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as end:
        end.settimeout(1.0)
        end.connect(address)


def _environments() -> bytes:
    return b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in ("self", "1", os.getppid()))


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)), 16)


def _sees_processes() -> None:
    starts = [stat.read_text().rpartition(")")[2].split()[19] for stat in Path("/proc").glob("[0-9]*/stat")]
    _found(BAIT["start"] in starts)


def _start_of(fd: Path) -> bytes:
    try:
        return os.pread(int(fd.name), 64, 0)
    except OSError:
        return b""


def _reads_descriptor() -> None:
    _found(any(BAIT["nonce"].encode() in _start_of(fd) for fd in Path("/proc/self/fd").iterdir()))


def _writes(path: str) -> None:
    Path(path).open("r+b" if Path(path).is_file() else "xb").close()


def _leaves() -> None:
    Path("/tmp", f"{BAIT['nonce']}-left").write_text("left")
    raise _absent  # the host looks whether it is there


def _fills() -> None:
    room = os.statvfs(os.environ["OVERNIGHT_OUT"])
    _found(room.f_blocks * room.f_frsize > 4 * BAIT["bound"])


ATTEMPTS: dict[str, Callable[[], Any]] = {  # what it is comes first, before an attempt has changed it
    "has capabilities": lambda: _found(bool(_status("CapEff") | _status("CapPrm") | _status("CapBnd"))),
    "may gain rights": lambda: _found(_libc.prctl(GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1),
    "has no filter of calls": lambda: _found(_status("Seccomp:") != 2),
    "is root": lambda: _found(os.getuid() == 0),
    "reads a file of the host's": lambda: Path(BAIT["secret"]).read_text(),
    "reads the shadow file": Path("/etc/shadow").read_text,
    "writes to the system": lambda: _writes("/usr/bin/overnight-probe"),
    "writes to the root folder": lambda: _writes("/overnight-probe"),
    "writes core_pattern": lambda: _writes("/proc/sys/kernel/core_pattern"),
    "sees the host's processes": _sees_processes,
    "reads the host's environment": lambda: _found(BAIT["nonce"].encode() in _environments()),
    "reads an inherited descriptor": _reads_descriptor,
    "connects to the host": lambda: _connect(socket.AF_INET, ("127.0.0.1", BAIT["port"])),
    "connects to an abstract socket": lambda: _connect(socket.AF_UNIX, f"\0{BAIT['nonce']}"),
    "connects to a socket file": lambda: _connect(socket.AF_UNIX, BAIT["socket"]),
    "connects to the internet": lambda: _connect(socket.AF_INET, ("192.0.2.1", 80)),
    "opens a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    "opens a vsock": lambda: socket.socket(VSOCK, socket.SOCK_STREAM, 0).close(),
    "reads the keyring": lambda: call("keyctl", 0, ctypes.c_int(-3), 1),
    "makes a user namespace": lambda: call("unshare", ctypes.c_ulong(NEW_USER)),
    "mounts over a mount": lambda: call("mount", None, b"/", None, ctypes.c_ulong(MS_REMOUNT), None),
    "traces a process": lambda: call("ptrace", ctypes.c_long(SEIZE), ctypes.c_long(os.getppid()), None, None),
    "sets up io_uring": lambda: call("io_uring_setup", 1, ctypes.create_string_buffer(120)),
    "fills more than its bound": _fills,
    "leaves a file on the host": _leaves,
}


def tried(attempt: Callable[[], Any]) -> str:
    """What stopped an attempt: an errno's name, or "absent"; OPEN when nothing did."""
    try:
        attempt()
    except OSError as error:
        return "absent" if error is _absent else errno.errorcode.get(error.errno or 0, type(error).__name__)
    return "OPEN"


if __name__ == "__main__":
    BAIT |= json.loads(Path("bait.json").read_text())
    Path(os.environ["OVERNIGHT_OUT"], "found.json").write_text(
        json.dumps({what: tried(attempt) for what, attempt in ATTEMPTS.items()}))
