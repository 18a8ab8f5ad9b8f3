"""Rows of any dataset of the catalogue, of which a test names only the columns it is about."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.catalogue import Column, Dataset, load_catalogue
from pipelines.extract.parts import find_parts, landing_days

PROJECT = Path(__file__).resolve().parents[1]
AS_OF = date(2026, 6, 30)


def rows(name: str, *overrides: Mapping[str, Any], group: str = "landing") -> pl.DataFrame:
    """One row for each of the overrides (one row without any), in the catalogue's schema.

    Columns that may be null are null; the others get a value of their type, values or format, and
    no two rows have the same key.
    """
    dataset = load_catalogue(PROJECT)[group, name]
    if strange := {column for row in overrides for column in row} - set(dataset.schema):
        raise KeyError(f"{name} has no column {sorted(strange)}")
    records = [
        {column.name: _default(dataset, column, number) for column in dataset.columns} | {**row}
        for number, row in enumerate(overrides or ({},), start=1)
    ]
    return pl.DataFrame(
        {
            column.name: pl.Series([_exact(column, record[column.name]) for record in records],
                                   dtype=column.dtype)
            for column in dataset.columns
        }
    )  # fmt: skip


def _default(dataset: Dataset, column: Column, number: int) -> Any:
    if not column.required:
        return None
    if column.values:
        return column.values[0]
    if column.format == "currency" or column.name.endswith("currency"):
        return "EUR"
    if column.name in ("source_record_id", *dataset.key[-1:]) and column.dtype == pl.String:
        return f"{dataset.name}-{number}"
    return _example(column)


def _example(column: Column) -> Any:
    if column.dtype == pl.String:
        return "" if column.name == "source_account_id" else f"some {column.name}"
    if column.dtype == pl.Boolean:
        return False
    if column.dtype == pl.Date:
        return AS_OF
    if column.dtype == pl.Datetime:
        return datetime.combine(AS_OF, time())
    return [] if isinstance(column.dtype, pl.List) else 1


def _exact(column: Column, value: Any) -> Any:
    return Decimal(str(value)) if column.dtype.is_decimal() and value is not None else value


def open_parts(folder: Path) -> list[Path]:
    """Parts of passes that are not complete, in the order of their making."""
    found = find_parts(folder)
    days = landing_days(found)
    return [part.path for part in found if days[part.path] is None]
