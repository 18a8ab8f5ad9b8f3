"""What the models of orders read: x, t_x and T of each customer.

x: repeat purchase days. t_x: days from the first to the last purchase. T: days from the first
purchase to today. Weeks instead of days give the same models, with times in weeks.
"""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.scoring.models.newton import Floats

# The probability of no order in the next h days, as a function of h: one for all, or of each.
Silence = Callable[[float | Floats], Floats]
# A look-up table of so many cells (half a gigabyte) is quicker than sorting millions of rows.
LARGEST_TABLE = 2**26
# The models sum over the orders of the busiest customer. On so many days nobody ordered.
MOST_ORDERS = 1_000_000


@dataclass(frozen=True)
class Pairs:
    """The distinct pairs of two columns, sorted, and which of them each row has.

    Ten million customers share some hundred thousand pairs of x and T in days: what depends on a
    pair alone is computed once for each.
    """

    first: Floats
    second: Floats
    index: NDArray[np.int64]


@dataclass(frozen=True)
class GroupedHistories:
    """Histories with the number of customers who have them."""

    orders: Floats
    last: Floats
    tenure: Floats
    customers: Floats


def as_floats(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Return the columns as arrays of one length; single numbers are repeated."""
    arrays = (np.atleast_1d(np.asarray(column, dtype=np.float64)) for column in columns)
    return tuple(np.broadcast_arrays(*arrays))


def check_histories(x: Floats, t_x: Floats, T: Floats) -> None:
    """Raise ValueError, with the first row that is wrong, if there is no possible history."""
    if len(x) == 0:
        raise ValueError("There is no customer to fit a model to.")
    possible = (
        np.isfinite(T)
        & (x >= 0)
        & (x <= MOST_ORDERS)
        & (x == np.floor(x))
        & (t_x >= 0)
        & (t_x <= T)
        & ((t_x > 0) == (x > 0))
    )
    if not possible.all():
        row = int(np.argmin(possible))
        raise ValueError(
            f"{int((~possible).sum())} histories are impossible, the first in row {row}: "
            f"x = {x[row]}, t_x = {t_x[row]}, T = {T[row]}. "
            f"Needed: x a whole number to {MOST_ORDERS}, 0 <= t_x <= T, t_x = 0 only where x = 0."
        )


def group_one_time_buyers(x: Floats, t_x: Floats, T: Floats) -> GroupedHistories:
    """Return each repeat customer's history, and one for all one-time buyers of the same T."""
    repeat = x > 0
    tenures, customers = np.unique(T[~repeat], return_counts=True)
    nothing = np.zeros_like(tenures)
    return GroupedHistories(
        orders=np.concatenate((x[repeat], nothing)),
        last=np.concatenate((t_x[repeat], nothing)),
        tenure=np.concatenate((T[repeat], tenures)),
        customers=np.concatenate((np.ones(len(x) - len(x[~repeat])), customers)),
    )


def distinct_values(column: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the distinct values of a column (not negative), sorted, and which each row has."""
    if len(column) and _fits_table(len(column), column.max() + 1.0) and _whole(column):
        codes, index = _distinct_codes(column.astype(np.int64), int(column.max()) + 1)
        return codes.astype(np.float64), index
    values, places = np.unique(column, return_inverse=True)
    return values, places


def distinct_pairs(first: Floats, second: Floats) -> Pairs:
    """Return the distinct pairs of two columns of one length, neither of them negative."""
    if len(first) == 0:
        return Pairs(first, second, np.empty(0, dtype=np.int64))
    cells = (float(first.max()) + 1.0) * (float(second.max()) + 1.0)
    if _fits_table(len(first), cells) and _whole(first) and _whole(second):
        width = int(second.max()) + 1
        codes, index = _distinct_codes((first * width + second).astype(np.int64), int(cells))
        return Pairs((codes // width).astype(float), (codes % width).astype(float), index)
    firsts, first_of = distinct_values(first)
    seconds, second_of = distinct_values(second)
    codes, index = np.unique(first_of * len(seconds) + second_of, return_inverse=True)
    return Pairs(firsts[codes // len(seconds)], seconds[codes % len(seconds)], index)


def _fits_table(rows: int, cells: float) -> bool:
    return cells <= min(LARGEST_TABLE, 16.0 * rows + 2**16)


def _whole(column: Floats) -> bool:
    return bool((column == np.floor(column)).all())


def _distinct_codes(
    code: NDArray[np.int64], cells: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct codes, and the place of each row's code among them, without sorting."""
    there = np.zeros(cells, dtype=np.bool_)
    there[code] = True
    place = np.cumsum(there) - 1
    return np.flatnonzero(there), place[code]
