"""Reads a stream of records into parts in `raw/`, and goes on where the last part ends.

A part is a Parquet file of records exactly as received. Where to go on is in the part's own
metadata, so rows and cursor are stored by one rename: no crash can part them.

raw/<source>/<date>/<digest>__<stream>-<number>[-end].<system>.parquet

`-end` marks the part that completes its pass.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pipelines.disk import sync
from pipelines.encryption import encrypt_columns, load_keyring
from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.connector import Ask, CannotResumeError, Connector, Record, Stream
from pipelines.lake import sha256_of, with_parent
from pipelines.wording import count_of

PART_RECORDS = 10_000
MANY = 20  # fewer may vanish from one day to the next, whatever the share
DIGEST_LENGTH = 16
PROGRESS_KEY = "c360.progress"
PART_NAME = re.compile(
    r"(?P<digest>[0-9a-f]{16})__(?P<stream>[a-z0-9_]+)-(?P<number>\d{6})(?P<end>-end)?"
    r"\.(?P<system>[a-z0-9_]+)\.parquet"
)
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "op": pl.String,
    "modified": pl.Datetime("us", "UTC"),
    "digest": pl.Binary,
    "record": pl.Binary,
}
# What tells which record a row of a part is, and how new; of tables of a database and of web events
# by the landing contract's names.
BOOKKEPT = frozenset(SCHEMA.keys() - {"record"}) | {"source_record_id", "source_updated_at"}
GONE = Record("", b"", op="delete").digest
OUTDATED = b""  # the digest of what was stored with other fields: known to be, and to be read anew


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream stands after a part; lies in the part's metadata.

    A pass asks for everything since `since`. `high_water` is the newest change that the stream has
    seen, `resume` the vendor's own bookmark, `complete` says that the part ends its pass.
    """

    part: int
    first_part: int
    since: datetime | None
    until: datetime
    high_water: datetime | None
    resume: Any = None
    complete: bool = False
    key: Any = None


@dataclass(frozen=True)
class Part:
    """A committed part."""

    path: Path
    stream: str
    number: int
    system: str
    ends_pass: bool

    @property
    def progress(self) -> Progress:
        """Where the stream stood after this part."""
        metadata = pl.read_parquet_metadata(self.path)
        return msgspec.json.decode(metadata[PROGRESS_KEY], type=Progress)


@dataclass
class StreamResult:
    """What one call brought in."""

    records: int = 0
    parts: list[Path] = field(default_factory=list)


def find_parts(folder: Path, stream: str | None = None) -> list[Part]:
    """The committed parts of a source, or of one of its streams, in the order of their making.

    Raises:
        C360Error: one of a stream's parts is missing, so that its records would be, for ever.
    """
    parts = []
    for path in folder.glob("????-??-??/*.parquet"):
        if (name := PART_NAME.fullmatch(path.name)) and stream in (None, name["stream"]):
            ends = bool(name["end"])
            parts.append(Part(path, name["stream"], int(name["number"]), name["system"], ends))
    parts.sort(key=lambda part: (part.stream, part.number))
    for before, part in pairwise(parts):
        if before.stream == part.stream and part.number != before.number + 1:
            raise C360Error(
                f"Of {part.stream} in {folder}, part {before.number + 1} is not there once.",
                f"Bring it back, or remove the later parts of {part.stream} too: they are read "
                "again, as each part says where to go on.",
            )
    return parts


def landing_days(parts: list[Part]) -> dict[Path, str | None]:
    """The day that each part is landed for: that of the part which completes its pass.

    None while there is none: half a source must not reach the landing tables, nor slip under an
    earlier day once the other half is there.
    """
    days: dict[Path, str | None] = {}
    day, stream = None, ""
    for part in reversed(parts):
        if part.stream != stream:
            day, stream = None, part.stream
        if part.ends_pass:
            day = part.path.parent.name
        days[part.path] = day
    return days


def commit_part(
    folder: Path, stream: str, system: str, progress: Progress, write: Callable[[Path, bytes], None]
) -> Path:
    """Write a part with its progress, whole or not at all; returns its path.

    Args:
        folder: the source's folder of the day.
        stream: the stream's name.
        system: the system's name.
        progress: where the stream stands after this part.
        write: writes the Parquet file, with the given bytes as the metadata `c360.progress`.
    """
    end = "-end" if progress.complete else ""
    name = f"{stream}-{progress.part:06d}{end}.{system}.parquet"
    scratch = with_parent(folder / f".{name}.part")
    write(scratch, msgspec.json.encode(progress))
    digest = sha256_of(scratch)[:DIGEST_LENGTH]  # of what was received, whatever key there is
    if load_keyring().current:
        encrypt_columns(scratch, secret_of(pl.read_parquet_schema(scratch)))
    sync(scratch)
    path = scratch.replace(folder / f"{digest}__{name}")
    sync(folder)
    return path


