"""What is read of one table: its queries, and what DuckDB makes of their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.extract.sql_server import Column, Kind, Relation, Server, literal
from pipelines.rules.sql_source import SqlTable

ID, OP, UPDATED = "source_record_id", "op", "source_updated_at"
KEY_TIME = "__key_time"
# Databases also hold infinity, and years that no calendar of ours has.
FIRST, LAST = datetime(1000, 1, 1), datetime(9999, 12, 30)  # noqa: DTZ001 - in a column's own terms
DUCKDB_TYPES = {Kind.date: "date", Kind.local_time: "timestamp", Kind.instant: "timestamptz"}


def own_terms(moment: datetime, column: Column, zone: str) -> datetime:
    """A moment as a column writes it: in UTC if it keeps the zone, else in the source's zone.

    When clocks are put back an hour comes twice. Of its first time none is read yet: what the
    second writes would lie behind the cursor.
    """
    if column.kind is Kind.instant:
        return moment.astimezone(UTC).replace(tzinfo=None)
    local = moment.astimezone(ZoneInfo(zone))
    offset, later = local.utcoffset(), local.replace(fold=1).utcoffset()
    if offset is not None and later is not None and later < offset:
        local -= offset - later
    return local.replace(tzinfo=None, fold=0)


def as_instant(column: Column, c: str, zone: str) -> str:
    """A date or time as an instant; null where no calendar has it."""
    value = column.read.format(c)
    if column.kind is Kind.date:
        return _if_known(column, value, f"timezone({literal(zone)}, cast({value} as timestamp))")
    if column.kind is Kind.local_time:
        return _if_known(column, value, f"timezone({literal(zone)}, {value})")
    return _if_known(column, value, value)


def as_landed(column: Column, c: str, dtype: pl.DataType, zone: str) -> str:
    """A column's values as those of a landing column."""
    value = column.read.format(c)
    if column.kind is Kind.list:
        return value if isinstance(dtype, pl.List) else c
    if column.kind not in DUCKDB_TYPES:
        return value
    if dtype != pl.Date and (column.kind is not Kind.date or isinstance(dtype, pl.Datetime)):
        return as_instant(column, c, zone)
    if column.kind is Kind.instant:  # the day that it was where the source is
        return _if_known(column, value, f"cast(timezone({literal(zone)}, {value}) as date)")
    return _if_known(column, value, f"cast({value} as date)")


def as_mark(column: Column, c: str, zone: str) -> str:
    """Whether a column says that its row was deleted: a time, or what is true or not 0."""
    if column.kind in DUCKDB_TYPES:
        return f"{as_instant(column, c, zone)} is not null"
    return f"coalesce(cast({c} as double), 0) <> 0"


def _if_known(column: Column, value: str, then: str) -> str:
    type = DUCKDB_TYPES[column.kind]
    return f"case when {value} between {type} '{FIRST}' and {type} '{LAST}' then {then} end"


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
        return "order by " + ", ".join([*first, *(column.quoted for column in self.ids)])

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
            kept[name] = _translated(value, self.table.values.get(name))
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
        first, value = columns[0], self.server.value(columns[0], values[0])
        rest = self._or_after(columns[1:], values[1:]).removeprefix(" or ")
        tie = f" or ({first.quoted} = {value} and ({rest}))" if rest else ""
        return f" or {first.quoted} > {value}{tie}"

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


def _translated(value: str, meanings: Mapping[str, str] | None) -> str:
    if not meanings:
        return value
    text = f"cast({value} as varchar)"
    cases = (f"when {literal(told)} then {literal(means)}" for told, means in meanings.items())
    return f"case {text} {' '.join(cases)} else {text} end"
