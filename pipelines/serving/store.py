"""The tables in PostgreSQL: each release beside the others, and one row that says which is shown.

    <schema>.<mart>        all loaded releases of a mart, partitioned by release
    <schema>_r7.<mart>     the rows of release 7
    <schema>.releases      what is loaded, and as what
    <schema>.pointer       the one row that every view asks

A release is loaded in one transaction, which a kill undoes, and shown in another (`switch.py`).
"""

# ruff: noqa: S608 - every name and text is quoted

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from pipelines.errors import AccessRefusedError
from pipelines.serving.access import Access, make_roles
from pipelines.serving.database import BusyError, Database, block, name, text
from pipelines.serving.readers import wait_for_readers
from pipelines.serving.tables import KEY, RELEASE, Table

PATIENCE_SECONDS = 60.0  # with whoever reads what is to go
ANOTHER_SECONDS = 30  # a killed load holds its lock until the server finds out

# Opens the rows of a table for a number; None if the release has no such mart.
Read = Callable[[Table, int], pa.RecordBatchReader | None]


@dataclass(frozen=True)
class Loaded:
    """A release in the database."""

    number: int
    name: str
    layout: str
    is_leaving: bool


class Store:
    """What is in one database."""

    def __init__(self, database: Database, access: Access) -> None:
        self.database, self.access = database, access

    def open(self) -> None:
        """Make roles and our own tables if there are none, and keep others from loading.

        Raises:
            AccessRefusedError: the login may not make the roles, or one of them may too much.
            BusyError: another load is under way.
        """
        at, schema = self.access.at, self.access.schema
        self._be_alone()
        made = (
            f"create schema if not exists {name(schema)} authorization {name(self.access.owner)}",
            self.access.as_owner,
            f"create table if not exists {at('releases')} ("
            "number integer primary key generated always as identity, name text not null, "
            "as_of date not null, layout text not null, loaded_at timestamptz not null, "
            "shown_at timestamptz, is_leaving boolean not null default false)",
            f"create table if not exists {at('pointer')} "
            f"(number integer not null references {at('releases')})",
            f"create table if not exists {at('logins')} "
            "(login text not null, column_name text not null, value text not null)",
            f"create table if not exists {at('rights')} "
            "(mart text primary key, digest text not null)",
            f"create table if not exists {at('roles')} (role text primary key)",
        )
        with self.database.transaction():
            self.database.run(block([*make_roles(self.access)]), "its roles")
            self._refuse_powers()
            self.database.run(block(made), f"schema {schema}")

    def releases(self) -> list[Loaded]:
        """Those that are loaded; the one shown last comes first."""
        rows = self.database.ask(
            f"select number, name, layout, is_leaving from {self.access.at('releases')} "
            "order by shown_at desc nulls last, number desc",
            "its releases",
        )
        return [Loaded(*row) for row in rows]

    def load(
        self, release: str, as_of: date, layout: str, read: Read, tell: Callable[[str], None]
    ) -> tuple[int, int]:
        """Bring a release in, seen by nobody yet; returns its number and how many rows it has.

        Args:
            release: its name.
            as_of: its date.
            layout: the digest of the tables.
            read: opens the rows of a table.
            tell: told how far it is.
        """
        releases, owner = self.access.at("releases"), name(self.access.owner)
        sequence = f"pg_get_serial_sequence({text(releases)}, 'number')"
        count = 0
        with self.database.transaction():
            [(number,)] = self.database.ask(f"select nextval({sequence})", "its releases")
            schema = self.access.release_schema(number)
            made = f"create schema {name(schema)} authorization {owner}"
            self.database.run(block((made, self.access.as_owner)), f"schema {schema}")
            for table in self.access.tables:
                tell(f"loading {table.name}")
                count += self._load_table(table, schema, number, read)
            told = ", ".join(map(text, (release, as_of.isoformat(), layout)))
            self.database.run(
                f"insert into {releases} (number, name, as_of, layout, loaded_at) "
                f"overriding system value values ({number}, {told}, now())",
                "its releases",
            )
        return number, count

    def drop(self, numbers: list[int]) -> list[int]:
        """Take releases away, those that are leaving first; returns those that somebody reads.

        They are marked first, so that none is shown again of which half has gone. A table lets go
        of one release at a time, so that others wait behind one that is being read.
        """
        if not numbers:
            return []
        listed = ", ".join(map(str, numbers))
        marked = f"set is_leaving = true where number in ({listed})"
        self.database.run(f"update {self.access.at('releases')} {marked}", "its releases")
        if not wait_for_readers(self.database, self.access, PATIENCE_SECONDS):
            return numbers
        for place, number in enumerate(numbers):
            if not self._drop(number):
                return numbers[place:]
        return []

    def _be_alone(self) -> None:
        """Until we log out, nobody else loads here."""
        self.database.run(f"set lock_timeout = '{ANOTHER_SECONDS}s'", "its settings")
        key = f"hashtextextended({text(f'customer-360 {self.access.schema}')}, 0)"
        try:
            self.database.ask(f"select pg_advisory_lock({key})::text", "its lock")
        except BusyError:
            raise BusyError(
                "Another load of this PostgreSQL is under way.", "Wait until it ends."
            ) from None

    def _refuse_powers(self) -> None:
        """An owner above policies would show everybody everything."""
        owners = [self.access.owner, *map(self.access.views_owner, self.access.serving.roles)]
        mighty = self.database.ask(
            "select rolname::text from pg_roles where (rolsuper or rolbypassrls or rolcanlogin) "
            f"and rolname in ({', '.join(map(text, owners))}) order by 1",
            "its roles",
        )
        if mighty:
            raise AccessRefusedError(
                f"Role {mighty[0][0]} may log in or is above row-level security.",
                f"alter role {name(mighty[0][0])} nologin nosuperuser nobypassrls",
            )

    def _load_table(self, table: Table, schema: str, number: int, read: Read) -> int:
        place = f"{name(schema)}.{name(table.name)}"
        columns = ", ".join(f"{name(column)} {kind}" for column, kind in table.columns.items())
        # The check lets it become a partition without a look at its rows.
        made = (
            f"create table {place} ({columns}, check ({RELEASE} = {number}))",
            f"alter table {place} alter {RELEASE} set not null",
        )
        self.database.run(block(made), table.name)
        rows = read(table, number)
        count = self.database.copy(schema, table.name, rows) if rows else 0
        if table.has_customer:
            self.database.run(f"create index on {place} ({name(KEY)})", table.name)
        self.database.run(f"analyze {place}", table.name)
        return count

    def _drop(self, number: int) -> bool:
        """Take one release away without keeping readers of others waiting."""
        schema = self.access.release_schema(number)
        self.database.run(f"set lock_timeout = '{PATIENCE_SECONDS:.3f}s'", "its settings")
        try:
            for parent, partition, is_pending in self._partitions(schema):
                how = "finalize" if is_pending else "concurrently"
                self.database.run(
                    f"alter table {parent} detach partition {partition} {how}", partition
                )
        except BusyError:
            return False
        with self.database.transaction():
            self.database.run(f"drop schema {name(schema)} cascade", f"schema {schema}")
            gone = f"delete from {self.access.at('releases')} where number = {number}"
            self.database.run(gone, "its releases")
        return True

    def _partitions(self, schema: str) -> list[tuple[str, str, bool]]:
        """Tables of a release that are partitions: of what, which, and whether half detached."""
        return self.database.ask(
            "select inhparent::regclass::text, inhrelid::regclass::text, inhdetachpending "
            "from pg_inherits join pg_class on pg_class.oid = inhrelid "
            f"where relnamespace = {text(name(schema))}::regnamespace and relispartition "
            "order by 2",
            "its partitions",
        )
