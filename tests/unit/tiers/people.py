"""Customers of `customer_360`, as many as a test names, and nights of the real grading."""

import polars as pl
from factories import AS_OF, PROJECT

from pipelines.catalogue import load_catalogue
from pipelines.rules import find_rules, load_rules
from pipelines.tiers.night import Facts, Memory, grade_customers
from pipelines.tiers.values import READ

SCHEMA = load_catalogue(PROJECT)["models", "customer_360"].schema
BOOK = load_rules(find_rules(None))
BY_MARGIN = BOOK.tiers.model_copy(
    update={
        "weights": BOOK.tiers.weights.model_copy(
            update=dict.fromkeys(["order_count_365d", "clv_365d", "tenure", "influence"], 0.0)
        )
    }
)
NO_SCORES = pl.DataFrame(schema={"customer_id": pl.String, "clv_365d_amount": pl.Decimal(18, 4)})
NO_ALIASES = pl.DataFrame(
    schema={"alias_id": pl.String, "customer_id": pl.String, "changed_on": pl.Date,
            "event": pl.String}
)  # fmt: skip
NO_OVERRIDES = pl.DataFrame(
    schema={"customer_id": pl.String, "grade": pl.String, "vip_band": pl.String, "until": pl.Date}
)


def buyer(name, margin, **more):
    """Somebody with one order of this margin."""
    plain = {"customer_id": name, "kind": "person", "order_count": 1, "order_count_365d": 1}
    money = dict.fromkeys(["net_margin_amount", "net_margin_365d_amount"], margin)
    return plain | money | {"tenure_days": 10, "net_revenue_365d_amount": margin} | more


def prospect(name, **more):
    """Somebody without an order."""
    none = dict.fromkeys(["order_count", "order_count_365d"], 0)
    money = dict.fromkeys(
        ["net_margin_amount", "net_margin_365d_amount", "net_revenue_365d_amount"], 0
    )
    return {"customer_id": name, "kind": "person", **none, **money} | more


def customer_360(*people):
    """The columns that grades read, in the catalogue's types."""
    return pl.DataFrame(list(people), schema={name: SCHEMA[name] for name in READ})


def hundred(kind="person", prefix="p", **more):
    """A hundred buyers whose margins are 1 to 100."""
    return [buyer(f"{prefix}{n:03}", n, kind=kind, **more) for n in range(1, 101)]


def grade(people, before=None, day=AS_OF, tiers=BY_MARGIN, scores=NO_SCORES, aliases=NO_ALIASES,
          overrides=NO_OVERRIDES):  # fmt: skip
    """One night; `before` is what the last one returned."""
    memory = Memory(before.edges, before.standing) if before else None
    facts = Facts(customer_360(*people), scores, aliases, overrides)
    return grade_customers(facts, memory, tiers, BOOK.influence, day)


def levels(graded, ladder="grade"):
    told = graded.standing.filter(ladder=ladder)
    return dict(told.select("customer_id", "level").iter_rows())


def standing(graded, name, ladder="grade"):
    return graded.standing.filter(ladder=ladder, customer_id=name).row(0, named=True)
