"""What the backends of sandboxes share: the program that each of them needs, the first start, and what a killed Overnight left.

Covered: a missing or broken program is one sentence that says what to do; processes, control groups and folders of an
Overnight that is gone are removed before anything is started.
Not covered: isolation, which is each backend's own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from overnight.contracts import Accounting, Command, Limits, Process
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import keeper, watch
from overnight.sandbox.kernel import cgroups

BOX, BAIT = "box", "bait"  # kinds of folders that Overnight makes among temporary files
SMALLEST = Limits(wall=20.0, memory=256 << 20, disk=16 << 20, processes=32)  # of the first start and of the self-test


class Backend:
    """A sandbox that is a program of this machine.

    program, install  its name in $PATH, and the command that installs it
    title             what errors call it
    instead           what to choose where it does not work
    reasons           a sign in its error output -> what to do
    """

    name = program = title = install = ""
    instead = "`--sandbox bubblewrap`"
    reasons: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.identity, self.findings = self.name, dict[str, str]()
        whole = [place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if place.startswith("/")]
        self.path = shutil.which(self.program, path=os.pathsep.join(whole)) or ""  # not in the folder that a user is in
        self.groups: cgroups.Cgroups | None = None
        self.accounting: Accounting = "estimate"

    @property
    def counts(self) -> bool:
        """Whether the kernel counts and bounds what a whole tree of processes takes."""
        return self.groups is not None

    def probe(self) -> None:
        """Run the smallest payload. Raises SandboxMissing with what to install or choose."""
        if not self.path:
            raise SandboxMissing(f"{self.title} is not installed: run `{self.install}`, or choose {self.instead}.")
        sweep()
        try:
            keeper.start()
        except OSError as error:
            raise SandboxMissing(self._why(str(error))) from error
        self.groups = cgroups.find()
        if self.groups is not None:
            self.groups.sweep()
        with tempfile.TemporaryDirectory() as empty:
            Path(empty).chmod(0o755)
            try:
                ended = self.start(Command(argv=("/bin/true",), tree=Path(empty), limits=SMALLEST)).wait()
            except Fault as fault:
                raise SandboxMissing(self._why(str(fault))) from fault
        if ended.code:
            raise SandboxMissing(self._why(ended.stderr.decode(errors="replace")))
        self.accounting = ended.accounting

    def start(self, command: Command) -> Process:
        """Start a command. Raises Fault."""
        try:
            return self.launch(command)
        except OSError as error:
            raise Fault(f"the sandbox could not be started: {error}.") from error

    def launch(self, command: Command) -> Process:
        """Start a command. Raises Fault, OSError."""
        raise NotImplementedError

    def _why(self, text: str) -> str:
        """An error of the program as one sentence that says what to do."""
        found = next((advice for sign, advice in self.reasons.items() if sign in text), "see its message")
        said = text.strip().splitlines()[-1] if text.strip() else "it said nothing"
        return f"{self.title} does not work here ({said}): {found}; or choose {self.instead}."


# ---- what an Overnight that was killed left --------------------------------------------------------------------


def sweep() -> None:
    """Remove what processes of Overnight left that are gone: sandboxes that wait for a word of theirs, folders, and what works
    in these folders."""
    left = [path for place in {Path("/tmp"), Path(tempfile.gettempdir())} for path in place.iterdir() if _is_left(path)]
    for pid, line in _commands():
        if any(map(watch.is_gone, _names(line))) or any(path.name.encode() in line for path in left):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    for path in left:
        shutil.rmtree(path, ignore_errors=True)


def _is_left(path: Path) -> bool:
    """Whether a folder belongs to an Overnight process that is gone."""
    found = re.fullmatch(rf"(overnight-\d+-\d+)-({BOX}|{BAIT})-\w{{8}}", path.name)
    try:
        return found is not None and watch.is_gone(found[1]) and path.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _commands() -> Iterator[tuple[int, bytes]]:
    """The number and command line of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), (entry / "cmdline").read_bytes()


def _names(line: bytes) -> list[str]:
    """The names of processes of Overnight that are words of a command line."""
    return [word.decode() for word in line.split(b"\0") if re.fullmatch(rb"overnight-\d+-\d+", word)]
