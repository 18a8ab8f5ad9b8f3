"""Reads the tables of a PostgreSQL or MySQL database into parts in `raw/`.

A part has the columns of its landing table, and says as its `key` which row it ends with. What is
read is what has changed since, by (updated_at, id), up to a few minutes ago: a row is visible
only once its transaction is over, and by then others with a later time may have been read.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import reduce
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.catalogue import Dataset
from pipelines.encryption import read_arrow
from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.parts import (
    MANY,
    PROGRESS_KEY,
    Progress,
    StreamResult,
    commit_part,
    find_parts,
)
from pipelines.extract.sql.database import Database, Rows
from pipelines.extract.sql.mapping import check_mapping, plan_table
from pipelines.extract.sql.plan import ID, KEY_TIME, OP, UPDATED, Plan
from pipelines.rules.source_types.sql import SqlSecrets, SqlSource
from pipelines.wording import count_of

PART_ROWS = 200_000  # keeps the process below 400 MB
IDS_AT_ONCE = 1_000
FAR_AHEAD = timedelta(days=1)
DIGEST = "__digest"
Tell = Callable[[str], None]


def extract_sql(
    source: SqlSource,
    secrets: SqlSecrets,
    raw: Path,
    as_of: date,
    landing: Mapping[str, Dataset],
    tell: Tell,
) -> dict[str, StreamResult]:
    """Bring in what has changed in every table of a source since its last part.

    All tables are checked before any is read. Where the server has it (PostgreSQL), all are read
    as they were at one moment. A pass that broke off is gone on with.

    Args:
        source: the configured source.
        secrets: its login.
        raw: the source's folder in `raw/`.
        as_of: the run date that new parts are filed under.
        landing: the tables of the landing contract.
        tell: told how far it is.

    Returns:
        What came in, by stream.

    Raises:
        C360Error: the source failed or does not fit; what was read before is kept.
    """
    check_mapping(source, landing)
    with Database(source, secrets) as database:
        plans = [plan_table(database, table, landing) for table in source.tables]
        now = database.now()
        return {
            plan.table.stream: _Pass(database, plan, raw, as_of, now, tell).run() for plan in plans
        }


class _Pass:
    """One pass over a table, from its first part to the one that completes it."""

    def __init__(
        self, database: Database, plan: Plan, raw: Path, as_of: date, now: datetime, tell: Tell
    ) -> None:
        self.database, self.plan, self.tell = database, plan, tell
        self.folder = raw / as_of.isoformat()
        parts = find_parts(raw, plan.table.stream)
        last = parts[-1].progress if parts else None
        self.next_part = last.part + 1 if last else 1
        self.first_part = last.first_part if last and not last.complete else self.next_part
        self.key = self._key_of(last) if last and plan.updated_at else None
        self.high_water = last.high_water if last else None
        self.until = now - timedelta(minutes=database.source.safety_lag_minutes)
        self.soon = now + FAR_AHEAD
        self.paths = [part.path for part in parts]
        self.waiting: list[pa.Table] = []
        self.result = StreamResult()

    def run(self) -> StreamResult:
        """Read to the end; what was read before the source failed is committed."""
        if self.plan.updated_at:
            self._read_changes()
        self._compare_others()
        if self.plan.table.deletes:
            self._compare_ids()
        if self.waiting or self.next_part > self.first_part:
            self._commit(complete=True)
        return self.result

    def _read_changes(self) -> None:
        self.schema, batches = self._ask(self.plan.changes(self.key, self.until))
        try:
            for rows in batches:
                self._take(rows.select(_landing_columns(rows.schema)))
                self._move_on(rows)
        except SourceDownError:
            if self.waiting:
                self._commit()
            raise

    def _move_on(self, rows: pa.Table) -> None:
        """To the last row, leaving out 31 February, which no query can name again."""
        named = rows.filter(pc.field(KEY_TIME).is_valid())
        if len(named):
            time, *ids = (named[name][-1].as_py() for name in self.plan.key)
            self.key = [time.isoformat(), *ids]
            self.high_water = named[UPDATED][-1].as_py()

    def _key_of(self, last: Progress) -> list[str | None] | None:
        """The row to go on after, unless it is known by other columns than now."""
        if last.key and last.resume != self.plan.key_columns:
            raise C360Error(
                f"Source {self.database.source.name}: {self.plan.label} was read by "
                f"{', '.join(last.resume)} so far, and now is to be by "
                f"{', '.join(self.plan.key_columns)}.",
                "Take back the change of updated_at or id in sources.yml, or give the table a new "
                "name there to read it anew.",
            )
        key: list[str | None] | None = last.key
        return key

    def _compare_others(self) -> None:
        """Take the rows without a time of change that are unlike what is known of them."""
        self.schema, batches = self._ask(self.plan.others(self.soon, self.until))
        known = None
        for rows in batches:
            if known is None:
                known = self._newest_digests()
            found = self._digests(rows).with_row_index("row")
            new = found.join(known, on=[ID, DIGEST], how="anti", nulls_equal=True)
            self._take(rows.take(new["row"].sort().to_arrow()))

    def _compare_ids(self) -> None:
        """Bury what is gone, and fetch what came in behind the cursor.

        A transaction that took longer than the lag, or a restored backup, brings rows with times
        that have been read already.
        """
        schema, batches = self._ask(self.plan.living(self.until))
        there = _as_frame(pa.concat_tables([schema.empty_table(), *batches]))
        there = there.filter(~pl.col("is_deleted")).drop_nulls("id")
        alive = self._newest_ops().filter(pl.col(OP) == "upsert").drop_nulls(ID)
        gone = alive.join(there, left_on=ID, right_on="id", how="anti")
        self._believe(gone.height, alive.height)
        self._take(self._tombstones(gone[ID].sort()))
        behind = there.filter("settled").join(alive, left_on="id", right_on=ID, how="anti")
        for some in behind.select(pl.col("id").sort()).iter_slices(IDS_AT_ONCE):
            _, batches = self._ask(self.plan.by_id(some["id"].to_list(), self.until))
            for rows in batches:
                self._take(rows)

    def _believe(self, gone: int, alive: int) -> None:
        source = self.database.source
        if gone >= MANY and gone > source.max_vanished_share * alive:
            raise C360Error(
                f"Source {source.name}: {gone} of {alive} rows of {self.plan.label} are gone at "
                "once; nothing was taken for deleted.",
                "A table that is being loaded anew looks like this, or a login that lost rights. "
                "If they are gone indeed, let max_vanished_share be 1 in sources.yml for a night.",
            )

    def _ask(self, asked: tuple[str, str]) -> tuple[pa.Schema, Rows]:
        return self.database.read(*asked, self.plan.label)

    def _take(self, rows: pa.Table) -> None:
        """Keep rows for the next part; what does not fit into it closes the one before."""
        if self.waiting and sum(map(len, self.waiting)) + len(rows) > PART_ROWS:
            self._commit()
        if len(rows):
            self.waiting.append(rows)

    def _commit(self, *, complete: bool = False) -> None:
        progress = Progress(
            part=self.next_part,
            first_part=self.first_part,
            since=None,
            until=self.until,
            high_water=self.high_water,
            key=self.key,
            resume=self.plan.key_columns,
            complete=complete,
        )
        server = self.plan.server.type
        path = commit_part(self.folder, self.plan.table.stream, server, progress, self._write)
        self.paths.append(path)
        self.result.parts.append(path)
        self.result.records += sum(map(len, self.waiting))
        self.tell(f"{self.plan.table.stream}: {count_of(self.result.records, 'row')}")
        self.waiting.clear()
        self.next_part += 1

    def _write(self, path: Path, progress: bytes) -> None:
        columns = _landing_columns(self.schema)
        empty = self.schema.empty_table().select(columns)
        rows = pa.concat_tables([empty, *self.waiting], promote_options="default")
        rows = rows.replace_schema_metadata({PROGRESS_KEY: progress})
        pq.write_table(rows, path, compression="zstd")

    def _tombstones(self, ids: pl.Series) -> pa.Table:
        times = pa.repeat(pa.scalar(self.until, pa.timestamp("us", "UTC")), len(ids))
        ops = pa.repeat("delete", len(ids))
        return pa.table({ID: ids.to_arrow().cast(pa.string()), OP: ops, UPDATED: times})

    def _known(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """All rows that are here, oldest first."""
        yield self.schema.empty_table()
        for path in self.paths:
            yield read_arrow(path, columns)
        yield from self.waiting

    def _newest_ops(self) -> pl.DataFrame:
        tables = self._known([ID, OP])
        return _newest(_as_frame(rows.select([ID, OP])) for rows in tables)

    def _newest_digests(self) -> pl.DataFrame:
        return _newest(self._digests(rows) for rows in self._known())

    def _digests(self, rows: pa.Table) -> pl.DataFrame:
        """A digest of each row, but for its time of change, which may be ours."""
        names = [name for name in _landing_columns(self.schema) if name != UPDATED]
        frame = _as_frame(rows)
        told = [pl.col(n) if n in frame.columns else pl.lit(None).alias(n) for n in names]
        return frame.select(ID, pl.struct(told).hash().alias(DIGEST))


def _newest(facts: Iterator[pl.DataFrame]) -> pl.DataFrame:
    """The last fact of each id, one frame after the other: the table's size, not its history's."""
    return reduce(
        lambda kept, more: pl.concat([kept, more]).unique(ID, keep="last", maintain_order=True),
        facts,
    )


def _as_frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table is never a series
    return frame


def _landing_columns(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if not name.startswith("__")]
