"""Measures and scores: what counts, what is capped, what drops out."""

import polars as pl
import pytest

from pipelines.tiers.edges import take_scales
from pipelines.tiers.values import (
    PERCENTILES,
    add_value_score,
    average_customer,
    measure_customers,
    rank_measures,
)
from tests.unit.tiers.people import BOOK, NO_SCORES, buyer, customer_360, hundred, prospect

INFLUENCE = BOOK.influence.model_copy(
    update={"reach_weight": 1, "share_weight": 2, "social_cap": 10, "brought_weight": 5,
            "second_degree_share": 0.5, "cap": 20}
)  # fmt: skip


def influence(*people):
    customers = customer_360(*people)
    averages = dict.fromkeys(["person", "organisation"], average_customer(customers))
    measured = measure_customers(customers, NO_SCORES, INFLUENCE, averages)
    return dict(measured.select("customer_id", "influence").iter_rows())


def test_influence_is_capped_so_that_no_robot_buys_a_grade():
    assert influence(
        prospect("robot", social_share_count_365d=9_000_000_000, social_reach_count=9_000_000_000),
        prospect("silent"),
        prospect("heard", social_share_count_365d=1, social_reach_count=99),
    ) == {"robot": 10, "silent": 0, "heard": 5.991465}


def test_influence_is_what_the_referred_bring_in_average_customers_and_half_of_what_those_bring():
    assert influence(
        buyer("buyer", 1, net_revenue_365d_amount=150),
        buyer("small", 1, net_revenue_365d_amount=50),
        buyer("giver back", 1, net_revenue_365d_amount=-90),
        prospect("advocate", referral_net_revenue_365d_amount=100,
                 second_degree_net_revenue_365d_amount=200),
        prospect("unlucky", referral_net_revenue_365d_amount=-90),
        prospect("tycoon", referral_net_revenue_365d_amount=9_000_000),
    ) == {"buyer": 0, "small": 0, "giver back": 0, "advocate": 5.493061, "unlucky": 0,
          "tycoon": 20}  # fmt: skip


def test_a_measure_that_is_not_known_drops_out_with_its_weight():
    people = [
        buyer(name, margin) for name, margin in zip("abcde", (50, 40, 30, 20, 10), strict=True)
    ]
    scores = pl.DataFrame(
        {"customer_id": ["a", "b", "c", "d"], "clv_365d_amount": [1.0, 2.0, 3.0, 4.0]}
    )
    measured = measure_customers(customer_360(*people), scores, INFLUENCE, {"person": None})
    scales = {"person": take_scales(measured, tuple(PERCENTILES))}
    only = {"net_margin_365d": 0.3, "clv_365d": 0.1}
    weights = BOOK.tiers.weights.model_copy(
        update=dict.fromkeys(["order_count_365d", "tenure", "influence"], 0.0) | only
    )
    valued = add_value_score(rank_measures(measured, scales, {"person": 0}), weights)
    assert valued["clv_percentile"].to_list() == [0.125, 0.375, 0.625, 0.875, None]
    assert valued["value_score"].to_list() == [70.625, 61.875, 53.125, 44.375, 10]


def test_who_never_bought_has_no_percentile_and_no_score():
    measured = measure_customers(
        customer_360(*hundred(), prospect("nobody")), NO_SCORES, INFLUENCE, {"person": 1.0}
    )
    scales = {"person": take_scales(measured.filter("has_order"), tuple(PERCENTILES))}
    valued = add_value_score(rank_measures(measured, scales, {"person": 0}), BOOK.tiers.weights)
    nobody = valued.filter(customer_id="nobody").row(0, named=True)
    assert [nobody[name] for name in (*PERCENTILES.values(), "value_score")] == [None] * 8
    assert valued["value_score"].max() > 50


def test_tenure_grows_for_all_and_moves_nobody():
    people = [buyer(f"{n}", 1, tenure_days=n * 10) for n in range(5)]
    measured = measure_customers(customer_360(*people), NO_SCORES, INFLUENCE, {"person": 1.0})
    scales = {"person": take_scales(measured, tuple(PERCENTILES))}
    first = rank_measures(measured, scales, {"person": 0})["tenure_percentile"]
    older = measured.with_columns(pl.col("tenure") + 60)
    assert rank_measures(older, scales, {"person": 60})["tenure_percentile"].equals(first)


@pytest.mark.parametrize(
    ("facts", "is_advocate"),
    [({"nps_score": 9}, True), ({"nps_score": 8}, False), ({"converted_referral_count": 1}, True),
     ({"converted_referral_count": 0}, False), ({}, False)],
)  # fmt: skip
def test_an_advocate_is_a_promoter_or_won_a_customer(facts, is_advocate):
    measured = measure_customers(
        customer_360(buyer("a", 1, **facts)), NO_SCORES, INFLUENCE, {"person": 1.0}
    )
    assert measured["is_advocate"].item() is is_advocate
