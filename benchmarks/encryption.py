"""What encryption at rest costs: writing and reading a landed table, and a file as received.

    python benchmarks/encryption.py [rows]

Seconds are those of the processor, of the best of three turns.
"""

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from pipelines.catalogue import load_catalogue
from pipelines.encryption import encrypt_columns, keep_received, make_key, open_received
from pipelines.lake import read_table, write_table

PROJECT = Path(__file__).resolve().parents[1]
KEYS = "C360_ENCRYPTION_KEYS"


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, for the best of three turns."""
    turns = []
    for _ in range(3):
        began = time.process_time()
        work()
        turns.append(time.process_time() - began)
    return min(turns)


def contacts(rows: int) -> pl.DataFrame:
    """Contacts whose every text column says something else on each row."""
    dataset = load_catalogue(PROJECT).landing["crm_contacts"]
    number = pl.int_range(rows, eager=True)
    texts = {name: pl.format(name + " {}", number) for name, kind in dataset.schema.items()
             if kind == pl.String}  # fmt: skip
    frame = pl.select(**texts).with_columns(
        pl.lit(None, kind).alias(name) for name, kind in dataset.schema.items() if kind != pl.String
    )
    return frame.select(dataset.schema.names())


def main() -> None:
    """Print what each costs, in clear and encrypted."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    frame = contacts(rows)
    secret = load_catalogue(PROJECT).landing["crm_contacts"].personal
    content = frame.select(pl.col(pl.String)).write_csv().encode()
    print(f"{rows:,} contacts, {len(secret)} of {frame.width} columns are personal")
    with tempfile.TemporaryDirectory() as folder:
        table, file = Path(folder) / "t.parquet", Path(folder) / "f.csv"
        for name, key in (("clear", ""), ("encrypted", f"k1:{make_key()}")):
            os.environ[KEYS] = key
            written = seconds(lambda: write_table(frame, table, secret))
            read = seconds(lambda: read_table(table))
            size = table.stat().st_size / 1e6
            print(f"table {name}: written {written:.2f} s, read {read:.2f} s, {size:.0f} MB")
            if key:
                print(
                    f"table written anew: {seconds(lambda: encrypt_columns(table, secret)):.2f} s"
                )
            kept = seconds(lambda: keep_received(io.BytesIO(content), file))
            opened = seconds(lambda: open_received(file).close())
            megabytes = len(content) / 1e6
            print(f"file {name} of {megabytes:.0f} MB: kept {kept:.2f} s, opened {opened:.2f} s")


if __name__ == "__main__":
    main()
