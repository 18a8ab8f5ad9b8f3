"""The one rule on small numbers: no cell of a page tells of 1 to 9 persons.

A small cell is hidden, and where totals would give it away by subtraction, others are hidden with
it. A reader never sees which of the hidden cells was the small one.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

FEW = 10  # the least number of persons that a page tells

ENDLESS = np.iinfo(np.int64).max

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


def is_few(persons: int) -> bool:
    """Whether a number of persons is too small to be told; nobody is not."""
    return 0 < persons < FEW


def hide_small_groups(groups: pl.DataFrame, persons: str, values: Sequence[str]) -> pl.DataFrame:
    """Hide what is told of small groups that together make up a known whole.

    Hidden groups are at least two and hold ten persons or more together, so that what is left of
    the whole, be it persons or money, is never about fewer.

    Args:
        groups: one row for each group; nobody is in two of them.
        persons: the column that counts them.
        values: columns that are told of a group beside the count.

    Returns:
        The same rows; null in `persons` and `values` where hidden.
    """
    hidden = pl.Series(small_groups(groups[persons].to_numpy()))
    told = [persons, *values]
    return groups.with_columns(pl.when(~hidden).then(pl.col(told)))


def hide_small_parts(rows: pl.DataFrame, parts: Sequence[str]) -> pl.DataFrame:
    """Hide small parts where each row's parts add up to a whole that may be known.

    Args:
        rows: one whole for each row.
        parts: the columns that count its parts.
    """
    counts = rows.select(parts).to_numpy()
    hidden = np.array([small_groups(row) for row in counts], dtype=bool).reshape(counts.shape)
    return rows.with_columns(
        pl.when(~pl.Series(hidden[:, place])).then(pl.col(name)).alias(name)
        for place, name in enumerate(parts)
    )


def hide_small_shares(
    rows: pl.DataFrame, part: str, whole: str, values: Sequence[str] = ()
) -> pl.DataFrame:
    """Hide a part, and what is told of it, where it or what is missing to its whole is small.

    Args:
        rows: a part and its whole in each.
        part: the column that counts the part.
        whole: the column that counts the whole.
        values: columns that would tell the part, such as its share.
    """
    rest = pl.col(whole) - pl.col(part)
    small = pl.col(part).is_between(1, FEW - 1) | rest.is_between(1, FEW - 1)
    told = rows.with_columns(pl.when(~small).then(pl.col(part, *values)))
    too_few = pl.col(whole).is_between(1, FEW - 1)
    return told.with_columns(pl.when(~too_few).then(pl.col(whole, part, *values)))


def small_groups(counts: Counts) -> Mask:
    """Which of the groups that make up a known whole must be hidden."""
    hidden = (counts > 0) & (counts < FEW)
    if not hidden.any():
        return hidden
    for place in np.argsort(counts, kind="stable"):
        if hidden.sum() >= 2 and counts[hidden].sum() >= FEW:
            break
        hidden[place] |= counts[place] > 0
    return hidden


def small_cells(counts: Counts) -> Mask:
    """Which cells of a table with totals must be hidden.

    Each small cell stands in a rectangle of hidden cells: of its four corners two opposite ones
    could be greater and the other two smaller by as much, and no total would show it.

    Args:
        counts: rows x columns, without totals.

    Returns:
        (rows + 1) x (columns + 1), with the totals of rows and columns at the end.
    """
    table = _with_totals(counts)
    small = (table > 0) & (table < FEW)
    if table[-1, -1] < FEW:
        return table > 0
    hidden = small.copy()
    hidden[:-1, -1] = small_groups(table[:-1, -1])
    hidden[-1, :-1] = small_groups(table[-1, :-1])
    places = np.argwhere(small)
    order = np.argsort(table[small], kind="stable")
    for row, column in places[order].tolist():
        opposite = _find_opposite(table, hidden, row, column)
        if opposite is not None:
            hidden[np.ix_((row, opposite[0]), (column, opposite[1]))] = True
    return hidden


def _with_totals(counts: Counts) -> Counts:
    below = np.vstack([counts, counts.sum(axis=0, keepdims=True)])
    return np.hstack([below, below.sum(axis=1, keepdims=True)])


def _find_opposite(table: Counts, hidden: Mask, row: int, column: int) -> tuple[int, int] | None:
    """The opposite corner of the rectangle that hides a cell best; None if there is none.

    Best is one in which the cell could as well hold ten persons; of those, the one that hides the
    fewest persons more. Totals are corners only where they are hidden anyway.
    """
    is_total = np.zeros(table.shape, dtype=bool)
    is_total[-1, :] = is_total[:, -1] = True
    # With totals counted as negative, every line sums to zero: how far each could rise and fall.
    rises = np.where(is_total, table, ENDLESS)
    falls = np.where(is_total, ENDLESS, table)
    with_it = np.minimum(rises, rises[row, column])
    against = np.minimum(falls[row, :][None, :], falls[:, column][:, None])
    plus = np.minimum(with_it, against)
    minus = np.minimum(
        np.minimum(falls, falls[row, column]),
        np.minimum(rises[row, :][None, :], rises[:, column][:, None]),
    )
    growth = minus if is_total[row, column] else plus
    shown = np.where(hidden, 0, table)
    cost = shown + shown[row, :][None, :] + shown[:, column][:, None]
    told = is_total & ~hidden
    usable = (plus > 0) | (minus > 0)
    usable &= ~(told | told[row, :][None, :] | told[:, column][:, None])
    usable[row, :] = usable[:, column] = usable[-1, -1] = False
    places = np.argwhere(usable)
    if not places.size:
        return None
    is_weak = growth[usable] < FEW - table[row, column]
    best = np.lexsort((cost[usable], is_weak))[0]
    opposite: tuple[int, int] = tuple(places[best].tolist())
    return opposite
