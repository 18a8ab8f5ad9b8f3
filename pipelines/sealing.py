"""Leaves nothing personal of a run in clear once its night is over.

dbt and Great Expectations cannot read what pyarrow encrypts, so a night at work has its inputs and
its models in clear, in its private folder. Marts and lists are there to be read: `published/` is
left as it is.
"""

import shutil
from datetime import date

import polars as pl
from filelock import FileLock, Timeout

from pipelines.catalogue import Catalogue
from pipelines.encryption import encrypt_columns, key_of_table, load_keyring
from pipelines.lake import Lake, Run, read_json, write_json
from pipelines.publish import MARTS

IN_CLEAR = ("inputs", "scratch")  # copies of what is kept elsewhere, and what DuckDB spilled
MADE = ("models", "pipeline")
BEGUN, DONE = "begun", "done"


def seal_run(run: Run, catalogue: Catalogue) -> None:
    """Encrypt the personal columns of a run's tables; without a key nothing is done.

    What it read in clear goes. Called again, it goes on from where it was stopped.
    """
    if load_keyring().current is None:
        return
    write_json({"state": BEGUN}, run.sealed)  # from here on no step reads the run
    for folder in IN_CLEAR:
        shutil.rmtree(run.path / folder, ignore_errors=True)
    for group in MADE:
        for path in sorted((run.path / group).glob("*.parquet")):
            secret = catalogue.secret_of(group, path.stem, pl.read_parquet_schema(path))
            if secret and path.stem not in MARTS and key_of_table(path) is None:
                encrypt_columns(path, secret)
    write_json({"state": DONE}, run.sealed)


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
