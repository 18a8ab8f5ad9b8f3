"""Who has been on which list, and held out of it, from which night until which, and why.

An interval begins on the night that a customer comes onto a list, and ends on the first night on
which they are no longer there. A customer id that a merge took away keeps its closed intervals, so
that what was done to it can still be counted; of an erased customer nothing stays.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from pipelines.intervals import carry_intervals
from pipelines.rules.segments import Segments
from pipelines.segments.funnel import DECISION, HOLDOUT, ON_LIST, Members
from pipelines.segments.holdout import GLOBALLY, HELD_OUT, TREATED

LIST_KEY = ["list", "customer_id"]
STATE = ["version", "global_version", "role"]
CONDITION, LIST_BEGAN = "condition", "list_began"
NO_LONGER_MATCHES, MERGED, LIST_REMOVED = "no_longer_matches", "merged", "list_removed"


def carry_membership(
    history: pl.DataFrame | None,
    decisions: pl.DataFrame,
    decisions_before: pl.DataFrame | None,
    rules: Segments,
    living: pl.DataFrame,
    merged: pl.DataFrame,
    as_of: date,
) -> pl.DataFrame:
    """The history of lists after tonight.

    Args:
        history: as of the last release; None on the first night.
        decisions: `list_decisions` of tonight.
        decisions_before: of the last release.
        rules: tonight's lists.
        living: customer_id of everybody of tonight who did not ask to be forgotten.
        merged: alias_id, customer_id: ids that are part of another customer now.
        as_of: the run date.

    Returns:
        list, customer_id, version, global_version, role (treated, holdout, global_holdout),
        purpose, channel, entered_because, valid_from_on, valid_to_on, ended_because; sorted by
        list, customer and day.
        entered_because: `condition` where it became true, `list_began` on the first night of a
        version, else `no_longer_` and what had kept the customer off the night before.
        ended_because: the decision that took the customer off, with its detail after a colon;
        no_longer_matches, merged, list_removed, gone; `changed` where the role or version did.
    """
    tonight = _members_of_tonight(decisions, decisions_before, rules)
    known = None
    if history is not None:
        stay = pl.concat([living.select("customer_id"), merged.select(customer_id="alias_id")])
        known = history.join(stay, on="customer_id", how="semi")
    endings = None
    if known is not None:
        endings = _endings(decisions, rules, known, living, merged)
    return carry_intervals(known, tonight, as_of, LIST_KEY, STATE, endings)


def find_members(
    history: pl.DataFrame,
    decisions: pl.DataFrame,
    merged: pl.DataFrame,
    released_on: date,
    lists: Mapping[tuple[str, int], date],
) -> Members:
    """Who was on a list last night, and what was decided of others, under tonight's customer ids.

    Args:
        history: `list_history` of the last release.
        decisions: `list_decisions` of it.
        merged: alias_id, customer_id: ids that are part of another customer now.
        released_on: the last release's run date.
        lists: its lists, by name and version, each with the night of its last refresh.
    """
    there = history.filter(pl.col("valid_to_on").is_null()).select(*LIST_KEY, "version")
    others = decisions.filter(~pl.col("decision").is_in([ON_LIST, HOLDOUT])).with_columns(
        pl.col("decided_on").fill_null(released_on)  # an older version kept none of other nights
    )
    return Members(
        released_on,
        lists,
        _under_ids_of_tonight(there, merged).unique(),
        _under_ids_of_tonight(others.sort(LIST_KEY), merged)
        .select(*DECISION)
        .unique(LIST_KEY, keep="first", maintain_order=True),
    )


def _under_ids_of_tonight(rows: pl.DataFrame, merged: pl.DataFrame) -> pl.DataFrame:
    now = merged.select(customer_id="alias_id", now="customer_id")
    return (
        rows.join(now, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("now", "customer_id").alias("customer_id"))
        .drop("now")
    )


def _members_of_tonight(
    decisions: pl.DataFrame, before: pl.DataFrame | None, rules: Segments
) -> pl.DataFrame:
    members = decisions.filter(pl.col("decision").is_in([ON_LIST, HOLDOUT]))
    role = (
        pl.when(pl.col("decision") == ON_LIST)
        .then(pl.lit(TREATED))
        .when(pl.col("detail") == "global")
        .then(pl.lit(GLOBALLY))
        .otherwise(pl.lit(HELD_OUT))
    )
    facts = pl.DataFrame(
        [(segment.name, segment.purpose, segment.channel) for segment in rules.segments],
        schema=dict.fromkeys(["list", "purpose", "channel"], pl.String),
        orient="row",
    )
    global_version = pl.lit(rules.holdout.global_version, pl.Int64)
    known = members.with_columns(role.alias("role"), global_version.alias("global_version"))
    return _tell_entry(known.join(facts, on="list"), before).select(
        *LIST_KEY, *STATE, "purpose", "channel", "entered_because"
    )


def _tell_entry(members: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """What let each in: only that of intervals which begin tonight is kept."""
    if before is None:
        return members.with_columns(entered_because=pl.lit(LIST_BEGAN))
    was = before.select(*LIST_KEY, was="decision")
    known = before.select("list", "version").unique().with_columns(is_known=True)
    kept_off = pl.col("was").is_not_null() & ~pl.col("was").is_in([ON_LIST, HOLDOUT])
    return (
        members.join(was, on=LIST_KEY, how="left")
        .join(known, on=["list", "version"], how="left")
        .with_columns(
            entered_because=pl.when(pl.col("is_known").is_null())
            .then(pl.lit(LIST_BEGAN))
            .when(kept_off)
            .then(pl.format("no_longer_{}", "was"))
            .otherwise(pl.lit(CONDITION))
        )
    )


def _endings(
    decisions: pl.DataFrame,
    rules: Segments,
    history: pl.DataFrame,
    living: pl.DataFrame,
    merged: pl.DataFrame,
) -> pl.DataFrame:
    """Why those who were on a list last night are not on it tonight."""
    there = history.filter(pl.col("valid_to_on").is_null()).select(LIST_KEY)
    decided = decisions.filter(~pl.col("decision").is_in([ON_LIST, HOLDOUT])).select(
        *LIST_KEY,
        decided=pl.concat_str("decision", "detail", separator=":", ignore_nulls=True),
    )
    is_merged = merged.select(customer_id="alias_id", is_merged=True)
    is_living = living.select("customer_id").with_columns(is_living=True)
    names = [segment.name for segment in rules.segments]
    return (
        there.join(decided, on=LIST_KEY, how="left")
        .join(is_merged, on="customer_id", how="left")
        .join(is_living, on="customer_id", how="left")
        .select(
            *LIST_KEY,
            ended_because=pl.coalesce(
                "decided",
                pl.when("is_merged").then(pl.lit(MERGED)),
                pl.when(~pl.col("list").is_in(names)).then(pl.lit(LIST_REMOVED)),
                pl.when("is_living").then(pl.lit(NO_LONGER_MATCHES)),
            ),
        )
        .drop_nulls("ended_because")
    )
