"""Which items go together: how often the buyers of one buy the other, both ways.

Item-to-item collaborative filtering (Linden, Smith, York 2003, IEEE Internet Computing 7(1)) with
two corrections. Each customer has one vote, shared by all the items bought, so that a reseller who
buys everything ties nothing. And ties of rarely bought items are shrunk, as two buyers prove
nothing.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from pipelines.rules.recommendation import ItemRules

Ints = NDArray[np.int64]

# Everything that is summed is a whole number, so that no order of rows changes a sum.
VOTE = 1_000_000
AFFINITY = 100_000_000
# A score and the number of an item are packed into one whole number.
MOST_ITEMS = 1_000_000
BLOCK_ITEMS = 256


def relate_items(
    history: pl.DataFrame, eligible: NDArray[np.bool_], rules: ItemRules
) -> pl.DataFrame:
    """Return the closest items of every item, an item itself among them.

    The affinity of i and j is P(j | i) x P(i | j): the squared cosine of their buyers' votes, with
    `shrinkage_votes` added to both numbers of votes. It is 1 for two items that always go together.

    Args:
        history: One row per customer and item, with customer_code and item_code (from 0).
        eligible: Of each item, whether it may be recommended; the codes are places in it.
        rules: Number of related items, and the shrinkage.

    Returns:
        item_code, related_code, affinity (whole number, in units of 1 / AFFINITY, above 0), sorted.
    """
    item_count = len(eligible)
    if item_count > MOST_ITEMS:
        raise ValueError(f"{item_count} items are too many to relate; at most {MOST_ITEMS} can be.")
    customers, items = (history[name].to_numpy() for name in ("customer_code", "item_code"))
    customer_count = int(customers.max()) + 1 if len(customers) else 0
    votes = VOTE // np.maximum(np.bincount(customers, minlength=customer_count), 1)
    shape = (customer_count, item_count)
    bought = csr_matrix((np.ones(len(items), dtype=np.int64), (customers, items)), shape)
    voted = csr_matrix((votes[customers], (customers, items)), shape)
    total = np.asarray(voted.sum(axis=0)).ravel() + rules.shrinkage_votes * VOTE
    by_item = bought.T.tocsr()
    blocks = [
        _closest(by_item[start : start + BLOCK_ITEMS] @ voted, start, total, eligible, rules)
        for start in range(0, item_count, BLOCK_ITEMS)
    ]
    rows, related, affinity = (
        np.concatenate([np.empty(0, dtype=np.int64), *(block[place] for block in blocks)])
        for place in range(3)
    )
    return pl.DataFrame(
        {"item_code": rows, "related_code": related, "affinity": affinity},
        schema={"item_code": pl.UInt32, "related_code": pl.UInt32, "affinity": pl.Int64},
    ).sort("item_code", "related_code")


def _closest(
    shared: csr_matrix,
    start: int,
    total: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    rules: ItemRules,
) -> tuple[Ints, Ints, Ints]:
    """Return row, column and affinity of the closest items; of two equally close, the first."""
    votes = shared.toarray().astype(np.float64)
    own = total[start : start + len(votes), np.newaxis]
    with np.errstate(invalid="ignore"):  # an item without a vote and without shrinkage: 0 / 0
        affinity = np.rint(AFFINITY * np.nan_to_num((votes / own) * (votes / total)) * eligible)
    columns = np.arange(len(total))
    ranked = affinity.astype(np.int64) * len(total) + (len(total) - 1 - columns)
    kept = min(rules.related_items, len(total))
    best = np.argpartition(-ranked, kept - 1, axis=1)[:, :kept]
    rows = np.repeat(np.arange(len(votes)), kept)
    chosen = best.ravel()
    values = affinity[rows, chosen].astype(np.int64)
    related = values > 0
    return rows[related] + start, chosen[related], values[related]
