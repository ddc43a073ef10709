"""Prints docs/schema.md from the views themselves: `PYTHONPATH=src python scripts/schema.py > docs/schema.md`."""

import inspect
import json
from typing import Any

import msgspec

from overnight.audit.arithmetic import Audit
from overnight.audit.worth import Explanation
from overnight.brief.data import BriefData
from overnight.contracts import Idea
from overnight.export.columns import EXPERIMENTS, PREFIX, RUNS, Column
from overnight.night.word.happenings import Happening
from overnight.views.answers import Done, Finding, Queued, Wants, Whereabouts
from overnight.views.experiment import DetailView, ExperimentView
from overnight.views.further import MetricsView, SuggestionView
from overnight.views.ladder import RungView
from overnight.views.points import PointView
from overnight.views.program import ProgramView
from overnight.views.public import PublicView
from overnight.views.track import TrackView

HEAD = """# What `--json` prints

Made by `python scripts/schema.py`; a test compares. The schema is unstable until version 1.0: read what you need by its name,
and ignore what you do not know.

Every command has `--json`, but for those that print no data (`completion`, `demo`, `mcp`). With it, standard output holds
JSON and nothing else: one object, or one object a line, as `--help` says. Notes, progress and errors are sentences on standard
error; the last of an error begins with `overnight: ` (`Error: ` where a command line cannot be read). The exit status is the
same with and without it: 0 for well, 2 for an error, and for `try` what its help says. A command that fails may have printed
what it knew until then, `check` what is wrong.

| command | prints |
| --- | --- |
"""
LINES = "one object a line"
PRINTED: dict[str, tuple[Any, str]] = {
    "overnight audit": (Audit, ""),
    "overnight brief": (BriefData, ""),
    "overnight check": (Done, ""),
    "overnight doctor": (Finding, LINES),
    "overnight explain": (Explanation, ""),
    "overnight export": (Done, "with the columns of [its tables](#the-columns-of-overnight-export)"),
    "overnight idea add": (Queued, ""),
    "overnight idea drop": (Done, ""),
    "overnight idea import": (Queued, LINES),
    "overnight idea move": (Done, ""),
    "overnight idea list": (Idea, f"{LINES}, oldest first"),
    "overnight init": (Done, ""),
    "overnight journal copy": (Done, ""),
    "overnight log": (ExperimentView, f"{LINES}, oldest first; with `--explored` a [PointView](#pointview) a line, with "
                      "`--verify` or `--patches` a [Done](#done)"),
    "overnight merge": (Done, ""),
    "overnight metric grant": (Done, ""),
    "overnight metric list": (MetricsView, ""),
    "overnight metric score": (MetricsView, ""),
    "overnight metric show": (SuggestionView, ""),
    "overnight metric suggest": (MetricsView, "with the new suggestions alone"),
    "overnight pause": (Done, ""),
    "overnight program": (ProgramView, ""),
    "overnight report": (Done, ""),
    "overnight resume": (Done, ""),
    "overnight climb": (RungView, "one object a line, from the lowest rung up"),
    "overnight run": (TrackView, "at its end"),
    "overnight show": (DetailView, ""),
    "overnight status": (TrackView, ""),
    "overnight stop": (Done, ""),
    "overnight trust": (Wants, ""),
    "overnight try": (PublicView, "so do `try_change`, `wait` and `show` of `overnight mcp`, as structured content"),
    "overnight veto": (Done, ""),
    "overnight where": (Whereabouts, ""),
}


def section(name: str, kind: dict[str, Any]) -> str:
    """One record: what its fields mean, in the words of the code, then its JSON schema with a field on each line."""
    fields = ",\n".join(f"  {json.dumps(field)}: {json.dumps(value)}" for field, value in kind["properties"].items())
    schema = f'{{"type": "object", "required": {json.dumps(kind["required"])},\n "properties": {{\n{fields}\n}}}}'
    return f"## {name}\n\n```text\n{inspect.cleandoc(kind['description'])}\n```\n\n```json\n{schema}\n```\n"


TABLES = f"""## The columns of `overnight export`

A row for each experiment, in the order of their numbers; with `--runs` for each run, in the order in which they ended. Columns
come in this order, then one for each metric by the name `{PREFIX}NAME` (numbers, in its unit; seconds and bytes for the
harness's own): the contract's metric, guards and further metrics, then others by the alphabet. A column may join these; none
changes what it means without a new number of `overnight.format` in a Parquet file's metadata.
"""


def columns(title: str, every: tuple[Column[Any], ...]) -> str:
    """One table's columns."""
    rows = (f"| `{each.name}` | {each.type} | {each.unit or '–'} | {each.meaning}"
            f"{', with `--private` alone' * each.private} |\n" for each in every)
    return f"### {title}\n\n| column | type | unit | what it holds |\n| --- | --- | --- | --- |\n{''.join(rows)}"


def page() -> str:
    """The whole page."""
    kinds = [kind for kind, _ in PRINTED.values()]
    schemas, components = msgspec.json.schema_components([*kinds, PointView, Happening], ref_template="#{name}")
    anchors = [schema["$ref"].replace(".", "").lower() for schema in schemas]
    rows = "".join(f"| `{command}` | [{kind.__name__}]({anchor}){f', {how}' if how else ''} |\n"
                   for (command, (kind, how)), anchor in zip(PRINTED.items(), anchors, strict=False))
    rows += "| a hook of `overnight run` | gets a [Happening](#happening) on its standard input ([notify.md](notify.md)) |\n"
    tables = [TABLES, columns("Of experiments", EXPERIMENTS), columns("Of runs", RUNS)]
    return "\n".join([HEAD + rows, *(section(name, kind) for name, kind in components.items()), *tables])


if __name__ == "__main__":
    print(page(), end="")
