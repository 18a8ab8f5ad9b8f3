"""What is true behind the drop folders: who is who, who dropped out, what they bought later."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from pipelines.demo.orders import Orders
from pipelines.demo.world import DAY, NEVER, Ints, to_day


def name_people(records: Iterable[tuple[str, str, pl.DataFrame]], before: int) -> pl.DataFrame:
    """Return whose each record is, for the records known before the given second."""
    parts = [
        frame.filter((pl.col("_at") < before) & pl.col("_person").is_not_null()).select(
            person_id="_person", source=pl.lit(source), table=pl.lit(table), source_record_id="id"
        )
        for source, table, frame in records
    ]
    return pl.concat(parts).unique(maintain_order=True)


def tell_customers(
    people: pl.DataFrame, accounts: pl.DataFrame, orders: Orders, before: int
) -> pl.DataFrame:
    """Return the truth about each customer acquired before the given second.

    A drop-out may lie after that second: the future is known here. Persons who are alive at the
    horizon have none.
    """

    def count(low: int, high: int) -> Ints:
        chosen = orders.completed & (orders.at >= low) & (orders.at < high)
        return np.bincount(orders.person[chosen], minlength=people.height)

    persons = people.select(
        person_id="person_id",
        kind=pl.lit("person"),
        acquired_on=to_day(people["acquired"].to_numpy()),
        order_rate_per_day="rate",
        dropped_out_on=to_day(people["ends"].to_numpy()),
        household_id="H" + pl.col("head").cast(pl.String).str.zfill(8),
        orders_so_far=pl.Series(count(0, before)),
        orders_next_90d=pl.Series(count(before, before + 90 * DAY)),
        orders_next_365d=pl.Series(count(before, before + 365 * DAY)),
        _at="acquired",
    )
    firms = accounts.select(
        person_id="_person",
        kind="kind",
        acquired_on=to_day(accounts["_at"].to_numpy()),
        order_rate_per_day=pl.lit(None, pl.Float64),
        dropped_out_on=to_day(np.full(accounts.height, NEVER)),
        household_id=pl.lit(None, pl.String),
        orders_so_far=pl.lit(None, pl.Int64),
        orders_next_90d=pl.lit(None, pl.Int64),
        orders_next_365d=pl.lit(None, pl.Int64),
        _at="_at",
    )
    return pl.concat([persons, firms]).filter(pl.col("_at") < before).drop("_at")
