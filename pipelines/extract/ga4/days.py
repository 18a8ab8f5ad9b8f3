"""Days of web events in parts of `raw/`, each kept as the source has it now.

Google goes on changing a day for three days after it. A day that is read again replaces what was
known of it by meaning: an event that is as it was is not stored again, one that changed is stored
beside its older self, and one that is gone gets a tombstone. A day that could change no more when
it was read last only grows: a bucket that loses old files deletes nothing.

A part holds what was new of one day in the columns of the landing table, and its `key` says which
day and what it was read from.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb
import msgspec
import pyarrow.parquet as pq

from pipelines.encryption import key_of_table, read_arrow
from pipelines.errors import C360Error
from pipelines.extract.parts import (
    MANY,
    PROGRESS_KEY,
    Part,
    Progress,
    StreamResult,
    commit_part,
    find_parts,
)
from pipelines.lake import empty_folder
from pipelines.rules.source_types.ga4 import Ga4Source

SYSTEM, TABLE = "ga4", "web_events"
CHANGES_FOR_DAYS = 3
MEMORY_LIMIT = "2GB"  # beyond it goes to disk: sources are read side by side
ID = "source_record_id"
# What is said of an event: columns of the landing table, and their types here.
COLUMNS = {
    "grain": "varchar",
    "event_name": "varchar",
    "event_at": "timestamp",
    "event_count": "bigint",
    "session_id": "varchar",
    "anonymous_id": "varchar",
    "user_id": "varchar",
    "page_path": "varchar",
    "search_term": "varchar",
    "referrer": "varchar",
    "utm_source": "varchar",
    "utm_medium": "varchar",
    "utm_campaign": "varchar",
    "device_category": "varchar",
    "country": "varchar",
    "city": "varchar",
    "transaction_id": "varchar",
    "value": "decimal(18, 4)",
    "currency": "varchar",
    "item_ids": "varchar[]",
    "engagement_time_ms": "bigint",
    "consent_analytics": "boolean",
    "consent_ads": "boolean",
}
DIGEST = f"hash({', '.join(COLUMNS)})"


class FileFacts(msgspec.Struct, frozen=True):
    """What a file that a day was read from was like."""

    size: int
    stamp: str
    sha256: str


class DayKey(msgspec.Struct, frozen=True):
    """What a part says of its day: all of it was read, from these files if it was from files."""

    day: date
    files: dict[str, FileFacts] = {}


@dataclass
class KnownDay:
    """A day that was read before: its parts, the last run date, and what it was read from."""

    read_on: date
    files: dict[str, FileFacts]
    parts: list[Part] = field(default_factory=list)


class Days:
    """The days of one source; a context, within which days are replaced."""

    def __init__(
        self,
        source: Ga4Source,
        raw: Path,
        as_of: date,
        started_at: datetime,
        tell: Callable[[str], None],
    ) -> None:
        self.source, self.raw, self.as_of, self.tell = source, raw, as_of, tell
        self.scratch = raw / f".{SYSTEM}"
        self.result = StreamResult()
        self.known: dict[date, KnownDay] = {}
        self._next_part = 1
        self._moment = started_at
        for part in find_parts(raw, TABLE):
            self._note(part, part.progress)

    def __enter__(self) -> Self:
        empty_folder(self.scratch)
        self._connection = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(self.scratch / "spilled"),
                "preserve_insertion_order": False,
            }
        )
        self.query("set enable_progress_bar = false")  # standard output is not DuckDB's
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        shutil.rmtree(self.scratch)

    def replace(
        self,
        day: date,
        query: str,
        files: dict[str, FileFacts] | None = None,
        may_lose: float = 1.0,
    ) -> None:
        """Commit what is new of a day, in a part that may be empty: that it was read counts too.

        Args:
            day: the day as the source counts days.
            query: all of the day as SQL, with a column `source_record_id` and `COLUMNS`.
            files: what it was read from.
            may_lose: the share of the day that may be gone.

        Raises:
            C360Error: more of it is gone; nothing of the day is committed.
        """
        columns = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in COLUMNS.items())
        now = f"select {ID}, 'upsert' as op, {columns} from ({query})"  # noqa: S608
        if known := self.known.get(day):
            whole = self.scratch / "day.parquet"
            self._copy(now, whole)
            may_shrink = (known.read_on - day).days <= CHANGES_FOR_DAYS
            changes = self.scratch / "changes.parquet"
            before = self._newest(known)
            self._copy(_changes(before, whole, may_shrink), changes)
            self._refuse_loss(day, known, changes, may_lose)
            now = f"from read_parquet({quoted(changes)})"
        self._commit(DayKey(day, files or {}), now)

    def _refuse_loss(self, day: date, known: KnownDay, changes: Path, may_lose: float) -> None:
        deleted = f"select count(*) from read_parquet({quoted(changes)}) where op = 'delete'"  # noqa: S608
        lost = self.query(deleted)[0][0]
        if lost < MANY or may_lose >= 1:
            return
        living = f"select count(*) from ({self._newest(known)}) where op <> 'delete'"  # noqa: S608 - ours
        before = self.query(living)[0][0]
        if lost > may_lose * before:
            raise C360Error(
                f"Source {self.source.name}: {lost:,} of {before:,} events of {day} are gone at "
                "once; nothing was taken for deleted.",
                "An export that is half written looks like this: extract that day again. If they "
                "are gone indeed, let max_vanished_share be 1 in sources.yml for a night.",
            )

    def confirm(self, day: date, files: dict[str, FileFacts]) -> None:
        """Note that a known day stays as it is, though its files look different."""
        self._commit(DayKey(day, files), f"{self._newest(self.known[day])} limit 0")

    def _commit(self, key: DayKey, query: str) -> None:
        progress = Progress(
            part=self._next_part,
            first_part=self._next_part,
            since=None,
            until=self._moment,
            high_water=None,
            complete=True,
            key=msgspec.to_builtins(key),
        )
        folder = self.raw / self.as_of.isoformat()
        path = commit_part(
            folder, TABLE, SYSTEM, progress, lambda path, note: self._copy(query, path, note)
        )
        self._note(Part(path, TABLE, progress.part, SYSTEM, ends_pass=True), progress)
        rows: int = self.query(f"select count(*) from read_parquet({quoted(path)})")[0][0]  # noqa: S608
        self.result.records += rows
        self.result.parts.append(path)
        self.tell(f"{key.day}: {rows:,} new")

    def _newest(self, known: KnownDay) -> str:
        """The newest version of each event of a day; DuckDB reads no encrypted part."""
        return _newest(
            [
                replace(part, path=self._decrypted(part)) if key_of_table(part.path) else part
                for part in known.parts
            ]
        )

    def _decrypted(self, part: Part) -> Path:
        path = self.scratch / f"{part.number:06d}.parquet"
        if not path.exists():
            pq.write_table(read_arrow(part.path), path)
        return path

    def _note(self, part: Part, progress: Progress) -> None:
        key = msgspec.convert(progress.key, DayKey)
        read_on = date.fromisoformat(part.path.parent.name)
        parts = self.known[key.day].parts if key.day in self.known else []
        self.known[key.day] = KnownDay(read_on, key.files, [*parts, part])
        self._next_part = part.number + 1
        # What is read later must count as newer, whatever the clock says.
        self._moment = max(self._moment, progress.until + timedelta(microseconds=1))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a small result."""
        return self._connection.execute(sql).fetchall()

    def _copy(self, query: str, path: Path, note: bytes = b"") -> None:
        moment = self._moment.astimezone(UTC).replace(tzinfo=None).isoformat()
        metadata = f", kv_metadata {{{PROGRESS_KEY!r}: {quoted(note.decode())}}}" if note else ""
        columns = f"{ID}, op, timestamp '{moment}' as source_updated_at, {', '.join(COLUMNS)}"
        self._connection.execute(
            f"copy (select {columns} from ({query})) "  # noqa: S608
            f"to {quoted(path)} (format parquet, compression zstd{metadata})"
        )


