"""From the funnel to the effect: a list that works is told from one that does not."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from pipelines.demo.respond import draw_responses
from pipelines.rules.segments import Effect, Segments
from pipelines.segments.effects import measure_effects
from pipelines.segments.funnel import Members, Night, decide_lists
from pipelines.segments.membership import carry_membership, find_members
from tests.unit.segments.list_people import asked, audience, segment

FIRST, LATER = date(2026, 5, 1), date(2026, 6, 30)
PEOPLE, LIFT = 4_000, 0.15
WORKS = segment(name="works", channel="email")
IDLE = segment(name="idle", channel="sms")
RULES = Segments(segments=(WORKS, IDLE), effect=Effect(windows_days=(30,)))
NOT_MERGED = pl.DataFrame(schema={"alias_id": pl.String, "customer_id": pl.String})


@pytest.fixture(scope="module")
def history():
    """Two nights: on the second, half of the people have left both lists."""
    people = audience(*({"order_count": 1} for _ in range(PEOPLE)))
    capped = pl.DataFrame(schema=dict.fromkeys(["customer_id", "channel", "detail"], pl.String))
    first = decide_lists(Night(FIRST, people, None, asked(), capped), RULES)
    one = carry_membership(None, first, None, RULES, people, NOT_MERGED, FIRST)
    members = find_members(one, first, NOT_MERGED, FIRST, {("works", 1): FIRST, ("idle", 1): FIRST})
    assert isinstance(members, Members)
    half = people.with_columns(order_count=pl.int_range(pl.len()) % 2)
    next_day = FIRST + timedelta(days=1)
    second = decide_lists(Night(next_day, half, None, asked(), capped, members), RULES)
    return carry_membership(one, second, first, RULES, people, NOT_MERGED, next_day)


def usual_orders():
    """Everybody orders with one probability, whatever list they are on."""
    chance = np.random.default_rng(5)
    who = np.flatnonzero(chance.random(PEOPLE) < 0.1)
    return [(f"c{n}", FIRST + timedelta(days=int(chance.integers(1, 30)))) for n in who]


def test_the_effect_that_was_planted_is_found_and_no_other(history):
    planted = draw_responses(history, "works", LIFT, 7, LATER)
    orders = pl.concat([planted, pl.DataFrame(usual_orders(), planted.schema, orient="row")])
    days = orders.with_columns(
        order_count=pl.lit(1, pl.Int64), net_margin_amount=pl.lit(80).cast(pl.Decimal(18, 4))
    )
    rows = measure_effects(history, days, NOT_MERGED, LATER, RULES.effect)
    found = {row["list"]: row for row in rows.iter_rows(named=True)}
    works, idle = found["works"], found["idle"]
    added = LIFT * 0.9  # one in ten would have ordered anyway
    assert 0 < works["conversion_lift_low"] < added < works["conversion_lift_high"]
    assert 0 < works["margin_lift_low_amount"] < LIFT * 80 < works["margin_lift_high_amount"]
    assert idle["conversion_lift_low"] < 0 < idle["conversion_lift_high"]
    assert idle["margin_lift_low_amount"] < 0 < idle["margin_lift_high_amount"]
    assert works["status"] == idle["status"] == "measured"
    assert found["programme"]["conversion_lift_low"] > 0


def test_only_who_was_on_the_list_answers_and_a_later_call_says_the_same_again(history):
    early = draw_responses(history, "works", LIFT, 7, FIRST + timedelta(days=5))
    late = draw_responses(history, "works", LIFT, 7, LATER)
    assert late.join(early, on=["customer_id", "ordered_on"], how="semi").height == early.height
    listed = history.filter(pl.col("role") == "treated", pl.col("list") == "works")
    assert late.join(listed, on="customer_id", how="anti").is_empty()
    assert late["ordered_on"].min() > FIRST
    assert not draw_responses(history, "works", LIFT, 8, LATER).equals(late)
    assert draw_responses(history, "works", 0, 7, LATER).is_empty()
