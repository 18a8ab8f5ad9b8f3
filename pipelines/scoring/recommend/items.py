"""What to recommend to each customer next, and because of what.

Items are products or categories. What goes with the items that a customer bought comes first; what
is popular in the customer's segment fills up, and is all there is for who bought nothing yet.
"""

from datetime import date
from typing import Literal, TypeVar

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from pipelines.rules.recommendation import ItemRules
from pipelines.scoring.recommend.affinity import AFFINITY, Ints, relate_items
from pipelines.scoring.recommend.demand import WEIGHT, CodedDemand, Demand, code_demand

Method = Literal["item_to_item", "popularity"]
Packed = TypeVar("Packed", pl.Expr, Ints)

DECIMALS = 6
# Pairs of a bought and a related item, and customers, handled at once: memory stays flat.
CHUNK_PAIRS = 20_000_000
CHUNK_CUSTOMERS = 200_000


def recommend_items(
    demand: Demand, rules: ItemRules, as_of: date, method: Method = "item_to_item"
) -> pl.DataFrame:
    """Return the next items of every customer, the best first, each with its reason.

    Never an item that is discontinued, that the customer returned within `returned_days` or bought
    within `rest_days`; and never again a durable: an item that fewer than `min_rebuy_rate` of its
    buyers bought on a second day.

    Args:
        demand: Purchases, returns, items and customers.
        rules: Numbers of `recommendation.yml`.
        as_of: The last day whose purchases are known.
        method: `popularity` leaves out what the customer's own purchases say.

    Returns:
        At most `top_count` rows per customer, sorted by customer_id and rank (from 1), with
        item_id. `basis` is bought_before (a re-buy: because_item_id is the item itself),
        bought_with (goes with because_item_id, the purchase that says most), popular_in_segment or
        popular. affinity_score is null for the popular. No order of rows changes the result.
    """
    coded = code_demand(demand, rules, as_of)
    related = (
        relate_items(coded.history, coded.items["is_active"].to_numpy(), rules)
        if method == "item_to_item"
        else pl.DataFrame(schema=RELATED)
    )
    chunks = [
        _recommend_chunk(coded, related, rules, first, last)
        for first, last in _plan_chunks(coded, rules)
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *chunks])


RANKED = ("customer_code", "rank", "item_code", "basis", "because_code", "score")
RELATED = pl.Schema({"item_code": pl.UInt32, "related_code": pl.UInt32, "affinity": pl.Int64})
SCHEMA = pl.Schema(
    {
        "customer_id": pl.String(),
        "rank": pl.Int64(),
        "item_id": pl.String(),
        "basis": pl.String(),
        "because_item_id": pl.String(),
        "affinity_score": pl.Float64(),
    }
)


