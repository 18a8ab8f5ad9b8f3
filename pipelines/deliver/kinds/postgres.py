"""PostgreSQL: a list is a table, one row a customer, changed in one transaction.

The table is ours: it is made if need be, and a row of a customer on the list is written anew. Rows
of others stay. A transaction is applied wholly or not at all, and doing it again gives the same
table, so that nothing need be looked up after a lost reply.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

import duckdb
import polars as pl

from pipelines.deliver.changes import Batch, Outcome, Row, Status, content_of
from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.extract.client import CallRefusedError
from pipelines.extract.sql.database import (
    CONFIG,
    LINE_CUT,
    NO_DATABASE,
    NO_LOGIN,
    NO_RIGHT,
    find_extension,
)
from pipelines.extract.sql.postgres import Postgres
from pipelines.extract.sql.server import literal
from pipelines.rules.deliveries import PostgresDestination
from pipelines.rules.source_types.sql import SqlSecrets

SERVER = Postgres()
TYPES = {
    pl.String: "text",
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Float64: "double precision",
    pl.Float32: "double precision",
    pl.Int64: "bigint",
    pl.Int32: "integer",
    pl.UInt32: "bigint",
    pl.Datetime: "timestamptz",
}


class PostgresTable:
    """One table."""

    batch_rows: ClassVar[int | None] = None

    def __init__(
        self,
        destination: PostgresDestination,
        table: str,
        secrets: SqlSecrets,
        people: pl.DataFrame,
    ) -> None:
        """Take the rows of the list, one a customer."""
        self.destination, self.secrets = destination, secrets
        self.people = people.with_columns(
            pl.col(name).cast(pl.List(pl.String)).list.join("; ")
            for name, dtype in people.schema.items()
            if isinstance(dtype, pl.List)
        )
        self.schema, self.table = destination.schema_, table

    def rows(self) -> list[Row]:
        """One a customer."""
        return [
            Row(row["customer_id"], row["customer_id"], content_of(row))
            for row in self.people.iter_rows(named=True)
        ]

    def look(self, batch: Batch) -> set[str]:
        """Nothing is known without asking, and nothing need be."""
        return set()

    def send(self, batch: Batch) -> dict[str, Outcome]:
        """Delete and insert in one transaction."""
        changed = [row.far_id for row in batch.rows]
        adds = self.people.filter(pl.col("customer_id").is_in([r.far_id for r in batch.adds]))
        where = f"far.{_name(self.schema)}.{_name(self.table)}"
        named = ", ".join(_name(name) for name in adds.columns)
        with self._logged_in() as connection:
            gone = pl.DataFrame({"customer_id": changed}, schema={"customer_id": pl.String})
            connection.register("gone", gone.to_arrow())
            connection.register("adds", adds.sort("customer_id").to_arrow())
            connection.execute("begin")
            if made := self._what_to_make(connection):
                connection.execute("call postgres_execute('far', ?)", [made])
            connection.execute(
                f"delete from {where} where customer_id in (select customer_id from gone)"  # noqa: S608 - quoted
            )
            connection.execute(f"insert into {where} ({named}) select {named} from adds")  # noqa: S608 - quoted
            connection.execute("commit")
        return {row.far_id: Outcome(Status.ok) for row in batch.rows}

    def _what_to_make(self, connection: duckdb.DuckDBPyConnection) -> str:
        """The table if there is none, else the columns that the list has got since."""
        table = f"{_name(self.schema)}.{_name(self.table)}"
        columns = {name: _type(dtype) for name, dtype in self.people.schema.items()}
        asked = SERVER.columns_query((self.schema, self.table))
        rows = connection.execute("select name from postgres_query('far', ?)", [asked]).fetchall()
        there = {name for (name,) in rows}
        if not there:
            listed = ", ".join(
                f"{_name(name)} {type}{' primary key' if name == 'customer_id' else ''}"
                for name, type in columns.items()
            )
            return f"create table {table} ({listed})"
        return "; ".join(
            f"alter table {table} add column {_name(name)} {type}"
            for name, type in columns.items()
            if name not in there
        )

    @contextmanager
    def _logged_in(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = duckdb.connect(config=CONFIG)
        try:
            connection.execute(f"load {literal(str(find_extension('postgres')))}")
            connection.execute("set TimeZone = 'UTC'")
            self._attach(connection)
            yield connection
        except duckdb.Error as error:
            raise self._in_words(str(error)) from None
        finally:
            with suppress(duckdb.Error):
                connection.rollback()
            connection.close()

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        fields, told = SERVER.login(self.secrets)
        fields |= {
            "user": self.secrets.login,
            "password": self.secrets.password.get_secret_value(),
            "database": self.secrets.database,
        }
        said = ", ".join(
            f"{name} {value if isinstance(value, int) else literal(value)}"
            for name, value in fields.items()
        )
        connection.execute(f"create secret login (type postgres, {said})")
        connection.execute(f"attach {literal(told)} as far (type postgres, secret login)")

    def _in_words(self, told: str) -> C360Error:
        """What DuckDB says repeats the query, and so ids of customers; none of it is passed on."""
        where = f"PostgreSQL at {self.secrets.host}"
        if NO_DATABASE.search(told) or NO_LOGIN.search(told):
            return AccessRefusedError(f"{where} refuses the login.", "Renew the login.")
        if NO_RIGHT.search(told):
            return AccessRefusedError(
                f"{where} does not let {self.secrets.login} write {self.schema}.{self.table}.",
                "Grant the login CREATE on the schema, or all rights on the table.",
            )
        if LINE_CUT.search(told):
            return SourceDownError(f"{where} does not answer.", "See whether it is up.")
        return CallRefusedError(
            f"{where} does not take the change of {self.schema}.{self.table}; nothing was changed.",
            "See whether the table's columns are of other types than the list's, or constrained.",
            "refused by PostgreSQL",
        )


def _name(name: str) -> str:
    return SERVER.name(name)


def _type(dtype: pl.DataType) -> str:
    if dtype.is_decimal():
        return f"numeric({dtype.precision}, {dtype.scale})"  # type: ignore[attr-defined]  # a decimal's own
    return TYPES.get(type(dtype), "text")
