"""Regular expressions of a contract, searched in a time that grows with the text alone (RE2). Pure.

Covered: patterns that would take for ever elsewhere, like `(a+)+$`; patterns that would become a large program; a text of 128
KiB is searched once within two seconds.
Not covered: look-around and back-references, which no search in linear time has; `\\d`, `\\s` and `\\w` mean those of ASCII.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from overnight.errors import TrackError

MOST_CHARACTERS = 1000  # of a pattern
LARGEST_PROGRAM = 1000  # instructions; each may be looked at for each character of a text
_OPEN = re.compile(r"(?<!\\)\{,")  # which RE2 would take for letters
_BEYOND = ("invalid perl operator", "invalid escape sequence: \\", "bad repetition operator")


@functools.lru_cache(maxsize=256)
def compiled(pattern: str, lines: bool = False) -> Any:
    """The pattern, with `search`, `fullmatch`, `finditer` and `groups` as Python's own have them; `lines`: `^` and `$` stand
    for the ends of each line. Raises TrackError with what is wrong with it."""
    import re2  # when it is wanted: few commands do
    options = re2.Options()
    options.log_errors = False
    if len(pattern) > MOST_CHARACTERS:
        raise TrackError(f"the pattern cannot be used: it has more than {MOST_CHARACTERS:,} characters.")
    if _OPEN.search(pattern):
        raise TrackError("the pattern cannot be used: write {0,n} for {,n}.")
    try:
        made = re2.compile(f"(?m){pattern}" if lines else pattern, options)
    except re2.error as error:
        raise TrackError(_why(error.args[0] if error.args else "")) from error
    if made.programsize > LARGEST_PROGRAM:
        raise TrackError("the pattern cannot be used: it is too large, so write it with fewer or smaller repetitions.")
    return made


def _why(said: bytes | str) -> str:
    """RE2's word for what is wrong, as a sentence."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    if text.startswith(_BEYOND):
        return (f"the pattern cannot be searched in linear time ({text}): write it without look-around, back-references and "
                "what only Python has (the syntax is RE2's).")
    return f"the pattern is no regular expression: {text}."
