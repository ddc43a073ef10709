"""A researcher whose changes change nothing: a comment at the end of a file. A kept placebo is a false finding, so a
night of placebos (an A/A night) tests the referee on a user's own track."""

from __future__ import annotations

from overnight.contracts import Brief, Change
from overnight.execution.null_edits import COMMENTS, FUNCTIONS

MARKS = COMMENTS | dict.fromkeys(FUNCTIONS, "//") | {"py": "#"}  # how a comment begins, by the end of a file's name


class Placebo:
    """Proposes edits without any effect."""

    name = "placebo"

    def propose(self, brief: Brief) -> Change | None:
        """A fresh comment in the first editable Python file, or else the first whose comments are known; None when there is
        none."""
        known = [path for path in sorted(brief.files) if _kind(path) in MARKS]
        path = min(known, key=lambda path: _kind(path) != "py", default=None)
        if path is None:
            return None
        words = f"placebo {brief.seed:08x}"
        text = brief.files[path].rstrip("\n") + f"\n{MARKS[_kind(path)]} {words}\n"
        return Change({path: text}, f"{words} ({path})\n\nChanges nothing.")


def _kind(path: str) -> str:
    return path.rpartition(".")[2]
