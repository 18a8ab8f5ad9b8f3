"""Key figures of a night: each metric for everybody, by grade and by kind, and night by night."""

from collections.abc import Callable, Iterable
from datetime import date

import duckdb
import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.lake import Lake, Run, write_table
from pipelines.metrics import UNITS, Metric, Metrics
from pipelines.release import previous_release, recall

TOTAL = "total"
MEASURES = "customer_measures"
TONIGHT, DAYS_AGO = "tonight", "days_ago"  # the day of the grade that customers are told apart by
Ask = Callable[[str], pl.DataFrame]


def measure_kpis(lake: Lake, run: Run, catalogue: Catalogue) -> int:
    """Write `metrics`, `kpi_by_grade` and `kpi_daily`; returns the number of key figures."""
    manifest = run.path / "dbt" / "target" / "semantic_manifest.json"
    metrics = Metrics(manifest.read_text(encoding="utf-8"))
    run.scan("models", MEASURES, "measure")
    with duckdb.connect() as connection:
        connection.read_parquet(str(run.table("models", MEASURES))).create_view(MEASURES)
        by_grade = measure_by_grade(metrics, lambda sql: connection.sql(sql).pl(), run.as_of)
    before = previous_release(lake, run.as_of)
    schema = catalogue["pipeline", "kpi_daily"].schema
    told = recall(before, "marts/kpi_daily", schema)
    history = pl.DataFrame(schema=schema) if told is None else told
    tables = {
        "metrics": describe_metrics(metrics),
        "kpi_by_grade": by_grade,
        "kpi_daily": append_day(history, by_grade, run.as_of),
    }
    for name, frame in tables.items():
        dataset = catalogue["pipeline", name]
        table = dataset.conform(frame.lazy()).sort(dataset.key)
        write_table(table, run.table("pipeline", name))
    return len(metrics.published)


def describe_metrics(metrics: Metrics) -> pl.DataFrame:
    """What each key figure is called and means, in English and Chinese."""
    return pl.DataFrame(
        [
            {"metric": m.name, "label": m.label, "label_zh": m.label_zh, "theme": m.theme,
             "unit": m.unit, "definition": m.definition, "base_metric": m.base,
             "change_days": m.days_ago}
            for m in metrics.published
        ],
        schema_overrides={"change_days": pl.Int64},
    )  # fmt: skip


def measure_by_grade(metrics: Metrics, ask: Ask, as_of: date) -> pl.DataFrame:
    """Every key figure for everybody, by kind, by grade and by both.

    A change since a day is told by the grade of that day, because who stayed is graded higher
    for it; while the history of grades does not reach back, by tonight's, and `grade_basis` says
    so.

    Args:
        metrics: the definitions.
        ask: gives the rows of a query on `customer_measures`.
        as_of: the run date.

    Returns:
        metric, grade and kind (each may be `total`), grade_basis, value, base_count and
        missing_because: `nobody` to measure, or `unknown`; with label, label_zh and unit.
    """
    told = metrics.published
    parts = [_values(metrics, told, ask, dimensions) for dimensions in ((), ("kind",))]
    bases = [(TONIGHT, "grade", told)]
    for days in sorted({metric.days_ago for metric in told if metric.days_ago}):
        grade_then = f"grade_{days}d_ago"
        # ruff: noqa: S608 - a column's name of the definitions, no value of the data
        reaches = ask(f"select count({grade_then}) > 0 as reaches from {MEASURES}").item()
        if reaches:
            since = tuple(metric for metric in told if metric.days_ago == days)
            bases = [(b, c, tuple(m for m in ms if m not in since)) for b, c, ms in bases]
            bases.append((DAYS_AGO, grade_then, since))
    for basis, column, asked in bases:
        for dimensions in ((column,), (column, "kind")):
            part = _values(metrics, asked, ask, dimensions).rename({column: "grade"})
            parts.append(part.with_columns(grade_basis=pl.lit(basis)))
    found = pl.concat(parts, how="diagonal").with_columns(
        pl.col("grade", "kind").fill_null(TOTAL), as_of=pl.lit(as_of)
    )
    return found.sort("metric", "grade", "kind")


def append_day(history: pl.DataFrame, by_grade: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The key figures of everybody, night by night: what was told before, and tonight's."""
    total = by_grade.filter((pl.col("grade") == TOTAL) & (pl.col("kind") == TOTAL))
    earlier = history.filter(pl.col("as_of") < as_of)
    return pl.concat([earlier, total.select(history.columns)], how="vertical_relaxed")


def _values(
    metrics: Metrics, told: Iterable[Metric], ask: Ask, dimensions: tuple[str, ...]
) -> pl.DataFrame:
    """One row for each metric and group; groups without a name, as of unknown grade, left out."""
    told = tuple(told)
    names = [metric.name for metric in told] + [metric.base for metric in told]
    wide = ask(metrics.sql(names, dimensions))
    groups = {f"customer__{dimension}": dimension for dimension in dimensions}
    wide = wide.rename(groups).drop_nulls(list(groups.values()))
    return pl.concat(
        wide.select(
            *dimensions,
            metric=pl.lit(metric.name),
            label=pl.lit(metric.label),
            label_zh=pl.lit(metric.label_zh),
            unit=pl.lit(metric.unit),
            value=pl.col(metric.name).cast(pl.Float64).round(UNITS[metric.unit]),
            base_count=pl.col(metric.base).cast(pl.Int64),
        )
        for metric in told
    ).with_columns(
        missing_because=pl.when(pl.col("value").is_null()).then(
            pl.when(pl.col("base_count") == 0).then(pl.lit("nobody")).otherwise(pl.lit("unknown"))
        )
    )
