from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from math import log as ln

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.scoring.order_state import (
    DAYS,
    LOG,
    STATE,
    compact_log,
    compare_days,
    count_recent_days,
    read_days,
    rebuild_state,
    update_state,
)

START = date(2026, 1, 1)
Orders = dict[int, tuple[str, int, Decimal]]  # by number: customer, day, margin


def days_of(orders: Orders, customers: set[str]) -> pl.LazyFrame:
    """Sum orders to customer days, as the night's SQL does."""
    summed: dict[tuple[str, int], list[Decimal]] = defaultdict(list)
    for customer, day, margin in orders.values():
        if customer in customers:
            summed[customer, day].append(margin)
    rows = [
        (customer, START + timedelta(days=day), len(margins), sum(margins, Decimal(0)))
        for (customer, day), margins in summed.items()
    ]
    return pl.DataFrame(rows, schema=DAYS, orient="row").lazy()


def true_state(orders: Orders) -> pl.DataFrame:
    """Tell the state of each customer in plain Python."""
    rows = []
    for customer in sorted({customer for customer, _, _ in orders.values()}):
        own = [(day, margin) for known, day, margin in orders.values() if known == customer]
        days = sorted({day for day, _ in own})
        rows.append(
            (
                customer,
                START + timedelta(days=days[0]),
                START + timedelta(days=days[-1]),
                len(days),
                len(own),
                sum((margin for _, margin in own), Decimal(0)),
                sum((margin for day, margin in own if day > days[0]), Decimal(0)),
                sum(round(ln(b - a), 6) for a, b in pairwise(days)),
            )
        )
    return pl.DataFrame(rows, schema=STATE, orient="row")


def run_nights(batches: list[list[tuple[int, tuple[str, int, Decimal] | None]]]):
    """Run the nights; yield the orders, the log and the state after each."""
    orders: Orders = {}
    log, state = pl.LazyFrame(schema=LOG), pl.LazyFrame(schema=STATE)
    for night, batch in enumerate(batches):
        after = dict(orders)
        for number, order in batch:
            after.pop(number, None)
            if order is not None:
                after[number] = order
        changed = {number for number, _ in batch}
        touched = {known[n][0] for known in (orders, after) for n in changed if n in known}
        ids = pl.Series(sorted(touched), dtype=pl.String)
        changes = compare_days(
            read_days(log, ids), days_of(after, touched), START + timedelta(days=400 + night)
        ).collect()
        log = pl.concat([log, changes.lazy()])
        state = update_state(state, log, changes).collect().lazy()
        orders = after
        yield orders, log, state.collect(), changes


order = st.tuples(
    st.sampled_from(["ann", "bob", "cat", "dan"]),
    st.integers(0, 40),
    st.decimals(-50, 50, places=2),
)
# A number that is there is corrected, moved to another customer, or taken back.
batches = st.lists(
    st.lists(st.tuples(st.integers(0, 12), st.one_of(order, order, st.none())), max_size=6),
    min_size=1,
    max_size=6,
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(batches)
def test_any_nights_of_new_late_corrected_moved_and_lost_orders_equal_a_rebuild(nights):
    for orders, log, state, _ in run_nights(nights):
        assert state.schema == STATE
        assert_frame_equal(state, rebuild_state(log).collect(), check_exact=True)
        exact = pl.exclude("log_gap_sum")
        assert_frame_equal(state.select(exact), true_state(orders).select(exact))
        assert_frame_equal(state, true_state(orders), abs_tol=1e-9)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(nights=batches, seed=st.integers(0, 99))
def test_order_of_rows_and_compaction_change_nothing(nights, seed):
    *_, (_, log, state, _) = run_nights(nights)
    shuffled = log.collect().sample(fraction=1, shuffle=True, seed=seed).lazy()

    assert_frame_equal(rebuild_state(shuffled).collect(), state, check_exact=True)
    compact = compact_log(log).collect()
    assert compact.select("customer_id", "ordered_on").is_duplicated().sum() == 0
    assert_frame_equal(rebuild_state(compact.lazy()).collect(), state, check_exact=True)


def test_merged_and_parted_customers_are_days_that_change():
    ten = Decimal(10)
    (_, _, _, _), (_, _, merged, told), (_, _, parted, _) = run_nights(
        [
            [(1, ("ann", 0, ten)), (2, ("bob", 0, ten)), (3, ("bob", 5, ten))],
            [(2, ("ann", 0, ten)), (3, ("ann", 5, ten))],
            [(3, ("bob", 5, ten))],
        ]
    )
    assert merged.select("customer_id", "order_day_count", "order_count").rows() == [("ann", 2, 3)]
    assert told.select("customer_id", "order_count").rows() == [
        ("ann", 2), ("ann", 1), ("bob", 0), ("bob", 0),
    ]  # fmt: skip
    assert parted.select("customer_id", "order_day_count", "order_count").rows() == [
        ("ann", 1, 2), ("bob", 1, 1),
    ]  # fmt: skip


def test_a_late_order_splits_a_gap_and_a_refunded_first_day_moves_the_first_order():
    one = Decimal(1)
    first = [(1, ("ann", 0, one)), (2, ("ann", 10, one))]
    (_, _, start, _), (_, _, late, _), (_, _, refunded, _) = run_nights(
        [first, [(3, ("ann", 4, one))], [(1, None)]]
    )
    assert start["log_gap_sum"][0] == pytest.approx(ln(10), abs=1e-6)
    assert late["log_gap_sum"][0] == pytest.approx(ln(4) + ln(6), abs=2e-6)
    assert refunded.select("first_order_on", "order_day_count", "repeat_margin_amount").row(0) == (
        START + timedelta(days=4), 2, one,
    )  # fmt: skip


def test_a_touched_customer_whose_days_are_the_same_is_not_told():
    again = (1, ("ann", 3, Decimal("7.50")))
    (_, _, before, _), (_, _, after, changes) = run_nights([[again], [again]])

    assert changes.is_empty()
    assert_frame_equal(before, after)


def test_recent_days_are_counted_up_to_the_day():
    as_of = START + timedelta(days=100)
    *_, (_, log, _, _) = run_nights(
        [[(n, ("ann", day, Decimal(1))) for n, day in enumerate((10, 11, 99, 100, 101))]]
    )
    assert count_recent_days(log, 90, as_of).collect().rows() == [("ann", 3)]
