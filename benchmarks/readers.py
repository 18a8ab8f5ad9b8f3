"""Ten thousand reads through `published/current` while two hundred releases are put there.

    .venv/bin/python benchmarks/readers.py [RELEASES] [READS]

Each release holds one version in everything: two marts in Parquet, the same two in the DuckDB file
and a list. Readers are processes of their own, one for each way to read:

    polars    both marts by Polars, in the folder that `current` is at that moment
    duckdb    both marts in Parquet by DuckDB, in that folder
    database  both tables of the read-only DuckDB file, opened anew for each read
    session   one DuckDB connection that is never closed, as a BI tool keeps it: one mart in
              Parquet by the path of `current`, so that each read shows what is current
    manifest  every file of that folder against its sha256

A read is broken if it fails, or if it holds more than one version. A reader that joins files has to
ask once which folder `current` is: by its path, two files may be of two releases.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines.lake import Lake, sha256_of, write_table
from pipelines.release import release_run, write_manifest

AS_OF = date(2026, 6, 30)
MARTS = ("customers", "orders")
ROWS = 2_000

Read = Callable[[Path], set[int]]


def put_release(lake: Lake, version: int) -> None:
    """Put a release in place whose every row is of one version."""
    run = lake.run(AS_OF)
    shutil.rmtree(run.release, ignore_errors=True)
    rows = pl.DataFrame({"version": [version] * ROWS, "amount": range(ROWS)})
    for name in MARTS:
        write_table(rows, run.release / "marts" / f"{name}.parquet")
    database = run.release / "marts.duckdb"
    with duckdb.connect(database) as connection:
        for name in MARTS:
            mart = str(run.release / "marts" / f"{name}.parquet")
            connection.execute(f"create table {name} as from read_parquet(?)", [mart])
        connection.execute("checkpoint")
    database.chmod(0o444)
    (run.release / "lists").mkdir()
    rows.head(100).write_csv(run.release / "lists" / "win_back.csv")
    facts = {"date": AS_OF.isoformat(), "version": version, "gates": {}, "notes": []}
    release_run(lake, run, write_manifest(run.release, facts))


def read_polars(current: Path) -> set[int]:
    """Both marts by Polars."""
    folder = current.resolve()
    marts = [pl.read_parquet(folder / "marts" / f"{name}.parquet") for name in MARTS]
    assert all(mart.height == ROWS for mart in marts)
    return {version for mart in marts for version in mart["version"].unique()}


def versions(connection: duckdb.DuckDBPyConnection, tables: list[str]) -> set[int]:
    """The versions in some tables, each of which must be whole."""
    found = set()
    for table in tables:
        told = connection.execute(f"select version, count(*) from {table} group by all").fetchall()
        assert all(count == ROWS for _, count in told)
        found |= {version for version, _ in told}
    return found


def read_duckdb(current: Path) -> set[int]:
    """Both marts in Parquet by DuckDB."""
    folder = current.resolve()
    with duckdb.connect() as connection:
        return versions(connection, [f"'{folder}/marts/{name}.parquet'" for name in MARTS])


def read_database(current: Path) -> set[int]:
    """Both tables of the file for BI."""
    with duckdb.connect(current / "marts.duckdb", read_only=True) as connection:
        return versions(connection, list(MARTS))


def keep_session() -> Read:
    """A reader on one connection for as long as it lives."""
    connection = duckdb.connect()
    return lambda current: versions(connection, [f"'{current}/marts/customers.parquet'"])


def read_manifest(current: Path) -> set[int]:
    """All files against their digests."""
    folder = current.resolve()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert all(sha256_of(folder / file["path"]) == file["sha256"] for file in manifest["files"])
    return {manifest["version"]}


READERS: dict[str, Callable[[], Read]] = {
    "polars": lambda: read_polars,
    "duckdb": lambda: read_duckdb,
    "database": lambda: read_database,
    "session": keep_session,
    "manifest": lambda: read_manifest,
}


def read_on(kind: str, current: Path, done: Event, told: Any, count: Any) -> None:
    """Read until told to stop; then tell what was met."""
    read, met, seen, last = READERS[kind](), Counter[str](), set[int](), -1
    while not done.is_set():
        try:
            found = read(current)
        except Exception as error:  # each kind of failure is what is counted
            met[f"error {type(error).__name__}: {str(error)[:80]}"] += 1
            continue
        met["reads"] += 1
        met["mixed"] += len(found) != 1
        met["back in time"] += min(found) < last
        seen, last = seen | found, max(found)
        with count.get_lock():
            count.value += 1
    told.put((kind, met, len(seen)))


def read_through_releases(
    home: Path, releases: int, reads: int
) -> dict[str, tuple[Counter[str], int]]:
    """Put releases in place until there were so many, and so many reads of them.

    Returns:
        For each way to read: what was met, and how many versions were seen.
    """
    lake, context = Lake(home), multiprocessing.get_context("spawn")
    done, told, count = context.Event(), context.Queue(), context.Value("q", 0)
    put_release(lake, 0)
    readers = [
        context.Process(target=read_on, args=(kind, lake.current, done, told, count))
        for kind in READERS
    ]
    for reader in readers:
        reader.start()
    version = 0
    while version < releases or count.value < reads:
        version += 1
        put_release(lake, version)
        # Releases are spread over the reads, which is where a torn one would be seen.
        while count.value < reads * version / releases:
            time.sleep(0.001)
    done.set()
    found = {kind: (met, seen) for kind, met, seen in (told.get(timeout=60) for _ in readers)}
    for reader in readers:
        reader.join(60)
    return found


def main() -> None:
    """Run it and print what was met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("releases", type=int, nargs="?", default=200)
    parser.add_argument("reads", type=int, nargs="?", default=10_000)
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = read_through_releases(Path(folder) / "home", asked.releases, asked.reads)
    for kind, (met, seen) in found.items():
        print(f"{kind:9} {seen:4} versions seen   {dict(met)}")
    total = sum((met for met, _ in found.values()), Counter[str]())
    broken = sum(count for what, count in total.items() if what != "reads")
    print(f"{total['reads']} reads, {broken} broken, {time.monotonic() - began:.0f} s")
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
