from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.scoring import order_state
from pipelines.scoring.churn.features import AGGREGATES, aggregate_history
from pipelines.scoring.order_state import STATE, read_aggregates, update_state
from pipelines.scoring.past.snapshots import prepare_order_days

START = date(2026, 1, 1)
DAYS = pl.Schema(
    {
        "customer_id": pl.String(),
        "ordered_on": pl.Date(),
        "is_order": pl.Boolean(),
        "is_discounted": pl.Boolean(),
        "margin_amount": pl.Decimal(18, 4),
    }
)
Order = tuple[str, int, bool, bool, Decimal]  # customer, day, is it one or a refund, discount
Orders = dict[int, Order]  # by number


def days_of(orders: Orders) -> pl.LazyFrame:
    """Sum orders to customer days, in the order in which the night's SQL writes them."""
    summed: dict[tuple[str, int, bool], list[tuple[bool, Decimal]]] = defaultdict(list)
    for customer, day, is_order, is_discounted, margin in orders.values():
        summed[customer, day, is_order].append((is_discounted and is_order, margin))
    rows = [
        (customer, START + timedelta(days=day), is_order, any(d for d, _ in parts),
         sum((margin for _, margin in parts), Decimal(0)))
        for (customer, day, is_order), parts in sorted(summed.items())
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=DAYS, orient="row").lazy()


def as_of(day: int) -> date:
    return START + timedelta(days=day)


def run_nights(nights: list[tuple[int, list[tuple[int, Order | None]]]]):
    """Run the nights, each so many days after the last; yield orders, day and state after each."""
    orders: Orders = {}
    state, day = None, 0
    for later, batch in nights:
        day += later
        for number, order in batch:
            orders.pop(number, None)
            if order is not None:
                orders[number] = order
        state = update_state(state, days_of(orders), as_of(day)).lazy()
        yield dict(orders), as_of(day), state.collect()


order = st.tuples(
    st.sampled_from(["ann", "bob", "cat", "dan"]),
    st.integers(0, 400),
    st.booleans(),
    st.booleans(),
    st.decimals(-50, 50, places=2),
)
# A number that is there is corrected, moved to another customer, or taken back.
batch = st.lists(st.tuples(st.integers(0, 12), st.one_of(order, order, st.none())), max_size=6)
some_nights = st.lists(st.tuples(st.integers(0, 120), batch), min_size=1, max_size=6)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(some_nights)
def test_any_nights_of_new_late_corrected_moved_and_lost_orders_equal_a_rebuild(nights):
    for orders, day, state in run_nights(nights):
        days = days_of(orders)
        assert state.schema == STATE
        assert_frame_equal(state, update_state(None, days, day), check_exact=True)
        plain = aggregate_history(prepare_order_days(days.collect()), day)
        assert plain.schema == AGGREGATES
        assert_frame_equal(read_aggregates(state, day), plain, check_exact=True)


def bought(who: str, *days: int, margin: int = 10) -> list[tuple[int, Order]]:
    """Orders of a customer, numbered by customer and day."""
    return [(ord(who[0]) * 1000 + day, (who, day, True, False, Decimal(margin))) for day in days]


@pytest.fixture
def summed(monkeypatch) -> list[list[str]]:
    """Who was summed anew, at each call."""
    calls: list[list[str]] = []

    def watched(days, day):
        calls.append(days["customer_id"].unique().sort().to_list())
        return aggregate_history(days, day)

    monkeypatch.setattr(order_state, "aggregate_history", watched)
    return calls


def test_only_customers_with_other_days_are_summed_anew(summed):
    list(
        run_nights(
            [
                (10, [*bought("ann", 0, 5), *bought("bob", 3), *bought("cat", 4)]),
                (1, []),
                (1, [*bought("ann", 11), *bought("dan", 12)]),
                (1, bought("bob", 3, margin=9)),
            ]
        )
    )
    assert summed == [["ann", "bob", "cat"], ["ann", "dan"], ["bob"]]


def test_a_day_that_leaves_a_window_is_another_day(summed):
    nights = run_nights([(20, [*bought("ann", 0), *bought("bob", 10)]), (9, []), (1, [])])
    assert [state["order_days_30d_count"].to_list() for *_, state in nights] == [
        [1, 1], [1, 1], [0, 1],
    ]  # fmt: skip
    assert summed == [["ann", "bob"], ["ann"]]


def test_merged_and_parted_customers_are_days_that_change():
    own = bought("bob", 0, 5)
    moved = [(number, ("ann", *order[1:])) for number, order in own]
    nights = run_nights([(9, [*bought("ann", 0), *own]), (1, moved), (1, own)])
    counts = [state.select("customer_id", "order_day_count").rows() for *_, state in nights]
    assert counts == [[("ann", 1), ("bob", 2)], [("ann", 2)], [("ann", 1), ("bob", 2)]]


def test_an_order_of_a_later_day_is_not_known_yet():
    (_, _, before), (_, _, after) = run_nights([(5, bought("ann", 3, 6)), (1, [])])
    assert before["order_day_count"].to_list() == [1]
    assert after["order_day_count"].to_list() == [2]


def test_in_parts_the_sums_are_the_same(monkeypatch):
    orders = dict(order for who in ("ann", "bob", "cat", "eve") for order in bought(who, 1, 4, 9))
    later = dict([*bought("ann", 1, 4, 9), *bought("bob", 4, 9), *bought("dan", 20)])
    whole = [update_state(None, days_of(known), as_of(20)) for known in (orders, later)]
    monkeypatch.setattr(order_state, "CHUNK_CUSTOMERS", 2)
    assert_frame_equal(update_state(None, days_of(orders), as_of(20)), whole[0])
    assert_frame_equal(update_state(whole[0].lazy(), days_of(later), as_of(20)), whole[1])


def test_a_state_of_other_columns_or_of_older_make_is_summed_anew(summed, monkeypatch):
    orders = dict(bought("ann", 1))
    state = update_state(None, days_of(orders), as_of(20))
    other = state.drop("refund_rate").lazy()
    assert_frame_equal(update_state(other, days_of(orders), as_of(20)), state)
    monkeypatch.setattr(order_state, "MAKE", order_state.MAKE + 1)
    update_state(state.lazy(), days_of(orders), as_of(20))
    assert len(summed) == 3


def test_days_that_are_not_in_order_are_refused():
    orders = dict([*bought("ann", 1), *bought("bob", 1)])
    days = days_of(orders).collect()
    mixed = pl.concat([days, days.head(1)]).lazy()
    with pytest.raises(ValueError, match="not in the order of customer_id"):
        update_state(None, mixed, as_of(20))
    with pytest.raises(ValueError, match="not in the order of customer_id"):
        update_state(None, days.reverse().lazy(), as_of(20))


def test_without_orders_there_is_no_state():
    assert update_state(None, days_of({}), as_of(0)).is_empty()
    *_, (_, _, state) = run_nights([(1, bought("ann", 1)), (1, [(97001, None)])])
    assert state.is_empty()
    assert state.schema == STATE
