"""Guest orders on a shared number: an order names nobody, but a mailbox may speak for it.

Families order with one telephone and a mailbox each. So a guest's order with a mailbox is tied by
its number only to those who have that mailbox too, or whose name it tells, or where no other one
is known on the number. Two other mailboxes on one number are two guests until something else ties
them. An order without a mailbox is its number's: of whoever has an account with it, if that is
one; else of nobody who gave a mailbox.
"""

import polars as pl

from pipelines.identity.values import NAMELESS, SHARED

SHORTEST_PART = 4  # of a given name that is looked for within other letters


def part_guests(
    carried: pl.DataFrame, guests: pl.DataFrame, personas: pl.DataFrame
) -> pl.DataFrame:
    """Give guest orders on a telephone number groups of their own where mailboxes differ.

    Args:
        carried: node, SHARED, group, as `group_carriers` gives them.
        guests: node, of the guest orders.
        personas: node and given_key, of the records that have a name.

    Returns:
        `carried` with other groups for some of the guest orders, in any order of rows.
    """
    mailboxes = carried.filter(pl.col("id_type") == "email").select("node", mailbox="value")
    numbers = carried.filter(pl.col("id_type") == "phone").select("node", *SHARED, "group")
    holders = numbers.join(guests, on="node", how="anti").join(mailboxes, on="node", how="left")
    own = mailboxes.group_by("node").agg(pl.col("mailbox").min())
    orders = numbers.join(guests, on="node", how="semi").join(own, on="node", how="left")
    told = [
        holders.drop_nulls("mailbox").select(*SHARED, "mailbox", "group"),
        _find_named(orders, holders.join(personas.select("node", "given_key"), on="node")),
    ]
    kept = (
        pl.concat(told)
        .group_by(*SHARED, "mailbox")
        .agg(
            pl.lit(True).alias("is_held"),
            # A mailbox that several people share as they share the number does not tell them apart.
            pl.when(pl.col("group").n_unique() == 1)
            .then(pl.col("group").first())
            .alias("holder_group"),
        )
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
                & pl.col("is_held").is_null()
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


def _find_named(orders: pl.DataFrame, holders: pl.DataFrame) -> pl.DataFrame:
    """Mailboxes of orders that tell the given name of who holds the number."""
    pairs = orders.drop_nulls("mailbox").select(*SHARED, "mailbox").unique()
    named = holders.drop_nulls("given_key").select(*SHARED, "given_key", "group").unique()
    local = pl.col("mailbox").str.split("@").list.first()
    given = pl.col("given_key").str.replace_all(" ", "")
    is_word = local.str.extract_all("[a-z]+").list.contains(given)
    is_within = (given.str.len_chars() >= SHORTEST_PART) & local.str.contains(given, literal=True)
    return (
        pairs.join(named, on=SHARED).filter(is_word | is_within).select(*SHARED, "mailbox", "group")
    )
