"""MySQL 5.7 and later, and MariaDB."""

import re
from datetime import datetime
from typing import ClassVar

from pipelines.extract.sql.server import Column, Kind, Relation, is_exact_decimal
from pipelines.rules.source_types.sql import SqlSecrets

SSL_MODES = {
    "disable": "disabled",
    "prefer": "preferred",
    "require": "required",
    "verify-ca": "verify_ca",
    "verify-full": "verify_identity",
}
NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "float", "double", "year")
BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector")
SHAPES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geomcollection", "geometrycollection",
)  # fmt: skip
# As text, from which a time is read here: the server may hold 31 February, or year 0.
READ_AS = {
    "date": (Kind.date, "try_cast({} as date)"),
    "datetime": (Kind.local_time, "try_cast({} as timestamp)"),
    "timestamp": (Kind.instant, "timezone('UTC', try_cast({} as timestamp))"),
}
# To most collations a, A and ä are one, and an enum is a number.
IN_BYTES = "cast(convert({} using utf8mb4) as binary)"


class MySql:
    """Its SQL, in sessions that are in UTC. Each query sees its table as it was at one moment."""

    type: ClassVar[str] = "mysql"
    title: ClassVar[str] = "MySQL"
    settings: ClassVar[str] = (
        "set mysql_session_time_zone = '+00:00'; set mysql_tinyint1_as_boolean = false"
    )
    asked: ClassVar[str] = "mysql_query('source', $1, stream_results = true)"
    now: ClassVar[str] = "select utc_timestamp(6) as now"

    def login(self, secrets: SqlSecrets) -> tuple[dict[str, str | int], str]:
        """Over TLS if the server has it, unless the secrets say otherwise."""
        fields: dict[str, str | int] = {"ssl_mode": SSL_MODES[secrets.sslmode]}
        if secrets.sslrootcert:
            fields["ssl_ca"] = secrets.sslrootcert
        place = "socket" if secrets.host.startswith("/") else "host"
        return {**fields, place: secrets.host, "port": secrets.port or 3306}, ""

    def default_schema(self, secrets: SqlSecrets) -> str:
        """The database that the login is for."""
        return secrets.database

    def name(self, name: str) -> str:
        """In backticks."""
        return "`" + name.replace("`", "``") + "`"

    def text(self, text: str) -> str:
        """In hex digits, which mean the same under every SQL mode."""
        return f"_utf8mb4 X'{text.encode().hex()}'"

    def value(self, column: Column, text: str) -> str:
        """A number bare: beside a text, the server may take it for a double."""
        if column.kind is Kind.number and re.fullmatch(r"-?\d+(\.\d+)?", text):
            return text
        return self.text(text)

    def moment(self, column: Column, time: datetime) -> str:
        """Without a zone: the session is in UTC."""
        return f"timestamp'{time.isoformat(' ')}'"

    def as_text(self, column: Column) -> str:
        """In the connection's character set, whatever the column's."""
        return f"cast({column.quoted} as char)"

    def joined(self, texts: list[str]) -> str:
        """With concat(), whose result is null if a part is."""
        parts = ", '-', ".join(texts)
        return f"concat({parts})" if len(texts) > 1 else parts

    def column(self, name: str, type: str, may_read: bool) -> Column:
        """A number as it is, the rest as text."""
        quoted = self.name(name)
        base = re.split(r"\W", type, maxsplit=1)[0]
        if base in BYTES or base in SHAPES:
            return Column(name, type, Kind.bytes, may_read, quoted, quoted)
        if base in NUMBERS:
            return Column(name, type, Kind.number, may_read, quoted, quoted)
        if base == "bit":
            return Column(name, type, Kind.number, may_read, quoted, f"{quoted} + 0")
        if is_exact_decimal(type):  # without its `unsigned`, for which DuckDB takes off a digit
            sent = f"cast({quoted} as {type.partition(')')[0]}))"
            return Column(name, type, Kind.number, may_read, quoted, sent)
        kind, read = READ_AS.get(base, (Kind.text, "{}"))
        order = IN_BYTES if kind is Kind.text else "{}"
        return Column(name, type, kind, may_read, quoted, f"cast({quoted} as char)", read, order)

    def columns_query(self, relation: Relation) -> str:
        """What the login may not read at all is not listed."""
        schema, table = (self.text(name) for name in relation)
        return f"""
            select cast(column_name as char) as name, cast(column_type as char) as type,
                find_in_set('select', privileges) > 0 as may_read
            from information_schema.columns
            where table_schema = {schema} and table_name = {table}
            order by ordinal_position"""  # noqa: S608 - names are quoted

    def tables_query(self) -> str:
        """Without the system's own."""
        return """
            select concat(table_schema, '.', table_name) as name from information_schema.tables
            where table_schema not in ('information_schema', 'performance_schema', 'mysql', 'sys')
            order by 1"""

    def index_query(self, relation: Relation, column: str) -> str:
        """Of any kind that keeps an order."""
        schema, table = (self.text(name) for name in relation)
        return f"""
            select cast(index_name as char) as name from information_schema.statistics
            where table_schema = {schema} and table_name = {table} and seq_in_index = 1
                and column_name = {self.text(column)} and index_type = 'BTREE'"""  # noqa: S608
