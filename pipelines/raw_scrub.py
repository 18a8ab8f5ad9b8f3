"""Takes out of a raw file what may not stay in it; its name, by which it is known, stays.

Of a CSV file the cells of all other rows stay as they were read, in UTF-8; lines of JSON, Parquet
rows and records of a connector stay as received.
"""

import csv
import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.disk import sync
from pipelines.encryption import keep_received, read_arrow, write_arrow
from pipelines.errors import C360Error
from pipelines.extract.parts import secret_of
from pipelines.landing import BOOKKEEPING, RAW, ROW, RULE
from pipelines.raw_files import find_delimiter, open_text, open_unpacked, read_raw

EMPTIED = b"c360.emptied"


def scrub_file(path: Path, name: str, edits: pl.DataFrame) -> None:
    """Take rows and values out of a file as read by `read_raw`.

    Args:
        path: the file in `raw/`.
        name: what the source called it.
        edits: at (row), column, value; a row without column goes whole.
    """
    plain = name.lower().removesuffix(".gz")
    if plain.endswith(".parquet"):
        _replace(path, name, lambda target: _write_parquet(path, name, edits, target))
    elif plain.endswith(".jsonl"):
        _replace(path, name, lambda target: _write_jsonl(path, edits, target))
    else:
        _replace(path, name, lambda target: _write_csv(path, name, edits, target))


def scrub_part(path: Path, edits: pl.DataFrame) -> None:
    """Take records, and values within records, out of a connector's part.

    Where to go on, which the part knows, stays.

    Args:
        path: the part in `raw/`.
        edits: at (record), column, value; a record without column goes whole.
    """
    table = read_arrow(path)
    gone, values = _gone(edits), _values(edits)
    records = table["record"].to_pylist()
    for at, told in values.items():
        texts = {value for _, value in told}
        content = _without_texts(msgspec.json.decode(records[at - 1], type=Any), texts)
        records[at - 1] = msgspec.json.encode(content)
    place = table.schema.get_field_index("record")
    bodies = table.schema.field(place)
    kept = table.set_column(place, bodies, pa.array(records, bodies.type))
    kept = kept.filter(pa.array(at not in gone for at in range(1, table.num_rows + 1)))
    _replace_part(path, kept)


def keep_place_only(path: Path) -> None:
    """Take the content out of a part's records: what was seen, and where to go on, stays."""
    table = read_arrow(path)
    bodies = table.schema.field("record")
    nothing = pa.array([b""] * table.num_rows, bodies.type)
    kept = table.set_column(table.schema.get_field_index("record"), bodies, nothing)
    noted = kept.replace_schema_metadata({**(kept.schema.metadata or {}), EMPTIED: b"yes"})
    _replace_part(path, noted)


def is_emptied(path: Path) -> bool:
    """Whether the content of a part is gone."""
    return EMPTIED in (pq.read_metadata(path).metadata or {})


def _gone(edits: pl.DataFrame) -> set[int]:
    return set(edits.filter(pl.col("column").is_null())["at"])


def _values(edits: pl.DataFrame) -> dict[int, list[tuple[str, str]]]:
    told: dict[int, list[tuple[str, str]]] = {}
    for at, column, value in edits.filter(pl.col("column").is_not_null()).iter_rows():
        told.setdefault(at, []).append((column, value))
    return told


def _without_texts(content: Any, texts: set[str]) -> Any:
    """JSON with null where one of the texts, or a number written like it, stood."""
    if isinstance(content, dict):
        return {key: _without_texts(value, texts) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_texts(value, texts) for value in content]
    return None if str(content) in texts else content


def _write_csv(path: Path, name: str, edits: pl.DataFrame, target: IO[bytes]) -> None:
    gone, values = _gone(edits), edits.filter(pl.col("column").is_not_null())
    text = io.TextIOWrapper(target, encoding="utf-8", newline="")
    writer = csv.writer(
        text, delimiter=find_delimiter(path), quoting=csv.QUOTE_ALL, lineterminator="\n"
    )
    is_first = True
    for frame in read_raw(path, name):
        kept = frame.filter(~pl.col(ROW).is_in(list(gone)))
        own = [column for column in kept.columns if column not in BOOKKEEPING]
        if is_first:
            writer.writerow(own)
            is_first = False
        torn = kept.filter(pl.col(RULE).is_not_null())
        read = _without_values(kept.filter(pl.col(RULE).is_null()), values)
        writer.writerows(read.select(own).iter_rows())
        text.writelines(f"{line}\n" for line in torn[RAW])
    text.flush()
    text.detach()


def _without_values(frame: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    for column in values["column"].unique().sort():
        rows = list(values.filter(pl.col("column") == column)["at"])
        named = [name for name in frame.columns if name.strip().lower() == column]
        frame = frame.with_columns(
            pl.when(~pl.col(ROW).is_in(rows)).then(pl.col(name)).otherwise(pl.lit("")).alias(name)
            for name in named
        )
    return frame


def _write_jsonl(path: Path, edits: pl.DataFrame, target: IO[bytes]) -> None:
    gone, values = _gone(edits), _values(edits)
    target.write(b"\n")  # a file of no rows is not one of no bytes
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if number in gone:
                continue
            if number in values:
                columns = {column for column, _ in values[number]}
                record = json.loads(line, parse_int=str, parse_float=str)
                told = {k: v for k, v in record.items() if k.strip().lower() not in columns}
                line = json.dumps(told, ensure_ascii=False) + "\n"
            target.write(line.encode(errors="replace"))


def _write_parquet(path: Path, name: str, edits: pl.DataFrame, target: IO[bytes]) -> None:
    with open_unpacked(path) as file:
        table = read_arrow(io.BytesIO(file.read()))
    gone, values = _gone(edits), _values(edits)
    for place, field in enumerate(table.schema):
        rows = {
            at
            for at, told in values.items()
            if field.name.strip().lower() in {column for column, _ in told}
        }
        if rows:
            cells = table.column(place).to_pylist()
            kept = [None if at in rows else cell for at, cell in enumerate(cells, start=1)]
            table = table.set_column(place, field, pa.array(kept, field.type))
    stays = pa.array(at not in gone for at in range(1, table.num_rows + 1))
    write_arrow(table.filter(stays), target)


def _replace(path: Path, name: str, write: Callable[[IO[bytes]], None]) -> None:
    """Write a dropped file anew and put it in the old one's place, whole or not at all."""
    with _telling_of(path), tempfile.TemporaryFile(dir=path.parent) as file:
        if name.lower().endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                write(cast(IO[bytes], packed))
        else:
            write(file)
        file.seek(0)
        keep_received(file, path)


def _replace_part(path: Path, table: pa.Table) -> None:
    """Write a part anew and put it in the old one's place, whole or not at all."""
    scratch = path.with_name(f".{path.name}.part")
    with _telling_of(path):
        write_arrow(table, scratch, secret_of(table.column_names))
        sync(scratch)
        shutil.copymode(path, scratch)
        scratch.replace(path)
    sync(path.parent)


@contextmanager
def _telling_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        path.with_name(f".{path.name}.part").unlink(missing_ok=True)
        raise C360Error(
            f"{path} could not be written anew: {error.strerror}.", "Free space and try again."
        ) from None
