"""The code of a notebook as a script. Pure.

Covered: notebooks of Python in both formats; lines for the notebook's own shell (`%matplotlib inline`, `!pip install x`) are
left out, as a comment. Not covered: what a notebook shows without printing it; cells in other languages, which are left out.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any

from overnight.track.contact.project import ENTRIES

TIMED = ("%%time", "%%timeit", "%%capture", "%%prun")  # that run the rest of their cell as Python
_MAGIC = re.compile(r"([ \t]*)(%|!|\?|\w+\?$)")


def script(text: str) -> str:
    """The code of a notebook, cell by cell; "" where it is none, or has none in Python."""
    try:
        book = json.loads(text)
        language = book.get("metadata", {}).get("kernelspec", {}).get("language", "python")
        cells = book["cells"] if "cells" in book else [cell for sheet in book["worksheets"] for cell in sheet["cells"]]
        parts = [_code(cell) for cell in cells if cell.get("cell_type") == "code"]
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return ""
    return "\n\n".join(f"# %%\n{part}" for part in parts if part) + "\n" if language == "python" and any(parts) else ""


def _code(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    lines = ("".join(source) if isinstance(source, list) else str(source)).strip("\n").split("\n")
    foreign = lines[0].startswith("%%") and lines[0].split()[0] not in TIMED
    return "\n".join(f"# {line}" for line in lines) if foreign else "\n".join(_plain(lines)).rstrip()


def _plain(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        found = _MAGIC.match(line)
        yield f"{found[1]}pass  # {line.strip()}" if found else line


def named(path: str) -> str:
    """Where the script of a notebook is written."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, re.sub(r"[^\w.-]+", "_", name.removesuffix(".ipynb")) + ".py")


def likely(paths: Sequence[str]) -> str:
    """The one of several notebooks that is the project's; "" where that cannot be told."""
    known = [path for path in paths if posixpath.basename(path).removesuffix(".ipynb").lower() in ENTRIES]
    one = known if len(paths) > 1 else paths
    return one[0] if len(one) == 1 else ""
