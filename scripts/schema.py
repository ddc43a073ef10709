"""Prints docs/schema.md from the views themselves: `PYTHONPATH=src python scripts/schema.py > docs/schema.md`."""

import inspect
import json
from typing import Any

import msgspec

from overnight.audit.arithmetic import Audit
from overnight.contracts import Idea
from overnight.views.experiment import DetailView, ExperimentView
from overnight.views.public import PublicView
from overnight.views.track import TrackView

HEAD = """# What `--json` prints

Made by `python scripts/schema.py`; a test compares. The schema is unstable until version 1.0: read what you need by its name,
and ignore what you do not know.

| command | prints |
| --- | --- |
"""
PRINTED: dict[str, tuple[Any, str]] = {
    "overnight status --json": (TrackView, ""),
    "overnight log --json": (ExperimentView, "one on each line, oldest first"),
    "overnight show ID --json": (DetailView, ""),
    "overnight try --json": (PublicView, "so do `try_change`, `wait` and `show` of `overnight mcp`, as structured content"),
    "overnight idea list --json": (Idea, "one on each line, oldest first"),
    "overnight audit --json": (Audit, ""),
}


def section(name: str, kind: dict[str, Any]) -> str:
    """One record: what its fields mean, in the words of the code, then its JSON schema with a field on each line."""
    fields = ",\n".join(f"  {json.dumps(field)}: {json.dumps(value)}" for field, value in kind["properties"].items())
    schema = f'{{"type": "object", "required": {json.dumps(kind["required"])},\n "properties": {{\n{fields}\n}}}}'
    return f"## {name}\n\n```text\n{inspect.cleandoc(kind['description'])}\n```\n\n```json\n{schema}\n```\n"


def page() -> str:
    """The whole page."""
    _, components = msgspec.json.schema_components([kind for kind, _ in PRINTED.values()], ref_template="#{name}")
    rows = "".join(f"| `{command}` | [{kind.__name__}](#{kind.__name__.lower()}){f', {how}' if how else ''} |\n"
                   for command, (kind, how) in PRINTED.items())
    return "\n".join([HEAD + rows, *(section(name, kind) for name, kind in components.items())])


if __name__ == "__main__":
    print(page(), end="")
