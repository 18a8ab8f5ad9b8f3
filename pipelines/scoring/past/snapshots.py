"""Past days seen again: what was known then, and what the customers did next.

A model of the future can only be tried on the past. A cut is a day in the past; its features may
use that day and what was before it, its labels only the horizon after it. Orders are rows of
customer and day; money that comes later, such as a part that is refunded, is a row of its own day,
so a snapshot of the past does not know it either. What was wholly given back or cancelled since is
in no snapshot: orders are those that count tonight.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

NEEDED = ("customer_id", "ordered_on", "margin_amount")
UNITS = 10_000
# Polars divides many rows by multiplying with the inverse, but a single one truly: so multiply.
ONE_UNIT = 1 / UNITS
KEYS = ("customer_id", "ordered_on", "is_order")


@dataclass(frozen=True)
class Snapshot:
    """One cut of history.

    `known` holds the rows up to and including `feature_on`; `labels` one row per customer with an
    order by then: what happened from the day after it up to and including `label_on`.
    """

    feature_on: date
    label_on: date
    known: pl.DataFrame
    labels: pl.DataFrame


def prepare_order_days(order_days: pl.DataFrame) -> pl.DataFrame:
    """Return the history in the one form that all of scoring reads, sorted by customer and day.

    Args:
        order_days: One row per customer and purchase day: customer_id, ordered_on (date),
            margin_amount (of that day's orders, any number type; null counts as 0). Optional:
            is_discounted (whether an order of the day was; null counts as not), is_order (false
            for a row that is only money, such as a refund booked that day with a negative
            margin_amount; null or absent counts as true) and first_channel (of the customer's first
            order, the same in all rows).

    Returns:
        customer_id, ordered_on, margin_amount (Float64), is_order, and the others where given.

    Raises:
        ValueError: If a column is missing, an id or a day is null, or a day stands twice.
    """
    if missing := [name for name in NEEDED if name not in order_days.columns]:
        raise ValueError(f"The order days lack the columns {', '.join(missing)}.")
    if order_days["customer_id"].null_count() or order_days["ordered_on"].null_count():
        raise ValueError("Some order days have no customer_id or no ordered_on; leave them out.")
    flags = {"is_order": True, "is_discounted": False}
    days = order_days.with_columns(
        pl.col("margin_amount").cast(pl.Float64).fill_null(0.0),
        *(pl.col(name).fill_null(usual) for name, usual in flags.items() if name in order_days),
    )
    if "is_order" not in order_days:
        days = days.with_columns(is_order=pl.lit(True))
    days = days.select(*NEEDED, *(name for name in (*flags, "first_channel") if name in days))
    if not _is_sorted(days):
        days = days.sort(KEYS)
        if not _is_sorted(days):
            raise ValueError("Some customers have two rows of one day; add them up first.")
    return days


def _is_sorted(days: pl.DataFrame) -> bool:
    """Whether each row comes after the one before it; then no day stands twice either."""
    comes_after = pl.lit(False)
    for key in reversed(KEYS):
        before = pl.col(key).shift()
        comes_after = (pl.col(key) > before) | ((pl.col(key) == before) & comes_after)
    return bool(days.select(comes_after.slice(1).all()).item())


def add_up(amounts: pl.Expr) -> pl.Expr:
    """The sum to four decimals, added up in whole numbers: the same in any order and thread."""
    return (amounts * UNITS).round().cast(pl.Int64).sum() * ONE_UNIT


def find_cuts(
    order_days: pl.DataFrame, as_of: date, horizon_days: int, *, at_most: int, min_known_days: int
) -> list[date]:
    """Return past feature dates, the newest first, a horizon apart; the newest ends at `as_of`.

    A cut needs `min_known_days` of history before it: of a first week nothing can be learnt.
    """
    first = order_days.filter("is_order")["ordered_on"].min()
    if not isinstance(first, date):
        return []
    days = [as_of - timedelta(days=horizon_days * back) for back in range(1, at_most + 1)]
    return [day for day in days if (day - first).days >= min_known_days]


def cut_snapshot(order_days: pl.DataFrame, feature_on: date, horizon_days: int) -> Snapshot:
    """Return what was known at the end of `feature_on` and what came in the horizon after it.

    Returns:
        A snapshot whose labels are sorted by customer_id: order_count (purchase days in the
        horizon), margin_amount (Float64, refunds of the horizon taken off) and is_churned (no
        order in the horizon).
    """
    label_on = feature_on + timedelta(days=horizon_days)
    known = order_days.filter(pl.col("ordered_on") <= feature_on)
    after = order_days.filter(
        (pl.col("ordered_on") > feature_on) & (pl.col("ordered_on") <= label_on)
    )
    happened = after.group_by("customer_id", maintain_order=True).agg(
        order_count=pl.col("is_order").sum().cast(pl.Int64),
        margin_amount=add_up(pl.col("margin_amount")),
    )
    labels = (
        known.filter("is_order")
        .select(pl.col("customer_id").unique(maintain_order=True))
        .join(happened, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col("order_count").fill_null(0), pl.col("margin_amount").fill_null(0.0))
        .with_columns(is_churned=pl.col("order_count") == 0)
    )
    return Snapshot(feature_on, label_on, known, labels)


def sample_customers(order_days: pl.DataFrame, at_most: int) -> pl.DataFrame:
    """Return the rows of at most so many customers, those of `pick_sample`."""
    customers = order_days.filter("is_order")["customer_id"].unique().sort()
    if len(customers) <= at_most:
        return order_days
    return order_days.join(
        pick_sample(customers, at_most).to_frame(),
        on="customer_id", how="semi", maintain_order="left",
    )  # fmt: skip


def pick_sample(customers: pl.Series, at_most: int) -> pl.Series:
    """Return every k-th of the customers with an order, sorted, so that there are at most so many.

    The same customers on any machine; coefficients need no more.
    """
    return customers.gather_every(max(-(-len(customers) // at_most), 1))
