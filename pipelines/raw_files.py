"""Reads a file as received into frames of raw values, each row with its number in the file.

A line that cannot even be read (ragged, not JSON) comes out as a row too, with its text and the
rule it broke, so that rows in = rows landed + rows quarantined holds for the worst of files.
"""

import codecs
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pipelines.errors import C360Error
from pipelines.landing import RAW, ROW, RULE

BATCH_ROWS = 500_000
BLOCK_BYTES = 32 << 20
DELIMITERS = ",;\t|"
BAD_BYTES_SHARE = 0.05


def read_raw(path: Path, name: str) -> Iterator[pl.DataFrame]:
    """Read a raw file in batches.

    Args:
        path: the file in `raw/`.
        name: what the source called it; its ending tells the format.

    Yields:
        Frames of the file's own columns plus `__row` (from 1, headers not counted), `__rule`
        and `__raw` (both null unless the row could not be read).

    Raises:
        C360Error: the file is empty, truncated or not what its name says.
    """
    plain = name.lower().removesuffix(".gz")
    if path.stat().st_size == 0:
        raise _unreadable(name, "it is empty (0 bytes)")
    try:
        if plain.endswith(".parquet"):
            yield from _read_parquet(path)
        elif plain.endswith(".jsonl"):
            yield from _read_jsonl(path)
        else:
            yield from _read_csv(path, name)
    except (pa.ArrowInvalid, pa.ArrowTypeError, gzip.BadGzipFile, EOFError, OSError) as error:
        reason = str(error).splitlines()[0][:200] if plain.endswith(".parquet") else ""
        reason = reason or "it is truncated or not what its name says"
        raise _unreadable(name, reason) from None


def _unreadable(name: str, reason: str) -> C360Error:
    return C360Error(
        f"{name} cannot be read: {reason}.",
        "Nothing of it was landed. Drop a whole file (under any name) and remove it from raw/.",
    )


def _open(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    return path.open("rb")


def detect_encoding(path: Path) -> str:
    """UTF-8 or GB18030, from all bytes of the file.

    Nearly any bytes decode as GB18030, so a UTF-8 file with a few broken bytes must not become
    Chinese nonsense: it stays UTF-8, and the rows with broken bytes are quarantined.
    """
    strict = codecs.getincrementaldecoder("utf-8")()
    lenient = codecs.getincrementaldecoder("utf-8")(errors="replace")
    broken, foreign, is_utf8 = 0, 0, True
    with _open(path) as file:
        while block := file.read(BLOCK_BYTES):
            if is_utf8:
                try:
                    text = strict.decode(block)
                    foreign += _non_ascii(text)
                    continue
                except UnicodeDecodeError:
                    is_utf8 = False
            text = lenient.decode(block)
            broken += text.count("\ufffd")
            foreign += _non_ascii(text)
    if is_utf8 or broken <= BAD_BYTES_SHARE * foreign:
        return "utf-8"
    return "gb18030"


def _non_ascii(text: str) -> int:
    return 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))


def _as_utf8(path: Path) -> IO[bytes]:
    """The file as UTF-8 without byte order mark; broken bytes become U+FFFD."""
    file, encoding = _open(path), detect_encoding(path)
    if file.read(3) != codecs.BOM_UTF8:
        file.seek(0)
    recoder = codecs.EncodedFile(file, "utf-8", encoding, errors="replace")
    return recoder


def _read_csv(path: Path, name: str) -> Iterator[pl.DataFrame]:
    with _as_utf8(path) as file:
        header = file.readline().decode()
    if not header.strip():
        raise _unreadable(name, "its first line has no column names")
    delimiter = max(DELIMITERS, key=header.count)
    ragged: dict[int, str] = {}

    def keep_ragged(row: Any) -> str:
        ragged[row.number] = row.text
        return "skip"

    with _as_utf8(path) as file:
        names = next(iter(_header_names(header, delimiter)))
        reader = pa.csv.open_csv(
            pa.PythonFile(file, mode="r"),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                invalid_row_handler=keep_ragged,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
        first = 1
        for batch in reader:
            frame = _from_arrow(pa.table(batch))
            bad = np.array(sorted(n - 1 for n in ragged), dtype=np.int64)  # the header is row 1
            numbers = _numbers_without(first, frame.height, bad)
            first = int(numbers[-1]) + 1 if frame.height else first
            yield _with_bookkeeping(frame, numbers)
    if ragged:
        yield _unread_rows(
            pl.DataFrame(schema=dict.fromkeys(names, pl.String)),
            {number - 1: text for number, text in ragged.items()},
            "wrong_number_of_fields",
        )


def _header_names(header: str, delimiter: str) -> Iterator[list[str]]:
    import csv

    return csv.reader(io.StringIO(header), delimiter=delimiter)


def _numbers_without(first: int, height: int, bad: np.ndarray) -> np.ndarray:
    """The next `height` row numbers that are not among the bad ones."""
    candidates = np.arange(first, first + height + bad.size)
    return candidates[~np.isin(candidates, bad)][:height]


def _read_jsonl(path: Path) -> Iterator[pl.DataFrame]:
    records: list[dict[str, str | None]] = []
    unread: dict[int, str] = {}
    numbers: list[int] = []
    with io.TextIOWrapper(_as_utf8(path), encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line, parse_int=str, parse_float=str)
                if not isinstance(record, dict):
                    raise ValueError
            except ValueError:
                unread[number] = line.rstrip("\n")
                continue
            records.append({key: _as_text(value) for key, value in record.items()})
            numbers.append(number)
    names = list(dict.fromkeys(key for record in records for key in record))
    frame = pl.DataFrame(
        {
            name: pl.Series([record.get(name) for record in records], dtype=pl.String)
            for name in names
        }
    )
    if records:
        yield _with_bookkeeping(frame, np.array(numbers))
    if unread:
        yield _unread_rows(frame.clear(), unread, "not_json")


def _as_text(value: Any) -> str | None:
    """JSON values as text; numbers keep every digit they were written with."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False)


def _read_parquet(path: Path) -> Iterator[pl.DataFrame]:
    with _open(path) as file:
        parquet = pa.parquet.ParquetFile(io.BytesIO(file.read()) if path.suffix == ".gz" else path)
        first = 1
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
            frame = _from_arrow(pa.table(batch))
            yield _with_bookkeeping(frame, np.arange(first, first + frame.height))
            first += frame.height
        if first == 1:
            yield _with_bookkeeping(_from_arrow(parquet.schema_arrow.empty_table()), np.arange(0))


def _from_arrow(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table is never a series
    plain = [pl.col(pl.Categorical, pl.Enum, pl.Binary).cast(pl.String, strict=False)]
    return frame.with_columns(plain)


def _with_bookkeeping(frame: pl.DataFrame, numbers: np.ndarray) -> pl.DataFrame:
    return frame.with_columns(
        pl.Series(ROW, numbers, dtype=pl.Int64),
        pl.lit(None, pl.String).alias(RULE),
        pl.lit(None, pl.String).alias(RAW),
    )


def _unread_rows(empty: pl.DataFrame, rows: dict[int, str], rule: str) -> pl.DataFrame:
    """Rows that could not be read, under the columns of those that could."""
    bookkeeping = pl.DataFrame(
        {ROW: list(rows), RULE: [rule] * len(rows), RAW: list(rows.values())},
        schema={ROW: pl.Int64, RULE: pl.String, RAW: pl.String},
    )
    return pl.concat([empty, bookkeeping], how="diagonal")
