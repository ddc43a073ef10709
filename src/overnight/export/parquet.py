"""A table as Parquet, or as a pandas DataFrame: types, units and meanings of the columns go along. Needs the extra `export`.

No value is null, and differs from a number that is none (NaN). A time is an instant in UTC, to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overnight.errors import extra
from overnight.export.columns import Column
from overnight.export.tables import Table
from overnight.export.writing import whole

if TYPE_CHECKING:
    import pandas
    import pyarrow

AT_A_TIME = 1000  # rows that are held at once
NAMES = {"integer": "int64", "number": "float64", "text": "string", "boolean": "bool_"}


def write(table: Table, place: Path) -> int:
    """Write it whole or not at all; how many rows there were. Raises TrackError, ExtraMissing."""
    with extra("export", "Parquet"):
        import pyarrow.parquet
    schema, written = _schema(table), 0
    with whole(place) as part, pyarrow.parquet.ParquetWriter(part, schema) as writer:
        for batch in _batches(table, schema):
            writer.write_batch(batch)
            written += batch.num_rows
    return written


def frame(table: Table) -> pandas.DataFrame:
    """All of it in memory; its types are Arrow's, as `pandas.read_parquet(..., dtype_backend="pyarrow")` gives them. Raises
    ExtraMissing."""
    with extra("export", "a DataFrame"):
        import pandas
        import pyarrow
    schema = _schema(table)
    built = pyarrow.Table.from_batches(_batches(table, schema), schema)
    made: pandas.DataFrame = built.to_pandas(types_mapper=pandas.ArrowDtype)
    made.attrs.update(table.about)
    return made


def _schema(table: Table) -> pyarrow.Schema:
    fields = [_field(column) for column in table.columns]
    return _pyarrow().schema(fields, metadata={f"overnight.{name}": value for name, value in table.about.items()})


def _field(column: Column[Any]) -> pyarrow.Field:
    pyarrow = _pyarrow()
    kind = pyarrow.timestamp("us", tz="UTC") if column.type == "time" else getattr(pyarrow, NAMES[column.type])()
    return pyarrow.field(column.name, kind, metadata={"meaning": column.meaning, "unit": column.unit})


def _batches(table: Table, schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
    pyarrow, rows = _pyarrow(), iter(table.rows)
    while some := list(islice(rows, AT_A_TIME)):
        arrays = [pyarrow.array([_value(column, row) for row in some], field.type)
                  for column, field in zip(table.columns, schema, strict=True)]
        yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def _value(column: Column[Any], row: Any) -> Any:
    value = column.value(row)
    return round(value * 1e6) if column.type == "time" and value is not None else value


def _pyarrow() -> Any:
    import pyarrow
    return pyarrow