def quoted(value: str | Path) -> str:
    """A text as SQL writes it."""
    return "'" + str(value).replace("'", "''") + "'"


def _newest(parts: list[Part]) -> str:
    """The newest version of each event of a day, from its parts.

    The first part is by far the largest, so versions are looked up in the later ones only.
    """
    selects = [
        f"select {part.number} as part, * from read_parquet({quoted(part.path)})"  # noqa: S608
        for part in parts
    ]
    later = " union all ".join([*selects[1:], f"({selects[0]} limit 0)"])
    return f"""
        select * from ({" union all ".join(selects)}) as versions
        where not exists (
            select 1 from ({later}) as later
            where later.{ID} = versions.{ID} and later.part > versions.part
        )
    """  # noqa: S608


def _changes(newest: str, whole: Path, may_shrink: bool) -> str:
    """What differs between a day as it was known and as it is now."""
    return f"""
        with known as (
            select {ID}, {DIGEST} as digest from ({newest}) where op <> 'delete'
        ),
        now as (from read_parquet({quoted(whole)}))
        select now.{ID}, 'upsert' as op, {", ".join(f"now.{name}" for name in COLUMNS)}
        from now left join known using ({ID})
        where known.digest is distinct from {DIGEST}
        union all by name
        select {ID}, 'delete' as op, {", ".join(f"null as {name}" for name in COLUMNS)}
        from known anti join now using ({ID})
        where {"true" if may_shrink else "false"}
    """  # noqa: S608
