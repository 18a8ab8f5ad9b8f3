"""Value on customers drawn from the very models that predict it."""

import numpy as np
import polars as pl
import pytest

from pipelines.scoring.models.bg_nbd import BgNbd
from pipelines.scoring.models.gamma_gamma import GammaGamma, GammaGammaFit
from pipelines.scoring.value import Histories, own_value, predict_value

CUSTOMERS, YEAR = 20_000, 365
ORDERS = BgNbd(0.8, 40.0, 0.5, 2.5, may_stop_at_once=True)
SPEND = GammaGamma(6.0, 5.0, 60.0)
MARGINS = GammaGammaFit(SPEND, None, CUSTOMERS, None)


@pytest.fixture(scope="module")
def base():
    """Histories of a year or so, and the margin of the year after, from ORDERS and MARGINS."""
    random = np.random.default_rng(11)
    tenure = random.integers(30, 500, CUSTOMERS).astype(float)
    rate = random.gamma(ORDERS.r, 1 / ORDERS.alpha, CUSTOMERS)
    stop = random.beta(ORDERS.a, ORDERS.b, CUSTOMERS)
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


def predict(past, **changed):
    told = {"short_days": 90, "season": 1.0, "level": 1.0, "discount_rate": 0.1} | changed
    return predict_value(past, ORDERS, MARGINS, **told)


def floats(frame, name):
    return frame[name].cast(pl.Float64).to_numpy()


def test_the_total_is_right(base):
    past, ahead = base
    total = floats(predict(past), "clv_365d_amount").sum()
    assert total == pytest.approx(ahead.sum(), rel=0.03)


def test_the_bounds_hold_what_they_say(base):
    past, ahead = base
    value = predict(past)
    above = ahead > floats(value, "clv_365d_high_amount")
    assert above.mean() == pytest.approx(0.10, abs=0.015)
    # Where an order is likely enough for a lower bound, one in ten stays below it.
    low = floats(value, "clv_365d_low_amount")
    bounded = low > 0
    assert bounded.sum() > 500
    assert (ahead[bounded] < low[bounded]).mean() == pytest.approx(0.10, abs=0.03)
    # And by the number of past orders, too.
    for few, many in ((0, 0), (1, 2), (3, 8)):
        group = (past.x >= few) & (past.x <= many)
        assert above[group].mean() == pytest.approx(0.10, abs=0.035), (few, many)


def test_later_years_are_discounted_and_the_season_is_of_the_horizon_alone(base):
    past, _ = base
    plain, discounted = predict(past, discount_rate=0.0), predict(past)
    margin = floats(plain, "expected_order_margin_amount")
    years = floats(plain, "expected_orders_1095d_count") * margin
    assert floats(plain, "clv_1095d_amount") == pytest.approx(years, rel=1e-3, abs=0.01)
    assert (floats(discounted, "clv_1095d_amount") <= floats(plain, "clv_1095d_amount")).all()
    assert discounted["clv_365d_amount"].equals(plain["clv_365d_amount"])
    festive = predict(past, season=2.0)
    assert floats(festive, "clv_horizon_amount") == pytest.approx(
        2 * floats(discounted, "clv_horizon_amount"), rel=1e-3, abs=0.001
    )
    assert festive["clv_365d_amount"].equals(discounted["clv_365d_amount"])


def test_money_is_unknown_where_no_margin_is(base):
    past, _ = base
    nobody = GammaGammaFit(None, "no margins", 0, None)
    value = predict_value(
        past, ORDERS, nobody, short_days=90, season=1.0, level=1.0, discount_rate=0.1
    )
    assert value["clv_365d_amount"].null_count() == CUSTOMERS
    assert value["clv_365d_high_amount"].null_count() == CUSTOMERS
    assert value["expected_orders_365d_count"].null_count() == 0


def test_as_last_year_so_the_next():
    value = own_value(np.array([365.0, 0.0, -73.0]), short_days=90, discount_rate=0.0)
    assert floats(value, "clv_horizon_amount").tolist() == [90.0, 0.0, -18.0]
    assert floats(value, "clv_365d_amount").tolist() == [365.0, 0.0, -73.0]
    assert floats(value, "clv_1095d_amount").tolist() == [1095.0, 0.0, -219.0]
    assert value["clv_365d_low_amount"].null_count() == 3
