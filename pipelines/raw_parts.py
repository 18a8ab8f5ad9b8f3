"""Reads a part of records as received into frames of raw values, by landing table."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl

from pipelines.encryption import open_parquet
from pipelines.errors import C360Error
from pipelines.extract.connector import Stream
from pipelines.extract.mapping import Fields, as_text, parse_time
from pipelines.extract.parts import Part
from pipelines.extract.systems import SYSTEMS
from pipelines.forgetting import RECORD
from pipelines.landing import EXTRA, RAW, ROW, RULE

BATCH_RECORDS = 50_000
TOLD = {"source_record_id": "id", "op": "op", RECORD: "at"}
# So many records without a field that each must have: the source is another than it was.
VANISHED_FROM = 20


def read_part(
    part: Part, source: str, own: dict[str, Fields]
) -> Iterator[tuple[str, pl.DataFrame, set[str]]]:
    """Read a part in batches, as (landing table, frame, fields that nothing maps).

    Args:
        part: the part in `raw/`.
        source: the configured source's name, for messages.
        own: the company's own fields, by stream.

    Yields:
        Frames of the table's columns as text, `__c360_extra` (what is mapped nowhere, as JSON),
        `__c360_record` (the record's number in the part), and `__c360_row`, `__c360_rule` and
        `__c360_raw`, as `read_raw` gives them.

    Raises:
        C360Error: a field that every record must have is in none.
    """
    system = SYSTEMS[part.system]
    stream = system.STREAMS[part.stream]
    decode = msgspec.json.Decoder(float_hook=str).decode  # 1.10 stays 1.10
    rows_before = dict.fromkeys(stream.tables, 0)
    numbers = itertools.count(1)
    with open_parquet(part.path) as file:
        for batch in file.iter_batches(BATCH_RECORDS):
            rows: dict[str, list[dict[str, str | None]]] = {table: [] for table in stream.tables}
            present: set[str] = set()
            unmapped: dict[str, set[str]] = {table: set() for table in stream.tables}
            decoded = 0
            for entry in batch.to_pylist():
                main = stream.tables[0]
                entry["at"] = str(next(numbers))
                if entry["op"] == "delete":
                    rows[main].append(_named({}, entry))
                    continue
                try:
                    record = decode(entry["record"])
                    told = list(system.parse(part.stream, record, own.get(part.stream)))
                except (msgspec.DecodeError, ValueError, TypeError, AttributeError, KeyError):
                    rows[main].append(_unread(entry))
                    continue
                present.update(record)
                decoded += 1
                for table, row in told:
                    rows[table].append(_named(row, entry))
                    unmapped[table].update(row.get("extra") or ())
            _refuse_vanished(set(stream.always) - present, decoded, part, source)
            for table, found in rows.items():
                if found:
                    yield table, _frame(found, rows_before[table]), unmapped[table]
                    rows_before[table] += len(found)


def is_of_records(part: Part) -> bool:
    """Whether a part holds records as received; a database's rows are in landing shape already."""
    return part.system in SYSTEMS


def tables_of(part: Part) -> tuple[str, ...]:
    """The landing tables that a part's records become."""
    stream: Stream = SYSTEMS[part.system].STREAMS[part.stream]
    return stream.tables


def _named(row: dict[str, Any], entry: dict[str, Any]) -> dict[str, str | None]:
    """A row as text, with the envelope that the part knows."""
    told: dict[str, str | None] = {name: entry[key] for name, key in TOLD.items()}
    for name, value in row.items():
        told[EXTRA if name == "extra" else name] = as_text(value)
    # Who came back is newer than the own tombstone, whatever the record says.
    mapped, modified = told.get("source_updated_at"), entry["modified"]
    if modified and (mapped is None or (parse_time(mapped) or modified) < modified):
        told["source_updated_at"] = modified.isoformat()
    return told


def _unread(entry: dict[str, Any]) -> dict[str, str | None]:
    raw = bytes(entry["record"]).decode(errors="replace")
    told = {"source_record_id": entry["id"], RECORD: entry["at"]}
    return told | {RULE: "not_readable", RAW: raw}


def _frame(rows: list[dict[str, str | None]], before: int) -> pl.DataFrame:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    frame = pl.DataFrame(rows, schema=dict.fromkeys([*names, EXTRA, RULE, RAW], pl.String))
    return frame.with_columns(pl.int_range(before + 1, before + 1 + pl.len()).alias(ROW))


def _refuse_vanished(missing: set[str], records: int, part: Part, source: str) -> None:
    if missing and records >= VANISHED_FROM:
        raise C360Error(
            f"Source {source}: none of {records} records of {part.stream} has "
            f"{', '.join(sorted(missing))} any more.",
            "Ask whoever looks after that system what became of it; nothing of it was landed.",
        )
