"""Looks for texts in all that lies below a folder, also where it is packed or encrypted."""

import gzip
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import polars as pl

from pipelines.encryption import key_of_file, key_of_table, open_received
from pipelines.lake import read_table
from tests.unit.encryption_keys import readable_columns


def find_texts(
    root: Path, texts: Iterable[str], leave: tuple[str, ...] = (), *, is_keyless: bool = False
) -> set[str]:
    """The places where a text stands, as `path: text`.

    Args:
        root: folder to look through; a name of a file counts as a place too.
        texts: what to look for.
        leave: folders below the root that are nobody's business.
        is_keyless: see what somebody sees who has the files and no key.
    """
    wanted = {text: text.encode() for text in texts}
    found = set()
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        if not path.is_file() or path.is_symlink() or place.parts[0] in leave:
            continue
        content = [str(place).encode(), *_unpacked(path, is_keyless)]
        # Three letters, such as a record's id, stand by chance in what nobody can read.
        if is_keyless or not _is_encrypted(path):
            content.append(path.read_bytes())
        found |= {
            f"{place}: {text}"
            for text, needle in wanted.items()
            if any(needle in part for part in content)
        }
    return found


def _unpacked(path: Path, is_keyless: bool) -> Iterator[bytes]:
    if key_of_file(path):
        if is_keyless:
            return
        with open_received(path) as file:
            content = file.read()
        yield gzip.decompress(content) if path.suffix == ".gz" else content
        if path.suffix == ".parquet":
            yield _written(pl.read_parquet(io.BytesIO(content)))
    elif path.suffix == ".gz":
        yield gzip.decompress(path.read_bytes())
    elif path.suffix == ".parquet":
        yield _written(_readable(path) if is_keyless else read_table(path))
    elif path.suffix == ".duckdb":
        with duckdb.connect(path, read_only=True) as connection:
            for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
                yield _written(connection.execute(f'select * from "{table}"').pl())  # noqa: S608 - its own names


def _is_encrypted(path: Path) -> bool:
    return bool(key_of_file(path) or (path.suffix == ".parquet" and key_of_table(path)))


def _readable(path: Path) -> pl.DataFrame:
    columns = [name for name, is_readable in readable_columns(path).items() if is_readable]
    return pl.read_parquet(path, columns=columns, hive_partitioning=False)


def _written(frame: pl.DataFrame) -> bytes:
    """All values as text, those of bytes as they are."""
    parts = []
    for column in frame:
        values = column.to_list()
        parts += [v if isinstance(v, bytes) else str(v).encode() for v in values if v is not None]
    return b"\n".join(parts)
