"""One night of the policy: who rises, who is warned, who steps down, and why.

Grades and VIP bands are two ladders under the same rules. A ladder's levels are numbers from 0, the
lowest; a level above begins at its cut-off. Nothing here knows what a score is made of.

    up      at once, to what the score reaches (`upgrade_steps: one`: a step, held before the next)
    warned  below the own cut-off at a review or by a refund, or below its band for long; after an
            upgrade not before its hold is over. The warning ends when the score is back.
    down    one step, when the grace that began with the warning is over
    undone  an upgrade, within its hold, by a refund that took the score back below the cut-off
    lowest  whoever has no score any more: nothing is left to grade
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.rules.tiers import Policy
from pipelines.tiers.edges import Cause, CutOffs

BELOW_BAND = "below_band"
HIGHEST = 3  # levels above the lowest that a ladder may have
STATE = {
    "rank": pl.Int64(), "shown": pl.Int64(), "shown_before": pl.Int64(), "changed_on": pl.Date(),
    "reason": pl.String(), "change_score": pl.Float64(), "change_cut_score": pl.Float64(),
    "raised_from": pl.Int64(), "held_until_on": pl.Date(), "below_since_on": pl.Date(),
    "warned_on": pl.Date(), "warned_because": pl.String(), "score": pl.Float64(),
    "refunded": pl.Float64(), "override_until_on": pl.Date(),
}  # fmt: skip


@dataclass(frozen=True)
class Ladder:
    """Levels from the lowest up, and what is said of whoever has no score on it."""

    name: str
    levels: tuple[str | None, ...]
    unscored: str


def move(
    tonight: pl.DataFrame,
    before: pl.DataFrame,
    ladder: Ladder,
    cut_offs: Mapping[str, CutOffs],
    causes: Mapping[str, Cause],
    policy: Policy,
    as_of: date,
) -> pl.DataFrame:
    """Where everybody stands after a night.

    Args:
        tonight: customer_id, peer_group, score (null: not on this ladder), refunded (money ever
            paid back), is_comparable (false: a measure that counts is missing, nobody is moved),
            override (a level set by hand, or null) and override_until_on.
        before: customer_id, the columns of `STATE` after the night before, and is_merged (its rank
            is that of another customer who is one with this one since tonight).
        ladder: the levels.
        cut_offs: by peer group, where each level above the lowest begins.
        causes: by peer group, why its edges were taken anew tonight.
        policy: how customers move.
        as_of: the run date.

    Returns:
        customer_id, peer_group, the columns of `STATE`, and where levels begin: cut_score that by
        the rules, shown_cut_score the one shown, next_cut_score the one above it; sorted by
        customer.

        rank is the level by the rules, shown the one that counts: the same, but for overrides.
        reason, change_score and change_cut_score are of the change that began the level shown.
    """
    peers = pl.DataFrame(
        [(group, causes.get(group), list(cuts)) for group, cuts in cut_offs.items()],
        schema={"peer_group": pl.String, "cause": pl.String, "cuts": pl.List(pl.Float64)},
        orient="row",
    )
    marks = _marked(tonight, before, peers, policy, as_of)
    decided = _decided(marks, ladder, policy, as_of)
    shown = _shown(decided, ladder, as_of)
    # What cannot be compared is not remembered either: the next night compares with the one before.
    is_kept = ~pl.col("is_comparable") & pl.col("score_was").is_not_null()
    kept = [pl.when(is_kept).then(f"{name}_was").otherwise(name).alias(name)
            for name in ("score", "refunded")]  # fmt: skip
    return shown.with_columns(kept).select(
        "customer_id", "peer_group", *STATE,
        _cut(pl.col("rank")).alias("cut_score"),
        _cut(pl.col("shown")).alias("shown_cut_score"),
        _cut(pl.col("shown") + 1).alias("next_cut_score"),
    ).sort("customer_id")  # fmt: skip


def _marked(
    tonight: pl.DataFrame,
    before: pl.DataFrame,
    peers: pl.DataFrame,
    policy: Policy,
    as_of: date,
) -> pl.DataFrame:
    """What is true of everybody tonight, before anything is decided."""
    was = before.select(
        "customer_id", "is_merged", *(pl.col(name).alias(f"{name}_was") for name in STATE)
    )
    score, own = pl.col("score"), pl.col("own_cut")
    is_held = pl.col("held_until_on_was") > as_of
    days_below = pl.lit(as_of) - pl.col("below_since_on")
    return (
        tonight.join(was, on="customer_id", how="left")
        .join(peers, on="peer_group", how="left")
        .with_columns(
            is_held=is_held.fill_null(False),
            is_merged=pl.col("is_merged").fill_null(False),
        )
        .with_columns(earned=_reached(score), own_cut=_cut(pl.col("rank_was")))
        .with_columns(
            is_below=(score < policy.band * own).fill_null(False),
            is_due=(score < policy.review_below * own).fill_null(False),
            is_refunded=(
                (pl.col("refunded") > pl.col("refunded_was"))
                & (pl.col("score_was") >= own)
                & (score < own)
            ).fill_null(False),
        )
        .with_columns(
            below_since_on=pl.when("is_below").then(
                pl.coalesce("below_since_on_was", pl.lit(as_of))
            )
        )
        .with_columns(
            is_long_below=(days_below >= timedelta(policy.below_days)).fill_null(False),
            is_still_warned=pl.col("warned_on_was").is_not_null()
            & pl.when(pl.col("warned_because_was") == BELOW_BAND)
            .then("is_below")
            .otherwise("is_due"),
        )
    )


def _decided(marks: pl.DataFrame, ladder: Ladder, policy: Policy, as_of: date) -> pl.DataFrame:
    """The level by the rules, warnings and holds."""
    rank, earned, comparable = pl.col("rank_was"), pl.col("earned"), pl.col("is_comparable")
    is_new = rank.is_null()
    is_lost = pl.col("score").is_null()
    may_rise = comparable & (earned > rank)
    if policy.upgrade_steps == "one":
        may_rise &= ~pl.col("is_held")
        earned = pl.min_horizontal(earned, rank + 1)
    undone = comparable & pl.col("is_held") & pl.col("is_refunded") & (
        pl.col("raised_from_was").is_not_null()
    )  # fmt: skip
    opened = (
        pl.when("is_refunded", "is_due").then(pl.lit("refund"))
        .when(pl.col("cause").is_not_null(), "is_due").then("cause")
        .when("is_long_below").then(pl.lit(BELOW_BAND))
    )  # fmt: skip
    warned_because = (
        pl.when(~comparable | pl.col("is_still_warned")).then("warned_because_was")
        .when(~pl.col("is_held")).then(opened)
    )  # fmt: skip
    since = pl.when(~comparable | pl.col("is_still_warned")).then("warned_on_was")
    warned_on = since.otherwise(pl.when(pl.col("warned_because").is_not_null()).then(as_of))
    is_over = comparable & (pl.col("warned_on") + timedelta(policy.grace_days) <= as_of)
    first = pl.lit("first_graded")
    return (
        marks.with_columns(warned_because=warned_because)
        .with_columns(warned_on=warned_on)
        .with_columns(
            rank=pl.when(is_new).then("earned")
            .when(is_lost).then(0)
            .when(may_rise).then(earned)
            .when(undone).then(pl.max_horizontal("earned", "raised_from_was"))
            .when(is_over.fill_null(False)).then(rank - 1)
            .otherwise(rank),
            rule=pl.when(is_lost).then(pl.lit(ladder.unscored))
            .when(is_new | pl.col("score_was").is_null()).then(first)
            .when(may_rise).then(pl.coalesce("cause", pl.lit("earned")))
            .when(undone).then(pl.lit("refund_undid"))
            .otherwise("warned_because"),
        )
        .with_columns(is_moved=pl.col("rank").ne_missing(rank), is_up=pl.col("rank") > rank)
        .with_columns(
            held_until_on=pl.when(pl.col("is_up") & pl.col("score_was").is_not_null())
            .then(as_of + timedelta(policy.hold_days))
            .when(~pl.col("is_moved")).then("held_until_on_was"),
            raised_from=pl.when(pl.col("is_up") & pl.col("score_was").is_not_null()).then(rank)
            .when(~pl.col("is_moved")).then("raised_from_was"),
            below_since_on=pl.when(~pl.col("is_moved")).then(
                pl.when(comparable).then("below_since_on").otherwise("below_since_on_was")
            ),
            warned_on=pl.when(~pl.col("is_moved")).then("warned_on"),
            warned_because=pl.when(~pl.col("is_moved")).then("warned_because"),
        )
    )  # fmt: skip


def _shown(decided: pl.DataFrame, ladder: Ladder, as_of: date) -> pl.DataFrame:
    """The level that counts, and the change that began it."""
    levels = [level for level in ladder.levels if level is not None]
    ranks = {level: ladder.levels.index(level) for level in levels}
    by_hand = pl.col("override").replace_strict(ranks, default=None, return_dtype=pl.Int64)
    shown, was = pl.col("shown"), pl.col("shown_was")
    is_set, was_set = (
        pl.col("override").is_not_null(),
        pl.col("override_until_on_was").is_not_null(),
    )
    is_first_score = was.is_not_null() & pl.col("score_was").is_null() & (
        pl.col("score").is_not_null()
    )  # fmt: skip
    reason = (
        pl.when(is_set).then(pl.lit("override"))
        .when(was_set).then(pl.lit("override_ended"))
        .when("is_merged", ~pl.col("is_moved")).then(pl.lit("merged"))
        .otherwise("rule")
    )  # fmt: skip
    decisive = pl.when(shown > was).then(_cut(shown)).when(shown < was).then(_cut(was))
    changed = pl.col("is_changed")
    return (
        decided.with_columns(shown=pl.coalesce(by_hand, "rank"))
        .with_columns(is_changed=shown.ne_missing(was))
        .with_columns(
            shown_before=pl.when(changed).then(was).otherwise("shown_before_was"),
            changed_on=pl.when(changed).then(as_of).otherwise("changed_on_was"),
            reason=pl.when(changed).then(reason)
            .when(is_first_score & ~is_set).then("rule")
            .otherwise("reason_was"),
            change_score=pl.when(changed).then("score").otherwise("change_score_was"),
            change_cut_score=pl.when(changed).then(decisive).otherwise("change_cut_score_was"),
        )
    )  # fmt: skip


def _reached(score: pl.Expr) -> pl.Expr:
    """How many cut-offs a score reaches; a level out of reach does not count."""
    cuts = (pl.col("cuts").list.get(place, null_on_oob=True) for place in range(HIGHEST))
    return pl.sum_horizontal((score >= cut).fill_null(False).cast(pl.Int64) for cut in cuts)


def _cut(rank: pl.Expr) -> pl.Expr:
    """Where a level begins; null for the lowest, for one out of reach and above the highest."""
    place = pl.when(rank >= 1).then(rank - 1)
    return pl.col("cuts").list.get(place, null_on_oob=True)
