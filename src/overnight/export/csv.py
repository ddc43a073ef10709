"""A table as CSV, for pandas, R and spreadsheets: UTF-8, commas, a head of names, a line for each row.

No value is an empty cell; a number that is none is NaN, infinite ones are inf and -inf; a time is ISO 8601 in UTC.
Covered: a text that a spreadsheet would execute. Where one begins with = + - @, a tab or a carriage return (also the wide forms
of these signs, and behind blanks), or goes on so behind a semicolon, a tab or the end of a line, an apostrophe goes before it,
so that it is a text wherever cells are parted; `original` takes it off again, and gives each text back as it was.
Not covered: what a program does on purpose with a text that it reads.
Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from overnight.export.columns import Column, Type
from overnight.export.tables import Table
from overnight.export.writing import whole

BEGINS = r"(?='*[ \u00a0]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"
EXECUTED, HARMLESS = re.compile(rf"(^|[;\t\r\n]){BEGINS}"), re.compile(rf"(^|[;\t\r\n])'{BEGINS}")


def write(table: Table, place: Path) -> int:
    """Write it whole or not at all; how many rows there were. Raises TrackError."""
    written = 0
    with whole(place) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([harmless(column.name) for column in table.columns])
        for cells in _cells(table):
            writer.writerow(cells)
            written += 1
    return written


def harmless(text: str) -> str:
    """A text that no spreadsheet executes."""
    return EXECUTED.sub(r"\1'", text)


def original(cell: str) -> str:
    """The text that was made harmless."""
    return HARMLESS.sub(r"\1", cell)


def _cells(table: Table) -> Iterator[list[str]]:
    for row in table.rows:
        yield [cell(column, column.value(row)) for column in table.columns]


def cell(column: Column[Any], value: Any) -> str:
    """A value as its column's cell; "" where there is none."""
    return "" if value is None else _WRITTEN[column.type](value)


def _number(value: float) -> str:
    return "NaN" if value != value else repr(float(value))


def _time(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _boolean(value: bool) -> str:
    return "true" if value else "false"


_WRITTEN: dict[Type, Callable[[Any], str]] = {
    "integer": str, "number": _number, "text": harmless, "boolean": _boolean, "time": _time}
