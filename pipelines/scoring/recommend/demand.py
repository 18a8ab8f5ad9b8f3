"""Who bought what, in whole numbers: histories, what must not be recommended, what is popular."""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.rules.recommendation import ItemRules

# Weights of a purchase are whole numbers, so that no order of rows changes a sum.
WEIGHT = 10
EVERYONE = 0
# Some of what is popular is the customer's own already; so many times the list leave enough.
SPARE = 5


@dataclass(frozen=True)
class Demand:
    """Who bought and returned what; what lies after the day of scoring is passed over.

    Attributes:
        purchases: customer_id, item_id, bought_on; a row for each line or day, repeats allowed.
        returns: customer_id, item_id, returned_on.
        items: item_id, is_active; what is not listed or null counts as active.
        customers: customer_id, segment; everyone who gets recommendations, the segment may be null.
    """

    purchases: pl.DataFrame
    returns: pl.DataFrame
    items: pl.DataFrame
    customers: pl.DataFrame


@dataclass(frozen=True)
class CodedDemand:
    """The same in whole numbers: a customer and an item are places in sorted lists of ids.

    Attributes:
        customers: customer_code, customer_id, list_code (which list of popular items).
        items: item_code, item_id, is_active.
        history: customer_code, item_code, weight; sorted by customer, the latest purchase first.
        excluded: customer_code, item_code: what must not be recommended.
        popular: list_code, item_code, place (from 0), basis.
    """

    customers: pl.DataFrame
    items: pl.DataFrame
    history: pl.DataFrame
    excluded: pl.DataFrame
    popular: pl.DataFrame


def code_demand(demand: Demand, rules: ItemRules, as_of: date) -> CodedDemand:
    """Return what is known by the end of `as_of`, in whole numbers.

    Raises:
        ValueError: If a customer occurs twice among the customers, or an item among the items.
    """
    for name, frame in (("customer_id", demand.customers), ("item_id", demand.items)):
        if twice := frame.filter(pl.col(name).is_duplicated())[name].to_list():
            raise ValueError(f"{len(twice)} rows share their {name}; the first is {min(twice)!r}.")
    bought = demand.purchases.filter(
        pl.col("bought_on") <= as_of,
        pl.col("bought_on") > as_of - timedelta(days=rules.history_days),
        pl.col("item_id").is_not_null(),
    )
    items = _code_items(bought, demand.items)
    customers = demand.customers.sort("customer_id").with_row_index("customer_code")
    pairs = (
        bought.join(customers, on="customer_id")
        .join(items, on="item_id")
        .group_by("customer_code", "item_code", "segment")
        .agg(days=pl.col("bought_on").n_unique(), last_on=pl.col("bought_on").max())
        .sort("customer_code", "last_on", "item_code", descending=[False, True, False])
    )
    recent = pairs.filter(pl.col("last_on") > as_of - timedelta(days=rules.popular_days))
    segments = (
        recent.filter(pl.col("segment").is_not_null())
        .group_by("segment")
        .agg(buyers=pl.col("customer_code").n_unique())
        .filter(pl.col("buyers") >= rules.min_segment_customers)
        .select(pl.col("segment").sort())
        .with_row_index("list_code", offset=EVERYONE + 1)
    )
    return CodedDemand(
        customers=customers.join(segments, on="segment", how="left", maintain_order="left").select(
            "customer_code", "customer_id", pl.col("list_code").fill_null(EVERYONE)
        ),
        items=items,
        history=pairs.filter(
            pl.int_range(pl.len()).over("customer_code") < rules.history_items
        ).select(
            "customer_code",
            "item_code",
            weight=(WEIGHT * (1 + pl.col("days").log())).round().cast(pl.Int64),
        ),
        excluded=_exclude(pairs, demand.returns, customers, items, rules, as_of),
        popular=_rank_popular(recent, segments, items, rules.top_count * SPARE),
    )


def _code_items(bought: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    return (
        bought.select(pl.col("item_id").unique())
        .join(items, on="item_id", how="left")
        .sort("item_id")
        .with_row_index("item_code")
        .select("item_code", "item_id", pl.col("is_active").fill_null(value=True))
    )


def _exclude(
    pairs: pl.DataFrame,
    returns: pl.DataFrame,
    customers: pl.DataFrame,
    items: pl.DataFrame,
    rules: ItemRules,
    as_of: date,
) -> pl.DataFrame:
    """Return whose own items rest, are durable, or came back."""
    durables = (
        pairs.group_by("item_code")
        .agg(rebuy_rate=(pl.col("days") > 1).mean())
        .filter(pl.col("rebuy_rate") < rules.min_rebuy_rate)
    )
    resting = pairs.filter(pl.col("last_on") > as_of - timedelta(days=rules.rest_days))
    returned = (
        returns.filter(
            pl.col("returned_on") <= as_of,
            pl.col("returned_on") > as_of - timedelta(days=rules.returned_days),
        )
        .join(customers, on="customer_id")
        .join(items, on="item_id")
    )
    parts = (resting, pairs.join(durables, on="item_code", how="semi"), returned)
    return pl.concat([part.select("customer_code", "item_code") for part in parts]).unique()


def _rank_popular(
    recent: pl.DataFrame, segments: pl.DataFrame, items: pl.DataFrame, length: int
) -> pl.DataFrame:
    """Return what most customers bought lately: a list for everyone, and one for each segment.

    A segment's list goes on with everyone's where it ends.
    """
    on_sale = recent.join(items.filter("is_active"), on="item_code", how="semi")
    everyone = pl.lit(EVERYONE, pl.UInt32).alias("list_code")
    everyones = _count_buyers(on_sale.with_columns(everyone), "popular", length)
    own = _count_buyers(on_sale.join(segments, on="segment"), "popular_in_segment", length)
    lent = segments.select("list_code").join(everyones.drop("list_code"), how="cross")
    return (
        pl.concat(
            [everyones, own, lent.select(everyones.columns).with_columns(pl.col("place") + length)]
        )
        .sort("list_code", "place")
        .unique(["list_code", "item_code"], keep="first", maintain_order=True)
        .with_columns(place=pl.int_range(pl.len()).over("list_code"))
    )


def _count_buyers(bought: pl.DataFrame, basis: str, length: int) -> pl.DataFrame:
    return (
        bought.group_by("list_code", "item_code")
        .agg(buyers=pl.len())
        .sort("list_code", "buyers", "item_code", descending=[False, True, False])
        .with_columns(place=pl.int_range(pl.len()).over("list_code"), basis=pl.lit(basis))
        .filter(pl.col("place") < length)
        .select("list_code", "item_code", "place", "basis")
    )
