"""What a customer is worth tonight: measures, their percentiles, value score and VIP score."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from pipelines.rules.influence import Influence
from pipelines.rules.tiers import VipWeights, Weights
from pipelines.tiers.scale import Floats, Scale

PERSON, ORGANISATION = "person", "organisation"
PEER_GROUPS = (ORGANISATION, PERSON)
READ = (
    "customer_id", "kind", "order_count", "order_count_365d", "net_margin_365d_amount",
    "net_margin_amount", "net_revenue_365d_amount", "tenure_days", "nps_score",
    "converted_referral_count", "referral_net_revenue_365d_amount",
    "second_degree_net_revenue_365d_amount", "social_reach_count", "social_share_count_365d",
    "refunded_amount",
)  # fmt: skip
PERCENTILES = {
    "net_margin_365d": "net_margin_percentile",
    "order_count_365d": "order_count_percentile",
    "clv_365d": "clv_percentile",
    "tenure": "tenure_percentile",
    "influence": "influence_percentile",
    "spend": "spend_percentile",
    "frequency": "frequency_percentile",
}
Scales = Mapping[str, Scale]


def average_customer(customers: pl.DataFrame) -> float | None:
    """What an average customer buys in a year: it makes revenue brought comparable anywhere."""
    bought = customers.filter(pl.col("net_revenue_365d_amount") > 0)["net_revenue_365d_amount"]
    return float(bought.sum()) / len(bought) if len(bought) else None


def measure_customers(
    customers: pl.DataFrame,
    scores: pl.DataFrame,
    influence: Influence,
    averages: Mapping[str, float | None],
) -> pl.DataFrame:
    """The measures of every customer, as plain numbers.

    Args:
        customers: the columns `READ` of `customer_360`.
        scores: customer_id, clv_365d_amount; empty on a night without scores.
        influence: what makes an influencer.
        averages: yearly net revenue of an average customer, by peer group.

    Returns:
        customer_id, kind, peer_group (person or organisation), has_order, the measures of
        `PERCENTILES`, is_advocate and refunded (money ever paid back); sorted by customer.
    """

    def money(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Float64).fill_null(0)

    brought = money("referral_net_revenue_365d_amount") + (
        influence.second_degree_share * money("second_degree_net_revenue_365d_amount")
    )
    # Capped apart from what is brought, so that bots cannot buy a grade.
    social = influence.reach_weight * (1 + money("social_reach_count")).log()
    social += influence.share_weight * (1 + money("social_share_count_365d")).log()
    social = pl.min_horizontal(social, pl.lit(influence.social_cap))
    group = pl.when(pl.col("kind") == PERSON).then(pl.lit(PERSON)).otherwise(pl.lit(ORGANISATION))
    average = group.replace_strict(dict(averages), default=None, return_dtype=pl.Float64)
    worth = influence.brought_weight * (1 + (brought.clip(0) / average).fill_null(0)).log()
    joined = customers.join(
        scores.select("customer_id", "clv_365d_amount"), on="customer_id", how="left"
    )
    return joined.select(
        "customer_id",
        "kind",
        group.alias("peer_group"),
        (pl.col("order_count") > 0).alias("has_order"),
        money("net_margin_365d_amount").alias("net_margin_365d"),
        money("order_count_365d").alias("order_count_365d"),
        pl.col("clv_365d_amount").cast(pl.Float64).alias("clv_365d"),
        pl.col("tenure_days").cast(pl.Float64).alias("tenure"),
        pl.min_horizontal(social + worth, pl.lit(influence.cap)).round(6).alias("influence"),
        money("net_margin_amount").alias("spend"),
        money("order_count").alias("frequency"),
        ((pl.col("nps_score") >= 9).fill_null(False)
         | (pl.col("converted_referral_count") > 0).fill_null(False)).alias("is_advocate"),
        money("refunded_amount").alias("refunded"),
    ).sort("customer_id")  # fmt: skip


def rank_measures(
    measures: pl.DataFrame, scales: Mapping[str, Scales], days_since: Mapping[str, int]
) -> pl.DataFrame:
    """Percentiles of each measure among the peers of the day the scales were taken.

    Tenure is that of that day, too, as everybody's grows by a day each night. Only buyers have
    percentiles; a measure without a scale has none.

    Args:
        measures: as of `measure_customers`.
        scales: by peer group, those of each measure.
        days_since: by peer group, days since they were taken.
    """
    days = pl.col("peer_group").replace_strict(dict(days_since), default=0, return_dtype=pl.Int64)
    then = measures.with_columns(pl.col("tenure") - days)
    return measures.with_columns(
        rates_of(then, name, scales).alias(percentile) for name, percentile in PERCENTILES.items()
    )


def rates_of(frame: pl.DataFrame, measure: str, scales: Mapping[str, Scales]) -> pl.Series:
    """Percentile of a measure for each buyer, on the scale of the buyer's peers."""
    values = frame[measure].cast(pl.Float64).fill_null(np.nan).to_numpy()
    buyers = frame["has_order"].to_numpy()
    rates: Floats = np.full(len(values), np.nan)
    for group, own in scales.items():
        if scale := own.get(measure):
            chosen = buyers & (frame["peer_group"] == group).to_numpy()
            rates[chosen] = scale.rate(values[chosen])
    return pl.Series(measure, rates).fill_nan(None)


def add_value_score(ranked: pl.DataFrame, weights: Weights) -> pl.DataFrame:
    """The value score, 0 to 100, and its points and weight, whose ratio it is.

    Without an order there is none.
    What a customer has no percentile of drops out, with its weight.
    """
    parts = [(pl.col(PERCENTILES[name]), weight) for name, weight in weights if weight]
    known = pl.sum_horizontal(part.is_not_null() * weight for part, weight in parts)
    points = pl.sum_horizontal(part * weight for part, weight in parts)
    is_known = pl.col("has_order") & (known > 0)
    return ranked.with_columns(
        value_points=pl.when(is_known).then(points.round(12)),
        value_weight=pl.when(is_known).then(known.round(12)),
    ).with_columns(value_score=(100 * pl.col("value_points") / pl.col("value_weight")).round(4))


def add_vip_score(ranked: pl.DataFrame, weights: VipWeights) -> pl.DataFrame:
    """The VIP score, 0 to 1 times the sum of its weights; null without an order."""
    score = (
        pl.col("spend_percentile") * weights.spend
        + pl.col("frequency_percentile") * weights.frequency
        + pl.col("tenure_percentile") * weights.tenure
        + pl.col("is_advocate") * weights.advocacy
    )
    return ranked.with_columns(vip_score=score.round(6))
