"""What is missing: whoever gets it has the next grade; who is at risk keeps the own one."""

from datetime import date, timedelta

import polars as pl
import pytest

from pipelines.tiers.gaps import find_targets
from tests.unit.tiers.people import (
    BOOK,
    BY_MARGIN,
    NO_OVERRIDES,
    buyer,
    grade,
    hundred,
    levels,
    prospect,
)

DAY = date(2026, 5, 20)


def varied():
    """Buyers of whom money and orders do not go hand in hand."""
    return [
        buyer(f"p{n:03}", n * 37 % 100 + n / 100, order_count_365d=n * 13 % 7 + 1,
              order_count=n * 13 % 7 + 1, tenure_days=n * 7)
        for n in range(1, 101)
    ]  # fmt: skip


def targets(graded, tiers, day=DAY, aim="next", ladder="grade"):
    found = find_targets(graded.values, graded.standing, graded.edges, tiers, day)
    assert found.select("customer_id", "ladder", "aim").is_unique().all()
    return found.filter(aim=aim, ladder=ladder)


def with_more(people, missing, column):
    """Everybody's profile with what was missing to them."""
    more = dict(missing.select("customer_id", column).iter_rows())
    told = {
        "missing_net_margin_365d_amount": lambda row, value: {
            "net_margin_365d_amount": row["net_margin_365d_amount"] + value
        },
        "missing_order_count_365d": lambda row, value: {
            "order_count_365d": row["order_count_365d"] + value
        },
        "missing_usual_order_count_365d": lambda row, value: {
            "order_count_365d": row["order_count_365d"] + value,
            "net_margin_365d_amount": row["net_margin_365d_amount"]
            + value * row["net_margin_amount"] / row["order_count"],
        },
    }[column]
    return [
        row | told(row, more.get(row["customer_id"]) or 0) | {"tenure_days": row["tenure_days"] + 1}
        for row in people
    ]


@pytest.mark.parametrize(
    "column",
    [
        "missing_net_margin_365d_amount",
        "missing_order_count_365d",
        "missing_usual_order_count_365d",
    ],
)
def test_whoever_gets_what_is_missing_has_the_next_grade(column):
    people, tiers = varied(), BOOK.tiers
    first = grade(people, day=DAY, tiers=tiers)
    missing = targets(first, tiers).filter(pl.col(column).is_not_null())
    assert missing.height > 5
    second = grade(with_more(people, missing, column), first, DAY + timedelta(1), tiers=tiers)
    before, now = levels(first), levels(second)
    assert all(now[name] < before[name] for name in missing["customer_id"])


def test_a_cent_or_an_order_less_is_not_enough():
    people, tiers = varied(), BOOK.tiers
    first = grade(people, day=DAY, tiers=tiers)
    for column, unit in (("missing_net_margin_365d_amount", 2.0), ("missing_order_count_365d", 1)):
        missing = targets(first, tiers).filter(pl.col(column) > unit)
        less = missing.with_columns(pl.col(column) - unit)
        second = grade(with_more(people, less, column), first, DAY + timedelta(1), tiers=tiers)
        same = [levels(second)[n] == levels(first)[n] for n in missing["customer_id"]]
        assert sum(same) > 0.9 * len(same) > 0


def test_the_best_grade_and_a_prospect_have_no_gap():
    graded = grade([*hundred(), prospect("nobody")], day=DAY)
    named = targets(graded, BY_MARGIN)["customer_id"].to_list()
    assert len(named) == 95
    assert not {"nobody", "p100"} & set(named)


def test_a_weight_of_nothing_is_no_way():
    found = targets(grade(hundred(), day=DAY), BY_MARGIN)
    assert found["missing_order_count_365d"].null_count() == found.height
    assert found["missing_net_margin_365d_amount"].null_count() == 0
    second = found.filter(customer_id="p095").row(0, named=True)
    assert (second["missing_score"], second["missing_net_margin_365d_amount"]) == (1, 1)


def test_whoever_is_warned_is_told_what_keeps_the_grade():
    first = grade(hundred(), day=DAY)
    poorer = [row | {"net_margin_365d_amount": 90} if row["customer_id"] == "p100" else row
              for row in hundred()]  # fmt: skip
    review = date(2026, 7, 1)
    warned = grade(poorer, first, review)
    kept = targets(warned, BY_MARGIN, review, aim="keep").row(0, named=True)
    assert (kept["customer_id"], kept["because"]) == ("p100", "review")
    richer = [row | {"net_margin_365d_amount": 90 + kept["missing_net_margin_365d_amount"]}
              if row["customer_id"] == "p100" else row for row in hundred()]  # fmt: skip
    saved = grade(richer, warned, review + timedelta(1))
    assert targets(saved, BY_MARGIN, review, aim="keep").is_empty()


def test_a_level_set_by_hand_that_ends_soon_is_at_risk_where_the_rules_give_less():
    until = DAY + timedelta(30)
    by_hand = pl.DataFrame(
        [("p010", "A", None, until), ("p099", "B", None, until),
         ("p011", "A", None, until + timedelta(1))],
        schema=NO_OVERRIDES.schema, orient="row",
    )  # fmt: skip
    graded = grade(hundred(), day=DAY, overrides=by_hand)
    found = targets(graded, BY_MARGIN, aim="keep")
    assert found.select("customer_id", "because").rows() == [("p010", "override_ends")]
    assert found["missing_net_margin_365d_amount"].item() == 86


def test_bands_are_told_in_points_only():
    graded = grade(hundred(), day=DAY)
    found = targets(graded, BY_MARGIN, ladder="vip_band")
    assert found.height > 0
    assert found["missing_net_margin_365d_amount"].null_count() == found.height
