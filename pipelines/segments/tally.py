"""Counts the rows of tonight's lists anew, for the last gate to judge.

Nothing of it is taken from the funnel that made the lists: what the funnel lets through by mistake
is found here.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipelines.rules.segments import NO_CHANNEL, Segment, Segments
from pipelines.segments.holdout import TREATED, draw_roles

SCHEMA = {
    "list": pl.String, "row_count": pl.Int64, "contact_count": pl.Int64,
    "distinct_customer_count": pl.Int64, "without_consent_count": pl.Int64,
    "suppressed_count": pl.Int64, "held_out_count": pl.Int64, "twice_contacted_count": pl.Int64,
    "entered_rate": pl.Float64, "left_rate": pl.Float64,
}  # fmt: skip


def count_lists(
    lists: Mapping[str, pl.DataFrame],
    audience: pl.DataFrame,
    contacts: pl.DataFrame | None,
    history: pl.DataFrame | None,
    rules: Segments,
) -> pl.DataFrame:
    """What each list holds, and how much of it has changed.

    Args:
        lists: the rows of each list.
        audience: the audience mart.
        contacts: `customer_contacts`; None if no source states any consent.
        history: `list_history` of the last release; None on the first night.
        rules: tonight's lists.

    Returns:
        SCHEMA, in the order of the lists. entered_rate is the share of the rows that were not
        there last night, left_rate the share of last night's that are not there now; null where
        the list has begun or was empty.
    """
    never = audience.filter(pl.col("suppressed_because").is_not_null())["customer_id"].implode()
    twice = _twice_contacted(lists, rules)
    rows: list[dict[str, Any]] = []
    for segment in rules.segments:
        people = lists[segment.name]
        roles = draw_roles(people["customer_id"], segment, rules)
        again = people.join(twice, on=["customer_id", "channel"], how="semi")
        rows.append(
            {
                "list": segment.name,
                "row_count": people.height,
                "contact_count": people.height if "contact" in people.columns else 0,
                "distinct_customer_count": people["customer_id"].n_unique(),
                "without_consent_count": _count_unconsented(people, segment, contacts),
                "suppressed_count": int(people["customer_id"].is_in(never).sum()),
                "held_out_count": int((roles != TREATED).sum()),
                "twice_contacted_count": again.height,
            }
            | _measure_change(people, segment, history)
        )
    return pl.DataFrame(rows, SCHEMA)


def _twice_contacted(lists: Mapping[str, pl.DataFrame], rules: Segments) -> pl.DataFrame:
    """Customer and channel of whoever is on two lists of one channel."""
    schema = {"customer_id": pl.String, "channel": pl.String}
    placed = [
        lists[segment.name].select("customer_id", "channel")
        for segment in rules.segments
        if segment.channel != NO_CHANNEL
    ]
    both = pl.concat([pl.DataFrame(schema=schema), *placed])
    return both.filter(both.is_duplicated()).unique()


def _count_unconsented(
    people: pl.DataFrame, segment: Segment, contacts: pl.DataFrame | None
) -> int:
    if contacts is None or "contact" not in people.columns:
        return 0
    allowed = contacts.filter(
        pl.col("channel") == segment.channel, pl.col("purpose") == segment.purpose
    ).select("customer_id", contact="contact_value")
    return people.join(allowed, on=["customer_id", "contact"], how="anti").height


def _measure_change(
    people: pl.DataFrame, segment: Segment, history: pl.DataFrame | None
) -> dict[str, float | None]:
    if history is None:
        return {"entered_rate": None, "left_rate": None}
    before = history.filter(
        pl.col("valid_to_on").is_null()
        & (pl.col("list") == segment.name)
        & (pl.col("version") == segment.version)
        & (pl.col("role") == TREATED)
    )
    stayed = before.join(people, on="customer_id", how="semi").height
    if not before.height:
        return {"entered_rate": None, "left_rate": None}
    return {
        "entered_rate": round(1 - stayed / people.height, 4) if people.height else None,
        "left_rate": round(1 - stayed / before.height, 4),
    }
