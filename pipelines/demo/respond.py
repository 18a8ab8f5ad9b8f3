"""How the demo company's customers react to a list: a planted effect, for the night to find.

Whoever has been on the list orders once more within two weeks, with a given probability; who was
held out of it does not. So what a list brings is known, and `list_effectiveness` can be held
against it. A customer's answer depends on the seed, the list and the id alone: a call says again
what an earlier one said, and adds the days since.
"""

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from pipelines.demo.world import MONEY
from pipelines.errors import C360Error
from pipelines.release import Release
from pipelines.segments.holdout import BUCKETS, TREATED, bucket_customers

DAYS = 14
SPENT, COST = 200, 120


def draw_responses(
    history: pl.DataFrame, name: str, lift: float, seed: int, until: date
) -> pl.DataFrame:
    """The orders that a list led to, up to a day.

    Args:
        history: `list_history`.
        name: the list.
        lift: probability that somebody on it orders once more.
        seed: of the company.
        until: the last day of orders.

    Returns:
        customer_id, ordered_on, 1 to 14 days after the first night on the list.
    """
    listed = history.filter((pl.col("list") == name) & (pl.col("role") == TREATED))
    entries = listed.group_by("customer_id").agg(pl.col("valid_from_on").min()).sort("customer_id")
    answers = bucket_customers(entries["customer_id"], f"{seed}:{name}:answers")
    waits = bucket_customers(entries["customer_id"], f"{seed}:{name}:waits") % DAYS + 1
    orders = entries.with_columns(answer=answers, wait=waits).with_columns(
        ordered_on=pl.col("valid_from_on") + pl.duration(days="wait")
    )
    does = (pl.col("answer") < round(lift * BUCKETS)) & (pl.col("ordered_on") <= until)
    return orders.filter(does).select("customer_id", "ordered_on")


def drop_responses(
    root: Path, release: Release, name: str, lift: float, seed: int, until: date
) -> int:
    """Write the orders that a released list led to into the shop's drop folder; returns how many.

    Only customers with an account of the shop can order.

    Raises:
        C360Error: the release has no such list.
    """
    path = release.path / "marts" / "list_history.parquet"
    history = pl.read_parquet(path) if path.exists() else pl.DataFrame({"list": []})
    if name not in history["list"]:
        raise C360Error(
            f"Nobody has been on a list {name!r} of {release.path.name}.",
            "The lists are in segments.yml; run c360 nightly first.",
        )
    keys = pl.read_parquet(release.path / "state" / "customer_keys.parquet")
    accounts = (
        keys.filter((pl.col("entity") == "contact") & (pl.col("source") == "shop"))
        .group_by("customer_id")
        .agg(pl.col("source_record_id").min().alias("customer_source_id"))
    )
    orders = draw_responses(history, name, lift, seed, until).join(accounts, on="customer_id")
    at_noon = pl.col("ordered_on").cast(pl.Datetime("us")) + timedelta(hours=4)  # in China
    written = orders.sort("ordered_on", "customer_id").select(
        id=pl.format("R-{}-{}", pl.lit(name), "customer_id"),
        customer_source_id="customer_source_id",
        channel=pl.lit("web"),
        status=pl.lit("completed"),
        is_test=pl.lit(value=False),
        currency=pl.lit("CNY"),
        total_amount=pl.lit(SPENT).cast(MONEY),
        cost_amount=pl.lit(COST).cast(MONEY),
        utm_campaign=pl.lit(name),
        ordered_at=at_noon.dt.replace_time_zone("UTC"),
    )
    written.write_parquet(root / "drop" / "shop" / f"orders-{until}-answers-{name}.parquet")
    return written.height
