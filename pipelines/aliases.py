"""Whom an id stands for, and of which ids nothing may be remembered."""

import polars as pl


def newest_aliases(aliases: pl.DataFrame) -> pl.DataFrame:
    """The newest row of each alias, sorted by alias; of rows of one day the last counts.

    Args:
        aliases: `customer_aliases`; a null customer_id is of an id whose customer was erased.
    """
    return aliases.sort("alias_id", "changed_on", maintain_order=True).unique(
        "alias_id", keep="last", maintain_order=True
    )


def find_forgotten(requests: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """Ids of which nothing may be remembered: who asked, who was erased, and their former ids.

    Args:
        requests: customer_id of tonight's customers who asked to be forgotten.
        aliases: customer_aliases; whom an id stands for is null once all its records are erased.

    Returns:
        customer_id, each once.
    """
    stands_for = newest_aliases(aliases)
    erased = stands_for.filter(pl.col("customer_id").is_null()).select(customer_id="alias_id")
    former = stands_for.join(requests, on="customer_id", how="semi").select(customer_id="alias_id")
    asked = requests.select("customer_id")
    return pl.concat([asked, erased, former]).unique().sort("customer_id")
