from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from simulated_orders import AS_OF, simulate_orders

from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.past.days import see_day
from pipelines.scoring.past.snapshots import (
    cut_snapshot,
    find_cuts,
    prepare_order_days,
    sample_customers,
)

CUT = AS_OF - timedelta(days=90)
PARAMS = ScoringParams(order_models=("mbg_nbd",))
ORDERS = simulate_orders(120, seed=3)
SEEN = see_day(prepare_order_days(ORDERS), CUT, PARAMS)

later_days = st.lists(
    st.tuples(
        st.integers(0, 150),
        st.integers(1, 400),
        st.decimals(-500, 500, places=2),
        st.booleans(),
    ),
    unique_by=lambda row: row[:2],
    max_size=30,
)


def small(*rows: tuple[str, date, float], is_order: list[bool] | None = None) -> pl.DataFrame:
    frame = pl.DataFrame(rows, ["customer_id", "ordered_on", "margin_amount"], orient="row")
    return frame if is_order is None else frame.with_columns(is_order=pl.Series(is_order))


# ---------- leakage


@settings(max_examples=25, deadline=None)
@given(later=later_days, keep_later=st.booleans())
def test_nothing_after_the_feature_date_changes_a_feature(later, keep_later):
    made_up = pl.DataFrame(
        [
            {
                "customer_id": f"c{number:05d}",
                "ordered_on": CUT + timedelta(days=after),
                "margin_amount": amount,
                "is_discounted": flag,
            }
            for number, after, amount, flag in later
        ],
        schema=ORDERS.schema,
    )
    known = ORDERS.filter(pl.col("ordered_on") <= CUT)
    after = ORDERS.filter(pl.col("ordered_on") > CUT) if keep_later else ORDERS.clear()
    changed = pl.concat([known, after.join(made_up, on=["customer_id", "ordered_on"], how="anti")])

    seen = see_day(prepare_order_days(pl.concat([changed, made_up])), CUT, PARAMS)

    assert_frame_equal(seen.features, SEEN.features, check_exact=True)
    assert_frame_equal(seen.aggregates, SEEN.aggregates, check_exact=True)
    assert seen.order_models == SEEN.order_models
    assert seen.seasons == SEEN.seasons


def test_a_day_before_the_feature_date_does_change_features():
    dropped = ORDERS.filter(pl.col("ordered_on") != CUT - timedelta(days=3))
    assert dropped.height < ORDERS.height
    assert not see_day(prepare_order_days(dropped), CUT, PARAMS).features.equals(SEEN.features)


def test_labels_use_the_horizon_only():
    labels = cut_snapshot(prepare_order_days(ORDERS), CUT, 90).labels
    in_horizon = pl.col("ordered_on").is_between(CUT, CUT + timedelta(days=90), closed="right")
    for row in labels.sample(20, seed=1).iter_rows(named=True):
        own = ORDERS.filter(pl.col("customer_id") == row["customer_id"], in_horizon)
        assert row["order_count"] == own.height
        assert row["is_churned"] == (own.height == 0)
        assert row["margin_amount"] == pytest.approx(float(own["margin_amount"].sum() or 0))


def test_only_customers_known_at_the_cut_have_labels():
    orders = small(("old", CUT, 5.0), ("new", CUT + timedelta(days=1), 5.0))
    labels = cut_snapshot(prepare_order_days(orders), CUT, 90).labels
    assert labels["customer_id"].to_list() == ["old"]
    assert labels["is_churned"].to_list() == [True]


def test_a_refund_is_money_of_its_own_day_and_no_order():
    orders = small(
        ("a", CUT, 100.0),
        ("a", CUT + timedelta(days=5), -30.0),
        is_order=[True, False],
    )
    prepared = prepare_order_days(orders)
    snapshot = cut_snapshot(prepared, CUT, 90)
    assert snapshot.labels.row(0) == ("a", 0, -30.0, True)
    assert see_day(prepared, CUT, PARAMS).aggregates["margin_amount"].to_list() == [100.0]


# ---------- cuts


def test_cuts_are_a_horizon_apart_and_the_newest_ends_today():
    cuts = find_cuts(prepare_order_days(ORDERS), AS_OF, 90, at_most=3, min_known_days=90)
    assert cuts == [AS_OF - timedelta(days=90 * back) for back in (1, 2, 3)]


def test_a_cut_without_enough_history_before_it_is_none():
    prepared = prepare_order_days(ORDERS)
    first = prepared["ordered_on"].min()
    cuts = find_cuts(prepared, AS_OF, 90, at_most=50, min_known_days=100)
    assert cuts[-1] - first >= timedelta(days=100)
    assert cuts[-1] - timedelta(days=90) - first < timedelta(days=100)
    assert find_cuts(prepared.clear(), AS_OF, 90, at_most=5, min_known_days=1) == []


# ---------- input


def test_the_order_of_rows_does_not_matter():
    shuffled = ORDERS.sample(fraction=1.0, shuffle=True, seed=4)
    assert_frame_equal(prepare_order_days(shuffled), prepare_order_days(ORDERS))
    assert_frame_equal(prepare_order_days(prepare_order_days(ORDERS)), prepare_order_days(ORDERS))


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="lack the columns margin_amount"):
        prepare_order_days(ORDERS.drop("margin_amount"))


def test_a_row_of_nobody_is_refused():
    orders = ORDERS.with_columns(customer_id=pl.lit(None, pl.String))
    with pytest.raises(ValueError, match="no customer_id"):
        prepare_order_days(orders)


def test_a_day_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="two rows of one day"):
        prepare_order_days(pl.concat([ORDERS, ORDERS.head(1)]))


def test_amounts_may_be_decimal_or_unknown():
    orders = pl.DataFrame(
        {
            "customer_id": ["a", "b"],
            "ordered_on": [CUT, CUT],
            "margin_amount": [Decimal("1.25"), None],
        }
    )
    assert prepare_order_days(orders)["margin_amount"].to_list() == [1.25, 0.0]


# ---------- sample


def test_a_sample_is_every_kth_customer_whatever_the_order_of_rows():
    prepared = prepare_order_days(ORDERS)
    sample = sample_customers(prepared, 40)
    ids = sorted(set(ORDERS["customer_id"]))
    assert sorted(set(sample["customer_id"])) == ids[::3]
    assert_frame_equal(sample_customers(prepared, 500), prepared)
