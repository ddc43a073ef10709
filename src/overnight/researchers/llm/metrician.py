"""A metrician: it reads what was kept as a critic of the metric, and proposes one further metric or guard. What it writes is a
proposal for the user: it is cleaned and bounded here, and enters nothing by itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from msgspec.structs import replace

from overnight.contracts import Brief, KeepSeen, Scrutiny, Suggestion
from overnight.errors import EditError, TrackError
from overnight.researchers.llm import edits
from overnight.researchers.llm.client import ModelClient
from overnight.track.granted import with_section
from overnight.track.spec import FILE, parse
from overnight.track.units import number
from overnight.untrusted import fenced, line, plain, quoted

OTHER = "## Your part\n\nWhat to do now, as said above, is for the authors of changes. You write no change. "
NONE = re.compile(r"^[ \t#*`]*NOTHING\b", re.MULTILINE)
TITLE = re.compile(r"^[ \t#*]*(?:TITLE|METRIC)[ \t*]*:(.*)$", re.IGNORECASE | re.MULTILINE)
SECTION = re.compile(r"^[ \t]*```[ \t]*toml[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^[ \t]*(?:NEW[ \t]+)?FILE[ \t]*:", re.IGNORECASE | re.MULTILINE)
MOST_TITLE_CHARACTERS, MOST_REASON_CHARACTERS = 120, 1_500
MOST_DIFF_CHARACTERS, MOST_FILE_CHARACTERS = 6_000, 24_000
MOST_PATCH_CHARACTERS = 32_000


def metrician(client: ModelClient, brief: Brief, seen: Scrutiny) -> Suggestion | None:
    """A further metric; None where the model knows of none. Raises Away, EditError."""
    answer = client.ask("metrician", brief, f"{OTHER}Propose one further metric or guard, or say NOTHING.\n\n{page(seen)}")
    return None if NONE.search(answer.text) else suggestion(answer.text, brief, seen)


def page(seen: Scrutiny) -> str:
    """What a metrician looks at, as markdown: everything that a candidate wrote is fenced."""
    signs = "\n".join(f"- {line(sign, 400)}" for sign in seen.signs) or "- nothing"
    watched = ", ".join(line(name, 80) for name in seen.watched)
    parts = [f"## What the record shows\n\n{signs}\n\nMeasured or proposed already: {watched}."]
    parts += [_keep(keep) for keep in reversed(seen.keeps)]
    parts += [f"## What judges: {line(path, 160)}\n\n{fenced(text, path, MOST_FILE_CHARACTERS)}"
              for path, text in sorted(seen.files.items())]
    return "\n\n".join(parts)


def _keep(keep: KeepSeen) -> str:
    moved = [f"- {line(name, 80)}: {number(keep.before.get(name))} before, {number(value)} after"
             for name, value in sorted(keep.after.items())]
    head = f"## Kept: #{keep.experiment} {quoted(keep.title, 160)}, effect {number(keep.effect, 3, 0.0, '+')}"
    return "\n\n".join([head, "\n".join(moved), fenced(keep.patch, f"the diff of #{keep.experiment}", MOST_DIFF_CHARACTERS)])


def suggestion(answer: str, brief: Brief, seen: Scrutiny) -> Suggestion:
    """What an answer proposes: a title, why, a section for track.toml and, where the scorer has to print another number, edits
    of it. Raises EditError where that is no further metric, or touches what it may not."""
    title, section = TITLE.search(answer), SECTION.search(answer)
    if title is None or section is None:
        raise EditError("the answer names no metric: write METRIC: and a title, and a ```toml block with one [[watch]] or "
                        "[[guard]].")
    words = BLOCK.split(SECTION.sub("", answer[title.end():]), maxsplit=1)[0]
    text = plain(section[1].strip(), MOST_FILE_CHARACTERS) + "\n"
    metric = _metric(text, seen)
    if metric in seen.watched:
        raise EditError(f"{metric} is measured or proposed already: propose another metric.")
    patch = _patch(SECTION.sub("", answer), brief, seen)
    short = line(title[1].strip(" \t*`"), MOST_TITLE_CHARACTERS) or metric
    return Suggestion(short, plain(words.strip(), MOST_REASON_CHARACTERS), metric, text, patch,
                      tuple(keep.experiment for keep in seen.keeps))


def _metric(section: str, seen: Scrutiny) -> str:
    """The metric that a section adds. Raises EditError."""
    before = seen.files.get(FILE, "")
    try:
        after, was = parse(with_section(before, section)), parse(before)
    except TrackError as error:
        raise EditError(str(error)) from error
    names = [each.metric for each in after.watch[len(was.watch):]] + [each.metric for each in after.guard[len(was.guard):]]
    return names[0]


def _patch(answer: str, brief: Brief, seen: Scrutiny) -> str:
    """The edits of protected files in an answer, as a diff; "" where there are none. Raises EditError."""
    files = {path: text for path, text in seen.files.items() if path != FILE}
    if not BLOCK.search(answer):
        return ""
    changed = edits.change(answer, replace(brief, files=files, editable=tuple(files), region=""))
    found = diff(files, changed.files)
    if len(found) > MOST_PATCH_CHARACTERS:
        raise EditError(f"the edits are longer than {MOST_PATCH_CHARACTERS:,} characters: print one more number, and no more.")
    return found


def diff(before: Mapping[str, str], after: Mapping[str, str | None]) -> str:
    """Changed texts as a diff that git applies."""
    parts = list[str]()
    for path, text in after.items():
        old, new = before.get(path, "").splitlines(keepends=True), (text or "").splitlines(keepends=True)
        for row in difflib.unified_diff(old, new, f"a/{path}", f"b/{path}"):
            parts += [row] if row.endswith("\n") else [row, "\n\\ No newline at end of file\n"]
    return "".join(parts)
