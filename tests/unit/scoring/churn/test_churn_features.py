from datetime import date, timedelta
from math import log

import numpy as np
import polars as pl
import pytest

from pipelines.scoring.churn.features import ORDER_FEATURES, aggregate_history, build_features
from pipelines.scoring.past.snapshots import prepare_order_days

DAY = date(2026, 6, 30)


def history(**customers: list[tuple[int, float]]) -> pl.DataFrame:
    """Customers with (days ago, margin)."""
    rows = [
        (name, DAY - timedelta(days=ago), margin)
        for name, days in customers.items()
        for ago, margin in days
    ]
    frame = pl.DataFrame(rows, ["customer_id", "ordered_on", "margin_amount"], orient="row")
    return prepare_order_days(frame)


def test_aggregates_of_one_customer_by_hand():
    rows = aggregate_history(history(a=[(400, 10.0), (100, 20.0), (80, 30.0), (30, -5.0)]), DAY)
    row = rows.row(0, named=True)
    assert (row["recency_days"], row["tenure_days"], row["order_day_count"]) == (30, 400, 4)
    counts = [row[f"order_days_{days}d_count"] for days in (30, 90, 180, 365)]
    assert counts == [0, 2, 3, 3]
    assert row["gap_mean_days"] == pytest.approx((300 + 20 + 50) / 3)
    assert row["gap_log_mean"] == pytest.approx((log(300) + log(20) + log(50)) / 3, abs=1e-5)
    assert row["gap_log_sd"] == pytest.approx(np.std(np.log([300, 20, 50]), ddof=1), abs=1e-5)
    assert row["gap_last_days"] == 50
    assert (row["margin_amount"], row["margin_90d_amount"], row["margin_365d_amount"]) == (
        55.0, 25.0, 45.0,
    )  # fmt: skip
    assert (row["margin_first_amount"], row["margin_last_amount"]) == (10.0, -5.0)
    assert row["refund_rate"] == 0  # a sale at a loss is no refund
    assert row["discount_rate"] is None


def test_a_day_on_which_money_was_given_back_is_a_refund_and_no_order():
    days = pl.DataFrame(
        {
            "customer_id": ["a", "a", "a"],
            "ordered_on": [DAY - timedelta(days=ago) for ago in (90, 60, 30)],
            "margin_amount": [10.0, 20.0, -5.0],
            "is_order": [True, True, False],
        }
    )
    row = aggregate_history(prepare_order_days(days), DAY).row(0, named=True)
    assert (row["order_day_count"], row["refund_rate"], row["margin_amount"]) == (2, 0.5, 25.0)


def test_gaps_do_not_reach_into_another_customer():
    rows = aggregate_history(history(a=[(400, 1.0)], b=[(50, 1.0), (40, 1.0)]), DAY)
    assert rows["gap_last_days"].to_list() == [None, 10.0]
    assert rows["gap_mean_days"].to_list() == [None, 10.0]


def test_features_of_the_whole_base_are_about_twenty_columns():
    aggregates = aggregate_history(history(a=[(400, 1.0), (10, 2.0)], b=[(200, 3.0)]), DAY)
    features = build_features(aggregates, {}, 90)
    assert features.columns == ["customer_id", *ORDER_FEATURES]
    assert 15 <= len(ORDER_FEATURES) <= 25
    assert features["log_recency"].to_list() == pytest.approx([log(11), log(201)])
    assert features["is_one_time"].to_list() == [0.0, 1.0]


def test_a_window_that_holds_everything_is_unknown():
    young = aggregate_history(history(a=[(60, 1.0), (10, 2.0)], b=[(70, 3.0)]), DAY)
    features = build_features(young, {}, 90)
    for name in ("log_orders_90d", "log_orders_180d", "log_margin_365d", "log_last_two_quarters"):
        assert features[name].null_count() == 2
    assert features["log_orders_30d"].null_count() == 0


def test_a_rhythm_with_few_gaps_is_drawn_to_the_median_of_the_base():
    aggregates = aggregate_history(
        history(a=[(110, 1.0), (100, 1.0)], b=[(90, 1.0), (60, 1.0)], c=[(50, 1.0)]), DAY
    )
    usual = build_features(aggregates, {}, 90)["log_own_gap"].exp().to_list()
    # The median of the gaps 10 and 30 is 20; it counts as three gaps.
    assert usual == pytest.approx([(10 + 60) / 4, (30 + 60) / 4, 20.0])


def test_columns_of_other_sources_are_joined_and_unknown_where_absent():
    aggregates = aggregate_history(history(a=[(10, 1.0)], b=[(20, 1.0)]), DAY)
    other = pl.DataFrame({"customer_id": ["b"], "open_complaint_count": [3]})
    features = build_features(aggregates, {}, 90, other)
    assert features["open_complaint_count"].to_list() == [None, 3.0]


def test_two_rows_of_one_customer_in_another_source_are_refused():
    aggregates = aggregate_history(history(a=[(10, 1.0)]), DAY)
    twice = pl.DataFrame({"customer_id": ["a", "a"], "open_complaint_count": [1, 2]})
    with pytest.raises(pl.exceptions.ComputeError, match="1:1"):
        build_features(aggregates, {}, 90, twice)


def test_a_customer_alone_has_the_sums_that_it_has_among_others():
    ann = [(70, 4.31), (30, 0.0), (7, 0.0)]
    among = aggregate_history(history(ann=ann, bob=[(7, 1.0)]), DAY)
    assert aggregate_history(history(ann=ann), DAY).equals(among.head(1))
