"""Key figures by grade and night by night, and how each month's first buyers stayed."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from pipelines.page.charts import bars, heat_map, lines
from pipelines.page.figure import Column, Figure, Kind, Section, Text
from pipelines.page.numbers import write_number
from pipelines.page.small_cells import hide_small_shares, is_few, small_groups
from pipelines.page.texts import column, texts, word

THEMES = ("size", "money", "satisfaction", "loyalty", "conversion")
GRADES = ("A", "B", "C", "D")
TOTAL = "total"
KINDS: Mapping[str, Kind] = {
    "rate": "rate",
    "score": "number",
    "ratio": "number",
    "amount": "money",
    "count": "count",
}
NIGHTS = 90  # of which the page tells
COHORTS, MONTHS = 12, 12


def told_values(figures: pl.DataFrame) -> pl.DataFrame:
    """Null each value that rests on few, or tells that few did or did not.

    Args:
        figures: value, unit, base_count.
    """
    hidden = [
        any(is_few(count) for count in _counts(*row))
        for row in figures.select("unit", "value", "base_count").iter_rows()
    ]
    return figures.with_columns(
        pl.when(~pl.Series(hidden, dtype=pl.Boolean)).then(pl.col("value")).alias("value")
    )


def _counts(unit: str, value: float | None, base: int | None) -> tuple[int, int, int]:
    """The persons that a value tells of: those it rests on, those who did, those who did not."""
    whole = base or 0
    if unit == "count":
        return whole, round(value or 0), 0
    if unit == "rate":
        did = round((value or 0) * whole)
        return whole, did, whole - did
    return whole, 0, 0


def spread_by_grade(figures: pl.LazyFrame) -> pl.DataFrame:
    """Key figures down, grades across; of few persons, and of what would tell them, none.

    Args:
        figures: `kpi_by_grade`.

    Returns:
        metric, label, label_zh, unit, total, one column for each grade.
    """
    found = figures.filter(pl.col("kind") == TOTAL).collect().sort("metric", "grade")
    whole = told_values(found.filter(pl.col("grade") == TOTAL))
    totals = dict(whole.select("metric", "value").iter_rows())
    rows = []
    graded = found.filter(pl.col("grade") != TOTAL)
    for (metric, label, label_zh, unit), group in graded.group_by(
        "metric", "label", "label_zh", "unit", maintain_order=True
    ):
        counts = np.array(
            [_counts(*row) for row in group.select("unit", "value", "base_count").iter_rows()]
        )
        hidden = np.any([small_groups(line) for line in counts.T], axis=0)
        values = dict(group.filter(pl.Series(~hidden)).select("grade", "value").iter_rows())
        known = {"metric": metric, "label": label, "label_zh": label_zh, "unit": unit}
        rows.append(known | {TOTAL: totals.get(metric)} | {g: values.get(g) for g in GRADES})
    text = dict.fromkeys(("metric", "label", "label_zh", "unit"), pl.String)
    return pl.DataFrame(rows, {**text, **dict.fromkeys((TOTAL, *GRADES), pl.Float64)})


def spread_by_night(figures: pl.LazyFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Nights down, key figures across, the oldest first.

    Args:
        figures: `kpi_daily`.
        metrics: which of them, in order.

    Returns:
        night, one column for each metric.
    """
    found = told_values(figures.filter(pl.col("metric").is_in(metrics)).collect())
    nights = found.group_by(night="as_of").agg(
        pl.col("value").filter(pl.col("metric") == metric).first().alias(metric)
        for metric in metrics
    )
    return nights.sort("night").tail(NIGHTS)


def cross_cohorts(cohorts: pl.LazyFrame) -> pl.DataFrame:
    """Months of first orders down, months since across: the share that ordered again.

    Args:
        cohorts: `retention_cohorts`.

    Returns:
        cohort such as `2025-07`, customers, one column of rates for each month since.
    """
    found = cohorts.filter(
        pl.col("is_whole_month"), pl.col("months_since").is_between(1, MONTHS)
    ).collect()
    told = hide_small_shares(found, "active_count", "customer_count", ["retention_rate"])
    months = sorted(found["months_since"].unique())
    wide = told.group_by("cohort_month").agg(
        pl.col("customer_count").first().alias("customers"),
        *(
            pl.col("retention_rate").filter(pl.col("months_since") == month).first().round(4)
            .alias(str(month))
            for month in months
        ),
    )  # fmt: skip
    cohort = pl.col("cohort_month").dt.strftime("%Y-%m").alias("cohort")
    return wide.sort("cohort_month").tail(COHORTS).select(cohort, pl.all().exclude("cohort_month"))


def make_kpis(marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section, from `metrics` with `kpi_by_grade` and `kpi_daily`, and `retention_cohorts`."""
    figures: list[Figure] = []
    if "metrics" in marts and "kpi_by_grade" in marts:
        metrics = marts["metrics"].collect().sort("metric")
        themes = {
            theme: metrics.filter(pl.col("theme") == theme)["metric"].to_list() for theme in THEMES
        }
        by_grade = spread_by_grade(marts["kpi_by_grade"])
        for theme, names in themes.items():
            figures.extend(_of_theme(theme, by_grade.filter(pl.col("metric").is_in(names))))
        if "kpi_daily" in marts:
            for theme in THEMES[2:]:
                figures.extend(_by_night(theme, by_grade, marts["kpi_daily"], themes[theme]))
    if "retention_cohorts" in marts:
        figures.extend(_cohorts(marts["retention_cohorts"]))
    return Section("kpis", tuple(figures)) if figures else None


def _of_theme(theme: str, rows: pl.DataFrame) -> list[Figure]:
    if not rows.height:
        return []
    across = [Column(TOTAL, "written", texts().page[TOTAL])]
    across += [Column(grade, "written", word("grades", grade)) for grade in GRADES]
    written = rows.with_columns(
        pl.Series(
            c.name,
            [write_number(v, KINDS[unit]) for v, unit in rows.select(c.name, "unit").iter_rows()],
            dtype=pl.String,
        )
        for c in across
    )
    rates = rows.filter(pl.col("unit") == "rate")
    grades = [Column(grade, "rate", word("grades", grade)) for grade in GRADES]
    chart = bars(rates, "label", grades) if rates.height else None
    columns = (column("measure", "label"), *across)
    return [
        Figure(
            f"kpi_{theme}",
            columns,
            written.rename({"label": "measure", "label_zh": "measure_zh"}),
            chart,
        )
    ]


def _by_night(
    theme: str, known: pl.DataFrame, daily: pl.LazyFrame, metrics: Sequence[str]
) -> list[Figure]:
    rates = known.filter(pl.col("metric").is_in(metrics), pl.col("unit") == "rate")
    rows = spread_by_night(daily, rates["metric"].to_list())
    measures = [
        Column(metric, "rate", Text(label, label_zh))
        for metric, label, label_zh in rates.select("metric", "label", "label_zh").iter_rows()
        if rows[metric].null_count() < rows.height
    ]
    if rows.height < 2 or not measures:
        return []
    chart = lines(rows, "night", measures)
    return [Figure(f"daily_{theme}", (column("night", "day"), *measures), rows, chart)]


def _cohorts(cohorts: pl.LazyFrame) -> list[Figure]:
    rows = cross_cohorts(cohorts)
    if not rows.height:
        return []
    months = [Column(name, "rate", Text(name, name)) for name in rows.columns[2:]]
    columns = (column("cohort", "text"), column("customers", "persons"), *months)
    return [Figure("retention_cohorts", columns, rows, heat_map(rows, "cohort", months))]
