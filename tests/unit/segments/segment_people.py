"""Lists and audiences of a few people, of which a test names only what it is about."""

from datetime import date
from pathlib import Path

import polars as pl

from pipelines.catalogue import load_catalogue
from pipelines.rules.segments import Segment
from pipelines.segments.condition import read_conditions
from pipelines.segments.prepare import NO_EVENTS, Events, prepare_audience

AUDIENCE = load_catalogue(Path(__file__).resolve().parents[3])["models", "audience"].schema
AS_OF = date(2026, 6, 30)


def segment(where="order_count > 0", **changes):
    plain = {
        "name": "a_list", "label": "A list", "label_zh": "名单", "owner": "CRM",
        "purpose": "marketing", "channel": "email", "where": where,
        "order_by": "order_count desc", "reason": "{order_count} orders",
        "reason_zh": "{order_count}单", "columns": ("city",),
    }  # fmt: skip
    return Segment(**(plain | changes))


def audience(*people):
    """The audience mart; whatever a test does not say is nothing out of the ordinary."""
    plain = {
        "as_of": AS_OF, "kind": "person", "is_guest": False, "grade": "C",
        "lifecycle_stage": "repeat", "is_profiling_refused": False, "has_open_complaint": False,
        "order_count": 1, "base_currency": "GBP", "is_second_tier_potential": False,
    }  # fmt: skip
    rows = [plain | {"customer_id": f"c{n}"} | person for n, person in enumerate(people)]
    return pl.DataFrame([{name: row.get(name) for name in AUDIENCE} for row in rows], AUDIENCE)


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
