"""What customers are worth and who is about to leave."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars, heat_map
from pipelines.page.cross import TOTAL, cross, without_totals
from pipelines.page.figure import Column, Figure, Section
from pipelines.page.small_cells import hide_small_groups
from pipelines.page.structure import labels_of, share_of
from pipelines.page.texts import column, with_words

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
    """Customers by tenths of churn risk.

    Returns:
        risk such as `0.3–0.4`, customers, customer_rate.
    """
    place = (pl.col("churn_risk") * TENTHS).floor().clip(0, TENTHS - 1).cast(pl.Int64)
    counts = (
        audience.filter(pl.col("churn_risk").is_not_null())
        .group_by(place.alias("place"))
        .agg(pl.len().cast(pl.Int64).alias("customers"))
        .collect(engine="streaming")
    )
    names = [f"{place / TENTHS:.1f}–{(place + 1) / TENTHS:.1f}" for place in range(TENTHS)]
    every = pl.DataFrame(
        {"place": range(TENTHS), "risk": names}, {"place": pl.Int64, "risk": pl.String}
    )
    told = every.join(counts, on="place", how="left", maintain_order="left").select(
        "risk", pl.col("customers").fill_null(0)
    )
    shared = told.with_columns(share_of("customers").alias("customer_rate"))
    return hide_small_groups(shared, "customers", ["customer_rate"])


def cross_risks(audience: pl.LazyFrame) -> pl.DataFrame:
    """Customers by band of churn risk (down) and grade (across), with totals.

    Returns:
        label, label_zh, one column for each grade, total.
    """
    counts = (
        audience.filter(pl.col("churn_risk_band").is_not_null(), pl.col("grade").is_not_null())
        .group_by("churn_risk_band", "grade")
        .agg(pl.len().alias("persons"))
        .collect(engine="streaming")
    )
    grades = sorted(counts["grade"].unique())
    crossed = cross(counts, "churn_risk_band", "grade", BANDS[::-1], grades)
    return with_words(crossed.rename({"churn_risk_band": "label"}), "label", "bands")


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
    bands = count_risk_bands(audience)
    return [*_valued(cut_tenths(audience)), *(_at_risk(audience, bands) if bands.height else ())]


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


def _at_risk(audience: pl.LazyFrame, bands: pl.DataFrame) -> list[Figure]:
    customers, share = column("customers", "persons"), column("customer_rate", "rate")
    value = column("predicted_rate", "rate")
    risks, crossed = cut_risks(audience), cross_risks(audience)
    grades = labels_of(audience, "grade")
    across = [Column(name, "persons", grades[name]) for name in crossed.columns if name in grades]
    return [
        Figure(
            "risks",
            (column("risk", "text"), customers, share),
            risks,
            bars(risks, "risk", [customers], upright=True),
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
