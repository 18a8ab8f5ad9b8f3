"""What is missing to a score: in points, and in money or orders of the year that bring them."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.rules.tiers import Tiers
from pipelines.tiers.edges import Edges
from pipelines.tiers.ladders import GRADE
from pipelines.tiers.policy import BELOW_BAND
from pipelines.tiers.scale import Floats, Scale
from pipelines.tiers.values import Scales

NEXT, KEEP = "next", "keep"
ROUNDED = 0.00004  # less than half of what scores are rounded to
CENT = 0.01
WAYS = {
    "missing_net_margin_365d_amount": pl.Float64(), "missing_order_count_365d": pl.Int64(),
    "missing_usual_order_count_365d": pl.Int64(),
}  # fmt: skip


def find_targets(
    values: pl.DataFrame,
    standing: pl.DataFrame,
    edges: Mapping[str, Edges],
    tiers: Tiers,
    as_of: date,
) -> pl.DataFrame:
    """What each customer is short of: to the next level, and to keep the own one.

    Each way is worked out by itself, all else being as it is tonight: so much more net margin in
    the year; so many more orders that bring no margin; so many more orders that each bring the
    margin of an order of this customer so far. Null where that alone cannot do it.

    Args:
        values: one row per customer: measures, percentiles, scores.
        standing: where everybody stands, as `grade_customers` returns it.
        edges: by peer group.
        tiers: the rules.
        as_of: the run date.

    Returns:
        customer_id, ladder, aim (next or keep), because (of keep: why it is at risk), target_score,
        missing_score and the columns of `WAYS`; sorted by key. Only grades are told in money and
        orders; VIP bands rest on the whole past.
    """
    targets = _targets(standing, tiers, as_of)
    nobody = pl.DataFrame(schema={"customer_id": pl.String(), "aim": pl.String(), **WAYS})
    ways = [
        _ways(targets.filter(peer_group=group), values, own.scales, tiers)
        for group, own in edges.items()
    ]
    found = targets.join(pl.concat([nobody, *ways]), on=["customer_id", "aim"], how="left")
    is_grade = pl.col("ladder") == GRADE
    return found.select(
        "customer_id", "ladder", "aim", "because", "target_score",
        (pl.col("target_score") - pl.col("score")).clip(0).round(4).alias("missing_score"),
        *(pl.when(is_grade).then(name).alias(name) for name in WAYS),
    ).sort("customer_id", "ladder", "aim")  # fmt: skip


def _targets(standing: pl.DataFrame, tiers: Tiers, as_of: date) -> pl.DataFrame:
    """The scores that are aimed at."""
    policy = tiers.policy
    scored = standing.filter(pl.col("score").is_not_null())
    is_by_hand = pl.col("override_until_on").is_not_null()
    is_ahead = pl.col("score") < pl.col("next_cut_score")
    ahead = scored.filter(is_ahead).with_columns(
        aim=pl.lit(NEXT), because=pl.lit(None, pl.String), target_score="next_cut_score"
    )
    share = pl.when(pl.col("warned_because") == BELOW_BAND).then(policy.band)
    behind = scored.filter(pl.col("warned_on").is_not_null(), ~is_by_hand).with_columns(
        aim=pl.lit(KEEP),
        because="warned_because",
        target_score=(share.otherwise(policy.review_below) * pl.col("cut_score")).round(4),
    )
    is_soon = pl.col("override_until_on") <= as_of + timedelta(policy.grace_days)
    ending = standing.filter(is_by_hand, pl.col("rank") < pl.col("shown"), is_soon).with_columns(
        aim=pl.lit(KEEP), because=pl.lit("override_ends"), target_score="shown_cut_score"
    )
    columns = ["customer_id", "peer_group", "ladder", "aim", "because", "score", "target_score"]
    return pl.concat([part.select(columns) for part in (ahead, behind, ending)])


def _ways(
    targets: pl.DataFrame, values: pl.DataFrame, scales: Scales, tiers: Tiers
) -> pl.DataFrame:
    """Customer_id, aim and the columns of `WAYS`, of the grades of one peer group."""
    grades = targets.filter(ladder=GRADE).join(
        values.drop("peer_group"), on="customer_id", maintain_order="left"
    )
    missing = (grades["target_score"] - grades["score"]).clip(0)
    if tiers.cut_by == "net_margin_365d":
        found = {"missing_net_margin_365d_amount": missing}
    elif tiers.cut_by == "order_count_365d":
        found = {"missing_order_count_365d": missing, "missing_usual_order_count_365d": missing}
    else:
        # In weights times percentiles, which is what the score is the sum of.
        aim = (grades["target_score"] - ROUNDED) * grades["value_weight"] / 100
        needed = (aim - grades["value_points"]).clip(0)
        weights = tiers.weights
        found = {
            "missing_net_margin_365d_amount": _alone(
                grades, needed, "net_margin_365d", "net_margin_percentile",
                scales.get("net_margin_365d"), weights.net_margin_365d, CENT,
            ),
            "missing_order_count_365d": _alone(
                grades, needed, "order_count_365d", "order_count_percentile",
                scales.get("order_count_365d"), weights.order_count_365d, 1.0,
            ),
            "missing_usual_order_count_365d": _usual_orders(grades, needed, scales, tiers),
        }  # fmt: skip
    none = pl.Series([None] * grades.height, dtype=pl.Float64)
    return grades.select("customer_id", "aim").with_columns(
        found.get(name, none).round(2).cast(dtype).alias(name) for name, dtype in WAYS.items()
    )


def _alone(
    grades: pl.DataFrame,
    needed: pl.Series,
    measure: str,
    percentile: str,
    scale: Scale | None,
    weight: float,
    unit: float,
) -> pl.Series:
    """How much more of one measure brings what is needed."""
    if scale is None or not weight:
        return pl.Series([None] * grades.height, dtype=pl.Float64)
    rates = (grades[percentile] + needed / weight).fill_null(np.nan).to_numpy()
    reached = pl.Series(scale.value_at(rates, unit)).fill_nan(None)
    return (reached - grades[measure]).clip(0)


def _usual_orders(
    grades: pl.DataFrame, needed: pl.Series, scales: Scales, tiers: Tiers
) -> pl.Series:
    """How many more orders, each with the customer's usual margin, bring what is needed."""
    usual = (grades["spend"] / grades["frequency"]).clip(0).fill_nan(0).to_numpy()
    wanted = needed.fill_null(np.nan).to_numpy()
    found: Floats = np.full(grades.height, np.nan)
    ways = (
        ("net_margin_365d", "net_margin_percentile", tiers.weights.net_margin_365d, usual),
        ("order_count_365d", "order_count_percentile", tiers.weights.order_count_365d, 1.0),
    )
    for more in range(1, tiers.max_gap_orders + 1):
        gained = np.zeros(grades.height)
        for measure, percentile, weight, each in ways:
            if (scale := scales.get(measure)) and weight:
                rate = scale.rate(grades[measure].to_numpy() + more * each)
                gained += weight * (rate - grades[percentile].fill_null(np.nan).to_numpy())
        found = np.where(np.isnan(found) & (gained >= wanted), more, found)
    return pl.Series(found).fill_nan(None)
