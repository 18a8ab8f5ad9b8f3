from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.rules.next_order import NextOrder
from pipelines.scoring.models.bg_nbd import BgNbd
from pipelines.scoring.next_order import predict_windows

AS_OF = date(2026, 6, 30)
RULES = NextOrder()
WINDOW = ("next_order_from_on", "next_order_median_on", "next_order_to_on")


def days_of(windows: pl.DataFrame, name: str) -> np.ndarray:
    return (windows[name] - AS_OF).dt.total_days().to_numpy()


def constant(rate: float, alive: float = 1.0):
    """Orders at a constant daily rate, by those who have not left for good."""
    return of_each(np.array([rate]), np.array([alive]))


def of_each(rates, alive):
    return lambda rows: lambda days: 1 - alive[rows] * (1 - np.exp(-rates[rows] * days))


def test_window_is_the_middle_half_of_the_orders_that_will_come():
    windows = predict_windows(pl.Series(["a"]), constant(0.01, alive=0.8), RULES, AS_OF)
    within = 1 - np.exp(-3.65)
    expected = [int(np.ceil(-100 * np.log(1 - share * within))) for share in (0.25, 0.5, 0.75)]

    assert [days_of(windows, name)[0] for name in WINDOW] == expected
    assert windows["p_order_within"][0] == pytest.approx(0.8 * within, abs=1e-6)
    assert windows["p_order_in_window"][0] == pytest.approx(0.8 * within / 2, abs=0.01)


def test_who_has_most_probably_left_gets_no_window():
    alive = np.array([0.05, 0.5])
    windows = predict_windows(pl.Series(["gone", "here"]), of_each(np.ones(2), alive), RULES, AS_OF)

    assert windows["p_order_within"].to_list() == [0.05, 0.5]
    assert windows.filter(customer_id="gone").select(*WINDOW, "p_order_in_window").row(0) == (
        None, None, None, None,
    )  # fmt: skip
    assert windows.filter(customer_id="here")["next_order_from_on"][0] == AS_OF + timedelta(days=1)


def test_half_of_the_orders_that_come_fall_into_their_window(simulate):
    base = simulate(20_000, r=0.9, alpha=30.0, a=0.5, b=4.0, seed=5)
    model = BgNbd(0.9, 30.0, 0.5, 4.0)
    ids = pl.Series([f"c{n:05d}" for n in range(20_000)])
    windows = predict_windows(
        ids,
        lambda rows: model.silence(base.x[rows], base.t_x[rows], base.tenure[rows]),
        RULES,
        AS_OF,
    )
    ordered = (base.days_to_next <= RULES.within_days) & windows[WINDOW[0]].is_not_null().to_numpy()
    day = np.ceil(base.days_to_next[ordered])
    inside = (day >= days_of(windows, WINDOW[0])[ordered]) & (
        day <= days_of(windows, WINDOW[2])[ordered]
    )
    told = windows["p_order_in_window"].to_numpy()[ordered].sum()
    told /= windows["p_order_within"].to_numpy()[ordered].sum()

    # Whole days make windows somewhat wider than a half; the model knows by how much.
    assert inside.mean() == pytest.approx(told, abs=0.015)
    assert 0.48 < told < 0.60


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    rates=st.lists(st.floats(1e-6, 5), min_size=1, max_size=20),
    begins=st.floats(0, 0.9),
    width=st.floats(0.01, 1),
    within=st.integers(1, 1_000),
)
def test_windows_are_ordered_and_inside_the_horizon(rates, begins, width, within):
    rules = NextOrder(window_from=begins, window_to=min(begins + width, 1), within_days=within,
                      min_probability=0)  # fmt: skip
    rate = np.array(rates)
    ids = pl.Series([f"{n:02d}" for n in range(len(rates))])
    windows = predict_windows(ids, of_each(rate, np.ones(len(rate))), rules, AS_OF)
    first, last = days_of(windows, WINDOW[0]), days_of(windows, WINDOW[2])

    assert ((first >= 1) & (first <= last) & (last <= within)).all()
    # The first day that reaches the share, and no later one: what bisection promises.
    reached = 1 - np.exp(-rate * last)
    wanted = rules.window_to * (1 - np.exp(-rate * within))
    assert ((reached >= wanted - 1e-12) | (last == within)).all()
    assert ((1 - np.exp(-rate * (last - 1)) < wanted) | (last == 1)).all()


def test_nobody_has_no_window():
    windows = predict_windows(
        pl.Series([], dtype=pl.String), of_each(np.ones(0), np.ones(0)), RULES, AS_OF
    )

    assert windows.is_empty()
    assert windows.schema["next_order_from_on"] == pl.Date


def test_a_window_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValidationError, match="window_from must be less than window_to"):
        NextOrder(window_from=0.8)
