"""The files of a list: for machines, for people, and for the platforms that it names."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.lake import with_parent, write_table
from pipelines.platforms.files import platform_files
from pipelines.platforms.workbook import write_workbook
from pipelines.rules.list_columns import ListColumns
from pipelines.rules.segments import Segment
from pipelines.segments.reasons import guard_formulas

PLATFORMS = "platforms"


@dataclass(frozen=True)
class Files:
    """Where the files of a night's lists go, and what they need beside the rows.

    granted: customer_id and is_ads_matching_granted: advertising platforms are told of nobody else.
    """

    folder: Path
    columns: ListColumns
    granted: pl.DataFrame
    default_country: str | None
    as_of: date


def write_list(rows: pl.DataFrame, segment: Segment, files: Files) -> None:
    """Write `<list>.parquet`, `.csv` and `.xlsx`, and `<alias>_<platform>.*` of each platform.

    Nothing in a cell runs in a spreadsheet; a platform's file has its own spelling and digests.
    """
    folder = files.folder
    write_table(rows, folder / f"{segment.name}.parquet")
    for stale in list_copies(folder, segment):  # a link to another release's, or a part too many
        stale.unlink()
    guard_formulas(rows).write_csv(folder / f"{segment.name}.csv")
    book = write_workbook(rows, segment.name, files.columns.labels, files.as_of)
    (folder / f"{segment.name}.xlsx").write_bytes(book)
    for platform, alias in segment.platforms.items():
        made = platform_files(rows, platform, alias, files.granted, files.default_country)
        for name, content in made.items():
            with_parent(folder / PLATFORMS / name).write_bytes(content)


def list_copies(folder: Path, segment: Segment) -> list[Path]:
    """The files of a list that are made of its Parquet file."""
    copies = [folder / f"{segment.name}.{ending}" for ending in ("csv", "xlsx")]
    stems = tuple(f"{alias}_{platform}" for platform, alias in segment.platforms.items())
    outside = [p for p in (folder / PLATFORMS).glob("*") if stems and p.name.startswith(stems)]
    return [path for path in [*copies, *sorted(outside)] if path.exists()]
