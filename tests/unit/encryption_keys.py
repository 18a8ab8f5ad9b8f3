"""Keys of the tests, and what can be read without any."""

import base64
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError


def entry(name: str, byte: int) -> str:
    """A key as it is written in C360_ENCRYPTION_KEYS."""
    return f"{name}:{base64.urlsafe_b64encode(bytes([byte]) * 32).decode()}"


OLD, NEW = entry("k1", 1), entry("k2", 2)


def readable_columns(path: Path) -> dict[str, bool]:
    """Which columns of a Parquet file a reader that knows no key can read."""
    return {name: _is_readable(path, name) for name in pl.read_parquet_schema(path)}


def _is_readable(path: Path, name: str) -> bool:
    try:
        pl.read_parquet(path, columns=[name], hive_partitioning=False)
    except ComputeError as error:
        if "is encrypted" in str(error):
            return False
        raise
    return True
