"""Leaves nothing personal of a run in clear once its night is over.

dbt and Great Expectations cannot read what pyarrow encrypts, so a night at work has its inputs and
its models in clear, in its private folder. Marts and lists are there to be read: `published/` is
left as it is.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from pipelines.catalogue import Catalogue
from pipelines.encryption import encrypt_columns, key_of_table, load_keyring
from pipelines.lake import Lake, Run, read_json, remove_scratch, write_json
from pipelines.publish import MARTS

IN_CLEAR = ("inputs", "scratch")  # copies of what is kept elsewhere, and what DuckDB spilled
MADE = ("models", "pipeline")
BEGUN, DONE = "begun", "done"
END = b"PAR1"  # of every Parquet file whose footer can be read without a key


def seal_run(run: Run, catalogue: Catalogue) -> int:
    """Encrypt the personal columns of a run's tables; returns of how many, without a key of none.

    What it read in clear goes, and so does a table that a kill has left half written: nobody reads
    it, and its bytes are personal. Called again, it goes on from where it was stopped.
    """
    if load_keyring().current is None:
        return 0
    write_json({"state": BEGUN}, run.sealed)  # from here on no step reads the run
    for folder in IN_CLEAR:
        shutil.rmtree(run.path / folder, ignore_errors=True)
    remove_scratch(run.path)
    for group in MADE:
        for path in (run.path / group).glob("*.parquet"):
            if not _is_whole(path):
                path.unlink()
    clear = [told for told in secret_tables(run, catalogue) if key_of_table(told[0]) is None]
    for path, secret in clear:
        encrypt_columns(path, secret)
    write_json({"state": DONE}, run.sealed)
    return len(clear)


def secret_tables(run: Run, catalogue: Catalogue) -> Iterator[tuple[Path, frozenset[str]]]:
    """The tables of a run that are, or are to be, encrypted, and the columns of each."""
    for group in MADE:
        for path in sorted((run.path / group).glob("*.parquet")):
            if path.stem in MARTS or not _is_whole(path):
                continue
            if secret := catalogue.secret_of(group, path.stem, pl.read_parquet_schema(path)):
                yield path, secret


def _is_whole(path: Path) -> bool:
    """Whether a Parquet file has its end: of a killed model a part may be left, as tmp_<model>."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(END)))
        return file.read() == END


def seal_others(lake: Lake, run: Run, catalogue: Catalogue) -> None:
    """Seal the runs of other dates that nobody is at work on: nights that failed are over, too."""
    if load_keyring().current is None:
        return
    for folder in sorted(lake.runs.glob("????-??-??")):
        other = lake.run(date.fromisoformat(folder.name))
        if other == run or (other.sealed.exists() and read_json(other.sealed)["state"] == DONE):
            continue
        try:
            with FileLock(other.steps / ".line.lock", timeout=0):
                seal_run(other, catalogue)
        except Timeout:
            continue
