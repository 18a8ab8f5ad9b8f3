"""What the marts look like as tables of PostgreSQL: pure text, from the catalogue.

Beside a mart's own columns a table has the number of the release that a row is of, and for each
column by which `serving.yml` limits rows the customer's value of it, `row_<column>`.
"""

# ruff: noqa: S608 - every name and text is quoted

import hashlib
import json
from dataclasses import dataclass

from pipelines.catalogue import Catalogue, Column, Dataset
from pipelines.publish import MARTS
from pipelines.rules.serving import Serving

CUSTOMERS = "customer_360"
KEY = "customer_id"
RELEASE = "release_number"
TYPES = {
    "varchar": "text",
    "double": "double precision",
    "timestamp": "timestamp without time zone",
    "varchar[]": "text[]",
}


@dataclass(frozen=True)
class Table:
    """One mart: its columns, and those of `customer_360` that say who sees a row."""

    dataset: Dataset
    scope: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The mart's."""
        return self.dataset.name

    @property
    def has_customer(self) -> bool:
        """Whether a row tells of one customer."""
        return KEY in self.dataset.schema

    @property
    def columns(self) -> dict[str, str]:
        """All columns and their types, as PostgreSQL spells them."""
        own = {column.name: type_of(column) for column in self.dataset.columns}
        scope = {row_column(column.name): type_of(column) for column in self.scope}
        return {RELEASE: "integer"} | own | scope

    def select(self, number: int, there: set[str], of_customers: set[str]) -> str:
        """DuckDB's query for the rows of a release: $1 is the mart's file, $2 the customers'.

        Args:
            number: of the release.
            there: columns of the mart's file; what it has not is null.
            of_customers: columns of the customers' file.
        """
        own = [
            f"cast({f'mart.{column.name}' if column.name in there else 'null'} as "
            f"{column.data_type}) as {column.name}"
            for column in self.dataset.columns
        ]
        whose = "mart" if self.name == CUSTOMERS else "whose"
        scope = [
            f"cast({f'{whose}.{column.name}' if column.name in of_customers else 'null'} as "
            f"{column.data_type}) as {row_column(column.name)}"
            for column in self.scope
        ]
        listed = ", ".join([f"{number}::integer as {RELEASE}", *own, *scope])
        query = f"select {listed} from read_parquet($1) as mart"
        if self.scope and self.name != CUSTOMERS:
            query += f" left join read_parquet($2) as whose on whose.{KEY} = mart.{KEY}"
        return query


def tables_of(catalogue: Catalogue, serving: Serving) -> tuple[Table, ...]:
    """The marts that anybody sees."""
    known = tuple(MARTS)
    seen = {mart for role in serving.roles.values() for mart in serving.marts_of(role, known)}
    limits = {column for role in serving.roles.values() for column in role.rows}
    customers = catalogue[MARTS[CUSTOMERS], CUSTOMERS]
    scope = tuple(column for column in customers.columns if column.name in limits)
    datasets = [catalogue[MARTS[mart], mart] for mart in known if mart in seen]
    return tuple(Table(data, scope if KEY in data.schema else ()) for data in datasets)


def layout_of(tables: tuple[Table, ...]) -> str:
    """A digest of all tables: rows that were loaded under another have to be loaded anew."""
    told = json.dumps([[table.name, *table.columns.items()] for table in tables])
    return hashlib.sha256(told.encode()).hexdigest()


def type_of(column: Column) -> str:
    """The type of a column in PostgreSQL."""
    if column.data_type.startswith("decimal"):
        return column.data_type.replace("decimal", "numeric").replace(" ", "")
    return TYPES.get(column.data_type, column.data_type)


def row_column(column: str) -> str:
    """What the customer's value of a column is called in every table."""
    return f"row_{column}"
