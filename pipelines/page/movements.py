"""Who moved: grades then and now, changes of grade and stage, announced downgrades, the way up."""

from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.page.charts import bars, flows, heat_map
from pipelines.page.cross import TOTAL, cross, without_totals
from pipelines.page.figure import Column, Figure, Section, Text
from pipelines.page.small_cells import hide_small_groups, hide_small_shares
from pipelines.page.structure import place_of_stage
from pipelines.page.texts import column, with_words, word

GRADES = ("A", "B", "C", "D", "none")


def cross_migration(migration: pl.LazyFrame) -> pl.DataFrame:
    """Customers by grade then (down) and now (across), with totals.

    Returns:
        label, label_zh, one column for each grade, total.
    """
    counts = migration.select("from_grade", "to_grade", persons="customer_count").collect()
    crossed = cross(
        counts,
        "from_grade",
        "to_grade",
        _there(counts["from_grade"]),
        _there(counts["to_grade"]),
    )
    return with_words(crossed.rename({"from_grade": "label"}), "label", "grades")


def _there(codes: pl.Series) -> list[str]:
    return sorted(codes.unique(), key=GRADES.index)


def count_grade_flows(movements: pl.LazyFrame) -> pl.DataFrame:
    """Customers whose grade changed, by grade before and since; hidden streams are left out.

    Returns:
        start, start_zh, end, end_zh, customers.
    """
    moves = movements.filter(pl.col("ladder") == "grade").select(
        "customer_id",
        start=pl.col("from_level").fill_null("none"),
        end=pl.col("to_level").fill_null("none"),
    )
    streams = _count_streams(moves, GRADES, GRADES)
    return with_words(with_words(streams, "start", "grades"), "end", "grades")


def count_stage_flows(movements: pl.LazyFrame) -> pl.DataFrame:
    """Customers whose stage changed, by stage before and since; hidden streams are left out.

    Returns:
        start, start_zh, end, end_zh, customers.
    """
    called = {
        code: Text(english, chinese)
        for side in ("from", "to")
        for code, english, chinese in movements.select(
            pl.col(f"{side}_lifecycle_stage{part}").alias(part or "code")
            for part in ("", "_label", "_label_zh")
        )
        .drop_nulls()
        .unique()
        .collect(engine="streaming")
        .sort(pl.all())
        .iter_rows()
    }
    order = sorted(called, key=place_of_stage)
    moves = movements.select(
        "customer_id", start="from_lifecycle_stage", end="to_lifecycle_stage"
    ).drop_nulls()
    streams = _count_streams(moves, order, order)
    return streams.with_columns(
        pl.col(side)
        .replace({code: text[place] for code, text in called.items()})
        .alias(f"{side}{zh}")
        for side in ("start", "end")
        for place, zh in enumerate(("", "_zh"))
    )


def _count_streams(moves: pl.LazyFrame, starts: Sequence[str], ends: Sequence[str]) -> pl.DataFrame:
    counts = (
        moves.group_by("start", "end")
        .agg(pl.col("customer_id").n_unique().cast(pl.Int64).alias("persons"))
        .collect(engine="streaming")
    )
    crossed = without_totals(cross(counts, "start", "end", starts, ends))
    return (
        crossed.unpivot(index="start", variable_name="end", value_name="customers")
        .filter(pl.col("customers") > 0)
        .sort(_place("start", starts), _place("end", ends))
    )


def _place(name: str, order: Sequence[str]) -> pl.Expr:
    return pl.col(name).replace_strict(order, range(len(order)), return_dtype=pl.Int64)


def count_grade_reasons(movements: pl.LazyFrame) -> pl.DataFrame:
    """Changes of grade by their reason, ups and downs, the most frequent first.

    Returns:
        label, label_zh, up, down, total.
    """
    counts = (
        movements.filter(pl.col("ladder") == "grade")
        .group_by("reason", "direction")
        .agg(pl.len().cast(pl.Int64).alias("persons"))
        .collect(engine="streaming")
    )
    sizes = counts.group_by("reason").agg(pl.col("persons").sum())
    order = sizes.sort("persons", "reason", descending=[True, False])["reason"].to_list()
    crossed = cross(counts, "reason", "direction", order, ("up", "down"))
    return with_words(crossed.rename({"reason": "label"}), "label", "grade_reasons")


