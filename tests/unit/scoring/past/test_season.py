from calendar import monthrange
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from simulated_orders import AS_OF, simulate_orders

from pipelines.scoring.churn.features import aggregate_history
from pipelines.scoring.models.kinds import Base
from pipelines.scoring.past.order_models import fit_order_models
from pipelines.scoring.past.season import (
    change_hazard,
    draw_season,
    find_level,
    find_risk_level,
    find_seasons,
    shift_to,
    shrink_factor,
    usual_season,
)
from pipelines.scoring.past.snapshots import prepare_order_days

MODEL = "mbg_nbd"
HORIZON = 91


def seasons_of(orders: pl.DataFrame, begins, usual=None):
    prepared = prepare_order_days(orders)
    models = fit_order_models(aggregate_history(prepared, AS_OF), (MODEL,), Base(AS_OF), 2.0)
    return find_seasons(prepared, models[MODEL], AS_OF, HORIZON, begins, usual)


@pytest.fixture(scope="module")
def busy_summer():
    return simulate_orders(6_000, days=1_100, seed=9, busy_months=(7, 8, 9), busier=2.0)


def test_a_season_that_comes_every_year_is_expected(busy_summer):
    # Twice as many in a quarter of the year is 8/5 of the average.
    season = seasons_of(busy_summer, [AS_OF])[AS_OF]
    assert season == pytest.approx(1.6, abs=0.2)


def test_the_quarter_before_it_is_below_the_average(busy_summer):
    before = AS_OF - timedelta(days=HORIZON)
    assert seasons_of(busy_summer, [before])[before] == pytest.approx(0.8, abs=0.1)


def test_without_a_season_nothing_is_expected():
    quiet = simulate_orders(6_000, days=1_100, seed=9)
    assert seasons_of(quiet, [AS_OF])[AS_OF] == pytest.approx(1.0, abs=0.1)


def test_less_than_a_year_and_a_horizon_tells_no_season():
    short = simulate_orders(500, days=364 + HORIZON - 10, busy_months=(7, 8, 9), busier=3.0)
    assert seasons_of(short, [AS_OF]) == {AS_OF: 1.0}


BUSY_SUMMER = [100.0] * 6 + [200.0] * 3 + [100.0] * 3


def test_a_short_history_has_the_season_that_the_books_tell():
    short = simulate_orders(500, days=364, busy_months=(7, 8, 9), busier=2.0)
    before = AS_OF - timedelta(days=HORIZON)
    told = seasons_of(short, [AS_OF, before], BUSY_SUMMER)
    assert told[AS_OF] == pytest.approx(1.6, abs=0.02)
    assert told[before] == pytest.approx(0.8, abs=0.02)


def test_the_books_yield_to_what_the_history_shows(busy_summer):
    assert seasons_of(busy_summer, [AS_OF], [100.0] * 12)[AS_OF] > 1.35
    quiet = simulate_orders(6_000, days=1_100, seed=9)
    assert 1.0 < seasons_of(quiet, [AS_OF], BUSY_SUMMER)[AS_OF] < 1.25


def test_books_without_a_season_tell_none():
    assert usual_season(None, AS_OF, HORIZON) == 1.0
    february = date(2027, 1, 31)
    by_days = [float(monthrange(2027, month)[1]) for month in range(1, 13)]
    assert usual_season(by_days, february, 28) == pytest.approx(1.0)
    assert usual_season(by_days, february, 364) == pytest.approx(1.0)


def test_years_that_agree_are_believed_and_an_odd_one_is_not():
    usual = draw_season([0.4, 0.4 - 0.15 * 2**0.5], 1.0)  # they differ as much as is thought
    assert usual == pytest.approx(np.exp((0.4 - 0.15 / 2**0.5) * 2 / 2.5))
    assert draw_season([0.4], 1.0) == pytest.approx(np.exp(0.4 / 1.5))
    assert draw_season([0.5, 0.5], 1.0) > np.exp(0.5 * 2 / 2.5)
    closed_once = draw_season([-1.0, 0.0], 1.0)
    assert 0.85 < closed_once < 1.0
    assert draw_season([], 1.2) == pytest.approx(1.2)


def test_a_factor_is_drawn_to_one_and_bounded():
    assert shrink_factor([], 1.0) == 1.0
    assert shrink_factor([np.log(4.0)], 1.0) == pytest.approx(2.0)
    assert shrink_factor([np.log(2.0)] * 3, 1.0) == pytest.approx(2.0**0.75)
    assert shrink_factor([9.0, 9.0], 0.5) == pytest.approx(3.0)
    assert shrink_factor([], 0.5, towards=1.5) == pytest.approx(1.5)
    assert shrink_factor([], 0.5, towards=9.0) == pytest.approx(3.0)


def test_totals_that_were_too_low_raise_the_level():
    assert find_level([120.0, 120.0], [100.0, 100.0]) == pytest.approx(1.2 ** (2 / 3))
    assert find_level([0.0], [10.0]) == 1.0


def test_the_level_of_risk_is_what_past_days_were_off_drawn_to_nothing():
    logits = np.linspace(-2.0, 2.0, 101)
    right = float(expit(logits).mean())
    assert find_risk_level([logits], [right], [1.0]) == pytest.approx(0.0, abs=1e-9)
    assert find_risk_level([], [], []) == 0.0
    # A past day on which all log odds had to be higher by one: half of it is believed, then more.
    higher = float(expit(logits + 1.0).mean())
    assert find_risk_level([logits], [higher], [1.0]) == pytest.approx(0.5)
    assert find_risk_level([logits] * 3, [higher] * 3, [1.0] * 3) == pytest.approx(0.75)


def test_a_season_that_was_foreseen_is_no_error_of_the_level():
    logits = np.linspace(-2.0, 2.0, 101)
    busy = float(change_hazard(expit(logits), 1.5).mean())
    assert find_risk_level([logits], [busy], [1.5]) == pytest.approx(0.0, abs=1e-9)
    assert find_risk_level([logits], [busy], [1.0]) < -0.1


def test_log_odds_are_moved_to_a_mean_risk():
    logits = np.array([-3.0, 0.0, 4.0])
    assert expit(logits + shift_to(logits, 0.9)).mean() == pytest.approx(0.9)


def test_more_orders_mean_less_risk_of_none():
    risk = np.array([0.0, 0.5, 1.0])
    assert change_hazard(risk, 2.0) == pytest.approx([0.0, 0.25, 1.0])
    assert change_hazard(risk, 1.0) == pytest.approx(risk)
