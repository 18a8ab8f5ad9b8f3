"""Guest orders on a shared number: an order names nobody, but a mailbox may speak for it.

Families order with one telephone and a mailbox each. So a guest's order with a mailbox is tied by
its number only to those who have that mailbox too, or whose name it tells, or where no other one
is known on the number. Two other mailboxes on one number are two guests until something else ties
them. An order without a mailbox is its number's: of whoever has an account with it, if that is one;
else of nobody who gave a mailbox.
"""

import polars as pl

from pipelines.identity.values import NAMELESS, SHARED


def part_guests(carried: pl.DataFrame, guests: pl.DataFrame) -> pl.DataFrame:
    """Give guest orders on a telephone number groups of their own where mailboxes differ.

    Args:
        carried: node, SHARED, group, as `group_carriers` gives them.
        guests: node, of the guest orders.

    Returns:
        `carried` with other groups for some of the guest orders, in any order of rows.
    """
    mailboxes = carried.filter(pl.col("id_type") == "email").select("node", mailbox="value")
    numbers = carried.filter(pl.col("id_type") == "phone").select("node", *SHARED, "group")
    holders = numbers.join(guests, on="node", how="anti").join(mailboxes, on="node", how="left")
    own = mailboxes.group_by("node").agg(pl.col("mailbox").min())
    orders = numbers.join(guests, on="node", how="semi").join(own, on="node", how="left")
    kept = (
        holders.drop_nulls("mailbox")
        .group_by(*SHARED, "mailbox")
        .agg(pl.col("group").min().alias("holder_group"))
    )
    known = (
        holders.drop_nulls("mailbox")
        .group_by(SHARED)
        .agg(pl.col("mailbox").n_unique().alias("known"))
    )
    placed = (
        orders.join(kept, on=[*SHARED, "mailbox"], how="left")
        .join(known, on=SHARED, how="left")
        .with_columns(
            (
                pl.col("known").fill_null(0)
                + pl.col("mailbox").drop_nulls().n_unique().over(SHARED)
            ).alias("mailboxes"),
            pl.col("mailbox").rank("dense").over(SHARED).cast(pl.Int64).alias("place"),
        )
        .with_columns(
            (
                pl.col("mailbox").is_not_null()
                & pl.col("holder_group").is_null()
                & (pl.col("mailboxes") > 1)
            ).alias("is_stranger")
        )
        .with_columns(
            pl.when("is_stranger")
            .then(NAMELESS - pl.col("place"))
            .when(
                pl.col("mailbox").is_null()
                & pl.col("known").is_null()
                & pl.col("is_stranger").any().over(SHARED)
            )
            .then(pl.lit(NAMELESS, pl.Int64))
            .otherwise(pl.coalesce("holder_group", "group"))
            .alias("placed")
        )
        .select("node", *SHARED, "placed")
    )
    return (
        carried.join(placed, on=["node", *SHARED], how="left")
        .with_columns(pl.coalesce("placed", "group").alias("group"))
        .drop("placed")
    )
