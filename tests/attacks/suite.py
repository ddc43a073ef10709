"""What an attack is, and what must hold of every night of attacks.

A module of the suite names its attacks and inherits the rest:

    ATTACKS = [probe("reads the shadow file", "files", "return open('/etc/shadow').read()", "not mounted")]

    class TestFiles(Stopped):
        ...
"""

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

HONEST = 'import os\nwith open(os.environ["OVERNIGHT_OUT"] + "/answer", "w") as out:\n    out.write("1.0")\n'
PROBE = """\
from bait import *
from inside import *
import os, sys


def attempt():
{code}


tried(attempt)
"""
UNTOLD = r"^probe: (E[A-Z0-9]+|absent)"  # the attempt met an error of the system's, or found nothing


def only(*errors: str) -> str:
    """For `said`: the attempt, or each of several, met one of these errors and nothing else."""
    one = "(?:" + "|".join(errors) + ")"
    return rf"^probe: {one}(?: {one})*$"


def _nothing(night: Any) -> None:
    """Nothing more to look at."""


@dataclass(frozen=True)
class Attack:
    """One candidate that is up to no good.

    name        a short phrase, unique: "reads the shadow file"
    kind        its class, for the table: "files", "network", "forging", ...
    files       the candidate's change: path -> text (None deletes)
    stopped_by  for the table: "read-only mounts", "own network namespace", ...
    verdict     what the loop must say: "discard", "crash", "foul", or "refused" where git cannot hold the change
    reason      a regular expression that the verdict's reason must match, where one is due
    said        the same of the runs' kept logs: what the attack saw happen to it
    works       a control: what the logs must match when the same candidate runs without a sandbox; "": there is none
    after       called with the night at its end, for what else must be true on the host
    message     of the commit; "" is the name
    """

    name: str
    kind: str
    files: dict[str, str | None]
    stopped_by: str
    verdict: str = "discard"
    reason: str = ""
    said: str = ""
    works: str = ""
    after: Callable[[Any], None] = field(default=_nothing, compare=False)
    message: str = ""


def probe(name: str, kind: str, code: str, stopped_by: str, *, said: str = UNTOLD, **more: Any) -> Attack:
    """An attempt on the system: `code` is the body of a function, with everything from `inside.py` and `bait.py` in
    reach. What it raises or returns is printed (`probe: EPERM`, `probe: absent`, `probe: OPEN <what it got>`); then the
    honest artefact is left, so that the run is scored, and discarded as no better."""
    body = textwrap.indent(textwrap.dedent(code).strip("\n"), "    ")
    return Attack(name, kind, {"run.py": PROBE.format(code=body) + HONEST}, stopped_by, said=said, **more)


class Stopped:
    """What holds of a night of attacks; `night` comes from conftest.py and runs the module's ATTACKS."""

    def test_stopped(self, night, attack, record_property):
        """The attack got what it was due, and the host is after its runs as it was before."""
        told = night.told[attack.name]
        for name, value in (("class", attack.kind), ("attack", attack.name), ("backend", night.sandbox.name),
                            ("stopped by", attack.stopped_by), ("seconds", told.seconds)):
            record_property(name, value)
        assert told.verdict == attack.verdict, (told.verdict, told.reason, told.log)
        assert re.search(attack.reason, told.reason), told.reason
        assert re.search(attack.said, told.log, re.MULTILINE), told.log
        assert night.bait.flag not in told.log
        assert told.changed == []
        attack.after(night)

    def test_without_a_sandbox_it_works(self, night, control):
        """The control: the same candidate, run by the sandbox `none`, does what it set out to do."""
        assert re.search(control.works, night.unsandboxed(control), re.MULTILINE)

    def test_the_night_ends_with_an_honest_keep(self, night):
        """The loop works: on the same night, after all attacks, a real improvement is kept."""
        assert night.honest == "keep"

    def test_no_secret_of_the_host_is_in_anything_that_was_kept(self, night):
        """Neither logs nor journal hold what the bait holds."""
        assert night.leaks() == []

    def test_the_machine_never_failed(self, night):
        """No attack passes for a fault of the machine."""
        assert night.faults == []

    def test_the_host_is_as_it_was(self, night):
        """After the whole night nothing differs outside the track's own folder."""
        assert night.changed == []
