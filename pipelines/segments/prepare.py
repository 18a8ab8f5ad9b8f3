"""Puts beside the audience what conditions ask for: counts of events, and membership of lists."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.segments.condition import Asked, Condition, asked_events
from pipelines.segments.language import EventCount, OnList, write_condition


@dataclass(frozen=True)
class Events:
    """What customers did, day by day.

    days: customer_id, kind, category (null in the row that counts all of the kind), occurred_on,
        event_count; grain customer x kind x category x day.
    known: kinds that a source tells of; of the others counts are unknown, not nought.
    """

    days: pl.LazyFrame
    known: frozenset[str]


NO_EVENTS = Events(
    pl.LazyFrame(
        schema={
            "customer_id": pl.String, "kind": pl.String, "category": pl.String,
            "occurred_on": pl.Date, "event_count": pl.Int64,
        }
    ),
    frozenset(),
)  # fmt: skip


def read_events(days: pl.LazyFrame, kinds: pl.LazyFrame) -> Events:
    """The events of a night: its models of days and of kinds (kind, is_known)."""
    known = kinds.filter("is_known").select("kind").collect()["kind"]
    return Events(days, frozenset(known))


def prepare_audience(
    audience: pl.DataFrame, conditions: Mapping[str, Condition], events: Events, as_of: date
) -> pl.DataFrame:
    """The audience with a column for each count and each list that conditions name.

    Args:
        audience: with the columns that the conditions read.
        conditions: each after those that it names, as `read_conditions` gives them.
        events: only what is asked for is counted.
        as_of: the run date; windows end with it.

    Returns:
        The audience in its order, with columns named as conditions write them: `events('order',
        90)`, `on_list('win_back')`.
    """
    prepared = count_events(audience, asked_events(conditions.values()), events, as_of)
    named = {name for condition in conditions.values() for name in condition.lists}
    for name, condition in conditions.items():
        if name in named:
            is_on = condition.expression.fill_null(value=False)
            prepared = prepared.with_columns(is_on.alias(write_condition(OnList(name))))
    return prepared


def count_events(
    audience: pl.DataFrame, asked: Sequence[Asked], events: Events, as_of: date
) -> pl.DataFrame:
    """Count what is asked for each customer: 0 who did nothing, null where nothing is known."""
    if not asked:
        return audience
    counted = (
        events.days.filter(_any_of(asked), pl.col("occurred_on") <= as_of)
        .group_by("customer_id")
        .agg(_counted(one, as_of).alias(write_condition(one)) for one in asked)
        .collect(engine="streaming")
    )
    joined = audience.join(counted, on="customer_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.when(pl.lit(one.event in events.known))
        .then(pl.col(write_condition(one)).fill_null(0))
        .alias(write_condition(one))
        for one in asked
        if isinstance(one, EventCount)
    )


def _any_of(asked: Collection[Asked]) -> pl.Expr:
    return pl.any_horizontal([_is_of(one) for one in asked])


def _is_of(one: Asked) -> pl.Expr:
    category = pl.col("category")
    is_its = category.is_null() if one.category is None else category.eq_missing(one.category)
    return (pl.col("kind") == one.event) & is_its


def _counted(one: Asked, as_of: date) -> pl.Expr:
    age = (pl.lit(as_of) - pl.col("occurred_on")).dt.total_days()
    if isinstance(one, EventCount):
        return pl.col("event_count").filter(_is_of(one) & (age < one.days)).sum()
    return age.filter(_is_of(one)).min()