def secret_of(columns: Iterable[str]) -> frozenset[str]:
    """The columns of a part that nobody may read at rest: all that the source said of a record."""
    return frozenset(columns) - BOOKKEPT


def extract_stream(
    connector: Connector,
    stream: Stream,
    raw: Path,
    as_of: date,
    started_at: datetime,
    tell: Callable[[str], None],
) -> StreamResult:
    """Bring in what has changed in a stream since its last part, or all of it the first time.

    A record that is the same as its newest version here is not stored again. A pass that broke off
    is gone on with; if it began on an earlier day, what has changed since then follows.

    Args:
        connector: what reads the system.
        stream: one of its streams.
        raw: the source's folder in `raw/`.
        as_of: the run date that new parts are filed under.
        started_at: the present, at which this call asks the source; later changes wait.
        tell: told how far it is.

    Raises:
        C360Error: the source failed; what was received before is kept, and gone on from.
    """
    result = StreamResult()
    parts = find_parts(raw, stream.name)
    last = parts[-1].progress if parts else None
    broke_off_before = (
        last is not None and not last.complete and parts[-1].path.parent.name < as_of.isoformat()
    )
    for _ in range(2 if broke_off_before else 1):
        _Pass(connector, stream, raw, as_of, started_at, tell, result).run()
    return result


