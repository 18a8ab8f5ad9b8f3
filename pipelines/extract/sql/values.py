"""What DuckDB makes of a database's values, as expressions on a column of the query below it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.extract.sql.server import Column, Kind, literal

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


def translated(value: str, meanings: Mapping[str, str] | None) -> str:
    """A value by what `sources.yml` says that it means; one that it does not name stays."""
    if not meanings:
        return value
    text = f"cast({value} as varchar)"
    cases = (f"when {literal(told)} then {literal(means)}" for told, means in meanings.items())
    return f"case {text} {' '.join(cases)} else {text} end"
