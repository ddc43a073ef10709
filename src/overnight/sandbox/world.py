"""The files, environment and limits that every backend gives to a payload, defined once so that backends cannot differ."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from overnight.contracts import Command, Limits

OWN = "/overnight"  # the folder of Overnight inside; no host keeps data under that name
TMP = 64 << 20  # bytes of /tmp and of /dev/shm, at least
ETC = ("ld.so.cache", "alternatives", "localtime")  # all of /etc that programs need to start
FILES, UNCOUNTED = 1024, 256  # descriptors of a process; fewer where no control group counts what its sockets and pipes hold
SIGNALS = 1024  # that may wait to be taken: the kernel counts them for the whole user
FILLED = re.compile(r"\$(?:\{(OVERNIGHT_SEED|OVERNIGHT_OUT)\}|(OVERNIGHT_SEED|OVERNIGHT_OUT)\b)")
NO_CORE = 1  # byte: with 0 a core would still go to a program that the host's core_pattern names


def system() -> list[Path]:
    """The folders of programs and libraries beside /usr; most of them are links into it."""
    return [path for name in ("bin", "sbin", "lib", "lib32", "lib64") if (path := Path("/", name)).exists()]


def environment(command: Command, home: str = "/tmp", out: str = f"{OWN}/out", inputs: str = f"{OWN}/artifacts",
                secret: str = f"{OWN}/holdout", tree: str = f"{OWN}/work/tree") -> dict[str, str]:
    """The payload's whole environment. `out`, `inputs`, `secret` and `tree` are where it finds these folders of the command."""
    own = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(command.home or home), "LANG": "C.UTF-8", "USER": "sandbox"}
    own |= {"OVERNIGHT_OUT": out} if command.harvest else {}
    own |= {"OVERNIGHT_ARTIFACTS": inputs} if command.inputs else {}
    own |= {"OVERNIGHT_HOLDOUT": secret} if command.secret else {}
    places = [*filter(None, [command.env.get("PYTHONPATH")]), *(f"{tree}/{each}" for each in command.imports)]
    given = {name: value.replace("$OVERNIGHT_OUT", out) if command.harvest else value for name, value in command.env.items()}
    return own | given | ({"PYTHONPATH": ":".join(places)} if places else {})


def words(command: Command, given: dict[str, str]) -> list[str]:
    """The words of a command, with the seed and the folder for artefacts filled in where a word names them as a shell would;
    `given` is the payload's environment."""
    return [FILLED.sub(lambda found: given.get(found[1] or found[2], found[0]), word) for word in command.argv]


def etc(user: int, home: Path | None = None) -> dict[str, str]:
    """The texts of /etc that programs look themselves and their own machine up in: path -> text."""
    return {"/etc/passwd": f"root:x:0:0::/:/bin/sh\nsandbox:x:{user}:{user}::{home or '/tmp'}:/bin/sh\n",
            "/etc/group": f"root:x:0:\nsandbox:x:{user}:\n",
            "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n"}


def become(user: int) -> list[str]:
    """The beginning of a command that runs the rest of it as another user, without any right of the one before."""
    return ["/usr/bin/setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", "--no-new-privs"]


def bounds(limits: Limits, counted: bool) -> dict[str, int]:
    """The kernel's limits on each process, by the names of prlimit; `counted` where a control group holds the whole tree."""
    return {"nproc": limits.processes, "fsize": limits.disk, "nofile": FILES if counted else UNCOUNTED, "core": NO_CORE,
            "data": limits.memory, "cpu": math.ceil(limits.wall) * (os.cpu_count() or 1), "memlock": 65536, "msgqueue": 65536,
            "sigpending": SIGNALS}
