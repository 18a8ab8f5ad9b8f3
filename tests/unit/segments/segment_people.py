"""What a condition says of a few people and of what they did."""

from datetime import date

import polars as pl

from pipelines.segments.condition import read_conditions
from pipelines.segments.prepare import NO_EVENTS, Events, prepare_audience
from tests.unit.segments.list_people import segment

AS_OF = date(2026, 6, 30)


def events(*days, known=("order", "view", "click")):
    """What customers did: (customer_id, kind, category, day, count)."""
    names = ["customer_id", "kind", "category", "occurred_on", "event_count"]
    frame = pl.DataFrame(days, dict(zip(names, NO_EVENTS.days.collect_schema().dtypes(),
                                        strict=True)), orient="row")  # fmt: skip
    return Events(frame.lazy(), frozenset(known))


def answers(where, people, happened=NO_EVENTS, others=(), as_of=AS_OF):
    """What the condition says of each person: true, false or None."""
    conditions = read_conditions([segment(where), *others], people.schema)
    prepared = prepare_audience(people, conditions, happened, as_of)
    told = prepared.with_columns(conditions["a_list"].expression.alias("told"))
    return told["told"].to_list()


def on_list(where, people, happened=NO_EVENTS, others=(), as_of=AS_OF):
    """Who is in."""
    told = answers(where, people, happened, others, as_of)
    return [who for who, answer in zip(people["customer_id"], told, strict=True) if answer]
