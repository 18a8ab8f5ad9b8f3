"""What may predict churn, orders and value: the naive baselines and the models that must beat them.

A candidate is given a day to predict and the earlier days whose outcome was known by then, and
returns a number per customer. It never sees the labels of the day it predicts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from scipy.special import expit

from pipelines.scoring.churn.boosted import fit_boosted, is_installed
from pipelines.scoring.churn.features import ORDER_FEATURES
from pipelines.scoring.churn.logistic import (
    ChurnModel,
    LevelledChurn,
    fit_logistic,
    is_known,
)
from pipelines.scoring.past.days import Day
from pipelines.scoring.past.metrics import Floats
from pipelines.scoring.past.order_models import level_columns, says_more
from pipelines.scoring.past.season import change_hazard, find_level, find_risk_level, shift_to

Candidate = Callable[..., Floats]
Expectation = Callable[[Day, int], Floats]

YEAR = 365
RECENCY, OWN_RATE, LOGISTIC, BOOSTED = "recency", "own_rate", "logistic", "lightgbm"
# Customers whose mean risk is that of all to three digits.
ENOUGH_FOR_A_MEAN = 30_000
BASELINES = {"churn": RECENCY, "orders": OWN_RATE, "value": OWN_RATE}


def churn_candidates(kinds: Sequence[str], optional: Sequence[str]) -> dict[str, Candidate]:
    """Return what may predict churn, the baseline first, then the preferred model."""
    candidates: dict[str, Candidate] = {
        RECENCY: partial(_predict_churn, model=RECENCY, optional=()),
        LOGISTIC: partial(_predict_churn, model=LOGISTIC, optional=tuple(optional)),
    }
    # Trees earn their cost only where there is more than orders to learn from.
    if optional and is_installed():
        candidates[BOOSTED] = partial(_predict_churn, model=BOOSTED, optional=tuple(optional))
    return candidates | {kind: partial(_no_order, kind=kind) for kind in kinds}


def order_candidates(kinds: Sequence[str], horizon_days: int) -> dict[str, "Total"]:
    """Return what may predict the count of order days, the baseline first."""
    own = partial(_own_rate, column="order_days_365d_count", least_days=horizon_days)
    expect = {OWN_RATE: own} | {kind: partial(expect_orders, kind=kind) for kind in kinds}
    return {name: Total(e, "order_count") for name, e in expect.items()}


def value_candidates(kinds: Sequence[str], horizon_days: int) -> dict[str, "Total"]:
    """Return what may predict the margin of the horizon, the baseline first."""
    own = partial(_own_rate, column="margin_365d_amount", least_days=horizon_days)
    expect = {OWN_RATE: own} | {kind: partial(expect_value, kind=kind) for kind in kinds}
    return {name: Total(e, "margin_amount") for name, e in expect.items()}


def fit_churn_model(
    name: str, day: Day, earlier: Sequence[Day], optional: Sequence[str]
) -> ChurnModel:
    """Return the named model of churn, learnt from earlier days, ready for that day's features.

    Raises:
        ValueError: If there is no earlier day.
    """
    examples = [past.example() for past in earlier]
    if name == RECENCY:
        return fit_logistic(examples, ["log_recency"], [])
    kinds = [
        kind
        for kind, model in day.order_models.items()
        if says_more(model) and all(kind in past.order_models for past in earlier)
    ]
    level = [column for kind in kinds for column in level_columns(kind)]
    # Orders are known of every day, or their window was too short; a source may have come later.
    own = [n for n in ORDER_FEATURES if all(is_known(e.features, n) for e in examples)]
    fit = fit_boosted if name == BOOSTED else fit_logistic
    model = fit(examples, level or ["log_recency"], [*own, *optional])
    return _put_at_level(model, day, earlier, level, len(kinds)) if kinds else model


def _put_at_level(
    model: ChurnModel, day: Day, earlier: Sequence[Day], level: Sequence[str], kinds: int
) -> LevelledChurn:
    """Return the model with the day's mean risk by the order models, at the level of earlier days.

    What it learnt of the level is that of the quarters it has seen; the order models are fitted to
    the day itself, and each earlier day says how far they were off.
    """

    def logits_of(features: pl.DataFrame) -> Floats:
        total = features.select(pl.sum_horizontal(level)).to_series().to_numpy()
        return total / kinds

    shift = find_risk_level(
        [logits_of(past.features) for past in earlier],
        [float(past.label("is_churned").mean()) for past in earlier],
        [day.seasons.get(past.feature_on, 1.0) for past in earlier],
    )
    some = day.features.gather_every(max(1, day.features.height // ENOUGH_FOR_A_MEAN))
    share = float(expit(logits_of(some) + shift).mean())
    return LevelledChurn(model, shift_to(model.explain(some).logits, share))


def _predict_churn(
    day: Day, earlier: Sequence[Day], horizon_days: int, *, model: str, optional: tuple[str, ...]
) -> Floats:
    fitted = fit_churn_model(model, day, earlier, optional)
    risk = expit(fitted.explain(day.features).logits)
    return risk if model == RECENCY else change_hazard(risk, day.season)


def _no_order(day: Day, earlier: Sequence[Day], horizon_days: int, *, kind: str) -> Floats:
    risk = day.order_models[kind].p_no_order(horizon_days, *day.histories)
    return change_hazard(risk, day.season)


@dataclass(frozen=True)
class Total:
    """What is expected of a number whose total has a season, and a level that models may miss."""

    expect: Expectation
    label: str

    def __call__(self, day: Day, earlier: Sequence[Day], horizon_days: int) -> Floats:
        """Return what is expected of the horizon, with its season and level."""
        level = self.find_level(day, earlier, horizon_days)
        return self.expect(day, horizon_days) * day.season * level

    def find_level(self, day: Day, earlier: Sequence[Day], horizon_days: int) -> float:
        """Return the factor that the totals of earlier days needed, their seasons taken off."""
        return find_level(
            [float(past.label(self.label).sum()) for past in earlier],
            [
                float(self.expect(past, horizon_days).sum()) * day.seasons.get(past.feature_on, 1.0)
                for past in earlier
            ],
        )


def _own_rate(day: Day, ahead_days: int, column: str, least_days: int) -> Floats:
    """Return what each customer's own rate comes to, over the last year or since the first order.

    Who is known for less than a horizon is taken to have been for one: one order is no rhythm yet.
    """
    known_days = np.clip(day.aggregates["tenure_days"].to_numpy(), least_days, YEAR)
    total = day.aggregates[column].cast(pl.Float64).to_numpy()
    expected: Floats = total * ahead_days / known_days
    return expected


def expect_orders(day: Day, ahead_days: int, kind: str) -> Floats:
    """Return the expected order days, without season or correction of level."""
    return day.expected_orders(kind, ahead_days)


def expect_value(day: Day, ahead_days: int, kind: str) -> Floats:
    """Return expected orders times the expected margin of an order; 0 where no margin is known."""
    return day.expected_orders(kind, ahead_days) * np.nan_to_num(day.expected_margins)
