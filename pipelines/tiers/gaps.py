"""What is missing to a score: in points, and in money or orders of the year that bring them."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.rules.tiers import Tiers
from pipelines.tiers.edges import Edges
from pipelines.tiers.ladders import GRADE
from pipelines.tiers.policy import BELOW_BAND
from pipelines.tiers.scale import Floats

NEXT, KEEP = "next", "keep"
POINT = 0.0001  # scores are rounded to this
CENT = 0.01


def find_targets(
    values: pl.DataFrame,
    standing: pl.DataFrame,
    edges: Mapping[str, Edges],
    tiers: Tiers,
    as_of: date,
) -> pl.DataFrame:
    """What each customer is short of: to the next level, and to keep the own one.

    Each way is worked out by itself, all else being as it is tonight: so much more net margin in
    the year, or so many more orders. Null where that alone cannot do it.

    Args:
        values: one row per customer: measures, percentiles, scores.
        standing: where everybody stands, as `grade_customers` returns it.
        edges: by peer group.
        tiers: the rules.
        as_of: the run date.

    Returns:
        customer_id, ladder, aim (next or keep), because (of keep: why it is at risk), target_score,
        missing_score, missing_net_margin_365d_amount, missing_order_count_365d; sorted by key. Only
        grades are told in money and orders; VIP bands rest on the whole past.
    """
    scored = standing.filter(pl.col("score").is_not_null())
    reached = pl.col("score") >= pl.col("next_cut_score")
    ahead = scored.filter(pl.col("next_cut_score").is_not_null(), ~reached).select(
        "customer_id", "ladder", "score", aim=pl.lit(NEXT), because=pl.lit(None, pl.String),
        target_score="next_cut_score",
    )  # fmt: skip
    policy = tiers.policy
    share = pl.when(pl.col("warned_because") == BELOW_BAND).then(policy.band)
    is_by_hand = pl.col("override_until_on").is_not_null()
    behind = scored.filter(pl.col("warned_on").is_not_null(), ~is_by_hand).select(
        "customer_id", "ladder", "score", aim=pl.lit(KEEP), because="warned_because",
        target_score=(share.otherwise(policy.review_below) * pl.col("cut_score")).round(4),
    )  # fmt: skip
    soon = as_of + timedelta(policy.grace_days)
    ending = standing.filter(
        is_by_hand, pl.col("rank") < pl.col("shown"), pl.col("override_until_on") <= soon
    ).select(
        "customer_id", "ladder", "score", aim=pl.lit(KEEP), because=pl.lit("override_ends"),
        target_score="shown_cut_score",
    )  # fmt: skip
    targets = pl.concat([ahead, behind, ending]).sort("customer_id", "ladder", "aim")
    known = targets.join(values, on="customer_id", maintain_order="left")
    margin, orders = _ways(known, edges, tiers)
    return targets.select(
        "customer_id", "ladder", "aim", "because", "target_score",
        missing_score=(pl.col("target_score") - pl.col("score")).clip(0).round(4),
        missing_net_margin_365d_amount=margin,
        missing_order_count_365d=orders,
    )  # fmt: skip


def _ways(
    targets: pl.DataFrame, edges: Mapping[str, Edges], tiers: Tiers
) -> tuple[pl.Series, pl.Series]:
    """Missing margin, and missing orders, of each target of a grade."""
    is_grade = pl.col("ladder") == GRADE
    missing = pl.col("target_score") - pl.col("score")
    if tiers.cut_by in ("net_margin_365d", "order_count_365d"):
        found = targets.select(
            margin=pl.when(is_grade & (tiers.cut_by == "net_margin_365d")).then(missing),
            orders=pl.when(is_grade & (tiers.cut_by == "order_count_365d")).then(missing.ceil()),
        )
        return found["margin"], found["orders"].cast(pl.Int64)
    points = targets.select(
        pl.when(is_grade).then((missing + POINT) * pl.col("value_weight") / 100)
    )
    return (
        _needed(targets, "net_margin_365d", "net_margin_percentile", points.to_series(),
                tiers.weights.net_margin_365d, CENT, edges).round(2),
        _needed(targets, "order_count_365d", "order_count_percentile", points.to_series(),
                tiers.weights.order_count_365d, 1.0, edges).cast(pl.Int64),
    )  # fmt: skip


def _needed(
    targets: pl.DataFrame,
    measure: str,
    percentile: str,
    points: pl.Series,
    weight: float,
    unit: float,
    edges: Mapping[str, Edges],
) -> pl.Series:
    """How much more of a measure lifts its percentile far enough."""
    needed: Floats = np.full(targets.height, np.nan)
    if weight:
        rates = (targets[percentile] + points / weight).fill_null(np.nan).to_numpy()
        for group, own in edges.items():
            if scale := own.scales.get(measure):
                chosen = (targets["peer_group"] == group).to_numpy()
                needed[chosen] = scale.value_at(rates[chosen], unit)
    more = pl.Series(measure, needed).fill_nan(None) - targets[measure]
    return pl.select(pl.lit(more).clip(0)).to_series() if targets.height else more
