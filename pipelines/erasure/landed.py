"""Takes the rows of erased persons out of landing, quarantine and the raw files behind them."""

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from pipelines.catalogue import Catalogue, Dataset
from pipelines.errors import C360Error
from pipelines.lake import Lake, read_json, read_table, write_json, write_table
from pipelines.land import RawFile, raw_files, read_file, scrub
from pipelines.landing import SECRET_OF_QUARANTINED, FileFacts, SeenRows, land_rows
from pipelines.privacy.references import key_columns
from pipelines.privacy.tombstones import Tombstones
from pipelines.rules.sources import Sources

Tell = Callable[[str], None]
PARTS = "source=*/date=*/part-*.parquet"


def read_landed(lake: Lake, catalogue: Catalogue) -> dict[str, pl.DataFrame]:
    """All landed rows, by table, in the columns that tell whose they are."""
    tables = {}
    for name, dataset in catalogue.landing.items():
        paths = sorted((lake.landing / name).glob(PARTS))
        if not paths:
            continue
        wanted = pl.Schema({column: dataset.schema[column] for column in key_columns(dataset)})
        tables[name] = pl.concat(
            [pl.DataFrame(schema=wanted), *(_read_columns(path, list(wanted)) for path in paths)],
            how="diagonal",
        )
    return tables


def _read_columns(path: Path, wanted: list[str]) -> pl.DataFrame:
    """Those of the columns that a part has; one of an older version may lack some."""
    there = pl.read_parquet_schema(path)
    return read_table(path, [name for name in wanted if name in there])


def forget_landed(
    lake: Lake, catalogue: Catalogue, sources: Sources, tombstones: Tombstones, tell: Tell
) -> dict[str, int]:
    """Take erased persons out of raw, landing and quarantine; called again, it goes on.

    A raw file is written anew before its landed rows, by which it is found again after a crash.

    Returns:
        Rows that went, by table, and how many raw files were written anew.
    """
    dirty = {path: dataset for path, dataset in _parts(lake, catalogue) if _is_dirty(
        path, dataset, lake, tombstones)}  # fmt: skip
    digests = {_digest(path) for path in dirty}
    scrubbed = 0
    for file in raw_files(lake, catalogue, sources, date.max, even_unfinished=True):
        waits = not file.manifest(lake.landing, file.tables[0]).exists()
        if file.path.stat().st_size and (waits or file.digest in digests):
            tell(f"raw: {file.source} {file.name}")
            scrubbed += scrub(file, _edits(file, catalogue, tombstones))
    counts: dict[str, int] = {}
    for path, dataset in dirty.items():
        tell(f"{dataset.name}: {path.name}")
        rows = read_table(path)
        kept = _kept(rows, path, dataset, lake, tombstones)
        write_table(kept, path, _secret(path, dataset, lake))
        counts[dataset.name] = counts.get(dataset.name, 0) + rows.height - kept.height
    _settle_manifests(lake)
    return counts | {"raw_files": scrubbed}


def _parts(lake: Lake, catalogue: Catalogue) -> list[tuple[Path, Dataset]]:
    return [
        (path, dataset)
        for root in (lake.landing, lake.quarantine)
        for name, dataset in catalogue.landing.items()
        for path in sorted((root / name).glob(PARTS))
    ]


def _digest(path: Path) -> str:
    return path.name.split("-")[1]


def _is_dirty(path: Path, dataset: Dataset, lake: Lake, tombstones: Tombstones) -> bool:
    if path.is_relative_to(lake.quarantine):
        return bool(tombstones.judge_texts(read_table(path, ["source", "raw"])).any())
    return tombstones.judge(_read_columns(path, key_columns(dataset)), dataset).has_any


def _secret(path: Path, dataset: Dataset, lake: Lake) -> Collection[str]:
    return SECRET_OF_QUARANTINED if path.is_relative_to(lake.quarantine) else dataset.personal


def _kept(
    rows: pl.DataFrame, path: Path, dataset: Dataset, lake: Lake, tombstones: Tombstones
) -> pl.DataFrame:
    if path.is_relative_to(lake.quarantine):
        return rows.filter(~tombstones.judge_texts(rows.select("source", "raw")))
    return tombstones.judge(rows, dataset).clean(rows)


def _edits(file: RawFile, catalogue: Catalogue, tombstones: Tombstones) -> list[pl.DataFrame]:
    """What of a raw file may not stay, as land would find it."""
    facts = FileFacts(file.source, file.name, date.fromisoformat(file.date))
    seen = {table: SeenRows() for table in file.tables}
    try:
        return [
            land_rows(frame, catalogue["landing", table], facts, seen[table], tombstones).edits
            for table, frame, _ in read_file(file)
        ]
    except C360Error as error:
        raise C360Error(
            f"{file.path} cannot be read, so nobody can be taken out of it: {error.message}",
            f"Remove {file.path}, or mend it, and call erase again: it goes on from here.",
        ) from None


def _settle_manifests(lake: Lake) -> None:
    """Count again what each file has become: rows in = landed + quarantined + erased."""
    for path in sorted(lake.landing.glob("*/source=*/date=*/*.json")):
        told = read_json(path)
        found = {}
        for name, root in (("landed", lake.landing), ("quarantined", lake.quarantine)):
            folder = root / path.parent.relative_to(lake.landing)
            parts = list(folder.glob(f"part-{told['digest']}-*.parquet"))
            rows = sum(pq.read_metadata(part).num_rows for part in parts)
            found[name] = rows if parts else told[name]  # what retention took away was there
        found["erased"] = told["rows_in"] - found["landed"] - found["quarantined"]
        if any(told.get(name, 0) != count for name, count in found.items()):
            write_json(told | found, path)