def _plan_chunks(coded: CodedDemand, rules: ItemRules) -> list[tuple[int, int]]:
    """Return the first and last customer of each chunk."""
    pairs = coded.history.group_by("customer_code").agg(pairs=pl.len() * rules.related_items)
    chunk = pl.col("pairs").fill_null(0).cum_sum() // CHUNK_PAIRS
    return (
        coded.customers.join(pairs, on="customer_code", how="left", maintain_order="left")
        .group_by(chunk, by_size=pl.col("customer_code") // CHUNK_CUSTOMERS)
        .agg(first=pl.col("customer_code").min(), last=pl.col("customer_code").max())
        .sort("first")
        .select("first", "last")
        .rows()
    )


def _recommend_chunk(
    coded: CodedDemand, related: pl.DataFrame, rules: ItemRules, first: int, last: int
) -> pl.DataFrame:
    here = pl.col("customer_code").is_between(first, last)
    customers, excluded = coded.customers.filter(here), coded.excluded.filter(here)
    size = (first, last, coded.items.height)
    own = _score(coded.history.filter(here), related, excluded, size, rules.top_count)
    filled = _fill(customers, own, excluded, coded.popular, rules.top_count)
    return (
        pl.concat([own, filled])
        .sort("customer_code", "rank")
        .join(coded.customers, on="customer_code", maintain_order="left")
        .join(coded.items, on="item_code", maintain_order="left")
        .join(
            coded.items.select(because_code="item_code", because_item_id="item_id"),
            on="because_code",
            how="left",
            maintain_order="left",
        )
        .with_columns(affinity_score=(pl.col("score") / (WEIGHT * AFFINITY)).round(DECIMALS))
        .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    )


def _score(
    history: pl.DataFrame,
    related: pl.DataFrame,
    excluded: pl.DataFrame,
    size: tuple[int, int, int],
    top_count: int,
) -> pl.DataFrame:
    """Return the items closest to all that a customer bought; of two equally close, the first.

    A sparse product, customers x items by items x items, says how close all items are.
    """
    first, last, items = size
    row, shape = pl.col("customer_code") - first, (last - first + 1, items)
    weights = _matrix(history.select(row, "item_code", "weight"), shape)
    barred = _matrix(excluded.select(row, "item_code", barred=pl.lit(1)), shape)
    scores = weights @ _matrix(related, (items, items))
    scores -= scores.multiply(barred)
    customers = np.repeat(np.arange(first, last + 1, dtype=np.uint32), np.diff(scores.indptr))
    best = (
        pl.DataFrame(
            {
                "customer_code": pl.Series(customers).set_sorted(),
                "best": _pack(scores.data, scores.indices, items),
            }
        )
        .group_by("customer_code")
        .agg(pl.col("best").top_k(top_count))
        .explode("best")
        .sort("customer_code", "best", descending=[False, True])
        .select(
            "customer_code",
            rank=pl.int_range(1, pl.len() + 1).over("customer_code"),
            item_code=_code_in(pl.col("best"), items),
            score=pl.col("best") // items,
        )
        .filter(pl.col("score") > 0)
    )
    return best.join(
        _reasons(best, history, related, items), on=["customer_code", "item_code"]
    ).select(RANKED)


def _reasons(
    best: pl.DataFrame, history: pl.DataFrame, related: pl.DataFrame, items: int
) -> pl.DataFrame:
    """Return for each recommended item the purchase that says most for it."""
    said = _pack(pl.col("weight") * pl.col("affinity"), pl.col("because_code"), items)
    return (
        best.lazy()
        .select("customer_code", "item_code")
        .join(history.lazy().rename({"item_code": "because_code"}), on="customer_code")
        .join(
            related.lazy().rename({"item_code": "because_code", "related_code": "item_code"}),
            on=["because_code", "item_code"],
        )
        .group_by("customer_code", "item_code")
        .agg(said.max().alias("said"))
        .with_columns(because_code=_code_in(pl.col("said"), items))
        .with_columns(
            basis=pl.when(pl.col("because_code") == pl.col("item_code"))
            .then(pl.lit("bought_before"))
            .otherwise(pl.lit("bought_with")),
        )
        .collect()
    )


def _pack(value: Packed, code: Packed, items: int) -> Packed:
    """Return whole numbers that order by value, and equal values by the first code."""
    return value * items + (items - 1 - code)


def _code_in(packed: pl.Expr, items: int) -> pl.Expr:
    return (items - 1 - packed % items).cast(pl.UInt32)


def _matrix(entries: pl.DataFrame, shape: tuple[int, int]) -> csr_matrix:
    """Return a sparse matrix of (row, column, value)."""
    rows, columns, values = (entries[name].to_numpy() for name in entries.columns)
    return csr_matrix((values.astype(np.int64), (rows, columns)), shape)


def _fill(
    customers: pl.DataFrame,
    own: pl.DataFrame,
    excluded: pl.DataFrame,
    popular: pl.DataFrame,
    top_count: int,
) -> pl.DataFrame:
    """Return popular items for the places that are left."""
    found = own.group_by("customer_code").agg(found=pl.len().cast(pl.Int64))
    pair = ["customer_code", "item_code"]
    place = pl.int_range(1, pl.len() + 1).over("customer_code") + pl.col("found")
    return (
        customers.join(found, on="customer_code", how="left")
        .with_columns(pl.col("found").fill_null(0))
        .filter(pl.col("found") < top_count)
        .join(popular, on="list_code")
        .join(pl.concat([excluded, own.select(pair)]), on=pair, how="anti")
        .sort("customer_code", "place")
        .with_columns(
            rank=place,
            because_code=pl.lit(None, pl.UInt32),
            score=pl.lit(None, pl.Int64),
        )
        .filter(pl.col("rank") <= top_count)
        .select(RANKED)
    )
