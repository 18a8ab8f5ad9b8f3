"""What a list brought: those on it against those held out of it, from their first night on.

By intention to treat: who came onto a list counts as listed from then on, whatever happened later;
who was held out counts as held out. Only customers whose whole window has passed are counted. So
both groups differ by the draw alone, and the difference is the list's doing, within its interval.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from pipelines.rules.segments import PROGRAMME, Effect
from pipelines.segments.holdout import GLOBALLY, HELD_OUT, TREATED

CONFIDENCE = 0.95
MEASURED, TOO_FEW, NO_HOLDOUT = "measured", "too_few_customers", "no_holdout"
ENTRY = ["list", "version", "customer_id"]
SCHEMA = {
    "list": pl.String, "version": pl.Int64, "window_days": pl.Int64, "status": pl.String,
    "treated_count": pl.Int64, "holdout_count": pl.Int64, "mixed_count": pl.Int64,
    "treated_conversion_rate": pl.Float64, "holdout_conversion_rate": pl.Float64,
    "conversion_lift": pl.Float64, "conversion_lift_low": pl.Float64,
    "conversion_lift_high": pl.Float64,
    "treated_orders_per_customer": pl.Float64, "holdout_orders_per_customer": pl.Float64,
    "treated_margin_per_customer_amount": pl.Float64,
    "holdout_margin_per_customer_amount": pl.Float64,
    "margin_lift_amount": pl.Float64, "margin_lift_low_amount": pl.Float64,
    "margin_lift_high_amount": pl.Float64,
}  # fmt: skip
NOTHING = pl.DataFrame(schema=SCHEMA)


def measure_effects(
    history: pl.DataFrame,
    order_days: pl.DataFrame,
    merged: pl.DataFrame,
    as_of: date,
    rules: Effect,
) -> pl.DataFrame:
    """The lift of every list and version, for every window.

    Args:
        history: `list_history` of tonight.
        order_days: customer_id, ordered_on, order_count, net_margin_amount; one row per day.
        merged: alias_id, customer_id: ids that are part of another customer now. Orders are the
            living customer's; whoever is of both groups by a merge is left out and counted.
        as_of: the run date.
        rules: the windows, and the least customers.

    Returns:
        SCHEMA, by list, version and window; rates 0 to 1, amounts in base currency per customer,
        intervals of 95 %. `programme` is all marketing together against the global holdout. Where
        status is not `measured`, there are counts and no numbers.
    """
    entries = pl.concat(
        [_first_entries(history, merged), _first_entries(_as_programme(history), merged)]
    )
    measured = (
        _measure_window(entries, order_days, as_of, days, rules) for days in rules.windows_days
    )
    return pl.concat([NOTHING, *measured]).sort("list", "version", "window_days")


def _as_programme(history: pl.DataFrame) -> pl.DataFrame:
    """Each list as a part of one: in it is who might get marketing, out of it who gets none."""
    marketed = history.filter(pl.col("purpose") == "marketing")
    role = pl.when(pl.col("role") == GLOBALLY).then(pl.lit(HELD_OUT)).otherwise(pl.lit(TREATED))
    return marketed.with_columns(
        list=pl.lit(PROGRAMME), version=pl.col("global_version"), role=role
    )


def _first_entries(history: pl.DataFrame, merged: pl.DataFrame) -> pl.DataFrame:
    """ENTRY, entered_on, is_held_out, is_mixed: one row for each customer that is known tonight."""
    now = merged.select(customer_id="alias_id", now="customer_id")
    compared = history.filter(pl.col("role").is_in([TREATED, HELD_OUT]))
    held_out = pl.col("role") == HELD_OUT
    return (
        compared.join(now, on="customer_id", how="left")
        .with_columns(pl.coalesce("now", "customer_id").alias("customer_id"))
        .group_by(ENTRY)
        .agg(
            pl.col("valid_from_on").min().alias("entered_on"),
            held_out.any().alias("is_held_out"),
            (held_out.any() & ~held_out.all()).alias("is_mixed"),
        )
    )


def _measure_window(
    entries: pl.DataFrame, order_days: pl.DataFrame, as_of: date, days: int, rules: Effect
) -> pl.DataFrame:
    window = timedelta(days=days)
    whole = entries.filter(pl.col("entered_on") <= as_of - window)
    first = whole["entered_on"].min()
    if first is None:
        return NOTHING
    bought = (
        order_days.lazy()
        .filter(pl.col("ordered_on") > first)
        .select(
            "customer_id", "ordered_on", "order_count",
            margin=pl.col("net_margin_amount").cast(pl.Float64),
        )
        .join(whole.lazy().select(*ENTRY, "entered_on"), on="customer_id")
        .filter(
            pl.col("ordered_on") > pl.col("entered_on"),
            pl.col("ordered_on") <= pl.col("entered_on") + window,
        )
        .group_by(ENTRY)
        .agg(pl.col("order_count").sum(), pl.col("margin").sum().round(4))
        .collect()
    )  # fmt: skip
    each = whole.join(bought, on=ENTRY, how="left").with_columns(
        pl.col("order_count", "margin").fill_null(0)
    )
    groups = (
        each.sort(ENTRY)
        .group_by("list", "version", maintain_order=True)
        .agg(
            pl.col("is_mixed").sum().cast(pl.Int64).alias("mixed_count"),
            *_sums("treated", ~pl.col("is_held_out") & ~pl.col("is_mixed")),
            *_sums("holdout", pl.col("is_held_out") & ~pl.col("is_mixed")),
        )
    )
    return _compare(groups, days, rules)


def _sums(group: str, where: pl.Expr) -> list[pl.Expr]:
    orders, margin = pl.col("order_count").filter(where), pl.col("margin").filter(where)
    return [
        where.sum().cast(pl.Int64).alias(f"{group}_count"),
        (orders > 0).sum().cast(pl.Int64).alias(f"{group}_converted"),
        orders.sum().alias(f"{group}_orders"),
        margin.mean().alias(f"{group}_margin"),
        margin.var().alias(f"{group}_margin_variance"),
    ]


def _compare(groups: pl.DataFrame, days: int, rules: Effect) -> pl.DataFrame:
    treated, held = (groups[f"{name}_count"].to_numpy() for name in ("treated", "holdout"))
    hits, held_hits = (groups[f"{name}_converted"].to_numpy() for name in ("treated", "holdout"))
    lift_low, lift_high = newcombe_interval(hits, treated, held_hits, held)
    half = welch_half_width(
        groups["treated_margin_variance"].fill_null(0).to_numpy(), treated,
        groups["holdout_margin_variance"].fill_null(0).to_numpy(), held,
    )  # fmt: skip
    fewest = pl.min_horizontal("treated_count", "holdout_count")
    status = (
        pl.when(pl.col("holdout_count") == 0)
        .then(pl.lit(NO_HOLDOUT))
        .when(fewest < rules.min_customers)
        .then(pl.lit(TOO_FEW))
        .otherwise(pl.lit(MEASURED))
    )
    told = groups.with_columns(
        window_days=pl.lit(days, pl.Int64),
        status=status,
        conversion_lift_low=pl.Series(lift_low),
        conversion_lift_high=pl.Series(lift_high),
        margin_half=pl.Series(half),
    ).with_columns(
        treated_conversion_rate=pl.col("treated_converted") / pl.col("treated_count"),
        holdout_conversion_rate=pl.col("holdout_converted") / pl.col("holdout_count"),
        treated_orders_per_customer=pl.col("treated_orders") / pl.col("treated_count"),
        holdout_orders_per_customer=pl.col("holdout_orders") / pl.col("holdout_count"),
        treated_margin_per_customer_amount=pl.col("treated_margin"),
        holdout_margin_per_customer_amount=pl.col("holdout_margin"),
        margin_lift_amount=pl.col("treated_margin") - pl.col("holdout_margin"),
    )
    told = told.with_columns(
        conversion_lift=pl.col("treated_conversion_rate") - pl.col("holdout_conversion_rate"),
        margin_lift_low_amount=pl.col("margin_lift_amount") - pl.col("margin_half"),
        margin_lift_high_amount=pl.col("margin_lift_amount") + pl.col("margin_half"),
    )
    numbers = [name for name, dtype in SCHEMA.items() if dtype == pl.Float64]
    is_measured = pl.col("status") == MEASURED
    return told.with_columns(
        pl.when(is_measured).then(pl.col(numbers).cast(pl.Float64).round(4))
    ).select(*SCHEMA)


def newcombe_interval(
    hits: NDArray[np.int64], of: NDArray[np.int64],
    other_hits: NDArray[np.int64], other_of: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """The interval of the difference of two shares, hits / of - other_hits / other_of.

    Newcombe 1998, method 10: of two Wilson intervals. It stays within -1 and 1, and is right for
    shares near 0 too, where a difference of normals is not. NaN where a group is empty.
    """
    share, low, high = _wilson(hits, of)
    other, other_low, other_high = _wilson(other_hits, other_of)
    difference = share - other
    return (
        difference - np.hypot(share - low, other_high - other),
        difference + np.hypot(high - share, other - other_low),
    )


def _wilson(
    hits: NDArray[np.int64], of: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The share, and its interval by Wilson 1927."""
    z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    count = np.where(of > 0, of, np.nan)
    share = hits / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return share, middle - half, middle + half


def welch_half_width(
    variance: NDArray[np.float64], of: NDArray[np.int64],
    other_variance: NDArray[np.float64], other_of: NDArray[np.int64],
) -> NDArray[np.float64]:  # fmt: skip
    """Half the interval of the difference of two means (Welch 1947); NaN where it has none."""
    one = variance / np.where(of > 1, of, np.nan)
    other = other_variance / np.where(other_of > 1, other_of, np.nan)
    both = one + other
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = both**2 / (one**2 / (of - 1) + other**2 / (other_of - 1))
        half = stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * np.sqrt(both)
    return np.asarray(np.where(both == 0, 0.0, half), dtype=np.float64)
