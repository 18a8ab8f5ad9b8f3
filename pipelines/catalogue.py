"""The one catalogue: every dataset and column as the dbt YAML beside the models declares it.

From these lines come the Polars schemas, the basic suite of each gate, the test
factories and the list of personal columns. Nothing is described a second time.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.errors import C360Error
from pipelines.yaml_files import read_yaml

ENVELOPE = "envelope"
PII_CLASSES = ("direct", "quasi", "key")
TEXTS = (pl.String, pl.Binary, pl.List(pl.String))
COLUMN_META = {"pii", "values", "format", "alias"}
TABLE_META = {"grain", "mapping", "key", "one_of"}
PLAIN_TYPES: Mapping[str, Any] = {
    "varchar": pl.String(),
    "boolean": pl.Boolean(),
    "integer": pl.Int32(),
    "bigint": pl.Int64(),
    "double": pl.Float64(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
    "varchar[]": pl.List(pl.String()),
}


@dataclass(frozen=True)
class Column:
    """One declared column."""

    name: str
    data_type: str
    description: str
    required: bool
    pii: str | None
    values: tuple[str, ...]
    format: str | None
    alias: str | None

    @property
    def dtype(self) -> pl.DataType:
        """The Polars type of the declared SQL type."""
        if decimal := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", self.data_type):
            return pl.Decimal(int(decimal[1]), int(decimal[2]))
        return PLAIN_TYPES[self.data_type]  # type: ignore[no-any-return]  # Polars types are Any here


@dataclass(frozen=True)
class Dataset:
    """One declared table: a landing table, an output of our own jobs, or a dbt model."""

    group: str
    name: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    one_of: tuple[str, ...]

    @property
    def schema(self) -> pl.Schema:
        """Column names and Polars types, in the declared order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that are never null."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def personal(self) -> tuple[str, ...]:
        """Columns that name or help to name a person."""
        return tuple(column.name for column in self.columns if column.pii)

    @property
    def direct(self) -> frozenset[str]:
        """Columns that name a person by themselves."""
        return frozenset(column.name for column in self.columns if column.pii == "direct")

    def conform(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Give the frame exactly the declared columns and types, or refuse.

        Raises:
            C360Error: a declared column is missing or an undeclared one is present.
        """
        present = set(frame.collect_schema().names())
        declared = set(self.schema.names())
        if present != declared:
            raise C360Error(
                f"{self.name} does not match the catalogue: missing "
                f"{sorted(declared - present)}, not declared {sorted(present - declared)}.",
                "Declare the column in the YAML beside the model, or stop writing it.",
            )
        return frame.select(pl.col(name).cast(dtype) for name, dtype in self.schema.items())


@dataclass(frozen=True)
class Catalogue:
    """All declared datasets, by group (`landing`, `rules`, `pipeline`, `models`) and name."""

    datasets: Mapping[tuple[str, str], Dataset]

    def __getitem__(self, key: tuple[str, str]) -> Dataset:
        """The dataset of a group and name."""
        return self.datasets[key]

    def group(self, group: str) -> dict[str, Dataset]:
        """The datasets of one group, by name."""
        return {name: data for (owner, name), data in self.datasets.items() if owner == group}

    def secret_of(self, group: str, name: str, schema: Mapping[str, pl.DataType]) -> frozenset[str]:
        """The columns of a table of a run that nobody may read at rest.

        Of a table that is declared, those that are marked. Of any other, those of the name of a
        column that is marked anywhere, and text of a name that is declared nowhere.
        """
        if dataset := self.datasets.get((group, name)):
            return frozenset(dataset.personal)
        return frozenset(
            column
            for column, dtype in schema.items()
            if self._is_marked.get(column, dtype in TEXTS)
        )

    @cached_property
    def _is_marked(self) -> dict[str, bool]:
        columns = [column for dataset in self.datasets.values() for column in dataset.columns]
        marked = {column.name for column in columns if column.pii}
        return {column.name: column.name in marked for column in columns}

    @property
    def landing(self) -> dict[str, Dataset]:
        """The tables of the landing contract; each ends with the envelope's columns."""
        return self.group("landing")


@cache
def load_catalogue(project_dir: Path) -> Catalogue:
    """Read the dbt YAML of a project into a catalogue.

    Raises:
        C360Error: a table or column is described twice, or a line is malformed.
    """
    datasets: dict[tuple[str, str], Dataset] = {}
    for dataset in _declared_datasets(project_dir / "dbt_project" / "models"):
        if (dataset.group, dataset.name) in datasets:
            raise _malformed(f"{dataset.group}.{dataset.name}", "is described twice")
        datasets[dataset.group, dataset.name] = dataset
    envelope = datasets.pop(("landing", ENVELOPE), None)
    if envelope is None:
        raise _malformed(f"landing.{ENVELOPE}", "is not described")
    return Catalogue(
        {
            key: _with_columns(data, envelope.columns) if data.group == "landing" else data
            for key, data in datasets.items()
        }
    )


def _with_columns(dataset: Dataset, more: tuple[Column, ...]) -> Dataset:
    columns = dataset.columns + more
    _refuse_repeats(dataset.name, columns)
    return Dataset(**{**dataset.__dict__, "columns": columns})


def _declared_datasets(models_dir: Path) -> Iterator[Dataset]:
    for path in sorted(models_dir.rglob("_*.yml")):
        try:
            document = read_yaml(path) or {}
            for source in document.get("sources", []):
                for table in source["tables"]:
                    yield _dataset(source["name"], table)
            for model in document.get("models", []):
                if "columns" in model:
                    yield _dataset("models", model)
        except KeyError as error:
            raise _malformed(str(path), f"has an entry without {error}") from None
        except (AttributeError, TypeError):
            raise _malformed(str(path), "has a text where a list or keys belong") from None


def _dataset(group: str, entry: dict[str, Any]) -> Dataset:
    name = entry["name"]
    meta = entry.get("config", {}).get("meta", {})
    columns = tuple(_column(name, column) for column in entry["columns"])
    _refuse_repeats(name, columns)
    if unknown := set(meta) - TABLE_META:
        raise _malformed(name, f"has unknown meta {sorted(unknown)}")
    told_of = {*meta.get("key", ()), *meta.get("one_of", ())}
    if strangers := told_of - {column.name for column in columns}:
        raise _malformed(name, f"has no column {sorted(strangers)}, named by its key or one_of")
    if not entry.get("description") or not meta.get("grain"):
        raise _malformed(name, "needs a description and config.meta.grain")
    return Dataset(
        group=group,
        name=name,
        description=entry["description"].strip(),
        grain=meta["grain"],
        columns=columns,
        key=tuple(meta.get("key", ())),
        one_of=tuple(meta.get("one_of", ())),
    )


def _column(table: str, entry: dict[str, Any]) -> Column:
    where = f"{table}.{entry['name']}"
    meta = entry.get("config", {}).get("meta", {})
    if unknown := set(meta) - COLUMN_META:
        raise _malformed(where, f"has unknown meta {sorted(unknown)}")
    if meta.get("pii", "direct") not in PII_CLASSES:
        raise _malformed(where, f"has pii {meta['pii']!r}; write one of {PII_CLASSES}")
    if not entry.get("description"):
        raise _malformed(where, "has no description")
    constraints = {constraint["type"] for constraint in entry.get("constraints", [])}
    column = Column(
        name=entry["name"],
        data_type=entry.get("data_type", ""),
        description=entry["description"].strip(),
        required=bool(constraints & {"not_null", "primary_key"}),
        pii=meta.get("pii"),
        values=tuple(meta.get("values", ())),
        format=meta.get("format"),
        alias=meta.get("alias"),
    )
    try:
        column.dtype  # noqa: B018 - raises on an unknown type
    except KeyError:
        raise _malformed(where, f"has unknown data_type {column.data_type!r}") from None
    return column


def _refuse_repeats(table: str, columns: tuple[Column, ...]) -> None:
    names = [column.name for column in columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise _malformed(table, f"describes {repeated} twice")


def _malformed(where: str, what: str) -> C360Error:
    return C360Error(
        f"The catalogue is malformed: {where} {what}.", "Mend the YAML in dbt_project/models."
    )
