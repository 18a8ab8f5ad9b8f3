"""Time and memory of recommendations, as a multiple of one pass over the purchases.

    .venv/bin/python benchmarks/recommend.py [CUSTOMERS] [PRODUCTS]

Each customer buys some eleven products of a few out of a hundred tastes.
"""

import argparse
import resource
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import TypeVar

import numpy as np
import polars as pl

from pipelines.rules.recommendation import ItemRules
from pipelines.scoring.recommend.demand import Demand
from pipelines.scoring.recommend.items import recommend_items

AS_OF = date(2026, 6, 30)
TASTES = 100
Result = TypeVar("Result")


def make_demand(customers: int, products: int) -> Demand:
    """Draw purchases; one customer in five bought nothing."""
    random = np.random.default_rng(1)
    counts = np.minimum(random.geometric(1 / 11, customers), 200)
    counts[::5] = 0
    buyer = np.repeat(np.arange(customers), counts)
    taste = random.integers(0, TASTES, customers)[buyer]
    stray = random.random(len(buyer)) < 0.3
    group = np.where(stray, random.integers(0, TASTES, len(buyer)), taste)
    place = (products // TASTES * random.power(0.5, len(buyer))).astype(np.int64)
    days = random.integers(0, 700, len(buyer))
    return Demand(
        purchases=pl.DataFrame({"customer": buyer, "item": group * (products // TASTES) + place})
        .with_columns(bought_on=pl.lit(AS_OF) - pl.duration(days=pl.Series(days)))
        .select(
            customer_id="c" + pl.col("customer").cast(pl.String).str.zfill(9),
            item_id="p" + pl.col("item").cast(pl.String).str.zfill(6),
            bought_on=pl.col("bought_on").cast(pl.Date),
        ),
        returns=pl.DataFrame(
            schema={"customer_id": pl.String, "item_id": pl.String, "returned_on": pl.Date}
        ),
        items=pl.DataFrame(schema={"item_id": pl.String, "is_active": pl.Boolean}),
        customers=pl.DataFrame({"number": np.arange(customers)}).select(
            customer_id="c" + pl.col("number").cast(pl.String).str.zfill(9),
            segment="s" + (pl.col("number") % 20).cast(pl.String),
        ),
    )


def timed(label: str, work: Callable[[], Result]) -> tuple[Result, float]:
    """Run and tell processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    cpu = time.process_time() - cpu
    print(f"{label:40s} {cpu:8.1f} CPU s {time.perf_counter() - wall:8.1f} s")
    return result, cpu


def main() -> None:
    """Measure one pass over the purchases, then recommendations by both methods."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("customers", type=int, nargs="?", default=1_000_000)
    parser.add_argument("products", type=int, nargs="?", default=10_000)
    chosen = parser.parse_args()
    demand = make_demand(chosen.customers, chosen.products)
    print(f"{chosen.customers:,} customers, {demand.purchases.height:,} purchases")
    _, scan = timed(
        "group purchases by customer",
        lambda: demand.purchases.group_by("customer_id").agg(pl.col("bought_on").max()),
    )
    for method in ("item_to_item", "popularity"):
        rows, cpu = timed(method, partial(recommend_items, demand, ItemRules(), AS_OF, method))
        print(f"  {rows.height:,} rows; {cpu / scan:.0f} x the pass over the purchases")
        print("  ", dict(rows["basis"].value_counts(sort=True).rows()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.1f} GiB, {timedelta(seconds=round(time.process_time()))} CPU")


if __name__ == "__main__":
    main()
