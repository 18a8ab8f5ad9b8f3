"""A run of four customers as `publish` finds it, and lists to be cut of them."""

from decimal import Decimal

import polars as pl
from factories import AS_OF, rows

from pipelines.lake import write_table, write_text
from pipelines.lists import EVENT_DAYS
from pipelines.publish import KEPT_RULES, MARTS
from pipelines.rules.segments import Holdout, Segment, Segments

PRESENT = [
    "orders", "order_items", "refunds", "web_events", "social_engagements", "campaign_events",
    "activities", "cases", "deals", "survey_answers", "loyalty_entries", "referrals",
    "service_costs", "consents",
]  # fmt: skip
NO_HOLDOUT = Holdout(global_rate=0, list_rate=0)


def segment(name, where, **changes):
    plain = {
        "name": name, "label": name, "label_zh": "名单", "owner": "CRM", "purpose": "marketing",
        "channel": "email", "where": where, "order_by": "order_count desc",
        "reason": "{order_count} orders in {city}", "reason_zh": "{city}，共{order_count}单",
        "columns": ("grade", "city"),
    }  # fmt: skip
    return Segment(**(plain | changes))


SEGMENTS = (
    segment("everybody", "true"),
    segment("buyers", "order_count > 1", channel="sms"),
    segment("at_risk", "churn_risk > 0.5"),
    segment("perhaps_at_risk", "coalesce(churn_risk, 0) < 0.5"),
    segment("nobody", "false"),
)


def lists_of(segments):
    """Lists that hold nobody out."""
    return Segments(segments=segments, holdout=Holdout(global_rate=0, list_rate=0))


def people(**changes):
    cast = [
        {"customer_id": "a", "order_count": 3, "grade": "A", "city": "=HYPERLINK(1)"},
        {"customer_id": "b", "order_count": 2, "grade": "B", "city": "伦敦"},
        {"customer_id": "c", "order_count": 1, "grade": "D", "suppressed_because": "erased"},
        {"customer_id": "d", "order_count": 0, "grade": "D", "net_margin_amount": Decimal("1.5")},
    ]
    return [person | changes for person in cast]


def make_run(lake, marts=MARTS, as_of=AS_OF):
    """A run that has come as far as `gate marts`: four customers, some with consent."""
    made = lake.run(as_of)
    cast = people()
    for name, group in marts.items():
        known = set(rows(name, group=group).columns)
        facts = [{k: v for k, v in person.items() if k in known} for person in cast]
        table = rows(name, *facts, group=group)
        # dbt writes a mart in the order of its key; our own jobs need not.
        write_table(table if group == "models" else table[::-1], made.table(group, name))
    keys = rows(
        "customer_keys", *[{"customer_id": who["customer_id"]} for who in cast], group="pipeline"
    )
    write_table(keys, made.table("pipeline", "customer_keys"))
    for name in ("grade_decisions", "grade_edges", "grade_overrides"):
        write_table(rows(name, group="pipeline"), made.table("pipeline", name))
    shares = rows("score_distributions", {"column": "churn_risk"}, group="pipeline")
    write_table(shares, made.table("pipeline", "score_distributions"))
    orders = rows("order_state", {"customer_id": "a"}, group="pipeline")
    write_table(orders, made.table("pipeline", "order_state"))
    for stage in ("landing", "marts"):
        judged = rows(f"{stage}_breakers", {"stage": stage}, group="pipeline")
        write_table(judged, made.table("pipeline", f"{stage}_breakers"))
    allowed = [("a", "email"), ("b", "email"), ("c", "email"), ("b", "sms"), ("d", "phone")]
    contacts = [
        {"customer_id": who, "channel": channel, "purpose": "marketing",
         "full_name": f"@{who}",
         "contact_value": "+8613800138001" if channel == "sms" else f"{who}@x.com"}
        for who, channel in allowed
    ]  # fmt: skip
    write_table(
        rows("customer_contacts", *contacts, group="models"),
        made.table("models", "customer_contacts"),
    )
    say_present(made)
    said = {"customer_id": pl.String, "channel": pl.String, "purpose": pl.String}
    statements = pl.DataFrame(schema=said | {"status": pl.String})
    permissions = pl.DataFrame(schema=said | {"status": pl.String})
    write_table(statements, made.table("models", "int_consent_statements"))
    write_table(permissions, made.table("models", "int_contact_permissions"))
    counted = {"customer_id": pl.String, "channel": pl.String, "contacted_on": pl.Date}
    none_made = pl.DataFrame(schema=counted | {"contact_count": pl.Int64})
    write_table(none_made, made.table("models", "int_contacts_counted_to_days"))
    bought = {"customer_id": pl.String, "ordered_on": pl.Date, "order_count": pl.Int64}
    no_orders = pl.DataFrame(schema=bought | {"net_margin_amount": pl.Decimal(18, 4)})
    write_table(no_orders, made.table("models", "int_orders_summed_to_customer_days"))
    allocate(made, ("a", "direct", 5))
    happen(made, ("a", "order", None, AS_OF, 2), ("a", "order", "Tea", AS_OF, 1))
    for name in KEPT_RULES:
        write_text(f"# {name} as the night read it\n", made.rules / name)
    return made


def happen(run, *days):
    """What customers did, which conditions of lists may count."""
    names = ["customer_id", "kind", "category", "occurred_on", "event_count"]
    types = [pl.String, pl.String, pl.String, pl.Date, pl.Int64]
    schema = dict(zip(names, types, strict=True))
    write_table(pl.DataFrame(days, schema, orient="row"), run.table("models", EVENT_DAYS))
    kinds = pl.DataFrame({"kind": ["order", "view"], "is_known": [True, False]})
    write_table(kinds, run.table("models", "int_event_kinds"))


def allocate(run, *costs):
    names = ["customer_id", "attribution", "cost_amount"]
    frame = pl.DataFrame(costs, names, orient="row").with_columns(
        pl.col("customer_id").cast(pl.String), pl.col("cost_amount").cast(pl.Decimal(18, 4))
    )
    write_table(frame, run.table("models", "int_costs_allocated"))


def say_present(run, *missing):
    there = pl.DataFrame({f"has_{name}": [name not in missing] for name in PRESENT})
    write_table(there, run.table("models", "int_sources_present"))
