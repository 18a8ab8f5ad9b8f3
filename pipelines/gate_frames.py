"""The frames that a gate hands to Great Expectations, kept small by Polars.

Great Expectations reads pandas. At ten million rows, whole frames cost it a minute and gigabytes:
decimals become Python objects, keys are hashed column by column (benchmarks/gates.py). So each
check gets no more than it needs to give the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import polars as pl

from pipelines.catalogue import Dataset
from pipelines.errors import C360Error
from pipelines.lake import Run
from pipelines.landing import TOMBSTONES

if TYPE_CHECKING:
    import pandas as pd

NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"
NOT_IN_SET = "expect_column_values_to_not_be_in_set"
PRESENT = pl.Enum(["present"])


@dataclass(frozen=True)
class Files:
    """The Parquet files of a dataset."""

    dataset: Dataset
    paths: tuple[Path, ...]
    schemas: tuple[pl.Schema, ...]
    rows: int

    @classmethod
    def of(cls, run: Run, dataset: Dataset) -> Self:
        """Find a dataset's files in a run.

        Raises:
            C360Error: the step that writes them has not run.
        """
        single = run.table(dataset.group, dataset.name)
        parts = sorted((run.inputs / dataset.name).glob("*.parquet"))
        paths = parts if dataset.group == "landing" else [single] if single.exists() else []
        if not paths:
            raise C360Error(
                f"The gate needs {dataset.name}, and this run has none.",
                f"Run the earlier steps first: c360 nightly --date {run.as_of}.",
            )
        footers = [pl.scan_parquet(path) for path in paths]
        return cls(
            dataset,
            tuple(paths),
            schemas=tuple(footer.collect_schema() for footer in footers),
            rows=sum(footer.select(pl.len()).collect().item() for footer in footers),
        )

    @property
    def sound(self) -> pl.Schema:
        """The columns that every file has with the declared type."""
        return pl.Schema(
            {
                name: dtype
                for name, dtype in self.dataset.schema.items()
                if all(schema.get(name) == dtype for schema in self.schemas)
            }
        )

    @property
    def found(self) -> pl.Schema:
        """The schema of the first file that differs from the catalogue, or the declared one."""
        declared = self.dataset.schema
        return next(
            (s for s in self.schemas if list(s.items()) != list(declared.items())), declared
        )

    def scan(self) -> pl.LazyFrame:
        """The sound columns of all files; a landed tombstone is no record to judge."""
        rows = pl.scan_parquet(list(self.paths), schema=self.sound, extra_columns="ignore")
        if self.dataset.group == "landing" and "op" in self.sound:
            return rows.filter(~pl.col("op").is_in(TOMBSTONES))
        return rows


def typed_names(schema: pl.Schema) -> list[str]:
    """Column names with their types, so that a retyped column shows."""
    return [f"{name} {dtype}" for name, dtype in schema.items()]


def typed_columns(schema: pl.Schema) -> "pd.DataFrame":
    """No rows; each column is named after a column and its type."""
    return pl.DataFrame(schema=dict.fromkeys(typed_names(schema), pl.Boolean)).to_pandas()


def repeated_rows(rows: pl.LazyFrame, key: Sequence[str]) -> "pd.DataFrame":
    """The rows that can break the uniqueness of a key: those whose hash another row has too.

    pandas needs eight seconds and a gigabyte to find no repetition in ten million keys.
    """
    hashed = pl.struct(key).hash().alias("hash")
    ordered = rows.select(hashed).collect(engine="streaming")["hash"].sort()
    suspects = ordered.filter(ordered == ordered.shift()).unique()
    if suspects.is_empty():
        return rows.select(key).head(0).collect().to_pandas()
    return (
        rows.select(key)
        .filter(hashed.is_in(suspects.implode()))
        .collect(engine="streaming")
        .to_pandas()
    )


def lean_frame(rows: pl.LazyFrame, uses: Mapping[str, set[str]]) -> "pd.DataFrame":
    """Columns in the smallest type that gives the same answers.

    Args:
        rows: the rows to judge.
        uses: the columns to keep, and which expectations look at each.
    """
    schema = rows.collect_schema()
    # A frame has no rows without a column: the first one then stands for them.
    wanted = uses or {schema.names()[0]: {NOT_NULL}}
    lean = [_lean(name, schema[name], asked).alias(name) for name, asked in wanted.items()]
    return rows.select(lean).collect(engine="streaming").to_pandas()


def _lean(name: str, dtype: pl.DataType, asked: set[str]) -> pl.Expr:
    column = pl.col(name)
    if asked == {NOT_NULL}:
        missing = column.is_null() | column.is_nan() if dtype.is_float() else column.is_null()
        return pl.when(~missing).then(pl.lit("present", dtype=PRESENT))
    if dtype.is_decimal() or dtype == pl.Boolean:
        return column.cast(pl.Float64)  # pandas would make Python objects of them
    if dtype.is_temporal():
        return column.cast(pl.Datetime("ns"))  # the only unit compared without a Python loop
    if dtype == pl.String and asked <= {NOT_NULL, IN_SET, NOT_IN_SET}:
        return column.cast(pl.Categorical)
    return column