class _Pass:
    """One pass over a stream, from its first part to the one that completes it."""

    def __init__(
        self,
        connector: Connector,
        stream: Stream,
        raw: Path,
        as_of: date,
        started_at: datetime,
        tell: Callable[[str], None],
        result: StreamResult,
    ) -> None:
        self.connector, self.stream, self.raw, self.result = connector, stream, raw, result
        self.folder = raw / as_of.isoformat()
        self.tell = tell
        self.parts = find_parts(raw, stream.name)
        last = self.parts[-1].progress if self.parts else None
        self.own = getattr(connector.source, "fields", {}).get(stream.name, {})
        self.next_part = last.part + 1 if last else 1
        self.high_water = last.high_water if last else None
        # With other fields of its own, the company wants them of every record, not of new ones.
        is_new_mapping = last is not None and (last.key or {}) != self.own
        self.is_resumed = last is not None and not last.complete and not is_new_mapping
        self.seen: set[str] = set()
        self.waiting: list[tuple[Record, bytes]] = []
        if last and self.is_resumed:
            self.first_part, self.ask = last.first_part, Ask(last.since, last.until, last.resume)
            if stream.scan:
                self._remember_seen()
        else:
            self.first_part = self.next_part
            self.ask = Ask(None if is_new_mapping else self._since(), started_at)
        self.known = self._known()

    def run(self) -> None:
        """Read to the end; what was received before a failure is committed."""
        while True:
            try:
                self._read(self.ask)
                return
            except CannotResumeError:
                read_from = self._since() if self.stream.ordered else None
                if self.ask.resume is None and read_from == self.ask.read_from:
                    raise SourceDownError(
                        f"{self.connector.system} forgets its place in {self.stream.name} again "
                        "and again.",
                        "What was read is kept. Run the step again.",
                    ) from None
                self.ask = Ask(self.ask.since, self.ask.until, read_from=read_from)

    def _read(self, ask: Ask) -> None:
        resume = ask.resume
        try:
            for page in self.connector.pages(self.stream, ask):
                self._take(page.records)
                resume = page.resume
                if len(self.waiting) >= PART_RECORDS:
                    self._commit(resume)
        except Exception:
            if self.waiting:
                self._commit(resume)
            raise
        if self.stream.scan:
            self._bury()
        if self.waiting or self.next_part > self.first_part:
            self._commit(None, complete=True)
        if self.stream.scan:
            self._seen_file.unlink(missing_ok=True)

    def _take(self, records: list[Record]) -> None:
        known = self.known
        for record in records:
            digest = record.digest
            if (before := known.get(record.id)) != digest:
                if self.stream.scan and before == GONE:  # it must be newer than its tombstone
                    record = record._replace(modified=self.ask.until)
                known[record.id] = digest
                self.waiting.append((record, digest))
        if self.stream.scan:
            self.seen.update(record.id for record in records)
        changes = [record.modified for record in records if record.op == "upsert"]
        newest = max((change for change in changes if change), default=None)
        if newest:
            # A clock that runs ahead must not make us miss what comes before its time.
            newest = min(newest, self.ask.until)
            self.high_water = max(self.high_water or newest, newest)

    def _bury(self) -> None:
        """What the source no longer lists was deleted, by the time of asking."""
        living = {id for id, digest in self.known.items() if digest != GONE}
        lost = living - self.seen
        share = self.connector.source.max_vanished_share
        if len(lost) >= MANY and len(lost) > share * len(living):
            raise C360Error(
                f"Source {self.connector.source.name}: {len(lost)} of {len(living)} records of "
                f"{self.stream.name} are gone at once; nothing was taken for deleted.",
                "A login that lost rights looks like this: see what it may read. If they are gone "
                "indeed, let max_vanished_share be 1 in sources.yml for a night.",
            )
        self.waiting += [(Record(id, b"", op="delete"), GONE) for id in sorted(lost)]

    def _commit(self, resume: Any, *, complete: bool = False) -> None:
        if self.stream.scan and not complete:
            self._save_seen()  # before the part: who is seen twice does no harm, who is not does
        progress = Progress(
            part=self.next_part,
            first_part=self.first_part,
            since=self.ask.since,
            until=self.ask.until,
            high_water=self.high_water,
            resume=resume,
            complete=complete,
            key=self.own or None,
        )
        path = commit_part(
            self.folder, self.stream.name, self.connector.system, progress, self._write
        )
        self.result.parts.append(path)
        self.result.records += len(self.waiting)
        self.tell(f"{self.stream.name}: {count_of(self.result.records, 'record')}")
        self.waiting = []
        self.next_part += 1

    def _write(self, path: Path, progress: bytes) -> None:
        # Where the source tells no time, a change is of the time of asking, as a disappearance is:
        # who comes back must not be older than the own tombstone.
        asked_at = self.ask.until if self.stream.scan else None
        rows = {
            "id": [record.id for record, _ in self.waiting],
            "op": [record.op for record, _ in self.waiting],
            "modified": [record.modified or asked_at for record, _ in self.waiting],
            "digest": [digest for _, digest in self.waiting],
            "record": [record.body for record, _ in self.waiting],
        }
        metadata = {PROGRESS_KEY: progress.decode()}
        pl.DataFrame(rows, schema=SCHEMA).write_parquet(path, compression="zstd", metadata=metadata)

    def _since(self) -> datetime | None:
        if self.high_water is None or self.stream.scan:
            return None
        return self.high_water - self.connector.overlap

    def _known(self) -> dict[str, bytes]:
        """Newest digest by id, of the records that this pass may meet again."""
        since = self.ask.since
        useful: list[Part] = []
        for part in reversed(self.parts):
            # Not its high water: a deletion may be newer than every record that is still there.
            if since and part.progress.until < since:
                break  # nothing in it or before it has changed since
            useful.append(part)
        known: dict[str, bytes] = {}
        for part in reversed(useful):
            rows = pl.scan_parquet(part.path)
            if since:
                rows = rows.filter((pl.col("modified") >= since) | pl.col("modified").is_null())
            if (part.progress.key or {}) != self.own:
                is_there = pl.col("op") != "delete"
                outdated = pl.when(is_there).then(pl.lit(OUTDATED)).otherwise("digest")
                rows = rows.with_columns(outdated.alias("digest"))
            known.update(rows.select("id", "digest").collect().rows())
        return known

    @property
    def _seen_file(self) -> Path:
        return self.raw / f".{self.stream.name}.seen.parquet"

    def _save_seen(self) -> None:
        scratch = with_parent(self._seen_file.with_suffix(".part"))
        pl.DataFrame({"id": sorted(self.seen)}, {"id": pl.String}).write_parquet(scratch)
        sync(scratch)
        scratch.replace(self._seen_file)
        sync(self.raw)

    def _remember_seen(self) -> None:
        """Go on only with what was seen before; without it, who came early would be buried."""
        if self._seen_file.exists():
            self.seen = set(pl.read_parquet(self._seen_file)["id"])
        else:
            self.ask = Ask(self.ask.since, self.ask.until)
