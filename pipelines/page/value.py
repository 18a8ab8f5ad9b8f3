"""What customers are worth and who is about to leave."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars, heat_map
from pipelines.page.cross import TOTAL, cross, without_totals
from pipelines.page.figure import Column, Figure, Section
from pipelines.page.small_cells import hide_small_groups
from pipelines.page.structure import labels_of, share_of
from pipelines.page.texts import column, with_words, word

BANDS = ("low", "medium", "high")
SEVERITIES = ("high", "medium", "low")
TENTHS = 10
TENTH = {"tenth": pl.String, "customers": pl.Int64}


def cut_tenths(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers with a prediction by tenths of it, the highest first; equal values stay together.

    Returns:
        tenth, customers, predicted, predicted_rate, margin (of the past year), margin_rate,
        least (the least prediction in the tenth).
    """
    scored = audience.filter(pl.col("clv_365d_amount").is_not_null())
    value = pl.col("clv_365d_amount").cast(pl.Float64)
    cuts = [place / TENTHS for place in range(1, TENTHS)]
    edges = scored.select(value.quantile(cut, "higher").alias(str(cut)) for cut in cuts).collect(
        engine="streaming"
    )
    if edges.row(0)[0] is None:
        return pl.DataFrame(schema=TENTH)
    below = pl.sum_horizontal((value < edge).cast(pl.Int64) for edge in edges.row(0))
    found = (
        scored.group_by(tenth=1 + below)
        .agg(
            pl.len().cast(pl.Int64).alias("customers"),
            pl.col("clv_365d_amount").sum().alias("predicted"),
            pl.col("net_margin_365d_amount").sum().alias("margin"),
            pl.col("clv_365d_amount").min().alias("least"),
        )
        .collect(engine="streaming")
        .sort("tenth")
    )
    told = found.select(
        pl.col("tenth").cast(pl.String),
        "customers",
        "predicted",
        share_of("predicted").alias("predicted_rate"),
        "margin",
        share_of("margin").alias("margin_rate"),
        "least",
    )
    return hide_small_groups(told, "customers", told.columns[2:])


def cut_risks(cube: pl.DataFrame) -> pl.DataFrame:
    """Customers by tenths of churn risk (down) and its band (across), with totals.

    Returns:
        risk such as `0.3–0.4`, one column for each band, total.
    """
    counts = cube.filter(
        pl.col("risk_tenth").is_not_null(), pl.col("churn_risk_band").is_not_null()
    )
    names = [f"{place / TENTHS:.1f}–{(place + 1) / TENTHS:.1f}" for place in range(TENTHS)]
    tenth = pl.col("risk_tenth").replace_strict(range(TENTHS), names, return_dtype=pl.String)
    named = counts.with_columns(risk=tenth, persons=pl.col("customers"))
    return with_words(cross(named, "risk", "churn_risk_band", names, BANDS), "risk", "bands")


def cross_risks(cube: pl.DataFrame) -> pl.DataFrame:
    """Customers by band of churn risk (down) and grade (across), with totals.

    Returns:
        label, label_zh, one column for each grade, total.
    """
    counts = cube.filter(pl.col("churn_risk_band").is_not_null(), pl.col("grade").is_not_null())
    crossed = cross(
        counts.rename({"customers": "persons"}),
        "churn_risk_band",
        "grade",
        BANDS[::-1],
        sorted(counts["grade"].unique()),
    )
    return with_words(crossed.rename({"churn_risk_band": "label"}), "label", "bands")


def count_risk_bands(cube: pl.DataFrame) -> pl.DataFrame:
    """Customers and the margin predicted of them by band of churn risk.

    Returns:
        label, label_zh, customers, customer_rate, predicted, predicted_rate.
    """
    found = (
        cube.filter(pl.col("churn_risk_band").is_not_null())
        .group_by(label="churn_risk_band")
        .agg(pl.col("customers", "predicted").sum())
        .sort(pl.col("label").replace_strict(BANDS, range(len(BANDS)), return_dtype=pl.Int64))
    )
    told = with_words(found, "label", "bands").select(
        "label",
        "label_zh",
        "customers",
        share_of("customers").alias("customer_rate"),
        "predicted",
        share_of("predicted").alias("predicted_rate"),
    )
    return hide_small_groups(told, "customers", told.columns[3:])


