"""Nights of the policy on made-up scores, one customer or many, day by day."""

from datetime import timedelta

import polars as pl
from factories import AS_OF

from pipelines.rules.tiers import Policy
from pipelines.tiers.memory import carry_standing
from pipelines.tiers.policy import STATE, Ladder, move

LADDER = Ladder("grade", ("D", "C", "B", "A"), unscored="no_order")
CUTS = (50.0, 70.0, 90.0)
POLICY = Policy()
START = AS_OF.replace(month=1, day=5)  # well within a review period
NO_ALIASES = pl.DataFrame(
    schema={"alias_id": pl.String, "customer_id": pl.String, "changed_on": pl.Date,
            "event": pl.String}
)  # fmt: skip
TONIGHT = {
    "customer_id": pl.String, "peer_group": pl.String, "score": pl.Float64, "refunded": pl.Float64,
    "is_comparable": pl.Boolean, "override": pl.String, "override_until_on": pl.Date,
}  # fmt: skip


def night(before, rows, day, policy=POLICY, cause=None, cuts=CUTS, aliases=NO_ALIASES):
    """One night; rows are dicts of `TONIGHT`, of which only what matters need be said."""
    plain = {"customer_id": "one", "peer_group": "person", "refunded": 0.0, "is_comparable": True}
    tonight = pl.DataFrame([plain | row for row in rows], schema=TONIGHT)
    ranks = {"earned_level": "rank", "level": "shown", "level_before": "shown_before"}
    was = before
    if before is not None:
        named = [
            pl.col(rank).replace_strict(dict(enumerate("DCBA")), default=None).alias(name)
            for name, rank in ranks.items()
        ]
        was = before.with_columns(*named, ladder=pl.lit("grade"))
    causes = {"person": cause} if cause else {}
    carried = carry_standing(was, aliases, LADDER)
    return move(tonight, carried, LADDER, {"person": cuts}, causes, policy, day)


def follow(steps, policy=POLICY, start=START):
    """One customer through nights.

    steps: (days since the first night, score or what else is known, cause of new edges or None).
    Returns what `move` said of each night, as dicts.
    """
    before, told = None, []
    for days, row, *cause in steps:
        row = row if isinstance(row, dict) else {"score": row}
        day = start + timedelta(days)
        before = night(before, [row], day, policy, *cause)
        told.append(before.row(0, named=True) | {"day": day})
    return told


def levels(told):
    return "".join(LADDER.levels[row["shown"]] for row in told)


__all__ = ["STATE", "follow", "levels", "night"]
