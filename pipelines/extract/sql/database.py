"""A login to a database: DuckDB hands it our queries as they are, and gives their rows as Arrow.

What DuckDB says of a failure repeats the query, and so ids of customers; none of it is passed on.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.extract.client import refused_login
from pipelines.extract.sql.mysql import MySql
from pipelines.extract.sql.postgres import Postgres
from pipelines.extract.sql.server import Column, Relation, Server, literal
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource

BATCH_ROWS = 20_000
SERVERS: dict[str, Server] = {"postgres": Postgres(), "mysql": MySql()}
CONFIG: dict[str, Any] = {
    "threads": 1,  # a query's rows come in one stream, in the server's order
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
}
# What a server says in English. In another language a refusal is taken for an outage.
NO_LOGIN = re.compile(
    r"authentication failed|no pg_hba\.conf entry|access denied"
    r"|role \"[^\"]*\" (does not exist|is not permitted)",
    re.IGNORECASE,
)
NO_DATABASE = re.compile(r"database \"[^\"]*\" does not exist|unknown database", re.IGNORECASE)
NO_RIGHT = re.compile(r"permission denied|command denied|access denied", re.IGNORECASE)
NOT_UNDERSTOOD = re.compile(r"failed to prepare", re.IGNORECASE)
LINE_CUT = re.compile(r"connection|server (has )?gone|timeout|terminat|recovery", re.IGNORECASE)

Rows = Iterator[pa.Table]


def find_extension(kind: str) -> Path:
    """DuckDB's extension for a kind of server, from its wheel: nothing is fetched.

    Raises:
        C360Error: the wheel is not installed.
    """
    spec = find_spec(f"duckdb_extension_{kind}_scanner")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    file = f"{kind}_scanner.duckdb_extension"
    path = folder / "extensions" / f"v{duckdb.__version__}" / file
    if not path.is_file():
        wheel = f"duckdb-extension-{kind}-scanner=={duckdb.__version__}"
        raise C360Error(f"This installation cannot read {kind}.", f"Install {wheel}.")
    return path


def _of_server(error: Exception, query: str) -> str:
    """What the server says, without the query that DuckDB repeats: names in it prove nothing."""
    return str(error).replace(query, "").partition("\nLINE ")[0]


class Database:
    """The database of a source; a context manager that logs in and out."""

    def __init__(self, source: SqlSource, secrets: SqlSecrets) -> None:
        self.source, self.secrets = source, secrets
        self.server = SERVERS[source.type]

    def __enter__(self) -> "Database":
        """Log in.

        Raises:
            SourceDownError: it cannot be reached.
            AccessRefusedError: it refuses the login.
        """
        extension = find_extension(self.source.type)
        self._connection = duckdb.connect(config=CONFIG)
        self._connection.execute(f"load {literal(str(extension))}")
        self._connection.execute(f"set TimeZone = 'UTC'; {self.server.settings}")
        try:
            self._attach()
        except duckdb.Error as error:
            self._connection.close()
            raise self._cannot_log_in(str(error)) from None
        return self

    def __exit__(self, *_: object) -> None:
        # Closed within a transaction whose server is gone, DuckDB 1.5.5 takes the process with it.
        with suppress(duckdb.Error):
            self._connection.rollback()
        self._connection.close()

    def now(self) -> datetime:
        """The server's clock; where a run is one transaction, its beginning."""
        [(microseconds,)] = self._fetch("epoch_us(now)", self.server.now, "the clock")
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)

    def relation(self, schema: str | None, table: str) -> Relation:
        """Schema and table, where only the table may have been named."""
        return schema or self.server.default_schema(self.secrets), table

    def columns(self, relation: Relation) -> list[Column]:
        """The columns of a table; none if there is no such table, or none for this login."""
        query = self.server.columns_query(relation)
        rows = self._fetch("name, type, may_read", query, "the catalogue")
        return [self.server.column(name, type, bool(may_read)) for name, type, may_read in rows]

    def tables(self) -> list[str]:
        """The tables that the login may know of, as schema.table."""
        rows = self._fetch("name", self.server.tables_query(), "the catalogue")
        return [name for (name,) in rows]

    def indexes(self, relation: Relation, column: str) -> list[str]:
        """The indexes of a table that a column comes first in."""
        rows = self._fetch("name", self.server.index_query(relation, column), "the catalogue")
        return [name for (name,) in rows]

    def read(self, select: str, query: str, what: str) -> tuple[pa.Schema, Rows]:
        """The rows of a query in its order, while they come.

        Args:
            select: DuckDB's select list over the query's columns.
            query: what the server is asked, in its own SQL.
            what: the table, for messages.

        Raises:
            AccessRefusedError: the table may not be read.
            SourceDownError: the connection broke.
            C360Error: the server does not understand the query.
        """
        try:
            reader = self._run(select, query).to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            raise self._cannot_read(_of_server(error, query), what) from None
        return reader.schema, self._rows(reader, query, what)

    def _rows(self, reader: pa.RecordBatchReader, query: str, what: str) -> Rows:
        try:
            for batch in reader:
                yield pa.table(batch)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._cannot_read(_of_server(error, query), what) from None

    def _fetch(self, select: str, query: str, what: str) -> list[tuple[Any, ...]]:
        try:
            return self._run(select, query).fetchall()
        except duckdb.Error as error:
            raise self._cannot_read(_of_server(error, query), what) from None

    def _run(self, select: str, query: str) -> duckdb.DuckDBPyConnection:
        asked = f"select {select} from {self.server.asked}"  # noqa: S608 - quoted by the plan
        return self._connection.execute(asked, [query])

    def _attach(self) -> None:
        fields, told = self.server.login(self.secrets)
        fields |= {
            "user": self.secrets.login,
            "password": self.secrets.password.get_secret_value(),
            "database": self.secrets.database,
        }
        said = ", ".join(
            f"{name} {value if isinstance(value, int) else literal(value)}"
            for name, value in fields.items()
        )
        kind = self.source.type
        self._connection.execute(f"create secret login (type {kind}, {said})")
        self._connection.execute(
            f"attach {literal(told)} as source (type {kind}, secret login, read_only)"
        )
        self._connection.execute("begin")

    def _cannot_log_in(self, told: str) -> C360Error:
        name, title = self.source.name, self.server.title
        if NO_DATABASE.search(told):
            return refused_login(name, title, "it has no database of that name for it")
        if NO_LOGIN.search(told):
            return refused_login(name, title, "login or password is wrong, or may not come in")
        return SourceDownError(
            f"Source {name}: {title} at {self.secrets.host} cannot be reached.",
            "See whether the server is up and lets this machine in, and whether host and port are "
            "right.",
        )

    def _cannot_read(self, told: str, what: str) -> C360Error:
        name, title = self.source.name, self.server.title
        if NO_RIGHT.search(told):
            return AccessRefusedError(
                f"Source {name}: {title} does not let {self.secrets.login} read {what}.",
                f"Grant the login SELECT on it; c360 sources check {name} tries it.",
            )
        if NOT_UNDERSTOOD.search(told) and not LINE_CUT.search(told):
            return C360Error(
                f"Source {name}: {title} does not take the query on {what}.",
                "A column may have changed its type since the last night. Give the table a new "
                "name in sources.yml to read it anew.",
            )
        return SourceDownError(
            f"Source {name}: {title} stopped answering while {what} was read.",
            "What was read is kept, and the next try goes on from there. See whether the server "
            "cuts long queries (statement_timeout, max_execution_time, a replica's delay).",
        )
