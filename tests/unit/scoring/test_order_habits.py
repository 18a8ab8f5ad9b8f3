from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.rules.next_order import NextOrder
from pipelines.scoring.order_habits import (
    HOURS,
    WEEKDAYS,
    count_kinds,
    estimate_strength,
    find_habits,
)

AS_OF = date(2026, 6, 30)
RULES = NextOrder()
ORDERS = pl.Schema({"customer_id": pl.String, "ordered_on": pl.Date, "ordered_hour": pl.Int64})


def orders(rows: list[tuple[str, date, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ORDERS, orient="row")


def draw(customers: int, strength: float, seed: int, per_customer: int = 12) -> pl.DataFrame:
    """Draw a year of orders whose weekdays follow a Dirichlet-multinomial of known strength."""
    random = np.random.default_rng(seed)
    base = np.array([0.1, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2])
    rows = []
    for number in range(customers):
        own = random.dirichlet(strength * base)
        for week in random.choice(52, per_customer, replace=False):
            day = AS_OF - timedelta(days=int(7 * week + random.choice(7, p=own)))
            rows.append((f"c{number:04d}", day, int(random.integers(0, 24))))
    return orders(rows)


def cdnow() -> pl.DataFrame:
    spec = find_spec("lifetimes")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"
    lines = [line.split()[:2] for line in path.read_text().splitlines() if line.strip()]
    rows = [row for row in lines if row[0].isdigit()]
    return pl.DataFrame(
        {"customer_id": [row[0] for row in rows], "day": [row[1] for row in rows]}
    ).select(
        "customer_id",
        ordered_on=pl.col("day").str.to_date("%Y%m%d"),
        ordered_hour=pl.lit(0, pl.Int64),
    )


def test_own_weekday_beats_the_favourite_of_all_on_real_orders():
    found = find_habits(cdnow(), RULES, date(1998, 6, 30))

    assert found.weekday.grade == "A"
    assert found.weekday.method == "own_habit"
    assert found.weekday.hit_rate > found.weekday.base_hit_rate + 0.01
    # The file knows days only: midnight is no habit.
    assert found.hour.favourite is None
    assert found.habits["best_hour"].null_count() == found.habits.height
    assert found.habits["hour_order_count"].sum() == 0


@pytest.mark.parametrize("strength", [2.0, 20.0])
def test_strength_is_recovered(strength):
    moments = draw(1_500, strength, seed=1).select(
        "customer_id", kind=pl.col("ordered_on").dt.weekday().cast(pl.Int64)
    )
    assert estimate_strength(count_kinds(moments, WEEKDAYS), WEEKDAYS) == pytest.approx(
        strength, rel=0.15
    )


def test_few_orders_say_less_than_many():
    friday, sunday = date(2026, 6, 26), date(2026, 6, 28)
    base = draw(300, 5.0, seed=2)
    once = orders([("once", friday, 9)])
    often = orders([("often", friday - timedelta(days=7 * n), 9) for n in range(20)])
    found = find_habits(pl.concat([base, once, often]), RULES, AS_OF)
    rate = {
        row["customer_id"]: (row["best_weekday"], row["best_weekday_rate"])
        for row in found.habits.iter_rows(named=True)
    }

    assert rate["often"][0] == friday.isoweekday()
    assert rate["often"][1] > 0.7
    assert rate["once"][1] < 0.5
    assert sunday.isoweekday() in WEEKDAYS


def test_two_orders_of_one_day_count_once():
    day = date(2026, 6, 26)
    base = draw(200, 5.0, seed=3)
    same = [("same", day, hour) for hour in (9, 9, 10, 10)]
    found = find_habits(pl.concat([base, orders(same)]), RULES, AS_OF).habits

    assert found.filter(customer_id="same").select("weekday_order_count", "hour_order_count").row(
        0
    ) == (1, 2)


def test_too_few_to_judge_by_gives_all_the_favourite_and_says_what_is_needed():
    found = find_habits(draw(99, 1.0, seed=4), RULES, AS_OF)

    assert found.weekday.method == "base_habit"
    assert "100 are needed to judge" in found.weekday.reason
    assert found.habits["best_weekday"].unique().to_list() == [found.weekday.favourite]


def test_habits_that_did_worse_than_the_favourite_are_not_published():
    # Most order on Tuesdays and some on Fridays, until on the days kept back all do on Tuesdays.
    tuesday, friday = date(2026, 6, 30), date(2026, 6, 26)
    rows = [
        (f"c{number:03d}", (friday if number % 3 == 0 and week > 13 else tuesday), week)
        for number in range(200)
        for week in range(40)
    ]
    weekly = [(customer, day - timedelta(days=7 * week), 12) for customer, day, week in rows]
    found = find_habits(orders(weekly), RULES, AS_OF)

    assert (found.weekday.grade, found.weekday.method) == ("C", "base_habit")
    assert "so all get the favourite" in found.weekday.reason
    assert found.habits["best_weekday"].unique().to_list() == [2]


def test_without_orders_there_is_no_habit():
    found = find_habits(orders([]), RULES, AS_OF)

    assert found.habits.is_empty()
    assert (found.weekday.favourite, found.hour.favourite) == (None, None)


moments = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 300).map(lambda days: AS_OF - timedelta(days=days)),
        st.one_of(st.none(), st.integers(0, 23)),
    ),
    max_size=60,
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(rows=moments, seed=st.integers(0, 99))
def test_promises_hold_for_any_orders(rows, seed):
    rules = NextOrder(min_backtest_customers=1)
    frame = orders(rows)
    found = find_habits(frame, rules, AS_OF)
    habits = found.habits

    assert habits["customer_id"].to_list() == sorted({row[0] for row in rows})
    assert habits["best_weekday"].is_in(list(WEEKDAYS)).all()
    assert habits["best_hour"].drop_nulls().is_in(list(HOURS)).all()
    rates = habits.select("best_weekday_rate", "best_hour_rate").fill_null(0.5)
    assert rates.select(pl.all().is_between(0, 1).all()).row(0) == (True, True)
    assert habits["weekday_order_count"].to_list() == [
        len({day for customer, day, _ in rows if customer == known})
        for known in habits["customer_id"]
    ]
    shuffled = find_habits(frame.sample(fraction=1, shuffle=True, seed=seed), rules, AS_OF)
    assert_frame_equal(shuffled.habits, habits, check_exact=True)
    assert (shuffled.weekday, shuffled.hour) == (found.weekday, found.hour)
