"""Takes away what is older than `privacy.yml` lets it be kept.

Landing is kept: what a night computes comes from all of it. Never taken away are the current
release, the newest ones, a raw file that has not landed, and where a stream goes on from.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines.catalogue import Catalogue
from pipelines.lake import Lake, remove_all_scratch
from pipelines.land import RawFile, raw_files
from pipelines.raw_parts import is_of_records
from pipelines.raw_scrub import is_emptied, keep_place_only
from pipelines.release import alone, current_release, find_releases, write_index
from pipelines.rules.schemas import Retention
from pipelines.rules.sources import Sources

Work = tuple[str, Path, Callable[[], None]]


@dataclass(frozen=True)
class Policy:
    """How long each kind is kept, and the day that it is counted from."""

    retention: Retention
    day: date

    def is_over(self, kept_days: int | None, of: str) -> bool:
        """Whether what is of a date (ISO) may be kept no longer."""
        return kept_days is not None and of < (self.day - timedelta(days=kept_days)).isoformat()


def sweep(
    lake: Lake, catalogue: Catalogue, sources: Sources, policy: Policy, *, dry_run: bool
) -> dict[str, int]:
    """Take away what is too old; returns how many things of each kind went, or would go.

    Nobody may release meanwhile; who calls this holds off the nights.
    """
    counts: dict[str, int] = {}
    with alone(lake):
        if not dry_run:
            remove_all_scratch(lake)
        for kind, _, work in _find(lake, catalogue, sources, policy):
            counts[kind] = counts.get(kind, 0) + 1
            if not dry_run:
                work()
        if counts.get("releases") and not dry_run:
            write_index(lake)
    return counts


def _find(lake: Lake, catalogue: Catalogue, sources: Sources, policy: Policy) -> Iterator[Work]:
    retention = policy.retention
    for file in raw_files(lake, catalogue, sources, policy.day):
        if policy.is_over(retention.raw_days, file.date) and _may_go(lake, file):
            yield "raw files", file.path, _emptier(file)
    for folder in sorted(lake.quarantine.glob("*/source=*/date=*")):
        if policy.is_over(retention.quarantine_days, folder.name.removeprefix("date=")):
            yield "quarantine partitions", folder, _remover(folder)
    runs = sorted(lake.runs.glob("????-??-??"))
    for folder in runs[:-1]:
        if policy.is_over(retention.run_days, folder.name):
            yield "runs", folder, _remover(folder)
    for path in _old_releases(lake, retention.releases):
        yield "releases", path, _remover(path)


def _old_releases(lake: Lake, kept: int | None) -> list[Path]:
    """Releases of all dates but the newest so many; the next night goes on from the newest."""
    if kept is None:
        return []
    releases, current = find_releases(lake), current_release(lake)
    dates = sorted({release.as_of for release in releases})[-kept:]
    here = current.path if current else None
    return [r.path for r in releases if r.as_of not in dates and r.path.resolve() != here]


def _may_go(lake: Lake, file: RawFile) -> bool:
    """Whether a raw file has landed, and holds anything still."""
    if not file.manifest(lake.landing, file.tables[0]).exists():
        return False
    if file.part is None:
        return file.path.stat().st_size > 0
    return is_of_records(file.part) and not is_emptied(file.path)


def _emptier(file: RawFile) -> Callable[[], None]:
    """By its name a file is known to have been read; a part also tells what was seen of whom."""

    def empty() -> None:
        if file.part:
            keep_place_only(file.path)
            return
        scratch = file.path.with_name(f".{file.path.name}.part")
        scratch.write_bytes(b"")
        scratch.replace(file.path)

    return empty


def _remover(folder: Path) -> Callable[[], None]:
    def remove() -> None:
        gone = folder.with_name(f".swept-{folder.name}")
        folder.rename(gone)
        shutil.rmtree(gone)

    return remove
