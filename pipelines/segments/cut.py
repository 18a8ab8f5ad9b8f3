"""Cuts lists from the audience: who matches, who may be written to, and a reason for every row."""

from dataclasses import dataclass

import polars as pl

from pipelines.rules.segments import Segment
from pipelines.segments.condition import Condition
from pipelines.segments.judgements import PROFILING, SCORES
from pipelines.segments.reasons import named_columns, write_reason


@dataclass(frozen=True)
class Cut:
    """One list: its rows, and how many fell out at which step."""

    rows: pl.DataFrame
    matched: int
    suppressed: int
    without_consent: int


def cut_list(
    audience: pl.DataFrame,
    segment: Segment,
    condition: Condition,
    contacts: pl.DataFrame | None,
) -> Cut:
    """The people of one list, best first, each with the reason why.

    Args:
        audience: the audience mart, prepared for the conditions of all lists.
        segment: the list's rule.
        condition: its condition.
        contacts: `customer_contacts`, or None on nights on which no source states any consent:
            then the list holds ids only, for whoever must decide by other means.

    Returns:
        Cut: rows with customer_id, full_name and contact (if contacts are given), channel, reason,
        reason_zh and the segment's columns.
    """
    matched = condition.match(audience)
    allowed = matched.filter(~is_suppressed(segment, condition))
    reachable = allowed
    if contacts is not None:
        here = (pl.col("channel") == segment.channel) & (pl.col("purpose") == segment.purpose)
        reachable = allowed.join(
            contacts.filter(here).select("customer_id", "full_name", contact="contact_value"),
            on="customer_id",
        )
    descending = segment.order_by.endswith(" desc")
    ordered = reachable.sort(
        segment.order_by.removesuffix(" desc"),
        "customer_id",
        descending=[descending, False],
        nulls_last=True,
    )
    rows = ordered.head(segment.limit) if segment.limit else ordered
    shown = ["full_name", "contact"] if contacts is not None else []
    return Cut(
        rows=rows.select(
            "customer_id",
            *shown,
            pl.lit(segment.channel).alias("channel"),
            write_reason(segment.reason, audience.schema).alias("reason"),
            write_reason(segment.reason_zh, audience.schema).alias("reason_zh"),
            *segment.columns,
        ),
        matched=matched.height,
        suppressed=matched.height - allowed.height,
        without_consent=allowed.height - reachable.height,
    )


def is_suppressed(segment: Segment, condition: Condition) -> pl.Expr:
    """Erased and under age never; no promotion during a complaint; no profile for who refused."""
    suppressed = pl.col("suppressed_because").is_not_null()
    if segment.purpose == "marketing":
        suppressed |= pl.col("has_open_complaint")
    if (condition.columns | named_columns(segment)) & PROFILING:
        suppressed |= pl.col("is_profiling_refused")
    return suppressed


def needs_scores(condition: Condition) -> bool:
    """Whether the list is empty on a night without scores."""
    return bool(condition.columns & SCORES)
