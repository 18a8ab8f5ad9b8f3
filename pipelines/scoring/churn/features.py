"""What a customer's order days say about the next ones: about twenty columns, most of them logs.

Two steps, so that a store that keeps sums from night to night can do the first one cheaply:
`aggregate_history` counts and sums, `build_features` derives. Nothing here looks beyond
`feature_on`.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from pipelines.scoring.past.order_models import FIRST_CHANNEL, OrderModel, logits_of_no_order
from pipelines.scoring.past.snapshots import add_up

WINDOWS_DAYS = (30, 90, 180, 365)
MARGIN_WINDOWS_DAYS = (90, 365)
# A gap of its own counts against the usual gap of the base as in the stages of the life cycle.
SHRINKAGE_GAPS = 3.0
ONE_DAY = 1.0
LOG_UNITS = 100_000
# Multiplied, not divided, as in `add_up`.
ONE_LOG_UNIT = 1 / LOG_UNITS
# A window that leaves out orders of fewer customers than this says what the lifetime says. Learnt
# on a short history and read on a longer one it would mean two things, so it counts as unknown.
LEAST_SHARE_LEFT_OUT = 0.05

AGGREGATES = pl.Schema(
    {
        "customer_id": pl.String(),
        "recency_days": pl.Int32(),
        "tenure_days": pl.Int32(),
        "order_day_count": pl.Int32(),
    }
    | {f"order_days_{days}d_count": pl.Int32() for days in WINDOWS_DAYS}
    | dict.fromkeys(
        (
            "gap_last_days", "margin_first_amount", "margin_last_amount", "discount_rate",
            "margin_amount", *(f"margin_{days}d_amount" for days in MARGIN_WINDOWS_DAYS),
            "gap_mean_days", "gap_log_mean", "gap_log_sd", "refund_rate",
        ),
        pl.Float64(),
    )
)  # fmt: skip

ORDER_FEATURES = (
    "log_recency", "log_tenure", "log_frequency", "log_orders_30d", "log_orders_90d",
    "log_orders_180d", "log_orders_365d", "log_own_gap", "log_overdue", "gap_spread",
    "log_slowing", "log_last_two_quarters", "log_margin_per_order", "log_margin_90d",
    "log_margin_365d", "log_last_basket", "discount_rate", "refund_rate", "is_one_time",
)  # fmt: skip


def aggregate_history(known: pl.DataFrame, feature_on: date) -> pl.DataFrame:
    """Return counts and sums (AGGREGATES) per customer with an order, sorted by customer_id.

    Args:
        known: Order days of `prepare_order_days`, sorted.
        feature_on: The last day that counts; later rows are ignored.

    Returns:
        customer_id; recency_days, tenure_days; order_day_count and its windows
        order_days_30d_count ...; gap_mean_days, gap_log_mean, gap_log_sd, gap_last_days (null with
        one order day); margin_amount, margin_90d_amount, margin_365d_amount, margin_first_amount,
        margin_last_amount;
        discount_rate (null if unknown); refund_rate (days of negative margin per order day); and
        first_channel if it is known.
    """
    age = (pl.lit(feature_on) - pl.col("ordered_on")).dt.total_days().cast(pl.Int32)
    rows = known.filter(pl.col("ordered_on") <= feature_on).with_columns(age=age)
    margins = rows.group_by("customer_id", maintain_order=True).agg(
        margin_amount=add_up(pl.col("margin_amount")),
        **{
            f"margin_{days}d_amount": add_up(_within(days, "margin_amount"))
            for days in MARGIN_WINDOWS_DAYS
        },
        negative_days=((pl.col("margin_amount") < 0) & ~pl.col("is_order")).sum(),
    )
    orders = rows.filter("is_order")
    is_repeat = pl.col("customer_id") == pl.col("customer_id").shift()
    gap = pl.when(is_repeat).then(pl.col("age").shift() - pl.col("age")).cast(pl.Float64)
    # Whole numbers add up to the same sum in any order and thread.
    log_gap = (pl.col("gap").log() * LOG_UNITS).round().cast(pl.Int64)
    orders = orders.with_columns(gap=gap).with_columns(log_gap=log_gap)
    channel = [pl.col(FIRST_CHANNEL).first()] if FIRST_CHANNEL in orders else []
    discounted = pl.col("is_discounted").mean() if "is_discounted" in orders else pl.lit(None)
    counted = orders.group_by("customer_id", maintain_order=True).agg(
        *channel,
        recency_days=pl.col("age").last(),
        tenure_days=pl.col("age").first(),
        order_day_count=pl.len().cast(pl.Int32),
        **{f"order_days_{days}d_count": (pl.col("age") < days).sum() for days in WINDOWS_DAYS},
        log_sum=pl.col("log_gap").sum(),
        log_squares=(pl.col("log_gap") ** 2).sum(),
        gap_last_days=pl.col("gap").last(),
        margin_first_amount=pl.col("margin_amount").first(),
        margin_last_amount=pl.col("margin_amount").last(),
        discount_rate=discounted.cast(pl.Float64),
    )
    repeats = pl.col("order_day_count") - 1
    variance = (pl.col("log_squares") - pl.col("log_sum") ** 2 / repeats) / (repeats - 1)
    return (
        counted.join(margins, on="customer_id", how="left", maintain_order="left")
        .with_columns(
            gap_mean_days=pl.when(repeats > 0).then(
                (pl.col("tenure_days") - pl.col("recency_days")) / repeats
            ),
            gap_log_mean=pl.when(repeats > 0).then(pl.col("log_sum") / repeats * ONE_LOG_UNIT),
            gap_log_sd=pl.when(repeats > 1).then(variance.clip(0).sqrt() * ONE_LOG_UNIT),
            refund_rate=pl.col("negative_days") / pl.col("order_day_count"),
        )
        .select(
            *(pl.col(name).cast(kind) for name, kind in AGGREGATES.items()),
            *(FIRST_CHANNEL for _ in channel),
        )
    )


def build_features(
    aggregates: pl.DataFrame,
    order_models: Mapping[str, OrderModel],
    horizon_days: int,
    optional: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return customer_id, ORDER_FEATURES, two log odds per order model, and optional columns.

    Args:
        aggregates: Of `aggregate_history`.
        order_models: Fitted to these very aggregates, so that they know no later order.
        horizon_days: Of the order models' logits.
        optional: One row per customer: customer_id and numbers of other sources (complaints,
            engagement) as they were at the same day. Who is not in it gets null: unknown.
    """
    windowed = aggregates.with_columns(_unknown_windows(aggregates))
    features = windowed.select(
        "customer_id", *_rhythm_features(aggregates), *_count_features(), *_money_features()
    ).select("customer_id", *ORDER_FEATURES)
    logits = logits_of_no_order(aggregates, order_models, horizon_days)
    features = pl.concat([features, logits], how="horizontal")
    if optional is None:
        return features
    numbers = optional.with_columns(pl.exclude("customer_id").cast(pl.Float64))
    return features.join(
        numbers, on="customer_id", how="left", maintain_order="left", validate="1:1"
    )


