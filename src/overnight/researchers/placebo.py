"""A researcher whose changes change nothing: a comment at the end of a file. A kept placebo is a false finding, so a
night of placebos (an A/A night) tests the referee on a user's own track."""

from __future__ import annotations

from overnight.contracts import Brief, Change


class Placebo:
    """Proposes edits without any effect."""

    name = "placebo"

    def propose(self, brief: Brief) -> Change | None:
        """A fresh comment in the first editable Python file; None when there is none."""
        path = next((p for p in sorted(brief.files) if p.endswith(".py")), None)
        if path is None:
            return None
        mark = f"# placebo {brief.seed:08x}"
        return Change({path: brief.files[path].rstrip("\n") + f"\n{mark}\n"}, f"{mark[2:]} ({path})\n\nChanges nothing.")
