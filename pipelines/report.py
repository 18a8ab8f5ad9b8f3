"""The report page of a release, written beside its files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.lake import Lake, write_text
from pipelines.page.report import make_report
from pipelines.release import Release
from pipelines.rules.segments import Segment

PAGE = "report.html"


def write_report(
    lake: Lake, release: Path, facts: Mapping[str, Any], segments: Sequence[Segment]
) -> Path:
    """Write `report.html` into a release that is being put together; returns its path.

    Args:
        lake: where the last release is, whose lists this one's are compared with.
        release: the release's folder, with its marts.
        facts: what its manifest will say.
        segments: the rules of its lists.
    """
    marts = {
        path.stem: pl.scan_parquet(path) for path in sorted((release / "marts").glob("*.parquet"))
    }
    page = release / PAGE
    write_text(make_report(marts, facts, segments, _lists_before(lake, facts)), page)
    return page


def _lists_before(lake: Lake, facts: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    name = facts["previous_release"]
    if name is None or not (lake.published / name / "manifest.json").exists():
        return []
    lists: Sequence[Mapping[str, Any]] = Release(lake.published / name).manifest.get("lists", [])
    return lists
