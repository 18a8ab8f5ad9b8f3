"""Reads a file as received into frames of raw values, each row with its number in the file.

A line that cannot even be read (ragged, not JSON) comes out as a row too, with its text and the
rule it broke, so that rows in = rows landed + rows quarantined holds for the worst of files.
"""

import codecs
import csv
import gzip
import io
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from pipelines.encryption import open_parquet, open_received
from pipelines.errors import C360Error
from pipelines.landing import RAW, ROW, RULE

BATCH_ROWS = 500_000
BLOCK_BYTES = 32 << 20
DELIMITERS = ",;\t|"
BAD_BYTES_SHARE = 0.05
CHUNK_BYTES = 1 << 20
CHUNK_LINES = 50_000
MAX_COLUMNS = 2_000
HIGH_BYTES, LONELY_BYTE = (
    re.compile(rb"[\x80-\xff]+"),
    re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])"),
)
PLAIN_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_decimal128,
    pa.types.is_date,
    pa.types.is_timestamp,
)


def read_raw(path: Path, name: str) -> Iterator[pl.DataFrame]:
    """Read a raw file in batches.

    Args:
        path: the file in `raw/`.
        name: what the source called it; its ending tells the format.

    Yields:
        Frames of the file's own columns plus `__c360_row` (from 1, headers not counted),
        `__c360_rule` and `__c360_raw` (both null unless the row could not be read).

    Raises:
        C360Error: the file is empty, truncated or not what its name says.
    """
    plain = name.lower().removesuffix(".gz")
    if path.stat().st_size == 0:
        raise _unreadable(name, "it is empty (0 bytes)")
    try:
        if plain.endswith(".parquet"):
            yield from _read_parquet(path, name)
        elif plain.endswith(".jsonl"):
            yield from _read_jsonl(path, name)
        else:
            yield from _read_csv(path, name)
    except (pa.ArrowException, csv.Error, zlib.error, EOFError, OSError) as error:
        told = plain.endswith(".parquet") or getattr(error, "errno", None) is not None
        reason = str(error).splitlines()[0][:200].rstrip(".") if told and str(error) else ""
        raise _unreadable(name, reason or "it is truncated or not what its name says") from None


def _unreadable(name: str, reason: str) -> C360Error:
    return C360Error(
        f"{name} cannot be read: {reason}.",
        "Nothing of it was landed; drop a whole file.",
    )


class _Unpacked(gzip.GzipFile):
    """The content of a packed file, which is closed with it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._packed = file

    def close(self) -> None:
        """Close the packed file too."""
        super().close()
        self._packed.close()


def open_unpacked(path: Path) -> IO[bytes]:
    """A file's bytes, neither packed nor encrypted."""
    file = open_received(path)
    return cast(IO[bytes], _Unpacked(file)) if path.name.lower().endswith(".gz") else file


def detect_encoding(path: Path) -> str:
    """UTF-8 or GB18030, from all bytes of the file.

    Nearly any bytes decode as GB18030, so a UTF-8 file with a few broken bytes must not become
    Chinese nonsense: it stays UTF-8, and the rows with broken bytes are quarantined. So are those
    of Western encodings, whose high bytes stand alone; in Chinese they come in runs.
    """
    strict = codecs.getincrementaldecoder("utf-8")()
    lenient = codecs.getincrementaldecoder("utf-8")(errors="replace")
    broken, foreign, runs, lonely, is_utf8 = 0, 0, 0, 0, True
    with open_unpacked(path) as file:
        while block := file.read(BLOCK_BYTES):
            runs += len(HIGH_BYTES.findall(block))
            if is_utf8:
                try:
                    foreign += _non_ascii(strict.decode(block))
                    continue
                except UnicodeDecodeError:
                    is_utf8 = False
            text = lenient.decode(block)
            broken += text.count("\ufffd")
            foreign += _non_ascii(text)
            lonely += len(LONELY_BYTE.findall(block))
    if is_utf8 or broken <= BAD_BYTES_SHARE * foreign or lonely > runs / 2:
        return "utf-8"
    return "gb18030"


def _non_ascii(text: str) -> int:
    return 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))


