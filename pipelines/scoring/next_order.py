"""When will the next order come? A window of dates, from any model of order times."""

from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.rules.next_order import NextOrder
from pipelines.scoring.models.newton import Floats

DECIMALS = 6
Days = NDArray[np.int64]
Rows = NDArray[np.int64]
NoOrderWithin = Callable[[Floats], Floats]


def predict_windows(
    customer_id: pl.Series,
    no_order_of: Callable[[Rows], NoOrderWithin],
    rules: NextOrder,
    as_of: date,
) -> pl.DataFrame:
    """Return the dates between which each customer's next order is most likely to come.

    Of the orders that come within `within_days`, the share `window_from` comes before the window
    begins, and the share `window_to` by the day it ends: for the defaults the window holds the
    middle half. Who has left for good is no part of it: that chance is in `p_order_within`.

    Args:
        customer_id: The customers.
        no_order_of: Given the places of some customers, what gives the probability that each of
            them does not order in the days after as_of, a number of days for each; it must not rise
            with the days.
        rules: Shares, the furthest day, and the least probability that is worth a window.
        as_of: The last day whose orders are known; windows begin the day after at the earliest.

    Returns:
        A row for each customer, in their order: p_order_within (the probability of an order within
        `within_days`), next_order_from_on, next_order_median_on, next_order_to_on, and
        p_order_in_window. The dates and p_order_in_window are null below `min_probability`.
    """
    everybody = np.arange(len(customer_id))
    silent = no_order_of(everybody)(np.full(len(everybody), float(rules.within_days)))
    told = pl.Series(1.0 - silent, dtype=pl.Float64).round(DECIMALS)
    likely = np.flatnonzero(told.to_numpy() >= rules.min_probability)
    no_order, within = no_order_of(likely), 1.0 - silent[likely]

    def p_order(days: Days) -> Floats:
        return 1.0 - no_order(days.astype(np.float64))

    begins, median, ends = (
        _first_day(p_order, share * within, rules.within_days)
        for share in (rules.window_from, 0.5, rules.window_to)
    )
    in_window = p_order(ends) - np.where(begins > 1, p_order(begins - 1), 0.0)
    windows = pl.DataFrame(
        {
            "row": likely,
            "next_order_from_on": _dates(begins, as_of),
            "next_order_median_on": _dates(median, as_of),
            "next_order_to_on": _dates(ends, as_of),
            "p_order_in_window": pl.Series(in_window, dtype=pl.Float64).round(DECIMALS),
        }
    )
    customers = pl.DataFrame({"customer_id": customer_id, "p_order_within": told, "row": everybody})
    return customers.join(windows, on="row", how="left", maintain_order="left").drop("row")


def _first_day(p_order: Callable[[Days], Floats], wanted: Floats, most: int) -> Days:
    """Return the first whole day by which an order is as probable as wanted, by bisection."""
    before = np.zeros(len(wanted), dtype=np.int64)
    reached = np.full(len(wanted), most, dtype=np.int64)
    for _ in range(most.bit_length()):
        middle = (before + reached + 1) // 2
        is_reached = (p_order(middle) >= wanted) | (middle == reached)
        before, reached = (
            np.where(is_reached, before, middle),
            np.where(is_reached, middle, reached),
        )
    return reached


def _dates(days: Days, as_of: date) -> pl.Series:
    start = (as_of - date(1970, 1, 1)).days
    return pl.Series(start + days).cast(pl.Int32).cast(pl.Date)
