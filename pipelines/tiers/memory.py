"""What the night before knew of everybody, carried over to whom the records are of tonight."""

import polars as pl

from pipelines.aliases import newest_aliases
from pipelines.tiers.policy import STATE, Ladder

NAMED = ("customer_id", "ladder", "earned_level", "level", "level_before")
# What is read of the night before.
STANDING = pl.Schema({**dict.fromkeys(NAMED, pl.String()), **STATE})
SHOWN = (
    "shown", "shown_before", "changed_on", "reason", "change_score", "change_cut_score",
    "override_until_on",
)  # fmt: skip


def carry_standing(
    before: pl.DataFrame | None, aliases: pl.DataFrame, ladder: Ladder
) -> pl.DataFrame:
    """What the night before left on one ladder, by the customers of tonight.

    Where customers have become one, the customer that is left goes on from the best level of them,
    with its holds and warnings: nobody is lowered because two records turned out to be one person.
    An id that was split off has no standing yet. Levels are carried by name: a ladder may have
    others than the night before, and who had one that is no more is on the lowest.

    Args:
        before: customer_id, ladder, earned_level, level, level_before and the columns of `STATE`;
            None on the first night.
        aliases: `customer_aliases`: the newest row of an id says whom it stands for.
        ladder: the ladder of tonight.

    Returns:
        customer_id, the columns of `STATE`, and is_merged (the rank is of another one's); what was
        shown, and since when, stays the customer's own.
    """
    if before is None:
        return pl.DataFrame(schema={"customer_id": pl.String, **STATE, "is_merged": pl.Boolean})
    merged = (
        newest_aliases(aliases)
        .filter(event="merged")
        .select(customer_id="alias_id", stands_for="customer_id")
    )
    known = pl.col("shown_before").is_not_null()
    own = before.filter(ladder=ladder.name).select(
        pl.all().exclude("rank", "shown", "shown_before"),
        _rank("earned_level", ladder).alias("rank"),
        _rank("level", ladder).alias("shown"),
        pl.when(known).then(_rank("level_before", ladder)).alias("shown_before"),
    ).select("customer_id", *STATE)  # fmt: skip
    moved = own.join(merged, on="customer_id", how="left").with_columns(
        is_merged=pl.col("stands_for").is_not_null(), former=pl.col("customer_id")
    )
    carried = moved.with_columns(customer_id=pl.coalesce("stands_for", "customer_id"))
    best = carried.sort(
        "customer_id", "rank", "is_merged", "former", descending=[False, True, False, False],
        nulls_last=True,
    ).unique("customer_id", keep="first", maintain_order=True)  # fmt: skip
    refunded = carried.group_by("customer_id").agg(pl.col("refunded").sum())
    result = (
        best.drop(*SHOWN, "refunded")
        .join(own.select("customer_id", *SHOWN), on="customer_id", how="left")
        .join(refunded, on="customer_id")
    )
    return result.select("customer_id", *STATE, "is_merged")


def _rank(level: str, ladder: Ladder) -> pl.Expr:
    ranks = {name: rank for rank, name in enumerate(ladder.levels) if name is not None}
    return pl.col(level).replace_strict(ranks, default=0, return_dtype=pl.Int64)
