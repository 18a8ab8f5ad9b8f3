"""Whom an id stands for: the newest row of `customer_aliases` decides."""

import polars as pl


def newest_aliases(aliases: pl.DataFrame) -> pl.DataFrame:
    """The newest row of each alias, sorted by alias; of rows of one day the last counts.

    Args:
        aliases: `customer_aliases`; a null customer_id is of an id whose customer was erased.
    """
    return aliases.sort("alias_id", "changed_on", maintain_order=True).unique(
        "alias_id", keep="last", maintain_order=True
    )
