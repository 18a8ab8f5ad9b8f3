import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.scoring.models.histories import (
    as_floats,
    distinct_pairs,
    distinct_values,
    group_one_time_buyers,
)
from pipelines.scoring.models.nbd import count_orders, log_rising

# Halves are sorted, whole numbers looked up in a table, and large ones (no table) sorted again.
columns = st.one_of(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 90)), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9).map(lambda n: n / 2)), min_size=1),
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1),
)


@settings(derandomize=True, deadline=None)
@given(rows=columns)
def test_pairs_are_distinct_sorted_and_those_of_the_rows(rows):
    first, second = np.array(rows, dtype=float).T
    pairs = distinct_pairs(first, second)

    found = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert found == sorted({(float(a), float(b)) for a, b in rows})
    assert (pairs.first[pairs.index] == first).all()
    assert (pairs.second[pairs.index] == second).all()


@settings(derandomize=True, deadline=None)
@given(rows=columns)
def test_values_are_distinct_sorted_and_those_of_the_rows(rows):
    column = np.array(rows, dtype=float)[:, 1]
    values, index = distinct_values(column)

    assert values.tolist() == sorted(set(column.tolist()))
    assert (values[index] == column).all()


def test_no_rows_have_no_pairs():
    nothing = np.empty(0)

    assert len(distinct_pairs(nothing, nothing).index) == 0
    assert len(distinct_values(nothing)[0]) == 0


def test_one_time_buyers_of_the_same_day_are_one_history():
    x, t_x, tenure = as_floats([0, 2, 0, 0, 1], [0, 5, 0, 0, 7], [30, 30, 10, 30, 9])
    grouped = group_one_time_buyers(x, t_x, tenure)

    assert grouped.customers.tolist() == [1.0, 1.0, 1.0, 2.0]
    assert grouped.orders.tolist() == [2.0, 1.0, 0.0, 0.0]
    assert grouped.last.tolist() == [5.0, 7.0, 0.0, 0.0]
    assert grouped.tenure.tolist() == [30.0, 9.0, 10.0, 30.0]


def test_counts_of_customers_above_each_number_of_orders():
    counts = count_orders(np.array([0.0, 3, 1, 0, 3]), np.array([9.0, 9, 9, 5, 5]))

    assert counts.customers_above.tolist() == [3.0, 2.0, 2.0]
    assert counts.orders_of_tenure.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("start", [0.01, 1.0, 2.5e11])
def test_rising_product_keeps_its_digits(start):
    # ln (start (start + 1) (start + 2))
    expected = np.log(start) + np.log(start + 1) + np.log(start + 2)

    assert log_rising(start, np.array([0.0, 3.0])) == pytest.approx([0.0, expected], rel=1e-15)
