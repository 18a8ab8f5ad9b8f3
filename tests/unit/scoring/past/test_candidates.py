"""What the candidates expect, worked out by hand: every customer orders every ninety days."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from simulated_orders import simulate_orders

from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.models.gamma_gamma import GammaGammaFit
from pipelines.scoring.past.candidates import fit_churn_model, order_candidates
from pipelines.scoring.past.days import Day, see_past_days
from pipelines.scoring.past.order_models import mean_margins_of
from pipelines.scoring.past.snapshots import prepare_order_days
from pipelines.scoring.totals import ChosenTotal

AS_OF, HORIZON = date(2026, 6, 30), 90
PAST = AS_OF - timedelta(days=HORIZON)
# What one past day needed is drawn half-way to what was expected of it.
HALF = 0.5
NO_MARGINS = GammaGammaFit(None, "Nobody has any.", 0, None)


@dataclass(frozen=True)
class Steady:
    kind: str = "steady"

    def expected_orders(self, ahead_days, x, *_):
        return np.full(len(x), ahead_days / HORIZON)


@dataclass(frozen=True)
class Fading:
    """Whoever orders does so once, soon."""

    kind: str = "fading"

    def expected_orders(self, ahead_days, x, *_):
        return np.ones(len(x))


def day(on, seasons, labels=None, customers=10):
    aggregates = pl.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(customers)],
            "order_day_count": 2, "recency_days": 10, "tenure_days": 100,
        }
    )  # fmt: skip
    told = None if labels is None else pl.DataFrame({"order_count": labels})
    return Day(on, aggregates, aggregates, {"steady": Steady()}, NO_MARGINS, seasons, told)


def expect(season, actual, ahead_days=None):
    """Expected of one customer, after ten of them ordered `actual` times in the past horizon."""
    today = day(AS_OF, {AS_OF: season, PAST: 0.8})
    past = day(PAST, {PAST: 0.8}, [actual] + [0] * 9)
    total = order_candidates(["steady"], HORIZON)["steady"]
    if ahead_days is None:
        return total(today, [past], HORIZON)[0]
    level = total.find_level(today, [past], HORIZON)
    return ChosenTotal("steady", total, level, HORIZON).expect(today, ahead_days)[0]


def test_what_came_as_expected_needs_no_correction():
    # Ten customers, one order each, in a season of 0.8.
    assert expect(season=1.0, actual=8) == pytest.approx(1.0)


def test_the_season_of_the_horizon_and_the_level_of_the_past_are_in_it():
    assert expect(season=1.5, actual=12) == pytest.approx(1.5 * (12 / 8) ** HALF)
    assert expect(season=1.0, actual=4) == pytest.approx((4 / 8) ** HALF)


def test_further_ahead_the_level_holds_and_seasons_even_out():
    year = expect(season=1.5, actual=12, ahead_days=365)
    assert year == pytest.approx(365 / HORIZON * (12 / 8) ** HALF)


def test_a_year_brings_no_less_than_the_busy_quarter_that_it_begins_with():
    fading = {"steady": Fading()}
    today = replace(day(AS_OF, {AS_OF: 2.0}), order_models=fading)
    chosen = ChosenTotal("steady", order_candidates(["steady"], HORIZON)["steady"], 1.0, HORIZON)
    assert chosen.expect(today)[0] == chosen.expect(today, 365)[0] == pytest.approx(2.0)
    assert chosen.expect(today, 1095)[0] == pytest.approx(2.0)
    assert chosen.expect(today, 30)[0] == pytest.approx(1.0)


def test_the_own_rate_of_who_is_new_goes_on_as_it_began():
    aggregates = pl.DataFrame({"tenure_days": [30, 180], "order_days_365d_count": [1, 4]})
    new_and_known = replace(day(AS_OF, {AS_OF: 1.0}), aggregates=aggregates)
    own = order_candidates([], HORIZON)["own_rate"]
    assert own.expect(new_and_known, HORIZON) == pytest.approx([1.0, 2.0])
    assert own.expect(new_and_known, 2 * HORIZON) == pytest.approx([2.0, 4.0])


def test_the_mean_margin_is_of_the_days_after_the_first_and_unknown_without_one():
    aggregates = pl.DataFrame(
        {
            "order_day_count": [3, 1, 2],
            "margin_amount": [60.0, 7.0, 10.0],
            "margin_first_amount": [20.0, 7.0, 25.0],
        }
    )
    margins = mean_margins_of(aggregates)
    assert margins == pytest.approx([20.0, np.nan, -15.0], nan_ok=True)


def test_a_busy_quarter_does_not_make_all_later_risks_too_low():
    busy = simulate_orders(3_000, busy_months=(10, 11, 12), busier=2.5)
    params = ScoringParams(order_models=("mbg_nbd", "bg_nbd"))
    today, _, before = see_past_days(prepare_order_days(busy), AS_OF, params, 1)[:3]
    assert (today.feature_on.month, before.feature_on.month) == (4, 10)
    levelled = fit_churn_model("logistic", today, [before], ())
    share = today.label("is_churned").mean()
    learnt, told = (
        expit(model.explain(today.features).logits).mean() for model in (levelled.model, levelled)
    )
    plain = np.mean([m.p_no_order(90, *today.histories) for m in today.order_models.values()])
    assert learnt < told < plain
    assert abs(told - share) < 0.8 * abs(learnt - share)
    # The ranking is what was learnt.
    parts = [model.explain(today.features).contributions for model in (levelled.model, levelled)]
    assert (parts[0] == parts[1]).all()
