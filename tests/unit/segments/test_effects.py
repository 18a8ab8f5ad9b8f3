"""A planted effect is found within its interval, and none where none was planted."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipelines.rules.segments import Effect
from pipelines.segments.effects import measure_effects, newcombe_interval, welch_half_width

AS_OF = date(2026, 6, 30)
RULES = Effect(windows_days=(30,), min_customers=50)
HISTORY = {
    "list": pl.String, "customer_id": pl.String, "version": pl.Int64, "global_version": pl.Int64,
    "role": pl.String, "purpose": pl.String, "valid_from_on": pl.Date,
}  # fmt: skip
ORDERS = {
    "customer_id": pl.String, "ordered_on": pl.Date, "order_count": pl.Int64,
    "net_margin_amount": pl.Decimal(18, 4),
}  # fmt: skip
NOT_MERGED = pl.DataFrame(schema={"alias_id": pl.String, "customer_id": pl.String})


def history(*rows):
    plain = {"list": "a", "version": 1, "global_version": 1, "purpose": "marketing"}
    return pl.DataFrame([plain | row for row in rows], schema=HISTORY)


def entry(who, role="treated", ago=40, **changes):
    return {
        "customer_id": who, "role": role, "valid_from_on": AS_OF - timedelta(days=ago),
    } | changes  # fmt: skip


def orders(*rows):
    """(customer, days ago, margin)"""
    return pl.DataFrame(
        [(who, AS_OF - timedelta(days=ago), 1, Decimal(margin)) for who, ago, margin in rows],
        schema=ORDERS,
        orient="row",
    )


def measure(entries, bought, merged=NOT_MERGED, rules=RULES):
    rows = measure_effects(history(*entries), orders(*bought), merged, AS_OF, rules)
    return {(row["list"], row["window_days"]): row for row in rows.iter_rows(named=True)}


def simulate(seed, lift, size=4_000, base=0.10):
    """Entries and orders of one list: the treated order with `lift` more probability."""
    chance = np.random.default_rng(seed)
    held = chance.random(size) < 0.1
    buys = chance.random(size) < np.where(held, base, base + lift)
    ago = chance.integers(31, 60, size)
    margins = chance.gamma(2, 20, size).round(2)
    entries = [
        entry(f"c{n}", "holdout" if held[n] else "treated", int(ago[n])) for n in range(size)
    ]
    bought = [(f"c{n}", int(ago[n]) - 5, str(margins[n])) for n in np.flatnonzero(buys)]
    return entries, bought


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_effect_is_found_within_its_interval(seed):
    row = measure(*simulate(seed, lift=0.08))["a", 30]
    assert 0 < row["conversion_lift_low"] < 0.08 < row["conversion_lift_high"]
    assert 0 < row["margin_lift_low_amount"] < 0.08 * 40 < row["margin_lift_high_amount"]


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_was_planted_nothing_is_found(seed):
    row = measure(*simulate(seed, lift=0))["a", 30]
    assert row["conversion_lift_low"] < 0 < row["conversion_lift_high"]
    assert row["margin_lift_low_amount"] < 0 < row["margin_lift_high_amount"]


@pytest.mark.parametrize("lift", [0.0, 0.08])
def test_intervals_hold_the_truth_as_often_as_they_say(lift):
    chance = np.random.default_rng(1)
    treated, held = np.full(20_000, 3_600), np.full(20_000, 400)
    low, high = newcombe_interval(
        chance.binomial(treated, 0.1 + lift), treated, chance.binomial(held, 0.1), held
    )
    assert 0.94 < ((low <= lift) & (lift <= high)).mean() < 0.96


def groups(treated=60, held=60):
    return [entry(f"t{n}") for n in range(treated)] + [
        entry(f"h{n}", "holdout") for n in range(held)
    ]


def test_orders_count_from_the_day_after_until_the_end_of_the_window():
    bought = [("t0", 40, 5), ("t1", 39, 5), ("t2", 10, 5), ("t3", 9, 5), ("t4", 41, 5),
              ("h0", 20, 1), ("t1", 30, 7), ("nobody", 20, 1)]  # fmt: skip
    row = measure(groups(), bought)["a", 30]
    assert row["status"] == "measured"
    assert row["treated_conversion_rate"] == round(2 / 60, 4)
    assert row["treated_orders_per_customer"] == round(3 / 60, 4)
    assert row["treated_margin_per_customer_amount"] == round(17 / 60, 4)
    assert row["conversion_lift"] == round(1 / 60, 4)
    assert row["margin_lift_amount"] == round(16 / 60, 4)


def test_only_customers_whose_window_has_passed_are_counted():
    entries = [*groups(), entry("late", ago=29), entry("just", ago=30)]
    assert measure(entries, [])["a", 30]["treated_count"] == 61


def test_who_comes_back_is_counted_from_the_first_time():
    entries = [*groups(), entry("t0", ago=5), entry("t1", ago=3)]
    row = measure(entries, [("t0", 2, 9)])["a", 30]
    assert (row["treated_count"], row["treated_conversion_rate"]) == (60, 0.0)


def test_too_few_customers_or_no_holdout_give_no_number():
    few = measure(groups(60, 49), [("t0", 20, 1)])["a", 30]
    assert (few["status"], few["holdout_count"]) == ("too_few_customers", 49)
    assert few["conversion_lift"] is few["margin_lift_low_amount"] is None
    assert few["treated_conversion_rate"] is None
    assert measure(groups(60, 0), [])["a", 30]["status"] == "no_holdout"
    assert measure([], []) == {}


def test_orders_follow_a_merge_and_who_is_of_both_groups_is_in_neither():
    merged = pl.DataFrame([("t0", "whole"), ("t1", "h1")], schema=NOT_MERGED.schema, orient="row")
    row = measure(groups(), [("whole", 20, 3), ("h1", 20, 3)], merged)["a", 30]
    assert (row["treated_count"], row["holdout_count"], row["mixed_count"]) == (58 + 1, 59, 1)
    assert row["treated_conversion_rate"] == round(1 / 59, 4)
    assert row["holdout_conversion_rate"] == 0


def test_all_marketing_is_compared_with_the_global_holdout():
    out = [entry(f"g{n}", "global_holdout", list=f"l{n % 2}") for n in range(60)]
    service = [entry(f"s{n}", purpose="service", list="care") for n in range(9)]
    found = measure([*groups(), *out, *service], [("t0", 20, 1), ("h0", 20, 1), ("g0", 20, 1)])
    row = found["programme", 30]
    assert (row["treated_count"], row["holdout_count"]) == (120, 60)
    assert row["conversion_lift"] == pytest.approx(0, abs=1e-9)
    assert found["care", 30]["status"] == "no_holdout"


def test_versions_and_windows_are_measured_apart():
    entries = [*groups(), *(row | {"version": 2} for row in groups(70, 70))]
    rules = Effect(windows_days=(30, 10), min_customers=50)
    rows = measure_effects(history(*entries), orders(), NOT_MERGED, AS_OF, rules)
    counts = rows.filter(pl.col("list") == "a").select("version", "window_days", "treated_count")
    assert counts.rows() == [(1, 10, 60), (1, 30, 60), (2, 10, 70), (2, 30, 70)]


@pytest.mark.parametrize(
    ("hits", "of", "other_hits", "other_of", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339), (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926), (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)  # fmt: skip
def test_the_interval_is_newcombes(hits, of, other_hits, other_of, low, high):
    found = newcombe_interval(*(np.array([n]) for n in (hits, of, other_hits, other_of)))
    assert (round(float(found[0][0]), 4), round(float(found[1][0]), 4)) == (low, high)


def test_the_interval_of_means_is_welchs():
    chance = np.random.default_rng(3)
    one, other = chance.gamma(2, 20, 80), chance.gamma(1, 30, 55)
    half = welch_half_width(
        np.array([one.var(ddof=1)]), np.array([80]), np.array([other.var(ddof=1)]), np.array([55])
    )
    told = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert half[0] == pytest.approx((told.high - told.low) / 2)
    none = welch_half_width(*(np.array([n]) for n in (0.0, 5, 0.0, 5)))
    assert none[0] == 0
