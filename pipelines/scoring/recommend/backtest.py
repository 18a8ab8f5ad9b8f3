"""Are the recommendations any better than the popular items? Judged on days that were kept back."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rules.recommendation import ItemRules
from pipelines.scoring.recommend.demand import Demand
from pipelines.scoring.recommend.items import DECIMALS, Method, recommend_items

# Where the difference is this many standard errors wide, it is clear.
CLEAR_ERRORS = 2.0


class RecommendationReport(BaseModel):
    """How recommendations did on the days kept back, and which method is published for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = Field(description="The method that is published.")
    grade: Literal["A", "B", "C"] | None = Field(
        description="Against popularity: A clearly better, B as good, C worse; null if not judged."
    )
    reason: str = Field(description="Why this method, in a sentence.")
    known_before: date = Field(description="Purchases up to this day were known to both methods.")
    customers: int = Field(description="Customers known by then who bought on the days kept back.")
    hit_rate: float | None = Field(
        description="Share of them who bought at least one of their recommended items."
    )
    popularity_hit_rate: float | None = Field(description="The same, for the popular items.")
    coverage: float | None = Field(description="Share of all items recommended to anybody.")
    popularity_coverage: float | None = Field(description="The same, for the popular items.")


@dataclass(frozen=True)
class Recommendations:
    """The next items of all customers, and how such recommendations did before."""

    items: pl.DataFrame
    report: RecommendationReport


def recommend_best(demand: Demand, rules: ItemRules, as_of: date) -> Recommendations:
    """Return what `recommend_items` gives by whichever method did better on the days kept back."""
    report = judge_recommendations(demand, rules, as_of)
    return Recommendations(recommend_items(demand, rules, as_of, report.method), report)


def judge_recommendations(demand: Demand, rules: ItemRules, as_of: date) -> RecommendationReport:
    """Return how both methods would have done over the last `backtest_days`.

    Both recommend with what was known before those days, to the customers who bought before and
    within them, and both obey the same exclusions. Items discontinued since count as on sale then.
    """
    cut = as_of - timedelta(days=rules.backtest_days)
    bought = demand.purchases.filter(pl.col("bought_on") <= as_of, pl.col("item_id").is_not_null())
    before, after = (
        bought.filter(pl.col("bought_on") <= cut),
        bought.filter(pl.col("bought_on") > cut),
    )
    judges = (
        demand.customers.select("customer_id")
        .join(before, on="customer_id", how="semi")
        .join(after, on="customer_id", how="semi")
    )
    if judges.height < rules.min_backtest_customers:
        return RecommendationReport(
            method="popularity",
            grade=None,
            reason=f"{judges.height} customers bought both before {cut} and after it; "
            f"{rules.min_backtest_customers} are needed to judge. The popular items are given.",
            known_before=cut,
            customers=judges.height,
            hit_rate=None,
            popularity_hit_rate=None,
            coverage=None,
            popularity_coverage=None,
        )
    then = replace(demand, items=demand.items.clear())
    item_count = before["item_id"].n_unique()
    hits, coverage = {}, {}
    methods: tuple[Method, ...] = ("item_to_item", "popularity")
    for method in methods:
        given = recommend_items(then, rules, cut, method).join(judges, on="customer_id", how="semi")
        hits[method] = _count_hits(judges, given, after)
        coverage[method] = round(given["item_id"].n_unique() / item_count, DECIMALS)
    return _report(hits["item_to_item"], hits["popularity"], coverage, cut)


def _count_hits(judges: pl.DataFrame, given: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    """Return for each judge whether any recommended item was bought, in the order of their ids."""
    hit = (
        given.join(after, on=["customer_id", "item_id"], how="semi").select("customer_id").unique()
    )
    return (
        judges.sort("customer_id")
        .join(hit.with_columns(is_hit=1), on="customer_id", how="left", maintain_order="left")[
            "is_hit"
        ]
        .fill_null(0)
    )


def _report(
    own: pl.Series, popular: pl.Series, coverage: dict[Method, float], cut: date
) -> RecommendationReport:
    customers = len(own)
    won = int(((own == 1) & (popular == 0)).sum())
    lost = int(((own == 0) & (popular == 1)).sum())
    # Both methods face the same customers: only those whom just one of them hits tell anything.
    clear = (won - lost) > CLEAR_ERRORS * (won + lost) ** 0.5
    grade: Literal["A", "B", "C"] = "C" if won < lost else "A" if clear else "B"
    rate, popular_rate = int(own.sum()) / customers, int(popular.sum()) / customers
    verdict = {
        "A": "what goes with their purchases does clearly better",
        "B": "what goes with their purchases does as well",
        "C": "what goes with their purchases does worse, so the popular items are given",
    }[grade]
    return RecommendationReport(
        method="popularity" if grade == "C" else "item_to_item",
        grade=grade,
        reason=f"Of {customers} customers who bought after {cut}, {rate:.1%} bought a recommended "
        f"item and {popular_rate:.1%} a popular one: {verdict}.",
        known_before=cut,
        customers=customers,
        hit_rate=round(rate, DECIMALS),
        popularity_hit_rate=round(popular_rate, DECIMALS),
        coverage=coverage["item_to_item"],
        popularity_coverage=coverage["popularity"],
    )