class _Utf8(io.RawIOBase):
    """A file's bytes as UTF-8 without byte order mark; broken bytes become U+FFFD."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file = file
        codec = "utf-8-sig" if encoding == "utf-8" else encoding
        self._decoder = codecs.getincrementaldecoder(codec)(errors="replace")
        self._waiting = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the next bytes."""
        block = b"-"
        while block and not self._waiting:
            block = self._file.read(CHUNK_BYTES)
            text = self._decoder.decode(block, final=not block)
            self._waiting = memoryview(text.encode(errors="replace"))
        size = min(len(buffer), len(self._waiting))
        buffer[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()


def _as_utf8(path: Path, encoding: str) -> io.BufferedReader:
    return io.BufferedReader(_Utf8(open_unpacked(path), encoding), CHUNK_BYTES)


def open_text(path: Path, newline: str = "\n") -> io.TextIOWrapper:
    """A file's text, whatever its encoding; broken bytes become U+FFFD."""
    return io.TextIOWrapper(
        _as_utf8(path, detect_encoding(path)), encoding="utf-8", newline=newline
    )


def find_delimiter(path: Path) -> str:
    """What parts the columns of a CSV file."""
    with open_text(path, "") as text:
        return max(DELIMITERS, key=text.readline().count)


def _read_csv(path: Path, name: str) -> Iterator[pl.DataFrame]:
    encoding = detect_encoding(path)
    with io.TextIOWrapper(_as_utf8(path, encoding), encoding="utf-8", newline="") as text:
        first_line = text.readline()
        delimiter = max(DELIMITERS, key=first_line.count)
        lines = itertools.chain([first_line], text)
        names = _column_names(next(csv.reader(lines, delimiter=delimiter), []), name)
        has_rows = bool(text.read(1))
    empty = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    if not has_rows:
        yield _with_bookkeeping(empty, np.arange(0))
        return
    ragged: dict[int, str] = {}

    def keep_ragged(row: Any) -> str:
        ragged[row.number - 1] = row.text  # the header is row 1
        return "skip"

    with _as_utf8(path, encoding) as file:
        reader = pa.csv.open_csv(
            pa.PythonFile(file, mode="r"),
            read_options=pa.csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=names,
                skip_rows_after_names=1,
            ),
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
            numbers = _numbers_without(first, frame.height, np.array(sorted(ragged), np.int64))
            first = int(numbers[-1]) + 1 if frame.height else first
            yield _with_bookkeeping(frame, numbers)
    if ragged:
        yield _unread_rows(empty, ragged, "wrong_number_of_fields")


def _column_names(header: list[str], name: str) -> list[str]:
    """The header's names, those without one numbered; what it says may be data, so is not told."""
    if not any(column.strip() for column in header):
        raise _unreadable(name, "its first line has no column names")
    names = [column or f"column_{number}" for number, column in enumerate(header, start=1)]
    if len(names) > MAX_COLUMNS:
        raise _unreadable(name, f"it has more than {MAX_COLUMNS} columns")
    for number, column in enumerate(names, start=1):
        if column in names[number:]:
            again = names.index(column, number) + 1
            raise _unreadable(name, f"its columns {number} and {again} have the same name")
    return names


def _numbers_without(first: int, height: int, bad: np.ndarray) -> np.ndarray:
    """The next `height` row numbers that are not among the bad ones."""
    candidates = np.arange(first, first + height + bad.size)
    return candidates[~np.isin(candidates, bad)][:height]


def _read_jsonl(path: Path, name: str) -> Iterator[pl.DataFrame]:
    """All lines as one table before the first batch: what a key is must not depend on batches."""
    chunks: list[pl.DataFrame] = []
    records: list[dict[str, str | None]] = []
    unread: dict[int, str] = {}
    numbers: list[int] = []
    names: dict[str, None] = {}
    blanks = 0
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                blanks += 1
                continue
            record = _read_record(line)
            if record is None:
                unread[number] = line.rstrip("\r\n")
                continue
            names.update(dict.fromkeys(record))
            if len(names) > MAX_COLUMNS:
                raise _unreadable(name, f"its lines have more than {MAX_COLUMNS} different keys")
            records.append(record)
            numbers.append(number)
            if len(records) == CHUNK_LINES:
                chunks.append(_as_frame(records))
                records = []
    if blanks and not (records or chunks or unread):
        return  # only blank lines, as where all rows were erased
    if not names:
        raise _unreadable(name, "none of its lines is a JSON object with keys")
    table = pl.concat([pl.DataFrame(schema=dict.fromkeys(names, pl.String)), *chunks,
                       _as_frame(records)], how="diagonal")  # fmt: skip
    for start in range(0, table.height, BATCH_ROWS):
        batch = table.slice(start, BATCH_ROWS)
        yield _with_bookkeeping(batch, np.array(numbers[start : start + BATCH_ROWS]))
    if unread:
        yield _unread_rows(table.clear(), unread, "not_json")


def _read_record(line: str) -> dict[str, str | None] | None:
    """The JSON object in a line; None where there is none."""
    try:
        record = json.loads(line, parse_int=str, parse_float=str)
        if "\\u" in line:
            json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    return {key: _as_text(value) for key, value in record.items()}


def _as_frame(records: list[dict[str, str | None]]) -> pl.DataFrame:
    names = dict.fromkeys(key for record in records for key in record)
    return pl.DataFrame(
        {
            name: pl.Series([record.get(name) for record in records], dtype=pl.String)
            for name in names
        },
        height=len(records),
    )


def _as_text(value: Any) -> str | None:
    """JSON values as text; numbers keep every digit they were written with."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False)


def _read_parquet(path: Path, name: str) -> Iterator[pl.DataFrame]:
    with open_unpacked(path) as file:
        source = io.BytesIO(file.read()) if isinstance(file, gzip.GzipFile) else file
        parquet = open_parquet(source)
        names = _column_names(parquet.schema_arrow.names, name)
        first = 1
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
            frame = _from_arrow(pa.table(batch).rename_columns(names))
            yield _with_bookkeeping(frame, np.arange(first, first + frame.height))
            first += frame.height
        if first == 1:
            empty = parquet.schema_arrow.empty_table().rename_columns(names)
            yield _with_bookkeeping(_from_arrow(empty), np.arange(0))


def _from_arrow(table: pa.Table) -> pl.DataFrame:
    """The table with plain columns only: what is nested, or bytes, becomes text."""
    table.validate(full=True)
    columns = [_plain_column(column) for column in table.columns]
    frame = pl.from_arrow(pa.table(columns, names=table.column_names))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table is never a series
    return frame


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array(
            [chunk.storage for chunk in column.chunks], column.type.storage_type
        )
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    if any(is_plain(column.type) for is_plain in PLAIN_TYPES):
        return column
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        inner = column.type.value_type
        if pa.types.is_string(inner) or pa.types.is_large_string(inner):
            return column
    return pa.chunked_array(
        [pa.array((_as_plain_text(value) for value in column.to_pylist()), pa.string())]
    )


def _as_plain_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return None if value is None else str(value)


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
