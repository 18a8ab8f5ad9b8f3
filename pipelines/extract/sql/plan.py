"""What is read of one table: its queries, and what DuckDB makes of their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from pipelines.extract.sql.server import Column, Kind, Relation, Server, literal
from pipelines.extract.sql.values import (
    FIRST,
    as_instant,
    as_landed,
    as_mark,
    own_terms,
    translated,
)
from pipelines.rules.source_types.sql import SqlTable

ID, OP, UPDATED = "source_record_id", "op", "source_updated_at"
KEY_TIME = "__key_time"


class Asked:
    """The expressions that a server is asked for, named c0, c1 and so on."""

    def __init__(self) -> None:
        self.expressions: list[str] = []

    def __call__(self, expression: str) -> str:
        """Ask for an expression; returns its name."""
        if expression not in self.expressions:
            self.expressions.append(expression)
        return f"c{self.expressions.index(expression)}"

    def __str__(self) -> str:
        return ", ".join(f"{sql} as c{number}" for number, sql in enumerate(self.expressions))


@dataclass(frozen=True)
class Plan:
    """How one table is read.

    `mapped`: the real column of each landing column that has one. `dtypes`: the landing columns'.
    """

    table: SqlTable
    relation: Relation
    server: Server
    zone: str
    ids: tuple[Column, ...]
    updated_at: Column | None
    created_at: Column | None
    deleted_at: Column | None
    mapped: Mapping[str, Column]
    dtypes: Mapping[str, pl.DataType]

    @property
    def label(self) -> str:
        """What messages call the table."""
        return ".".join(self.relation)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of a batch that say where to go on."""
        if len(self.ids) == 1:
            return KEY_TIME, ID
        return KEY_TIME, *(f"__key_{number}" for number in range(len(self.ids)))

    @property
    def key_columns(self) -> list[str]:
        """The table's own columns that it is read by."""
        return [column.name for column in filter(None, (self.updated_at, *self.ids))]

    def changes(self, key: list[str | None] | None, until: datetime) -> tuple[str, str]:
        """The rows that changed after a key and before a time, in the key's order.

        Written so that both servers read them from an index on (updated_at, id): MySQL does not
        for `(updated_at, id) > (...)`.
        """
        time, *ids = key or [FIRST.isoformat()]
        changed = self._clock.quoted
        since = self.server.moment(self._clock, datetime.fromisoformat(str(time)))
        where = f"{changed} >= {since} and {changed} < {self._at(until)}"
        if ids:
            where += f" and ({changed} > {since}{self._or_after(self.ids, ids)})"
        return self._query(where, self._order(changed))

    def others(self, soon: datetime, stamp: datetime) -> tuple[str, str]:
        """The rows whose time tells no change: all of them if the table has no such column.

        They count as changed when they were seen to be. A time far ahead is no time either: its
        row would wait for ever.
        """
        where = "true"
        if self.updated_at:
            changed = self.updated_at.quoted
            where = (
                f"{changed} is null or {changed} < {self._first} or {changed} > {self._at(soon)}"
            )
        return self._query(where, self._order(), stamp)

    def by_id(self, ids: list[str], stamp: datetime) -> tuple[str, str]:
        """The rows of certain ids."""
        if len(self.ids) == 1:
            values = ", ".join(self.server.value(self.ids[0], id) for id in ids)
            where = f"{self.ids[0].quoted} in ({values})"
        else:
            where = f"{self._id} in ({', '.join(self.server.text(id) for id in ids)})"
        return self._query(where, self._order(), stamp)

    def living(self, until: datetime) -> tuple[str, str]:
        """The ids of all rows that are not marked as deleted, and whether `changes` has them."""
        asked = Asked()
        id = asked(self._id)
        settled = "true"
        if self.updated_at:
            changed = self.updated_at.quoted
            between = f"{changed} >= {self._first} and {changed} < {self._at(until)}"
            settled = f"coalesce(cast({asked(f'({between})')} as boolean), false)"
        mark = "false"
        if self.deleted_at:
            mark = as_mark(self.deleted_at, asked(self.deleted_at.sent), self.zone)
        select = f"{id} as id, {settled} as settled, {mark} as is_deleted"
        return select, f"select {asked} from {self._relation}"  # noqa: S608 - names are quoted

    def first(self, stamp: datetime) -> tuple[str, str]:
        """Any one row."""
        return self._query("true", "limit 1", stamp)

    def _query(self, where: str, tail: str, stamp: datetime | None = None) -> tuple[str, str]:
        """A select list for DuckDB, and the server's query below it.

        With a stamp as the time of change; without one as the row says, and with its key.
        """
        asked = Asked()
        kept = self._kept(asked, stamp)
        if stamp is None:
            kept |= self._key_of(asked)
        select = ", ".join(f"{expression} as {name}" for name, expression in kept.items())
        return select, f"select {asked} from {self._relation} where {where} {tail}"  # noqa: S608 - all in it is quoted

    def _order(self, *first: str) -> str:
        ids = (column.order.format(column.quoted) for column in self.ids)
        return "order by " + ", ".join([*first, *ids])

    def _kept(self, asked: Asked, stamp: datetime | None) -> dict[str, str]:
        """What DuckDB makes of the rows, by column of the landing table."""
        kept = {ID: asked(self._id), OP: "'upsert'"}
        if self.deleted_at:
            mark = as_mark(self.deleted_at, asked(self.deleted_at.sent), self.zone)
            kept[OP] = f"case when {mark} then 'delete' else 'upsert' end"
        if self.created_at:
            created = asked(self.created_at.sent)
            kept["source_created_at"] = as_instant(self.created_at, created, self.zone)
        if stamp:
            kept[UPDATED] = f"timestamptz '{stamp.astimezone(UTC)}'"
        elif self.updated_at:
            kept[UPDATED] = as_instant(self.updated_at, asked(self.updated_at.sent), self.zone)
        if self.table.account:
            kept["source_account_id"] = literal(self.table.account)
        for name, column in self.mapped.items():
            value = as_landed(column, asked(column.sent), self.dtypes[name], self.zone)
            kept[name] = translated(value, self.table.values.get(name))
        return kept | {name: literal(value) for name, value in self.table.constants.items()}

    def _key_of(self, asked: Asked) -> dict[str, str]:
        time = self._clock.read.format(asked(self._clock.sent))
        if self._clock.kind is Kind.instant:
            time = f"timezone('UTC', {time})"
        ids = zip(self.key[1:], self.ids, strict=True) if len(self.ids) > 1 else ()
        return {KEY_TIME: time} | {name: asked(self.server.as_text(column)) for name, column in ids}

    def _or_after(self, columns: tuple[Column, ...], values: list[str | None]) -> str:
        """Of the rows at the key's very time, those with a greater id; a null has none after it."""
        if not columns or values[0] is None:
            return ""
        name, value = (
            columns[0].order.format(sql)
            for sql in (columns[0].quoted, self.server.value(columns[0], values[0]))
        )
        rest = self._or_after(columns[1:], values[1:]).removeprefix(" or ")
        tie = f" or ({name} = {value} and ({rest}))" if rest else ""
        return f" or {name} > {value}{tie}"

    def _at(self, moment: datetime) -> str:
        """A moment, to compare the times of change with."""
        return self.server.moment(self._clock, own_terms(moment, self._clock, self.zone))

    @property
    def _first(self) -> str:
        return self.server.moment(self._clock, FIRST)

    @property
    def _clock(self) -> Column:
        """The column of changes; asked for only where there is one."""
        assert self.updated_at  # noqa: S101
        return self.updated_at

    @property
    def _relation(self) -> str:
        return ".".join(self.server.name(name) for name in self.relation)

    @property
    def _id(self) -> str:
        return self.server.joined([self.server.as_text(column) for column in self.ids])