def count_reasons(reasons: pl.LazyFrame) -> pl.DataFrame:
    """Customers by the first reason of their churn risk, the most frequent first.

    Returns:
        label, label_zh, customers, customer_rate.
    """
    found = (
        reasons.filter(pl.col("reason_rank") == 1)
        .group_by(label="reason")
        .agg(pl.len().alias("customers"))
        .collect(engine="streaming")
        .sort("customers", "label", descending=[True, False])
    )
    told = with_words(found, "label", "reasons").select(
        "label", "label_zh", "customers", share_of("customers").alias("customer_rate")
    )
    return hide_small_groups(told, "customers", ["customer_rate"])


def count_warnings(warnings: pl.LazyFrame) -> pl.DataFrame:
    """Customers by warning, the most severe first; a customer may have several.

    Returns:
        label, label_zh, severity, severity_zh, owner, customers.
    """
    found = (
        warnings.group_by("label", "label_zh", "severity", "owner")
        .agg(pl.len().alias("customers"))
        .collect(engine="streaming")
        .sort(
            pl.col("severity").replace_strict(
                SEVERITIES, range(len(SEVERITIES)), default=len(SEVERITIES)
            ),
            pl.col("customers"),
            "label",
            descending=[False, True, False],
        )
    )
    told = with_words(found, "severity", "severities")
    order = ["label", "label_zh", "severity", "severity_zh", "owner", "customers"]
    return hide_small_groups(told.select(order), "customers", [])


def make_value(cube: pl.DataFrame | None, marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section; without predictions there is none of them."""
    figures = [
        *(_valued(cut_tenths(marts["audience"])) if "audience" in marts else ()),
        *(_at_risk(cube) if cube is not None else ()),
        *(_reasons(marts["churn_reasons"]) if "churn_reasons" in marts else ()),
        *(_warned(marts["customer_warnings"]) if "customer_warnings" in marts else ()),
    ]
    return Section("value", tuple(figures)) if figures else None


def _valued(tenths: pl.DataFrame) -> list[Figure]:
    if not tenths.height:
        return []
    predicted, margin = column("predicted_rate", "rate"), column("margin_rate", "rate")
    columns = (
        column("tenth", "text"),
        column("customers", "persons"),
        column("least", "money"),
        column("predicted", "money"),
        predicted,
        column("margin", "money"),
        margin,
    )
    chart = bars(tenths, "tenth", (predicted, margin), upright=True)
    return [Figure("tenths", columns, tenths, chart)]


def _at_risk(cube: pl.DataFrame) -> list[Figure]:
    bands = count_risk_bands(cube)
    if not bands.height:
        return []
    customers, share = column("customers", "persons"), column("customer_rate", "rate")
    of_bands = [Column(band, "persons", word("bands", band)) for band in BANDS]
    value = column("predicted_rate", "rate")
    risks, crossed = cut_risks(cube), cross_risks(cube)
    grades = labels_of(cube, "grade")
    across = [Column(name, "persons", grades[name]) for name in crossed.columns if name in grades]
    return [
        Figure(
            "risks",
            (column("risk", "label"), *of_bands, column(TOTAL, "persons")),
            risks,
            bars(without_totals(risks), "risk", of_bands, stacked=True, upright=True),
        ),
        Figure(
            "risk_grades",
            (column("label", "label"), *across, column(TOTAL, "persons")),
            crossed,
            heat_map(without_totals(crossed), "label", across),
        ),
        Figure(
            "risk_bands",
            (column("label", "label"), customers, share, column("predicted", "money"), value),
            bands,
            bars(bands, "label", (share, value)),
        ),
    ]


def _reasons(reasons: pl.LazyFrame) -> list[Figure]:
    rows = count_reasons(reasons)
    if not rows.height:
        return []
    told = (column("customers", "persons"), column("customer_rate", "rate"))
    columns = (column("label", "label"), *told)
    return [Figure("reasons", columns, rows, bars(rows, "label", told[:1]))]


def _warned(warnings: pl.LazyFrame) -> list[Figure]:
    rows = count_warnings(warnings)
    if not rows.height:
        return []
    customers = column("customers", "persons")
    columns = (
        column("label", "label"),
        column("severity", "label"),
        column("owner", "text"),
        customers,
    )
    return [Figure("warnings", columns, rows, bars(rows, "label", [customers]))]
