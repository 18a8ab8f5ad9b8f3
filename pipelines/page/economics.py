"""What each grade brings in and costs."""

from collections.abc import Mapping

import polars as pl

from pipelines.page.charts import bars
from pipelines.page.figure import Figure, Section
from pipelines.page.small_cells import hide_small_groups
from pipelines.page.texts import column, with_words

AMOUNTS = {
    "revenue": "net_revenue_365d_amount",
    "margin": "net_margin_365d_amount",
    "cost": "cost_to_serve_365d_amount",
    "profit": "profit_365d_amount",
    "profit_per_customer": "profit_365d_per_customer_amount",
}
COSTS = (
    "case", "visit", "call", "logistics", "return", "gift", "points", "discount",
    "account_manager", "campaign", "ad",
)  # fmt: skip


def sum_grades(economics: pl.LazyFrame) -> pl.DataFrame:
    """Revenue, margin, cost and profit of a year by grade, A first.

    Returns:
        label, label_zh, customers, revenue, margin, cost, profit, profit_per_customer, return.
    """
    rows = _grades(economics).select(
        "label",
        "label_zh",
        pl.col("customer_count").alias("customers"),
        *(pl.col(column).alias(name) for name, column in AMOUNTS.items()),
        pl.col("return_on_service_365d_ratio").round(3).alias("return"),
    )
    return hide_small_groups(rows, "customers", [*AMOUNTS, "return"])


def sum_costs(economics: pl.LazyFrame) -> pl.DataFrame:
    """Cost to serve of a year by grade and kind of cost; a kind that costs nothing is left out.

    Returns:
        label, label_zh, customers, one column for each kind of cost.
    """
    rows = _grades(economics).select(
        "label",
        "label_zh",
        pl.col("customer_count").alias("customers"),
        *(pl.col(f"{kind}_cost_365d_amount").alias(f"{kind}_cost") for kind in COSTS),
    )
    named = [f"{kind}_cost" for kind in COSTS if rows[f"{kind}_cost"].sum()]
    told = hide_small_groups(rows, "customers", named)
    return told.select("label", "label_zh", "customers", *named)


def _grades(economics: pl.LazyFrame) -> pl.DataFrame:
    whole = (pl.col("kind") == "total") & (pl.col("vip_band") == "total")
    graded = economics.filter(whole, pl.col("grade") != "total").collect().sort("grade")
    return with_words(graded.with_columns(label=pl.col("grade")), "label", "grades")


def make_economics(marts: Mapping[str, pl.LazyFrame]) -> Section | None:
    """The section, from `grade_economics`."""
    if "grade_economics" not in marts:
        return None
    rows, costs = sum_grades(marts["grade_economics"]), sum_costs(marts["grade_economics"])
    if not rows.height:
        return None
    amounts = [column(name, "money") for name in AMOUNTS]
    first = (column("label", "label"), column("customers", "persons"))
    figures = [
        Figure(
            "grade_economics",
            (*first, *amounts, column("return", "number")),
            rows,
            bars(rows, "label", amounts[1:4]),
        )
    ]
    kinds = [column(name, "money") for name in costs.columns[3:]]
    if kinds:
        chart = bars(costs, "label", kinds, stacked=True)
        figures.append(Figure("grade_costs", (*first, *kinds), costs, chart))
    return Section("economics", tuple(figures))
