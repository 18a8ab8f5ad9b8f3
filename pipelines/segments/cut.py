"""Cuts lists from the audience: the rows of a list, best first, with a reason for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from pipelines.rules.segments import NO_CHANNEL, Segment
from pipelines.segments.condition import Condition
from pipelines.segments.funnel import KEY, suppressed_because
from pipelines.segments.judgements import SCORES
from pipelines.segments.reasons import named_columns, write_reasons


@dataclass(frozen=True)
class Cut:
    """One list: its rows, how many fell out for which decision, and when it was last refreshed.

    kept_from: the night whose list it is, if a breaker kept tonight's back; taken_off: how many of
    that list may not be on it any more, by the decision.
    """

    rows: pl.DataFrame
    matched: int
    left_out: dict[str, int]
    refreshed_on: date
    kept_from: str | None = None
    taken_off: Mapping[str, int] = field(default_factory=dict)


def write_rows(
    audience: pl.DataFrame, segment: Segment, listed: pl.DataFrame, contacts: pl.DataFrame | None
) -> pl.DataFrame:
    """The rows of a list.

    Args:
        audience: the audience mart.
        segment: the list's rule.
        listed: customer_id of those on it, best first.
        contacts: `customer_contacts`, or None on nights on which no source states any consent:
            then the list holds ids only, for whoever must decide by other means.

    Returns:
        customer_id, full_name and contact (if contacts are given and the list has a channel),
        channel, reason, reason_zh and the segment's columns.
    """
    shown = []
    named = sorted({*KEY, *named_columns(segment)})
    rows = listed.join(audience.select(named), on=KEY, maintain_order="left")
    if contacts is not None and segment.channel != NO_CHANNEL:
        here = (pl.col("channel") == segment.channel) & (pl.col("purpose") == segment.purpose)
        points = contacts.filter(here).select(*KEY, "full_name", contact="contact_value")
        rows = rows.join(points, on=KEY, maintain_order="left")
        shown = ["full_name", "contact"]
    return rows.select(
        "customer_id",
        *shown,
        pl.lit(segment.channel).alias("channel"),
        *write_reasons(segment, audience.schema),
        *segment.columns,
    )


def is_suppressed(segment: Segment, condition: Condition) -> pl.Expr:
    """Whether a list may never have a customer, whatever the customer's consents say."""
    columns = condition.columns | named_columns(segment)
    return suppressed_because(segment, columns, pl.lit(value=False)).is_not_null()


def needs_scores(condition: Condition) -> bool:
    """Whether the list is empty on a night without scores."""
    return bool(condition.columns & SCORES)