def _unknown_windows(aggregates: pl.DataFrame) -> list[pl.Expr]:
    """Null for the windows that hold nearly everybody's whole history."""
    counts = {days: f"order_days_{days}d_count" for days in WINDOWS_DAYS}
    left_out = aggregates.select(
        (pl.col(count) < pl.col("order_day_count")).mean().alias(count) for count in counts.values()
    )
    is_whole = [days for days, n in counts.items() if (left_out[n][0] or 0) < LEAST_SHARE_LEFT_OUT]
    names = [counts[days] for days in is_whole]
    names += [f"margin_{days}d_amount" for days in MARGIN_WINDOWS_DAYS if days in is_whole]
    return [pl.lit(None, aggregates.schema[name]).alias(name) for name in names]


def _count_features() -> list[pl.Expr]:
    last, before = pl.col("order_days_90d_count"), pl.col("order_days_180d_count")
    quarters = (last + 0.5).log() - (before - last + 0.5).log()
    return [
        pl.col("recency_days").log1p().alias("log_recency"),
        pl.col("tenure_days").log1p().alias("log_tenure"),
        pl.col("order_day_count").log().alias("log_frequency"),
        *(
            pl.col(f"order_days_{days}d_count").log1p().alias(f"log_orders_{days}d")
            for days in WINDOWS_DAYS
        ),
        quarters.alias("log_last_two_quarters"),
        (pl.col("order_day_count") == 1).cast(pl.Float64).alias("is_one_time"),
        pl.col("discount_rate"),
        pl.col("refund_rate"),
    ]


def _rhythm_features(aggregates: pl.DataFrame) -> list[pl.Expr]:
    usual = own_gap(aggregates)
    return [
        usual.log().alias("log_own_gap"),
        ((pl.col("recency_days") + ONE_DAY) / usual).log().alias("log_overdue"),
        pl.col("gap_log_sd").alias("gap_spread"),
        (pl.col("gap_last_days").log() - pl.col("gap_log_mean"))
        .fill_null(0.0)
        .alias("log_slowing"),
    ]


def own_gap(aggregates: pl.DataFrame) -> pl.Expr:
    """Each customer's usual days between orders, drawn to the base's median where they are few."""
    median = aggregates["gap_mean_days"].median()
    base = float(median) if isinstance(median, float) else ONE_DAY
    gaps = pl.col("order_day_count") - 1
    own = pl.col("gap_mean_days").fill_null(base)
    return (gaps * own + SHRINKAGE_GAPS * base) / (gaps + SHRINKAGE_GAPS)


def _money_features() -> list[pl.Expr]:
    per_order = pl.col("margin_amount") / pl.col("order_day_count")
    return [
        _signed_log(per_order).alias("log_margin_per_order"),
        *(
            _signed_log(pl.col(f"margin_{days}d_amount")).alias(f"log_margin_{days}d")
            for days in MARGIN_WINDOWS_DAYS
        ),
        (_signed_log(pl.col("margin_last_amount")) - _signed_log(per_order)).alias(
            "log_last_basket"
        ),
    ]


def _signed_log(amount: pl.Expr) -> pl.Expr:
    return amount.sign() * amount.abs().log1p()


def _within(days: int, column: str) -> pl.Expr:
    return pl.when(pl.col("age") < days).then(pl.col(column)).otherwise(0.0)
