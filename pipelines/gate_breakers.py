"""The breakers of a gate: measures what is watched, for the gate to judge and the release to keep.

Those of lists are measured where lists are made, for what trips there does not stop the night.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from pipelines.breakers.inputs import Brought, read_inputs
from pipelines.breakers.judge import (
    ACCEPTED,
    TRIPPED,
    WARNING,
    Accepted,
    Memory,
    Reading,
    judge,
    keep_nights,
)
from pipelines.breakers.marts import Counted, read_drift, read_grade_changes, read_mart, read_shared
from pipelines.catalogue import Catalogue
from pipelines.lake import Lake, Run, read_json, write_table
from pipelines.release import Release, previous_release, recall
from pipelines.rules.breakers import Breakers
from pipelines.rules.schemas import RuleBook
from pipelines.steps import read_report

BREAKERS = "breakers"
NEEDED_BY = "gate"


def write_gate_breakers(
    stage: str, lake: Lake, run: Run, catalogue: Catalogue, book: RuleBook, accepted: Accepted
) -> None:
    """Write `<stage>_breakers` of a gate that has breakers."""
    before = previous_release(lake, run.as_of)
    memory = recall_breakers(before, catalogue, stage, book.breakers)
    if stage == "landing":
        brought = list(find_brought(run, before.as_of if before else None, book))
        readings = list(
            read_inputs(brought, find_stale(run, book), run.as_of, book.breakers.inputs, memory)
        )
    elif stage == "marts":
        readings = list(_read_marts(run, catalogue, book.breakers, memory))
    else:
        return
    write_verdicts(judge(readings, stage, run.as_of, accepted), stage, run, catalogue)


def recall_breakers(
    before: Release | None, catalogue: Catalogue, stage: str, rules: Breakers
) -> Memory:
    """What the last releases measured of a stage."""
    schema = catalogue["pipeline", BREAKERS].schema
    return Memory(recall(before, f"marts/{BREAKERS}", schema), stage, rules.nights)


def write_verdicts(verdicts: pl.DataFrame, stage: str, run: Run, catalogue: Catalogue) -> None:
    """Write the verdicts of a stage into the run."""
    dataset = catalogue["pipeline", f"{stage}_{BREAKERS}"]
    write_table(dataset.conform(verdicts.lazy()), run.table("pipeline", dataset.name))


def write_history(before: Release | None, run: Run, catalogue: Catalogue, rules: Breakers) -> None:
    """Write `breakers`: tonight's verdicts of all stages, and those of the nights before."""
    dataset = catalogue["pipeline", BREAKERS]
    tonight = pl.concat(
        run.scan("pipeline", f"{stage}_{BREAKERS}", "publish").collect()
        for stage in ("landing", "marts", "lists")
    )
    told = recall(before, f"marts/{BREAKERS}", dataset.schema)
    if told is not None:
        tonight = pl.concat([keep_nights(told, rules.nights), tonight], how="vertical_relaxed")
    write_table(dataset.conform(tonight.lazy()), run.table("pipeline", BREAKERS))


def find_tripped(run: Run) -> list[dict[str, Any]]:
    """What the manifest tells of tonight's breakers: all that did not simply pass."""
    rows = run.scan("pipeline", BREAKERS, "release").filter(
        (pl.col("as_of") == run.as_of) & pl.col("outcome").is_in([TRIPPED, ACCEPTED, WARNING])
    )
    return rows.drop("as_of").collect().to_dicts()


def find_brought(run: Run, released: str | None, book: RuleBook) -> Iterator[Brought]:
    """What each source brought into each of its tables since the last release.

    And the days since anything of it had come before. Sources that are configured no more are left
    out: nothing is expected of them.
    """
    report = read_report(run, "land")
    inputs: list[dict[str, Any]] = report["facts"]["inputs"] if report else []
    day = run.as_of.isoformat()
    configured = {source.part_of or source.name for source in book.sources.sources}
    tonight: Counter[tuple[str, str]] = Counter()
    came: dict[str, str] = {}
    for file in inputs:
        source, table = file["source"], file["table"]
        is_tonight = file["date"] >= day or (released is not None and file["date"] > released)
        tonight[source, table] += file["rows_in"] if is_tonight else 0
        if not is_tonight:
            came[source] = max(came.get(source, ""), file["date"])
    for (source, table), rows in sorted(tonight.items()):
        if source in configured:
            last = date.fromisoformat(came[source]) if source in came else run.as_of
            yield source, table, rows, max(1, (run.as_of - last).days)


def find_stale(run: Run, book: RuleBook) -> frozenset[str]:
    """Sources that are down tonight, by the name that their rows have."""
    reports = [read_json(path) for path in sorted(run.steps.glob("extract_*.json"))]
    down = {
        report["step"].removeprefix("extract ")
        for report in reports
        if report.get("facts", {}).get("is_stale")
    }
    return frozenset(
        source.part_of or source.name for source in book.sources.sources if source.name in down
    )


def _read_marts(
    run: Run, catalogue: Catalogue, rules: Breakers, memory: Memory
) -> Iterator[Reading]:
    for name in sorted(rules.marts.marts):
        limits = rules.marts.of(name)
        group = next(group for group, own in catalogue.datasets if own == name)
        rows = run.scan(group, name, NEEDED_BY)
        counted = count_missing(run, group, name)
        yield from read_mart(name, counted, limits, memory)
        if name == "customer_grades":
            changed = rows.select(pl.col("is_grade_changed").sum()).collect().item()
            yield read_grade_changes(name, changed, counted.rows, limits)
        if name == "customer_identifiers":
            shared = rows.select(pl.col("is_shared").sum()).collect().item()
            yield read_shared(name, shared, counted, limits, memory)
        if name == "customer_scores":
            drift = run.scan("pipeline", "model_drift", NEEDED_BY).collect()
            yield from read_drift(name, drift, limits)


def count_missing(run: Run, group: str, name: str) -> Counted:
    """Rows and missing values of a mart, from the footer of its file: no row is read."""
    footer = pq.read_metadata(run.table(group, name))
    missing: Counter[str] = Counter()
    for number in range(footer.num_row_groups):
        part = footer.row_group(number)
        for place in range(part.num_columns):
            column = part.column(place)
            if column.statistics is not None and column.statistics.has_null_count:
                missing[column.path_in_schema] += column.statistics.null_count
    return Counted(footer.num_rows, missing)
