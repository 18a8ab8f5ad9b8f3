"""A login to the PostgreSQL that serves.

What it says of a failure may repeat rows; none of it is passed on.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa

from pipelines.errors import AccessRefusedError, C360Error, SourceDownError
from pipelines.extract.sql.database import NO_DATABASE, NO_LOGIN
from pipelines.extract.sql.postgres import Postgres
from pipelines.rules.source_types.sql import SqlSecrets

SERVER = Postgres()
NO_RIGHT = "42501"
HAS_DEPENDANTS = "2BP01"
DISK_FULL = "53100"
# Somebody holds what we need: a lock that did not come in time, or two who wait for each other.
BUSY = ("55P03", "40P01")
# Whatever somebody else may have put into schema public is not taken for the server's own; and a
# load may take its time.
SETTINGS = (
    "select set_config('search_path', 'pg_catalog', false), "
    "set_config('statement_timeout', '0', false)"
)


class BusyError(C360Error):
    """A reader holds what has to change."""


def name(content: str) -> str:
    """A name, quoted."""
    return SERVER.name(content)


def text(content: str) -> str:
    """A text, quoted."""
    return SERVER.text(content)


def block(statements: Sequence[str]) -> str:
    """Many statements as one; its own text is quoted, so that no statement can end it."""
    body = "".join(f"{statement};\n" for statement in statements)
    return f"do {text(f'begin {body}end')}"


class Database:
    """A connection; a context manager that logs in and out."""

    def __init__(self, secrets: SqlSecrets) -> None:
        self.secrets = secrets
        self._driver = _driver()

    def __enter__(self) -> "Database":
        """Log in.

        Raises:
            SourceDownError: it cannot be reached.
            AccessRefusedError: it refuses the login.
        """
        try:
            self._connection = self._driver.connect(self._login(), autocommit=True)
        except self._driver.Error as error:
            raise self._cannot_log_in(str(error)) from None
        self.ask(SETTINGS, "its settings")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def run(self, statement: str, what: str) -> None:
        """Execute a statement; `what` it is about, for messages."""
        with self._asking(what) as cursor:
            cursor.execute(statement)

    def ask(self, query: str, what: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._asking(what) as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def copy(self, schema: str, table: str, rows: pa.RecordBatchReader) -> int:
        """Add rows to a table while they come; returns how many."""
        with self._asking(f"the rows of {table}") as cursor:
            count: int = cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema)
            return count

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        # Not the connection's own commit and rollback: opened with autocommit, those do nothing.
        driver = self._connection.adbc_connection
        driver.set_autocommit(False)
        try:
            yield
            with self._in_words("the commit"):
                driver.commit()
        except BaseException:
            with suppress(self._driver.Error):  # where the line is dead, the server rolls back
                driver.rollback()
            raise
        finally:
            with suppress(self._driver.Error):
                driver.set_autocommit(True)

    @contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        with self._in_words(what), self._connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def _in_words(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise self._told(error.sqlstate, what) from None

    def _login(self) -> str:
        fields, told = SERVER.login(self.secrets)
        fields |= {
            "user": self.secrets.login,
            "password": self.secrets.password.get_secret_value(),
            "dbname": self.secrets.database,
        }
        quoted = {key: re.sub(r"(['\\])", r"\\\1", str(value)) for key, value in fields.items()}
        return " ".join([*(f"{key}='{value}'" for key, value in quoted.items()), told])

    def _cannot_log_in(self, told: str) -> C360Error:
        where = f"PostgreSQL at {self.secrets.host}"
        if NO_DATABASE.search(told):
            return AccessRefusedError(
                f"{where} has no database {self.secrets.database}.", "Make it, or renew the login."
            )
        if NO_LOGIN.search(told):
            return AccessRefusedError(f"{where} refuses the login.", "Renew the login.")
        return SourceDownError(
            f"{where} cannot be reached.",
            "See whether the server is up and lets this machine in, and whether host and port are "
            "right.",
        )

    def _told(self, state: str | None, what: str) -> C360Error:
        where = f"PostgreSQL at {self.secrets.host}"
        if state in BUSY:
            return BusyError(f"{where}: somebody uses {what}.", "Wait until they end.")
        if state == NO_RIGHT:
            return AccessRefusedError(
                f"{where} does not let {self.secrets.login} change {what}.",
                "Give the login the rights of docs/operations.md, PostgreSQL for BI.",
            )
        if state == HAS_DEPENDANTS:
            return C360Error(
                f"{where}: something of somebody else rests on {what}, whose columns have changed.",
                "Find it with \\d+ in psql, drop it, run c360 serve postgres, and make it anew.",
            )
        if state == DISK_FULL:
            return C360Error(
                f"{where} has no disk space left for {what}.",
                "Free some, or lower keep_releases in serving.yml. What was shown stays.",
            )
        if state is None or state.startswith(("08", "57")):
            return SourceDownError(
                f"{where} stopped answering at {what}.",
                "What was shown stays. See whether it is up, and run c360 serve postgres again.",
            )
        return C360Error(
            f"{where} does not take {what} (SQLSTATE {state}).",
            "What was shown stays. The server's own log says more.",
        )


def _driver() -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ModuleNotFoundError:
        raise C360Error(
            "This installation cannot load PostgreSQL.", "Install customer-360[serving]."
        ) from None
    return dbapi
