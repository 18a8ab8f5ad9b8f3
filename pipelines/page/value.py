"""What customers are worth and who is about to leave."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars
from pipelines.page.cross import TOTAL, cross, without_totals
from pipelines.page.figure import Column, Figure, Section
from pipelines.page.small_cells import hide_small_groups
from pipelines.page.structure import labels_of, share_of
from pipelines.page.texts import column, texts, with_words

BANDS = ("low", "medium", "high")
SEVERITIES = ("high", "medium", "low")
TENTHS = 10


def cut_tenths(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers with a prediction by tenths of it, the highest first; equal values stay together.

    Returns:
        tenth, customers, predicted, predicted_rate, margin (of the past year), margin_rate,
        least (the least prediction in the tenth).
    """
    by_value = (
        audience.filter(pl.col("clv_365d_amount").is_not_null())
        .group_by("clv_365d_amount")
        .agg(pl.len().alias("customers"), pl.col("net_margin_365d_amount").sum().alias("margin"))
        .collect(engine="streaming")
        .sort("clv_365d_amount", descending=True)
    )
    middle = pl.col("customers").cum_sum() - pl.col("customers") / 2
    tenth = (middle / pl.col("customers").sum() * TENTHS).floor().cast(pl.Int64) + 1
    found = (
        by_value.with_columns(tenth=tenth)
        .group_by("tenth")
        .agg(
            pl.col("customers").sum().cast(pl.Int64),
            (pl.col("clv_365d_amount") * pl.col("customers")).sum().alias("predicted"),
            pl.col("margin").sum(),
            pl.col("clv_365d_amount").min().alias("least"),
        )
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


def cut_risks(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers by tenths of churn risk (down) and grade (across), with totals.

    Returns:
        risk such as `0.3–0.4`, one column for each grade, total.
    """
    place = (pl.col("churn_risk") * TENTHS).floor().clip(0, TENTHS - 1).cast(pl.Int64)
    counts = (
        audience.filter(pl.col("churn_risk").is_not_null(), pl.col("grade").is_not_null())
        .group_by(place.alias("place"), "grade")
        .agg(pl.len().alias("persons"))
        .collect(engine="streaming")
    )
    names = [f"{place / TENTHS:.1f}–{(place + 1) / TENTHS:.1f}" for place in range(TENTHS)]
    named = counts.with_columns(
        risk=pl.col("place").replace_strict(range(TENTHS), names, return_dtype=pl.String)
    )
    return cross(named, "risk", "grade", names, sorted(counts["grade"].unique()))


def count_risk_bands(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers and the margin predicted of them by band of churn risk.

    Returns:
        label, label_zh, customers, customer_rate, predicted, predicted_rate.
    """
    found = (
        audience.filter(pl.col("churn_risk_band").is_not_null())
        .group_by(label="churn_risk_band")
        .agg(pl.len().alias("customers"), pl.col("clv_365d_amount").sum().alias("predicted"))
        .collect(engine="streaming")
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


def make_value(marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section; without predictions there is none of them."""
    figures = [
        *(_scored(marts["audience"]) if "audience" in marts else ()),
        *(_reasons(marts["churn_reasons"]) if "churn_reasons" in marts else ()),
        *(_warned(marts["customer_warnings"]) if "customer_warnings" in marts else ()),
    ]
    return Section("value", tuple(figures)) if figures else None


def _scored(audience: pl.LazyFrame) -> list[Figure]:
    tenths, risks = cut_tenths(audience), cut_risks(audience)
    bands = count_risk_bands(audience)
    figures = []
    if tenths.height:
        shares = (column("predicted_rate", "rate"), column("margin_rate", "rate"))
        columns = (
            column("tenth", "text"),
            column("customers", "persons"),
            column("least", "money"),
            column("predicted", "money"),
            shares[0],
            column("margin", "money"),
            shares[1],
        )
        chart = bars(tenths, "tenth", shares, upright=True)
        figures.append(Figure("tenths", columns, tenths, chart))
    if bands.height:
        grades = labels_of(audience, "grade")
        across = [Column(grade, "persons", grades[grade]) for grade in risks.columns[1:-1]]
        named = risks.with_columns(
            risk_zh=pl.col("risk").replace(TOTAL, texts().page[TOTAL].zh),
            risk=pl.col("risk").replace(TOTAL, texts().page[TOTAL].en),
        )
        columns = (column("risk", "label"), *across, column(TOTAL, "persons"))
        chart = bars(without_totals(named), "risk", across, stacked=True, upright=True)
        figures.append(Figure("risks", columns, named, chart))
        told = (
            column("label", "label"),
            column("customers", "persons"),
            column("customer_rate", "rate"),
            column("predicted", "money"),
            column("predicted_rate", "rate"),
        )
        figures.append(Figure("risk_bands", told, bands, bars(bands, "label", (told[2], told[4]))))
    return figures


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
