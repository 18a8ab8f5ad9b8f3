"""How each system delivers its tables: Parquet for the big ones, text for the others.

Faulty rows cannot live in a typed file, so those of a Parquet table come in a small CSV part of
their own.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from pipelines.demo.dirt import REPEATED, choose_rows, spoil_rows

# Anything that is not named here is Parquet.
FORMATS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("crm", "crm_contacts"): ("csv", "utf-8-sig"),
    ("crm", "crm_accounts"): ("csv", "gb18030"),
    ("crm", "crm_activities"): ("csv.gz", "utf-8"),
    ("crm", "crm_cases"): ("jsonl", "utf-8"),
    ("crm", "crm_deals"): ("csv", "utf-8"),
    ("crm", "orders"): ("csv", "utf-8"),
    ("crm", "service_costs"): ("csv", "utf-8"),
    ("social", "social_engagements"): ("jsonl.gz", "utf-8"),
    ("social", "crm_contacts"): ("jsonl.gz", "utf-8"),
}
DIRT_SCHEMA = {
    "table": pl.String,
    "source": pl.String,
    "file": pl.String,
    "kind": pl.String,
    "count": pl.Int64,
    "is_rejected": pl.Boolean,
}


def write_table(
    frame: pl.DataFrame,
    drop: Path,
    source: str,
    table: str,
    part: str,
    system: Path | None = None,
) -> list[dict[str, object]]:
    """Write one table's part in its format, faulty rows and all.

    With `system`, the good rows are written there as Parquet, for a system to serve them; people
    still send the faulty ones by hand. Return what is wrong with it, as truth rows.
    """
    folder = with_folder(drop / source)
    ending, encoding = FORMATS.get((source, table), ("parquet", ""))
    ending = "parquet" if system else ending
    path = (with_folder(system / source) if system else folder) / f"{table}-{part}.{ending}"
    faulty, twice = choose_rows(frame)
    if ending == "parquet":
        frame.write_parquet(path, compression="zstd")
        # Only a system knows when a row has changed there; people do not write it into a file.
        spoilt = spoil_rows(as_text(faulty.drop("updated_at", strict=False)), table)
        path = folder / f"{table}-{part}-manual.csv"
        if spoilt:
            path.write_bytes(
                b"".join(encode_csv(rows, header=i == 0) for i, rows in enumerate(spoilt.values()))
            )
    else:
        encode, settle = (encode_csv, as_text) if "csv" in ending else (encode_jsonl, as_json)
        spoilt = spoil_rows(settle(faulty), table)
        if not twice.is_empty():
            spoilt[REPEATED] = settle(twice)
        parts = (settle(frame), *spoilt.values())
        data = b"".join(encode(rows, header=i == 0) for i, rows in enumerate(parts))
        data = data.decode("utf-8").encode(encoding) if encoding != "utf-8" else data
        # Without a time stamp in the gzip header the same rows give the same bytes.
        path.write_bytes(
            gzip.compress(data, compresslevel=4, mtime=0) if ending.endswith(".gz") else data
        )
    return [
        {
            "table": table,
            "source": source,
            "file": path.name,
            "kind": kind,
            "count": rows.height,
            "is_rejected": kind != REPEATED,
        }
        for kind, rows in spoilt.items()
    ]


def with_folder(path: Path) -> Path:
    """Make a folder; return its path."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_instants(frame: pl.DataFrame) -> pl.DataFrame:
    """Write instants as ISO 8601 with a Z, and days as ISO dates."""
    return frame.with_columns(
        pl.col(pl.Datetime("us", "UTC")).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        pl.col(pl.Date).dt.strftime("%Y-%m-%d"),
    )


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame as a CSV file holds it: everything is text, a list is a JSON array."""
    lists = [
        (pl.lit('["') + pl.col(name).list.join('","') + pl.lit('"]'))
        .replace('[""]', "[]")
        .alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.List(pl.String)
    ]
    return write_instants(frame.with_columns(lists)).cast(pl.String)


def as_json(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame as a JSON lines file holds it.

    Numbers, truth values and lists stay what they are.
    """
    return write_instants(frame)


def encode_csv(frame: pl.DataFrame, *, header: bool) -> bytes:
    """Return the rows as UTF-8 CSV."""
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=header)
    return buffer.getvalue()


def encode_jsonl(frame: pl.DataFrame, *, header: bool) -> bytes:
    """Return the rows as JSON lines, which have no header."""
    del header
    return frame.write_ndjson().encode("utf-8")
