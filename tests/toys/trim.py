"""A researcher that takes out comments, one at a time: less to read, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator

from overnight.contracts import Brief, Change


class Trim:
    """Proposes Python files without one of their comment lines."""

    def __init__(self, name: str = "trim") -> None:
        self.name = name

    def propose(self, brief: Brief) -> Change | None:
        """The first comment that was not tried on this frontier, or the one of `again`; None when there is none."""
        tried = [past.note.get("comment") for past in brief.history if past.base == brief.frontier]
        for change in _changes(brief.files):
            comment = change.note["comment"]
            if comment == brief.again.note.get("comment") if brief.again else comment not in tried:
                return change
        return None


def _changes(files: dict[str, str]) -> Iterator[Change]:
    for path in sorted(path for path in files if path.endswith(".py")):
        lines = files[path].splitlines(keepends=True)
        for number, line in enumerate(lines):
            if line.lstrip().startswith("#"):
                text = "".join(lines[:number] + lines[number + 1:])
                yield Change({path: text}, f"take out a comment ({path}, line {number + 1})", {"comment": f"{path}: {line.strip()}"})
