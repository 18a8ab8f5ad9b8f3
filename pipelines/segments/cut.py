"""Cuts lists from the audience: the rows of a list, best first, with a reason for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from pipelines.rules.segments import NO_CHANNEL, Segment
from pipelines.segments.condition import Condition
from pipelines.segments.funnel import KEY, SUPPRESSED, sort_best_first, suppressed_because
from pipelines.segments.judgements import SCORES
from pipelines.segments.reasons import named_columns, write_reason


@dataclass(frozen=True)
class Cut:
    """One list: its rows, and how many fell out for which decision.

    kept_from: the night whose list it is, if a breaker kept tonight's back; taken_off: how many of
    that list may not be on it any more, by the decision.
    """

    rows: pl.DataFrame
    matched: int
    left_out: dict[str, int]
    kept_from: str | None = None
    taken_off: Mapping[str, int] = field(default_factory=dict)

    @property
    def suppressed(self) -> int:
        """How many may never be on it."""
        return self.left_out.get(SUPPRESSED, 0)


def cut_list(audience: pl.DataFrame, segment: Segment, condition: Condition) -> Cut:
    """What a list's rule finds by itself, without consent, other lists and former nights.

    Args:
        audience: the audience mart, prepared for the conditions of all lists.
        segment: the list's rule.
        condition: its condition.

    Returns:
        Cut: rows as of `write_rows`, without contacts.
    """
    matched = condition.match(audience)
    allowed = matched.filter(~is_suppressed(segment, condition))
    ordered = sort_best_first(allowed, segment)
    listed = ordered.head(segment.limit) if segment.limit else ordered
    return Cut(
        rows=write_rows(audience, segment, listed.select(KEY), None),
        matched=matched.height,
        left_out={SUPPRESSED: matched.height - allowed.height},
    )


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
        write_reason(segment.reason, audience.schema).alias("reason"),
        write_reason(segment.reason_zh, audience.schema).alias("reason_zh"),
        *segment.columns,
    )


def is_suppressed(segment: Segment, condition: Condition) -> pl.Expr:
    """Whether a list may never have a customer, whatever the customer's consents say."""
    columns = condition.columns | named_columns(segment)
    return suppressed_because(segment, columns, pl.lit(value=False)).is_not_null()


def needs_scores(condition: Condition) -> bool:
    """Whether the list is empty on a night without scores."""
    return bool(condition.columns & SCORES)
