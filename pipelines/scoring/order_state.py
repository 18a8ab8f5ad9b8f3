"""What the models need to know of each customer's orders, kept up from night to night.

The state has one row per customer: the counts and sums of `aggregate_history`, with dates in place
of ages, and a digest of the days they were summed from. A night digests the days of everybody,
which is one quick pass, and sums anew only the customers whose digest is another one. So late
orders, corrections, refunds, and orders that move when customers are merged or parted, are all one
case: the days of a customer are other days. A day that leaves a window (of 30 days, say) is another
day, too, though nobody touched it.

    state = update_state(state, days, as_of)        equals update_state(None, days, as_of)
    aggregates = read_aggregates(state, as_of)      equals aggregate_history(days, as_of)
"""

from datetime import date

import polars as pl

from pipelines.scoring.churn.features import AGGREGATES, WINDOWS_DAYS, aggregate_history
from pipelines.scoring.past.snapshots import prepare_order_days

# Raised when the sums mean something else than before: what older code kept is then summed anew.
MAKE = 1
# Customers summed at once: memory does not grow with the number of customers.
CHUNK_CUSTOMERS = 500_000
AGES = {"recency_days": "last_order_on", "tenure_days": "first_order_on"}
STATE = pl.Schema(
    {"customer_id": pl.String(), "days_digest": pl.Int64()}
    | dict.fromkeys(AGES.values(), pl.Date())
    | {name: kind for name, kind in AGGREGATES.items() if name not in ("customer_id", *AGES)}
)
DAY = ("ordered_on", "is_order", "is_discounted", "margin_amount")


def update_state(state: pl.LazyFrame | None, days: pl.LazyFrame, as_of: date) -> pl.DataFrame:
    """Return the state tonight, sorted by customer_id; only who has other days is summed anew.

    Args:
        state: STATE of any earlier night, sorted; None, or a frame of other columns, for none:
            then everybody is summed.
        days: Of all customers, in the order of customer_id: that and the columns of DAY, see
            `prepare_order_days`.
        as_of: The last day that counts.

    Raises:
        ValueError: If the days are not in the order of customer_id, or a day stands twice.
    """
    known = days.filter(pl.col("ordered_on") <= as_of)
    if state is None or state.collect_schema() != STATE:
        state = pl.LazyFrame(schema=STATE)
    digests = digest_days(known, as_of)
    parts = (
        _update_part(state, some, known, as_of) for some in digests.iter_slices(CHUNK_CUSTOMERS)
    )
    return pl.concat([STATE.to_frame(), *parts])


def digest_days(days: pl.LazyFrame, as_of: date) -> pl.DataFrame:
    """Return a digest of each customer's days as tonight's windows see them, sorted by customer_id.

    The customer is in it, so two customers have two digests. Equal days have equal ones within one
    version of Polars; after a change of it everybody is summed anew, to the same sums.

    Raises:
        ValueError: If the days are not in the order of customer_id.
    """
    age = (pl.lit(as_of) - pl.col("ordered_on")).dt.total_days()
    windows = pl.sum_horizontal((age < window).cast(pl.Int8) for window in WINDOWS_DAYS)
    # Another release of Polars may hash otherwise: then all digests differ, and all is summed anew.
    row = pl.struct(*DAY, windows.alias("windows")).hash(MAKE)
    # Told that it is sorted, the engine keeps only the customer it is at.
    sums = days.set_sorted("customer_id").select("customer_id", row=row).group_by("customer_id")
    digests = sums.agg(pl.col("row").sum()).collect(engine="streaming")
    if not (digests["customer_id"] > digests["customer_id"].shift()).all():
        raise ValueError("The order days are not in the order of customer_id; sort them first.")
    both = pl.col("row") + pl.col("customer_id").hash(MAKE)
    return digests.select("customer_id", days_digest=both.reinterpret(signed=True))


def read_aggregates(state: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return what `aggregate_history` returns of the same days."""
    ages = {
        age: (pl.lit(as_of) - pl.col(day)).dt.total_days().cast(pl.Int32)
        for age, day in AGES.items()
    }
    return state.with_columns(**ages).select(AGGREGATES.names())


def _update_part(
    state: pl.LazyFrame, digests: pl.DataFrame, days: pl.LazyFrame, as_of: date
) -> pl.DataFrame:
    """Return the state of some customers, neighbours in the order of ids."""
    of_part = _is_near(digests) & _is_one_of("days_digest", digests["days_digest"])
    kept = state.filter(of_part).collect()
    touched = digests.filter(~_is_one_of("days_digest", kept["days_digest"]))
    if touched.is_empty():
        return kept
    return kept.merge_sorted(_sum_anew(touched, days, as_of), key="customer_id")


def _sum_anew(touched: pl.DataFrame, days: pl.LazyFrame, as_of: date) -> pl.DataFrame:
    of_touched = _is_near(touched) & _is_one_of("customer_id", touched["customer_id"])
    rows = days.filter(of_touched).select("customer_id", *DAY)
    dates = {day: pl.lit(as_of) - pl.duration(days=age) for age, day in AGES.items()}
    return (
        aggregate_history(prepare_order_days(rows.collect()), as_of)
        .with_columns(**dates)
        .join(touched, on="customer_id", how="left", maintain_order="left")
        .select(STATE.names())
    )


def _is_near(some: pl.DataFrame) -> pl.Expr:
    # The first and the last say where in a sorted file the others are.
    return pl.col("customer_id").is_between(
        pl.lit(some["customer_id"][0]), pl.lit(some["customer_id"][-1])
    )


def _is_one_of(column: str, values: pl.Series) -> pl.Expr:
    # Unlike a join, a list is looked up while Parquet is read: only what fits is decoded.
    return pl.col(column).is_in(values.implode())
