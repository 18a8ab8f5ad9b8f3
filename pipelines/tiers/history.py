"""Grades and VIP bands as intervals: which a customer had, from when until when, and why."""

from datetime import date

import polars as pl

from pipelines.aliases import find_forgotten, newest_aliases
from pipelines.intervals import carry_intervals

KEY = ("customer_id", "ladder")
MERGED = "merged"


def carry_grades(
    history: pl.DataFrame | None,
    standing: pl.DataFrame,
    aliases: pl.DataFrame,
    requests: pl.DataFrame,
    as_of: date,
) -> pl.DataFrame:
    """The history of a night.

    Args:
        history: as of the night before; None on the first.
        standing: where everybody stands, as `grade_customers` returns it.
        aliases: `customer_aliases`.
        requests: customer_id of those who asked to be forgotten; nothing is kept of them, nor of
            ids that stood for them.
        as_of: the run date.

    Returns:
        customer_id, ladder, level (null: no VIP band any more), level_before, direction (first, up
        or down), reason, score, cut_score (the numbers of the change), valid_from_on, valid_to_on,
        ended_because (changed, merged or gone).
    """
    forgotten = find_forgotten(requests, aliases)["customer_id"]
    is_kept = ~pl.col("customer_id").is_in(forgotten.implode())
    # Who never had a band has no history of bands; who lost one has.
    has_any = pl.col("level").is_not_null() | pl.col("level_before").is_not_null()
    was = pl.col("shown_before")
    tonight = standing.filter(has_any, is_kept).select(
        *KEY, "level", "level_before",
        direction=pl.when(was.is_null()).then(pl.lit("first"))
        .when(pl.col("shown") > was).then(pl.lit("up")).otherwise(pl.lit("down")),
        reason="reason", score="change_score", cut_score="change_cut_score",
    )  # fmt: skip
    before = None if history is None else history.filter(is_kept)
    merged = newest_aliases(aliases).filter(event=MERGED).select(customer_id="alias_id")
    both = pl.DataFrame({"ladder": sorted(standing["ladder"].unique())}, {"ladder": pl.String})
    endings = merged.join(both, how="cross").with_columns(ended_because=pl.lit(MERGED))
    return carry_intervals(before, tonight, as_of, KEY, ("level",), endings)
