"""PostgreSQL 12 and later."""

import re
from datetime import datetime
from typing import ClassVar

from pipelines.extract.sql.server import Column, Kind, Relation, is_exact_decimal
from pipelines.rules.source_types.sql import SqlSecrets

# A dead line is noticed within two minutes; the system's own patience is two hours.
PATIENCE = (
    "connect_timeout=15 keepalives_idle=60 keepalives_interval=10 keepalives_count=6 "
    "tcp_user_timeout=120000"
)
KINDS = {
    "smallint": Kind.number,
    "integer": Kind.number,
    "bigint": Kind.number,
    "real": Kind.number,
    "double precision": Kind.number,
    "boolean": Kind.boolean,
    "date": Kind.date,
    "timestamp without time zone": Kind.local_time,
    "timestamp with time zone": Kind.instant,
    "bytea": Kind.bytes,
}
OWN_SCHEMAS = "('pg_catalog', 'information_schema')"


class Postgres:
    """Its SQL. A run reads in one transaction: all tables as they were at one moment."""

    type: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    settings: ClassVar[str] = ""
    asked: ClassVar[str] = "postgres_query('source', $1)"
    now: ClassVar[str] = "select now() as now"

    def login(self, secrets: SqlSecrets) -> tuple[dict[str, str | int], str]:
        """Over TLS if the server has it, unless the secrets say otherwise."""
        told = f"{PATIENCE} client_encoding=UTF8 application_name=customer-360"
        told += f" sslmode={secrets.sslmode}"
        if secrets.sslrootcert:
            escaped = re.sub(r"(['\\])", r"\\\1", secrets.sslrootcert)
            told += f" sslrootcert='{escaped}'"
        return {"host": secrets.host, "port": secrets.port or 5432}, told

    def default_schema(self, secrets: SqlSecrets) -> str:
        """The one that every database has."""
        return "public"

    def name(self, name: str) -> str:
        """In double quotes."""
        return '"' + name.replace('"', '""') + '"'

    def text(self, text: str) -> str:
        """As an escape string, which means the same under every setting of the server."""
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

    def value(self, column: Column, text: str) -> str:
        """A literal without a type takes the column's, and its collation."""
        return self.text(text)

    def moment(self, column: Column, time: datetime) -> str:
        """With its zone if the column has one."""
        if column.kind is Kind.instant:
            return f"timestamptz '{time.isoformat(' ')}+00'"
        return f"timestamp '{time.isoformat(' ')}'"

    def as_text(self, column: Column) -> str:
        """Every type has a text."""
        return f"{column.quoted}::text"

    def joined(self, texts: list[str]) -> str:
        """With ||, whose result is null if a part is."""
        return " || '-' || ".join(texts)

    def column(self, name: str, type: str, may_read: bool) -> Column:
        """As it is where that arrives exactly, an array as JSON, the rest as text."""
        quoted = self.name(name)
        if type.endswith("[]"):
            sent, read = f"array_to_json({quoted})::text", "from_json({}, '[\"VARCHAR\"]')"
            return Column(name, type, Kind.list, may_read, quoted, sent, read)
        if is_exact_decimal(type):
            sent = f"nullif({quoted}, 'NaN')::{type}"  # of a domain, only the cast knows the scale
            return Column(name, type, Kind.number, may_read, quoted, sent)
        kind = KINDS.get(re.sub(r"\(\d+\)", "", type), Kind.text)
        sent = f"{quoted}::text" if kind is Kind.text else quoted
        return Column(name, type, kind, may_read, quoted, sent)

    def columns_query(self, relation: Relation) -> str:
        """From the catalogue, which also lists what the login may not read."""
        schema, table = (self.text(name) for name in relation)
        return f"""
            select a.attname::text as name,
                format_type(
                    coalesce(nullif(t.typbasetype, 0), t.oid),
                    case when t.typbasetype = 0 then a.atttypmod else t.typtypmod end
                ) as type,
                has_schema_privilege(n.oid, 'usage')
                    and has_column_privilege(c.oid, a.attnum, 'select') as may_read
            from pg_attribute as a
            join pg_class as c on c.oid = a.attrelid
            join pg_namespace as n on n.oid = c.relnamespace
            join pg_type as t on t.oid = a.atttypid
            where n.nspname = {schema} and c.relname = {table}
                and c.relkind in ('r', 'p', 'v', 'm', 'f')
                and a.attnum > 0 and not a.attisdropped
            order by a.attnum"""  # noqa: S608 - names are quoted

    def tables_query(self) -> str:
        """Without the system's own."""
        return f"""
            select n.nspname || '.' || c.relname as name
            from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in {OWN_SCHEMAS}
            order by 1"""  # noqa: S608 - a constant

    def index_query(self, relation: Relation, column: str) -> str:
        """Those that hold every row."""
        schema, table = (self.text(name) for name in relation)
        return f"""
            select i.indexrelid::regclass::text as name from pg_index as i
            join pg_class as c on c.oid = i.indrelid
            join pg_namespace as n on n.oid = c.relnamespace
            join pg_attribute as a on a.attrelid = c.oid and a.attnum = i.indkey[0]
            where n.nspname = {schema} and c.relname = {table} and a.attname = {self.text(column)}
                and i.indisvalid and i.indpred is null"""  # noqa: S608 - names are quoted
