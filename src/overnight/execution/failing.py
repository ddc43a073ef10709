"""Which line of what a failed program wrote says why it failed. Pure.

Covered: tracebacks of Python, compilers of C, C++, CUDA, Rust and Go, panics, Node's errors, tests of pytest; whatever else
ends with a line that has a word in it. The words are a candidate's: the caller bounds and cleans them.
Not covered: errors that are told in other words in the middle of an output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

REACH, WIDE = 1 << 16, 400  # bytes of an output, and characters of a line, that are looked at
OURS = re.compile(r"^(?:overnight-\d+-\d+|sh): (?:line )?\d+: ")  # how the shell that starts a payload names itself
TRACEBACK = "Traceback (most recent call last):"
FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)')
COMPILER = re.compile(r"^\S+:\d+(?::\d+)?: (?:fatal )?error: |^\S+\(\d+\): error[: ]|^error(?:\[\w+\])?: |"
                      r"^\S+\.go:\d+:\d+: |: undefined reference to |\bld: cannot find ")
TELLING = re.compile(r"^panic: |^(?:Uncaught )?[\w.]*(?:Error|Exception)(?: \[\w+\])?: |^FAILED |^terminate called |"
                     r"^\s+what\(\): ")
PLACE = re.compile(r"^\s*--> (\S+:\d+)")  # where Rust's compiler saw it
NOISE = re.compile(r"^make(?:\[\d+\])?: |^tar: Exiting |^collect2: |^ninja: |^npm (?:ERR!|error)|^Node\.js v|^note: |^\s+at \S|"
                   r"^goroutine \d|^exit status \d|^error: (?:could not compile|aborting due to)|"
                   r"^For more information about this error|^=+ .* =+$|"
                   r"^\d+ (?:failed|passed|error)|^compilation terminated|^# \S+$")
WORD = re.compile(r"[^\W_]{2}")


def told(stderr: bytes, stdout: bytes = b"") -> str:
    """The line that says why a program failed; "" where no line says anything. `stdout` counts where the other is silent."""
    for output in (stderr, stdout):
        lines = [line[:WIDE].rstrip() for line in output[-REACH:].decode(errors="replace").splitlines()]
        if found := next(filter(None, _candidates(lines)), ""):
            return found
    return ""


def _candidates(lines: Sequence[str]) -> Iterator[str]:
    """What the lines may say, the most telling first."""
    yield _traceback(lines)
    for number, line in enumerate(lines):
        if COMPILER.search(line) and not NOISE.search(line):  # of a compiler the first, for the others follow from it
            place = next((found[1] for each in lines[number + 1:number + 3] if (found := PLACE.search(each))), "")
            yield line.strip() + (f" ({place})" if place else "")
    yield next((line.strip() for line in reversed(lines) if TELLING.search(line)), "")
    yield next((said for line in reversed(lines)
                if WORD.search(said := OURS.sub("", line.strip())) and not NOISE.search(line)), "")
    yield next((said for line in reversed(lines) if (said := OURS.sub("", line.strip()))), "")


def _traceback(lines: Sequence[str]) -> str:
    """The error of the last traceback, with the innermost place that is no library's."""
    start = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].strip() == TRACEBACK), None)
    if start is None:
        return ""
    rest = lines[start + 1:]
    error = next((line for line in rest if line and not line[0].isspace()), "")
    frames = [found for line in rest if (found := FRAME.match(line))]
    own = [f for f in frames if not f[1].startswith("<") and "/lib/python" not in f[1] and "site-packages" not in f[1]]
    if not error or not own:
        return error
    return f"{error} ({own[-1][1].rpartition('/')[2]}, line {own[-1][2]})"
