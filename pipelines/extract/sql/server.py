"""What a kind of SQL server has to say for itself: its names, its types, its catalogue.

A column is asked for as a type that arrives exactly. Left to itself DuckDB 1.5.5 reads a NaN as 0
and a long decimal as a double, takes status 2 of a tinyint(1) for true, and stops at 31 February.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from pipelines.rules.source_types.sql import SqlSecrets

LONGEST_DECIMAL = 38
DECIMAL = re.compile(r"(?:numeric|decimal)\((\d+),(\d+)\)")


class Kind(StrEnum):
    """What a column's values are, once they are here."""

    text = "text"
    number = "number"
    boolean = "boolean"
    date = "date"
    local_time = "local_time"
    instant = "instant"
    list = "list"
    bytes = "bytes"

    @property
    def is_time(self) -> bool:
        """Whether it has a time of day."""
        return self in (Kind.local_time, Kind.instant)


@dataclass(frozen=True)
class Column:
    """A column of a real table.

    `quoted`: its name in SQL. `sent`: what the server is asked for. `read`: what DuckDB makes of
    that, so that a date or time is of DuckDB's own type. `order`: what the server orders by, so
    that no two values are one.
    """

    name: str
    type: str
    kind: Kind
    may_read: bool
    quoted: str
    sent: str
    read: str = "{}"
    order: str = "{}"


Relation = tuple[str, str]  # schema (MySQL: database) and table


class Server(Protocol):
    """What is particular to one kind of server.

    `settings`: what DuckDB is told before it logs in. `asked`: how it hands a query on. `now`: the
    query for the server's clock.
    """

    type: ClassVar[str]
    title: ClassVar[str]
    settings: ClassVar[str]
    asked: ClassVar[str]
    now: ClassVar[str]

    def login(self, secrets: SqlSecrets) -> tuple[dict[str, str | int], str]:
        """Fields of DuckDB's secret beside the login, and what else the connection is told."""

    def default_schema(self, secrets: SqlSecrets) -> str:
        """Where a table is that is named without its schema."""

    def name(self, name: str) -> str:
        """A name, quoted."""

    def text(self, text: str) -> str:
        """A text, quoted."""

    def value(self, column: Column, text: str) -> str:
        """A value to compare a column with, from its text."""

    def moment(self, column: Column, time: datetime) -> str:
        """A time to compare a column with; of an instant, the time in UTC."""

    def as_text(self, column: Column) -> str:
        """A column's values as text."""

    def joined(self, texts: list[str]) -> str:
        """Texts joined with "-"; null if one of them is."""

    def column(self, name: str, type: str, may_read: bool) -> Column:
        """How a column of a type is asked for."""

    def columns_query(self, relation: Relation) -> str:
        """Asks for name, type and right to read of each column."""

    def tables_query(self) -> str:
        """Asks for schema.table of each table and view."""

    def index_query(self, relation: Relation, column: str) -> str:
        """Asks for the indexes that a column comes first in."""


def is_exact_decimal(type: str) -> bool:
    """Whether it is a decimal that DuckDB has too."""
    digits = DECIMAL.match(type)
    return bool(digits and int(digits[2]) <= int(digits[1]) <= LONGEST_DECIMAL)


def literal(text: str) -> str:
    """A text, quoted for DuckDB."""
    return "'" + text.replace("'", "''") + "'"
