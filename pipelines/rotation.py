"""Changes keys: brings what is encrypted at rest under the current one; called again, it goes on.

A file that is under it already is passed over, and each other one is written anew beside itself and
takes its own place in one rename. So a first key, another key, and a call that was killed are one
and the same work.
"""

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.encryption import (
    encrypt_columns,
    keep_received,
    key_of_file,
    key_of_table,
    load_keyring,
    open_received,
    read_arrow,
    write_arrow,
)
from pipelines.errors import C360Error
from pipelines.extract.parts import PART_NAME, secret_of
from pipelines.identity.refs import RECORD, mint_id
from pipelines.lake import Lake, Run, remove_all_scratch
from pipelines.landing import SECRET_OF_QUARANTINED
from pipelines.release import current_release
from pipelines.sealing import seal_run, secret_tables
from pipelines.tombstones import read_rows

PARTS = "source=*/date=*/part-*.parquet"


@dataclass(frozen=True)
class Protected:
    """A file that holds what must not be read at rest.

    secret: its columns; None of a file that is encrypted as a whole. key: the name of the key that
    it needs; None if it is in clear.
    """

    path: Path
    secret: frozenset[str] | None
    key: str | None


def find_protected(lake: Lake, catalogue: Catalogue) -> Iterator[Protected]:
    """All files of raw, landing, quarantine and past runs that are, or are to be, encrypted."""
    for path in sorted(lake.raw.glob("*/????-??-??/[!.]*")):
        if PART_NAME.fullmatch(path.name):
            yield _table(path, secret_of(pl.read_parquet_schema(path)))
        elif path.stat().st_size:
            yield Protected(path, None, key_of_file(path))
    for name, dataset in catalogue.landing.items():
        for path in sorted((lake.landing / name).glob(PARTS)):
            yield _table(path, frozenset(dataset.personal))
        for path in sorted((lake.quarantine / name).glob(PARTS)):
            yield _table(path, SECRET_OF_QUARANTINED)
    for run in _runs(lake):
        for path, secret in secret_tables(run, catalogue):
            yield _table(path, secret)


def _runs(lake: Lake) -> Iterator[Run]:
    for folder in sorted(lake.runs.glob("????-??-??")):
        yield lake.run(date.fromisoformat(folder.name))


def _table(path: Path, secret: frozenset[str]) -> Protected:
    return Protected(path, secret, key_of_table(path))


def check_former_keys(lake: Lake, keys: Collection[bytes]) -> None:
    """Refuse keys that nothing here was made with.

    Raises:
        C360Error: a tombstone was made with another key, or every customer id of the release was.
    """
    read_rows(lake, keys)
    release = current_release(lake)
    if release is None:
        return
    known = pl.read_parquet(release.path / "state" / "customer_keys.parquet")
    named = known.select(*RECORD, "customer_id").rows()
    if named and not any(mint_id(row[:-1], key) == row[-1] for row in named for key in keys):
        raise C360Error(
            "C360_FORMER_PSEUDONYM_KEY is not the key that the customers of the release are "
            "named with.",
            "Set it to what C360_PSEUDONYM_KEY was in the last night.",
        )


def copy_in_clear(path: Path, target: Path) -> None:
    """Write what an encrypted file holds to a new file of its own."""
    with target.open("xb") as file:
        if path.suffix == ".parquet" and key_of_file(path) is None:
            write_arrow(read_arrow(path), file)
            return
        with open_received(path) as content:
            shutil.copyfileobj(content, file)


def encrypt_anew(lake: Lake, catalogue: Catalogue, tell: Callable[[str], None]) -> dict[str, int]:
    """Encrypt under the current key whatever is not; nobody may be at work meanwhile.

    Args:
        lake: where the files are.
        catalogue: which columns are personal.
        tell: told how far it is.

    Returns:
        How many files were written anew, by the key that they needed before.

    Raises:
        C360Error: there is no key, or one that a file needs is not there.
    """
    current = load_keyring().current
    if current is None:
        raise C360Error(
            "C360_ENCRYPTION_KEYS holds no key.", "c360 keys new NAME makes one; set it first."
        )
    remove_all_scratch(lake)
    counts = {"none": sum(seal_run(run, catalogue) for run in _runs(lake))}
    for one in find_protected(lake, catalogue):
        if one.key == current:
            continue
        tell(one.path.relative_to(lake.home).as_posix())
        if one.secret is None:
            with open_received(one.path) as content:
                keep_received(content, one.path)
        else:
            encrypt_columns(one.path, one.secret)
        counts[one.key or "none"] = counts.get(one.key or "none", 0) + 1
    return {key: count for key, count in counts.items() if count}
