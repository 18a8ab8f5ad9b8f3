"""Where every file of an installation lives, and how it is read and written whole.

raw/<source>/<date>/<digest>__<file>                         pages as received
landing/<table>/source=<source>/date=<date>/part-*.parquet   typed rows, append-only
quarantine/<table>/source=<source>/date=<date>/part-*.parquet
privacy/tombstones.parquet, privacy/erasures/                digests of who was erased
runs/<date>/{inputs,rules,staging,models,pipeline,gates,steps,release}
published/<date>__<run>/, published/current
"""

import hashlib
import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.encryption import key_of_table, load_keyring, read_arrow, write_arrow
from pipelines.errors import C360Error

ROW_GROUP = 122_880  # else it is how many threads made the rows, and in which pieces, that decides


@dataclass(frozen=True)
class Lake:
    """The folders of one installation."""

    home: Path

    @property
    def raw(self) -> Path:
        """Files as received."""
        return self.home / "raw"

    @property
    def landing(self) -> Path:
        """Typed rows of the landing contract."""
        return self.home / "landing"

    @property
    def quarantine(self) -> Path:
        """Rows that broke the contract, with the reason."""
        return self.home / "quarantine"

    @property
    def privacy(self) -> Path:
        """Tombstones of who was erased, and how far each erasure is."""
        return self.home / "privacy"

    @property
    def runs(self) -> Path:
        """One private folder for each run date."""
        return self.home / "runs"

    @property
    def published(self) -> Path:
        """Releases, and `current`."""
        return self.home / "published"

    @property
    def current(self) -> Path:
        """The one pointer that consumers follow."""
        return self.published / "current"

    @property
    def docs(self) -> Path:
        """The page of dbt's documentation, if it was made."""
        return self.home / "docs" / "index.html"

    def run(self, as_of: date) -> "Run":
        """The run of a date."""
        return Run(self.runs / as_of.isoformat(), as_of)


@dataclass(frozen=True)
class Run:
    """The private folder of one run date. Nobody outside the line reads it."""

    path: Path
    as_of: date

    @property
    def inputs(self) -> Path:
        """The landing rows that this run reads, frozen as links."""
        return self.path / "inputs"

    @property
    def rules(self) -> Path:
        """The rules that this run uses: the YAML as read, and as rows."""
        return self.path / "rules"

    @property
    def gates(self) -> Path:
        """Results of the gates."""
        return self.path / "gates"

    @property
    def steps(self) -> Path:
        """What each step reported."""
        return self.path / "steps"

    @property
    def release(self) -> Path:
        """The release while it is put together."""
        return self.path / "release"

    @property
    def sealed(self) -> Path:
        """There if nothing personal of the run is in clear any more; it must land again then."""
        return self.path / "sealed.json"

    def table(self, folder: str, name: str) -> Path:
        """The Parquet file of a dataset of this run."""
        return self.path / folder / f"{name}.parquet"

    def scan(self, folder: str, name: str, needed_by: str) -> pl.LazyFrame:
        """Read a dataset that an earlier step of this run wrote.

        Raises:
            C360Error: the step that writes it has not run.
        """
        path = self.table(folder, name)
        if not path.exists():
            raise C360Error(
                f"{needed_by} needs {name}, and this run has none ({path}).",
                f"Run the earlier steps first: c360 nightly --date {self.as_of}.",
            )
        return scan_table(path)


def write_table(
    frame: pl.LazyFrame | pl.DataFrame, path: Path, secret: Collection[str] = ()
) -> int:
    """Write a Parquet file whole or not at all; returns its number of rows.

    If there is an encryption key, nobody reads the secret columns without it.
    """
    table = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    with_parent(path)
    scratch = path.with_name(f".{path.name}.part")
    if secret and load_keyring().current:
        write_arrow(table.to_arrow(), scratch, secret)
    else:
        table.write_parquet(scratch, compression="zstd", statistics=True, row_group_size=ROW_GROUP)
    scratch.replace(path)
    return table.height


def read_table(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Read a Parquet file, also one with encrypted columns; folders' names are no columns.

    Raises:
        C360Error: the key that it needs is not there.
    """
    if key_of_table(path) is None:
        return pl.read_parquet(path, columns=columns, hive_partitioning=False)
    frame = pl.from_arrow(read_arrow(path, columns))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table is never a series
    return frame if columns is None else frame.select(columns)


def scan_table(path: Path) -> pl.LazyFrame:
    """Read a Parquet file as it is needed; one with encrypted columns at once."""
    return pl.scan_parquet(path) if key_of_table(path) is None else read_table(path).lazy()


def write_text(text: str, path: Path) -> None:
    """Write a text file whole or not at all."""
    with_parent(path)
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def write_json(content: Any, path: Path) -> None:
    """Write JSON with sorted keys, so that equal content is equal bytes."""
    write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", path)


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def with_parent(path: Path) -> Path:
    """Make the folder of a file; returns the file's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def empty_folder(path: Path) -> Path:
    """Make a folder anew, without what was in it."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_scratch(folder: Path) -> None:
    """Remove what a kill has left half written, below a folder where nobody is at work."""
    for path in sorted(folder.rglob(".*.part")):
        path.unlink()


def remove_all_scratch(lake: Lake) -> None:
    """Remove it from all that is kept, and folders half made or half gone; no night may be at work.

    By its name nobody knows what is in it: no erasure, and no other key, would reach it.
    """
    for folders, pattern in (
        (lake.raw, "*/.*/"),
        (lake.quarantine, "*/*/.*/"),
        (lake.runs, ".*/"),
        (lake.published, ".*/"),
    ):
        for folder in folders.glob(pattern):
            shutil.rmtree(folder)
    for folder in (lake.raw, lake.landing, lake.quarantine, lake.runs):
        remove_scratch(folder)
