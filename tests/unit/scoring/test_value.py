"""Value on customers drawn from the very models that predict it."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from pipelines.scoring.models.bg_nbd import BgNbd
from pipelines.scoring.models.gamma_gamma import GammaGamma
from pipelines.scoring.value import Histories, as_money, bound_year, discount_years

CUSTOMERS, YEAR = 20_000, 365
ORDERS = BgNbd(0.8, 40.0, 0.5, 2.5, may_stop_at_once=True)
SPEND = GammaGamma(6.0, 5.0, 60.0)


@pytest.fixture(scope="module")
def base():
    return draw(ORDERS)


def draw(orders):
    """Histories of a year or so, and the margin of the year after, from a model and SPEND."""
    random = np.random.default_rng(11)
    tenure = random.integers(30, 500, CUSTOMERS).astype(float)
    rate = random.gamma(orders.r, 1 / orders.alpha, CUSTOMERS)
    stop = random.beta(orders.a, orders.b, CUSTOMERS)
    scale = 1 / random.gamma(SPEND.q, 1 / SPEND.gamma, CUSTOMERS)
    x, t_x, spent, ahead = (np.zeros(CUSTOMERS) for _ in range(4))
    now, alive = np.zeros(CUSTOMERS), random.random(CUSTOMERS) >= stop
    while alive.any():
        now = np.where(alive, now + random.exponential(1 / rate), now)
        amount = random.gamma(SPEND.p, scale)
        is_past, is_next = alive & (now <= tenure), alive & (now > tenure) & (now <= tenure + YEAR)
        x += is_past
        t_x = np.where(is_past, now, t_x)
        spent += np.where(is_past, amount, 0.0)
        ahead += np.where(is_next, amount, 0.0)
        alive &= (now <= tenure + YEAR) & (random.random(CUSTOMERS) >= stop)
    with np.errstate(invalid="ignore"):
        past = Histories(x, t_x, tenure, spent / x)
    return past, ahead


def floats(frame, name):
    return frame[name].cast(pl.Float64).to_numpy()


def expect(past, orders=ORDERS):
    return orders.expected_orders(YEAR, past.x, past.t_x, past.tenure)


def test_the_total_is_right(base):
    past, ahead = base
    margins = SPEND.expected_spend(past.x, past.mean_margin)
    assert (expect(past) * margins).sum() == pytest.approx(ahead.sum(), rel=0.03)


def test_the_bounds_hold_what_they_say(base):
    past, ahead = base
    low, high = bound_year(past, ORDERS, SPEND, expect(past))
    above = ahead > high
    assert above.mean() == pytest.approx(0.10, abs=0.015)
    # Where an order is likely enough for a lower bound, one in ten stays below it.
    bounded = low > 0
    assert bounded.sum() > 500
    assert (ahead[bounded] < low[bounded]).mean() == pytest.approx(0.10, abs=0.03)
    # And by the number of past orders, too.
    for few, many in ((0, 0), (1, 2), (3, 8)):
        group = (past.x >= few) & (past.x <= many)
        assert above[group].mean() == pytest.approx(0.10, abs=0.035), (few, many)


def test_of_buyers_who_nearly_all_stay_one_in_ten_exceeds_the_upper_bound():
    steady = BgNbd(5.0, 8.0, 0.01, 50.0, may_stop_at_once=True)
    past, ahead = draw(steady)
    _, high = bound_year(past, steady, SPEND, expect(past, steady))
    assert (ahead > high).mean() == pytest.approx(0.10, abs=0.015)


def test_the_level_of_all_rates_moves_the_bounds(base):
    past, _ = base
    plain, busy = (bound_year(past, ORDERS, SPEND, n * expect(past), n) for n in (1.0, 2.0))
    assert (busy[1] >= plain[1] - 1e-9).all()
    assert (busy[0] > 0).sum() > (plain[0] > 0).sum()
    # At twice the rates no order at all has the chance squared.
    silent = ORDERS.p_no_order(YEAR, past.x, past.t_x, past.tenure) ** 2
    assert ((busy[1] == 0) == (silent >= 0.9)).all()
    assert (busy[0][silent >= 0.1] == 0).all()


def test_without_a_model_of_margins_there_are_no_bounds(base):
    past, _ = base
    low, high = bound_year(past, ORDERS, None, expect(past))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_later_years_are_discounted_from_their_middle():
    ones = np.ones(2)
    worth = discount_years([ones, 3 * ones, 6 * ones], 0.1)
    assert worth == pytest.approx([1 + 2 * 1.1**-1.5 + 3 * 1.1**-2.5] * 2, rel=1e-12)
    assert discount_years([ones, 3 * ones, 6 * ones], 0.0).tolist() == [6.0, 6.0]


def test_money_has_four_decimals_and_the_unknown_is_null():
    assert as_money(np.array([1.25, np.nan])).to_list() == [Decimal("1.2500"), None]
