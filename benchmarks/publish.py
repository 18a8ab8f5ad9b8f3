"""What publishing a mart costs: sorted and written, copied, into the DuckDB file, put in place.

    .venv/bin/python benchmarks/publish.py [ROWS]

The mart is `customer_rfm` (13 columns) beside three columns of the customers, as `serving.py` makes
them. Each part is a process of its own, whose processor seconds and peak memory are told.
"""

import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
from scale import PROJECT, usage
from serving import ROWS, write_marts

from pipelines.catalogue import load_catalogue
from pipelines.lake import Lake, with_parent
from pipelines.publish import write_duckdb
from pipelines.release import release_run, write_manifest

AS_OF = date(2026, 6, 30)


def write_mart(home: Path) -> None:
    """As dbt writes each mart: in the order of its key, with the memory that a night has."""
    run = Lake(home).run(AS_OF)
    key = ", ".join(load_catalogue(PROJECT)["models", "customer_rfm"].key)
    made, mart = (run.path / folder / "customer_rfm.parquet" for folder in ("marts", "models"))
    settings = {"memory_limit": "4GB", "temp_directory": str(run.path / "scratch")}
    with duckdb.connect(config=settings) as database:
        database.execute(
            f"copy (select * from read_parquet('{made}') order by {key}) "
            f"to '{with_parent(mart)}' (format parquet, compression zstd)"
        )


def copy_mart(home: Path) -> None:
    """As `publish` puts it into the release."""
    run = Lake(home).run(AS_OF)
    target = with_parent(run.release / "marts" / "customer_rfm.parquet")
    shutil.copyfile(run.table("models", "customer_rfm"), target)


def write_database(home: Path) -> None:
    """`marts.duckdb` of the release."""
    write_duckdb(Lake(home).run(AS_OF).release, load_catalogue(PROJECT))


def place(home: Path) -> None:
    """Manifest with every digest, and the move of `current`."""
    lake = Lake(home)
    run = lake.run(AS_OF)
    release_run(lake, run, write_manifest(run.release, {"date": AS_OF.isoformat()}))


def told(part: Callable[[Path], None], home: Path) -> None:
    """Do a part here, and print what it took."""
    began = time.monotonic()
    part(home)
    print(f"{part.__name__:<16}", json.dumps(usage(began)), flush=True)


def main() -> None:
    """Make the mart and publish it."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_marts(Lake(home).run(AS_OF).path, rows, AS_OF.day)
        for part in (write_mart, copy_mart, write_database, place):
            process = fresh.Process(target=told, args=(part, home))
            process.start()
            process.join()
        database = next(Lake(home).published.glob("*/marts.duckdb"))
        print(f"marts.duckdb has {database.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
