"""How often somebody has been contacted, and who may not be contacted again so soon.

A contact is a message or call of a channel that went out on a day. Two witnesses tell of one: the
sending systems, and our own lists. A list is pulled on the morning after its night, and whoever
comes onto it is contacted then, once; staying on it is no new contact, unless the list is `sent`
on each refresh. Both witnesses may tell of the same contact, so of one day the higher count stands.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from pipelines.rules.segments import NO_CHANNEL, Cap, Refresh, Segment
from pipelines.segments.holdout import TREATED

CONTACTS = {
    "customer_id": pl.String(), "channel": pl.String(), "contacted_on": pl.Date(),
    "contact_count": pl.Int64(),
}  # fmt: skip


def begins_period(refresh: Refresh, day: pl.Expr) -> pl.Expr:
    """Whether a list of this refresh is refreshed on a day, if there is a run on each."""
    if refresh == "weekly":
        return day.dt.weekday() == 1
    if refresh == "monthly":
        return day.dt.day() == 1
    return pl.lit(value=True)


def find_contacts(
    history: pl.DataFrame, segments: Sequence[Segment], as_of: date, days: int
) -> pl.DataFrame:
    """The contacts of the last days that our own lists led to.

    Args:
        history: `list_history` of the last release.
        segments: tonight's lists; a list that is gone since was sent on entry.
        as_of: the run date, the last of the days.
        days: so many days are looked at.

    Returns:
        CONTACTS; contacted_on is the day after the night.
    """
    first = as_of - timedelta(days=days)  # the night before the first of the days
    treated = history.filter((pl.col("role") == TREATED) & (pl.col("channel") != NO_CHANNEL))
    recent = treated.filter(
        (pl.col("valid_from_on") < as_of)
        & (pl.col("valid_to_on").is_null() | (pl.col("valid_to_on") > first))
    )
    night = pl.col("night")
    begun = recent.filter(pl.col("valid_from_on") >= first)
    # Where only the global holdout was drawn anew, whoever stays on a list does not come onto it.
    same = ["list", "version", "customer_id", "valid_from_on"]
    ended = treated.drop("valid_from_on").rename({"valid_to_on": "valid_from_on"})
    entered = begun.join(ended.select(same), on=same, how="anti")
    parts = [_on(entered, pl.col("valid_from_on"))]
    for segment in segments:
        if segment.sent == "on_refresh":
            last = pl.col("valid_to_on").fill_null(as_of) - timedelta(days=1)
            start = pl.max_horizontal("valid_from_on", pl.lit(first))
            nights = recent.filter(pl.col("list") == segment.name).with_columns(
                night=pl.date_ranges(start, last)
            )
            again = nights.explode("night", empty_as_null=False).filter(
                (night > pl.col("valid_from_on")) & begins_period(segment.refresh, night)
            )
            parts.append(_on(again, night))
    told = pl.concat(parts).group_by("customer_id", "channel", "contacted_on")
    return told.agg(pl.len().cast(pl.Int64).alias("contact_count"))


def _on(rows: pl.DataFrame, night: pl.Expr) -> pl.DataFrame:
    return rows.select("customer_id", "channel", contacted_on=night + timedelta(days=1))


def find_capped(
    told: pl.DataFrame, own: pl.DataFrame, caps: Sequence[Cap], as_of: date
) -> pl.DataFrame:
    """Whom one more contact tomorrow would be too much for.

    That nobody is contacted twice tomorrow is no matter of caps but of priority: a customer is on
    one list of a channel.

    Args:
        told: CONTACTS, by the sending systems.
        own: CONTACTS, by our lists.
        caps: the most contacts in so many days.
        as_of: the run date; tonight's lists are for the day after.

    Returns:
        customer_id, channel, detail such as `3 in 7 days`; the shortest cap that is reached.
    """
    day = ["customer_id", "channel", "contacted_on"]
    both = pl.concat([told.select(*CONTACTS), own.select(*CONTACTS)])
    days = both.group_by(day).agg(pl.col("contact_count").max())
    made = days.group_by("customer_id", "channel").agg(
        pl.col("contact_count")
        .filter(pl.col("contacted_on").is_between(_first_day(cap, as_of), as_of))
        .sum()
        .alias(_words(cap))
        for cap in caps
    )
    shortest_first = sorted(caps, key=lambda cap: cap.days)
    detail = pl.coalesce(
        pl.lit(None, pl.String),
        *[
            pl.when(pl.col(_words(cap)) >= cap.contacts).then(pl.lit(_words(cap)))
            for cap in shortest_first
            if cap.days > 1
        ],
    )
    return made.select("customer_id", "channel", detail.alias("detail")).drop_nulls("detail")


def _first_day(cap: Cap, as_of: date) -> date:
    """Tomorrow is the last of the cap's days."""
    return as_of + timedelta(days=2 - cap.days)


def _words(cap: Cap) -> str:
    return f"{cap.contacts} in {cap.days} days"
