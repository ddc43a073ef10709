"""The self-test of a sandbox: one start, some twenty attempts from inside, and the result of each.

Covered: what untrusted code would try first (the host's files, processes, network, environment, descriptors, keys;
mounts, namespaces, capabilities, bounds), with bait laid out on the host for it.
Not covered: the other attacks of tests/attacks; a test at start is quick, not complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from overnight.contracts import Command, Sandbox
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import watch
from overnight.sandbox.backend import BAIT, SMALLEST

PROBES = Path(__file__).parent / "probes.py"
OPEN = "OPEN"

# What may be open in a sandbox with a kernel of its own between the code and the host's, or with other rules of rights.
INNER = frozenset({"makes a user namespace", "traces a process", "sets up io_uring", "opens a netlink socket",
                   "has no filter of calls", "may gain rights", "writes core_pattern", "reads the keyring"})


def examine(sandbox: Sandbox, inner: frozenset[str] = frozenset()) -> dict[str, str]:
    """Run the self-test, with its bait in /tmp: a socket's path has 108 bytes at most. Returns attempt -> what stopped it (an
    errno's name, "absent") or OPEN for those that `inner` excuses. Raises SandboxMissing when anything else is open, Fault when
    the sandbox failed."""
    with tempfile.TemporaryDirectory(prefix=f"{watch.name_of(os.getpid())}-{BAIT}-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        found = _tried(sandbox, folder)
    if still := sorted(what for what, stopped in found.items() if stopped.startswith(OPEN) and what not in inner):
        raise SandboxMissing(f"the sandbox '{sandbox.name}' does not hold on this machine: code inside it {', '.join(still)}; "
                             "choose another with --sandbox, or mend this one.")
    return found


def fingerprint(found: dict[str, str]) -> str:
    """Twelve digits that stand for what a self-test found."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]


def _tried(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    tree, out = folder / "tree", folder / "out"
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    tree.mkdir()
    (tree / "probes.py").write_bytes(PROBES.read_bytes())
    with _bait(folder) as bait:
        (tree / "bait.json").write_text(json.dumps(bait))
        ended = sandbox.start(Command(argv=(str(python), "-I", "-S", "probes.py"), tree=tree, limits=SMALLEST, harvest=out,
                                      mounts=(python.parent.parent,))).wait()
    try:
        found: dict[str, str] = json.loads((out / "found.json").read_text())
    except (OSError, ValueError):
        said = (ended.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise Fault(f"the self-test of the sandbox '{sandbox.name}' did not end ({said}).") from None
    left = Path("/tmp", f"{bait['nonce']}-left")
    found["leaves a file on the host"] = OPEN if left.exists() else "absent"
    left.unlink(missing_ok=True)
    return dict(sorted(found.items()))


@contextmanager
def _bait(folder: Path) -> Iterator[dict[str, object]]:
    """Things of the host's that must be out of reach, each with a secret word that stands nowhere else."""
    nonce = secrets.token_hex(16)
    secret = folder / "secret"
    secret.write_text(nonce)
    with ExitStack() as stack:
        tcp, abstract, path = (stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                               for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX))
        tcp.bind(("127.0.0.1", 0))
        abstract.bind(f"\0{nonce}")
        path.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        for listener in (tcp, abstract, path):
            listener.listen(1)
        held = secret.open("rb")
        stack.enter_context(held)
        os.set_inheritable(held.fileno(), True)
        os.environ["OVERNIGHT_BAIT"] = nonce
        stack.callback(os.environ.pop, "OVERNIGHT_BAIT", None)
        yield {"nonce": nonce, "secret": str(secret), "port": tcp.getsockname()[1], "socket": str(folder / "socket"),
               "start": Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19], "bound": SMALLEST.disk}