def count_announced(warnings: pl.LazyFrame) -> pl.DataFrame:
    """Customers who will lose their grade if nothing changes, by grade.

    Returns:
        label, label_zh, customers.
    """
    found = (
        warnings.filter(pl.col("ladder") == "grade")
        .group_by(label="level")
        .agg(pl.col("customer_id").n_unique().cast(pl.Int64).alias("customers"))
        .collect(engine="streaming")
        .sort("label")
    )
    return hide_small_groups(with_words(found, "label", "grades"), "customers", [])


def count_gaps(gaps: pl.LazyFrame) -> pl.DataFrame:
    """Customers below the highest grade by grade, and how many are near the next one.

    Returns:
        label, label_zh, customers, candidates, candidate_rate.
    """
    found = (
        gaps.group_by(label="grade")
        .agg(
            pl.len().cast(pl.Int64).alias("customers"),
            pl.col("is_upgrade_candidate").sum().cast(pl.Int64).alias("candidates"),
        )
        .collect(engine="streaming")
        .sort("label", descending=True)
    )
    rated = found.with_columns(candidate_rate=(pl.col("candidates") / pl.col("customers")).round(4))
    told = hide_small_shares(rated, "candidates", "customers", ["candidate_rate"])
    return with_words(told, "label", "grades").select(
        "label", "label_zh", "customers", "candidates", "candidate_rate"
    )


def make_movements(marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section, from whichever of the histories a release has."""
    makers = {
        "grade_migration": _migration,
        "grade_movements": _changes,
        "lifecycle_movements": _stages,
        "grade_warnings": _announced,
        "grade_gaps": _gaps,
    }
    figures = [
        figure for name, make in makers.items() if name in marts for figure in make(marts[name])
    ]
    return Section("movements", tuple(figures)) if figures else None


def _migration(migration: pl.LazyFrame) -> list[Figure]:
    rows = cross_migration(migration)
    across = [Column(code, "persons", word("grades", code)) for code in rows.columns[1:-2]]
    if not across:
        return []
    columns = (column("label", "label"), *across, column(TOTAL, "persons"))
    chart = heat_map(without_totals(rows), "label", across)
    return [Figure("grade_migration", columns, rows, chart)]


def _changes(movements: pl.LazyFrame) -> list[Figure]:
    reasons = count_grade_reasons(movements)
    if reasons.height < 2:  # nothing but the total
        return []
    ways = (column("up", "persons"), column("down", "persons"))
    columns = (column("label", "label"), *ways, column(TOTAL, "persons"))
    chart = bars(without_totals(reasons), "label", ways, stacked=True)
    return [
        *_flow_figure("grade_movements", count_grade_flows(movements)),
        Figure("grade_reasons", columns, reasons, chart),
    ]


def _stages(movements: pl.LazyFrame) -> list[Figure]:
    return _flow_figure("lifecycle_movements", count_stage_flows(movements))


def _flow_figure(name: str, rows: pl.DataFrame) -> list[Figure]:
    if not rows.height:
        return []
    customers = column("customers", "persons")
    columns = (column("start", "label"), column("end", "label"), customers)
    return [Figure(name, columns, rows, flows(rows, "start", "end", customers))]


def _announced(warnings: pl.LazyFrame) -> list[Figure]:
    rows = count_announced(warnings)
    if not rows.height:
        return []
    customers = column("customers", "persons")
    chart = bars(rows, "label", [customers])
    return [Figure("grade_warnings", (column("label", "label"), customers), rows, chart)]


def _gaps(gaps: pl.LazyFrame) -> list[Figure]:
    rows = count_gaps(gaps)
    if not rows.height:
        return []
    counts = (column("customers", "persons"), column("candidates", "persons"))
    columns = (column("label", "label"), *counts, column("candidate_rate", "rate"))
    return [Figure("grade_gaps", columns, rows, bars(rows, "label", counts))]
