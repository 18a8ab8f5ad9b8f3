"""Writes the releases anew without erased customers, and lets them take the place of the old ones.

    published/.erasing/          a new release while it is put together
    published/<date>__<new>/     in its place, beside the old one
    published/history.jsonl, current   now name the new ones
    published/.erased-<name>/    the old ones, as they go

Nothing old goes before all that is new is in place, and a release written anew twice is the same
release; so after a crash at any moment a second call ends what the first one began.
"""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from pipelines.catalogue import Catalogue
from pipelines.disk import sync
from pipelines.errors import C360Error
from pipelines.lake import Lake, empty_folder, with_parent, write_table
from pipelines.list_files import PLATFORMS, Files, write_list
from pipelines.privacy.releases import forget_customers
from pipelines.publish import MARTS, write_duckdb
from pipelines.release import (
    NOT_IN_NAME,
    Release,
    alone,
    find_releases,
    open_to_readers,
    replace_releases,
    share,
    sync_files,
    write_manifest,
)
from pipelines.rules.list_columns import ListColumns
from pipelines.segment_releases import released_segments
from pipelines.segments.reasons import guard_formulas
from pipelines.tableau import HYPER, can_write_hyper, write_hyper
from pipelines.yaml_files import read_yaml

Forget = Callable[[pl.DataFrame, frozenset[str]], pl.DataFrame]
NOT_FACTS = ("run_id", "files")
GRANTED = ["customer_id", "is_ads_matching_granted"]


def forget_released(
    lake: Lake,
    catalogue: Catalogue,
    ids: frozenset[str],
    refs: frozenset[str],
    tell: Callable[[str], None],
) -> dict[str, str]:
    """Take customers out of every release; returns the old names and the new ones.

    Args:
        lake: where they are.
        catalogue: what a row of each mart cannot do without.
        ids: the customers, with all ids that they ever had.
        refs: their records, as ties name them.
        tell: told how far it is.
    """

    def forget(frame: pl.DataFrame, keys: frozenset[str]) -> pl.DataFrame:
        return forget_customers(frame, keys, ids, refs)

    names: dict[str, str] = {}
    if not lake.published.exists():
        return names
    with alone(lake):
        for gone in lake.published.glob(".erased-*"):
            shutil.rmtree(gone)
        for release in find_releases(lake):
            tell(f"release {release.path.name}")
            name = _write_anew(lake, release, catalogue, forget, names)
            if name != release.path.name:
                names[release.path.name] = name
        if names:
            replace_releases(lake, names)
        for old in reversed(names):  # what a release goes on from goes after it
            gone = lake.published / f".erased-{old}"
            (lake.published / old).rename(gone)
            shutil.rmtree(gone)
        sync(lake.published)
    return names


def _write_anew(
    lake: Lake, release: Release, catalogue: Catalogue, forget: Forget, names: dict[str, str]
) -> str:
    scratch = empty_folder(lake.published / ".erasing")
    facts = {k: v for k, v in release.manifest.items() if k not in NOT_FACTS}
    before = facts.get("previous_release")
    lost: dict[str, int] = {}
    changed = False
    for path in sorted(release.path.rglob("*")):
        relative = path.relative_to(release.path)
        if not path.is_file() or relative.name in (*NOT_IN_NAME, "manifest.json"):
            continue
        target = with_parent(scratch / relative)
        if path.suffix != ".parquet":
            share(path, target)
            continue
        rows = pl.read_parquet(path)
        kept = forget(rows, _keys(catalogue, relative))
        if kept.equals(rows):
            share(path, target)
            continue
        changed = True
        write_table(kept, target)
        lost[relative.as_posix()] = rows.height - kept.height
    if not changed and before not in names:
        shutil.rmtree(scratch)
        return release.path.name
    if any(name.startswith("lists/") for name in lost):
        _write_lists(scratch, lost, date.fromisoformat(release.as_of))
    write_duckdb(scratch, catalogue)
    if (release.path / HYPER).exists() and can_write_hyper():
        write_hyper(scratch)
    facts = _corrected(facts, lost) | {"previous_release": names.get(before or "", before)}
    run_id = write_manifest(scratch, facts)
    target = lake.published / f"{release.as_of}__{run_id}"
    if not target.exists():
        open_to_readers(scratch)
        sync_files(scratch)
        scratch.rename(target)
        sync(lake.published)
    else:
        shutil.rmtree(scratch)
    return target.name


def _keys(catalogue: Catalogue, relative: Path) -> frozenset[str]:
    """Columns of a released table that a row cannot do without."""
    groups = {"marts": MARTS.get(relative.stem, ""), "state": "pipeline"}
    dataset = catalogue.group(groups.get(relative.parts[0], "")).get(relative.stem)
    return frozenset({*dataset.key, *dataset.required}) if dataset else frozenset()


def _write_lists(release: Path, lost: dict[str, int], as_of: date) -> None:
    """The files of each list that has lost a row, made anew by the release's own rules.

    Of a release whose rules cannot be read any more the copies in other forms go instead.
    """
    names = [Path(name).stem for name in lost if name.startswith("lists/")]
    folder = release / "lists"
    try:
        segments = {segment.name: segment for segment in released_segments(Release(release))}
        columns = ListColumns.model_validate(read_yaml(release / "rules" / "list_columns.yml"))
    except (C360Error, ValidationError, OSError):
        segments, columns = {}, ListColumns()
    granted = pl.scan_parquet(release / "marts" / "customer_360.parquet")
    files = Files(folder, columns, granted.select(GRANTED).collect(), None, as_of)
    if any(name not in segments for name in names) and (folder / PLATFORMS).exists():
        shutil.rmtree(folder / PLATFORMS)
    for name in names:
        rows = pl.read_parquet(folder / f"{name}.parquet")
        if name in segments:
            write_list(rows, segments[name], files)
            continue
        for ending in ("csv", "xlsx"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
        guard_formulas(rows).write_csv(folder / f"{name}.csv")


def _corrected(facts: dict[str, Any], lost: dict[str, int]) -> dict[str, Any]:
    """The manifest's counts without them; what a page shows of that night stays as it was."""
    lists = [
        told | {"rows": told["rows"] - lost.get(f"lists/{told['name']}.parquet", 0)}
        for told in facts.get("lists", ())
    ]
    gone = lost.get("marts/audience.parquet", 0)
    return facts | {
        "lists": lists,
        "customers": facts.get("customers", 0) - gone,
        "erased_count": facts.get("erased_count", 0) + gone,
    }
