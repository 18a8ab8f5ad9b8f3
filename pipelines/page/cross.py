"""Persons in two ways at once, as a table with totals and without small cells."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipelines.page.small_cells import small_cells

TOTAL = "total"


def cross(
    counts: pl.DataFrame, row: str, column: str, rows: Sequence[str], columns: Sequence[str]
) -> pl.DataFrame:
    """Cross two columns of counted persons.

    Args:
        counts: `row`, `column`, persons; one row for each pair that somebody is in.
        row: the column whose values go down.
        column: the column whose values go across.
        rows: its values in reading order.
        columns: its values in reading order.

    Returns:
        `row`, one column for each of `columns`, `total`; the last row is the total. Null where
        hidden.
    """
    numbers = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for down, across, persons in counts.select(row, column, "persons").iter_rows():
        numbers[rows.index(down), columns.index(across)] += persons
    hidden = small_cells(numbers)
    whole = np.vstack([numbers, numbers.sum(axis=0)])
    whole = np.hstack([whole, whole.sum(axis=1, keepdims=True)])
    shown = [
        pl.Series(name, whole[:, place], dtype=pl.Int64).zip_with(
            pl.Series(~hidden[:, place]), pl.Series([None], dtype=pl.Int64)
        )
        for place, name in enumerate([*columns, TOTAL])
    ]
    return pl.DataFrame([pl.Series(row, [*rows, TOTAL], dtype=pl.String), *shown])


def without_totals(crossed: pl.DataFrame) -> pl.DataFrame:
    """The cells alone, for a chart."""
    return crossed.head(-1).drop(TOTAL)
