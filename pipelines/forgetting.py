"""What landing needs to know of who was erased, and what it tells of a raw file's rows."""

from typing import Protocol

import polars as pl

from pipelines.catalogue import Dataset

RECORD = "__c360_record"  # number of the connector's record that a row was made of
# What of a raw file may not stay: its row or record, the column and value, or no column: all of it.
EDITS = {"at": pl.Int64, "column": pl.String, "value": pl.String}


class Judged(Protocol):
    """Which rows go, as they are of who was erased, and where others mention them."""

    @property
    def goes(self) -> pl.Series:
        """Rows that go."""

    @property
    def mentions(self) -> dict[str, pl.Series]:
        """Rows whose column mentions somebody who went, by column."""


class Forgetting(Protocol):
    """What knows who was erased."""

    def judge(self, frame: pl.DataFrame, dataset: Dataset) -> Judged:
        """Judge typed rows."""

    def judge_texts(self, frame: pl.DataFrame) -> pl.Series:
        """Judge rows as received: source, raw."""


def without(frame: pl.DataFrame, erased: Judged, nothing: pl.Expr) -> pl.DataFrame:
    """The rows that stay, with nothing where they mention who was erased."""
    return frame.with_columns(
        pl.when(~told).then(pl.col(column)).otherwise(nothing).alias(column)
        for column, told in erased.mentions.items()
    ).filter(~erased.goes)


def list_edits(typed: pl.DataFrame, erased: Judged, at: str) -> list[pl.DataFrame]:
    """The edits that judged rows call for; `at` is the column of their place in the raw file."""
    return [whole_rows(typed.filter(erased.goes), at)] + [
        typed.filter(told).select(
            at=pl.col(at).cast(pl.Int64), column=pl.lit(column), value=pl.col(column)
        )
        for column, told in erased.mentions.items()
    ]


def whole_rows(rows: pl.DataFrame, at: str) -> pl.DataFrame:
    """The edits that take whole rows out."""
    nothing = pl.lit(None, pl.String)
    return rows.select(at=pl.col(at).cast(pl.Int64), column=nothing, value=nothing)
