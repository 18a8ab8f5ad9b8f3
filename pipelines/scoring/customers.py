"""Score every customer: when the next order comes, what it brings, and the risk that none does.

A night with too little data is no error: the scores are refused with a reason and the rest of the
run goes on without them.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from pipelines.rules.churn_reasons import ChurnReasons
from pipelines.rules.next_order import NextOrder
from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.churn.reasons import describe_reasons
from pipelines.scoring.churn.scores import score_churn, see_today
from pipelines.scoring.drift import describe_drift, measure_drift, summarise_columns
from pipelines.scoring.models.gamma_gamma import fit_gamma_gamma
from pipelines.scoring.models.order_model import OrderFit, OrderModelKind, fit_order_model
from pipelines.scoring.models.record import (
    FitInUse,
    OrderModelRecord,
    keep_or_replace,
    record_fit,
    restore_fit,
)
from pipelines.scoring.next_order import predict_windows
from pipelines.scoring.order_habits import Habits, find_habits
from pipelines.scoring.past.backtest import Backtest, run_backtest
from pipelines.scoring.past.candidates import OWN_RATE, expect_orders
from pipelines.scoring.past.days import Day
from pipelines.scoring.past.order_models import histories_of
from pipelines.scoring.past.season import find_level
from pipelines.scoring.past.snapshots import prepare_order_days
from pipelines.scoring.report import ModelReport, report_gamma_gamma
from pipelines.scoring.value import Histories, own_value, predict_value

DECIMALS = 6
WATCHED = (
    "recency_days", "frequency_count", "tenure_days", "expected_order_margin_amount",
    "clv_365d_amount", "churn_risk", "p_alive",
)  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """The numbers of one night."""

    scores: ScoringParams
    reasons: ChurnReasons
    next_order: NextOrder


@dataclass(frozen=True)
class Memory:
    """What the last release knew: its report, and the distributions to compare tonight with."""

    report: ModelReport
    distributions: pl.DataFrame


@dataclass(frozen=True)
class CustomerScores:
    """One row of scores per customer with an order, and what they rest on.

    scores, reasons, distributions and drift are the catalogue's `customer_scores`,
    `churn_reasons`, `score_distributions` and `model_drift`; backtest is None where refused.
    """

    scores: pl.DataFrame
    reasons: pl.DataFrame
    distributions: pl.DataFrame
    drift: pl.DataFrame
    backtest: Backtest
    report: ModelReport
    notes: tuple[str, ...]


def score_customers(
    order_days: pl.DataFrame,
    orders: pl.DataFrame,
    as_of: date,
    rules: Rules,
    memory: Memory | None = None,
    optional: pl.DataFrame | None = None,
) -> CustomerScores | ModelReport:
    """Return scores for all customers with an order, or the report that says why there are none.

    The result does not depend on the order of the rows. No row is scored by itself: the same
    customer gets other scores in another customer base.

    Args:
        order_days: See `prepare_order_days`; later rows are left out.
        orders: customer_id, ordered_on and ordered_hour of each order; see `find_habits`.
        as_of: The last day whose orders are known.
        rules: Horizons, bands, and what counts as enough data.
        memory: Of the last release: where the search begins, and what parameters are believed.
        optional: See `see_day`.

    Raises:
        ValueError: If a day of a customer stands twice.
    """
    params = rules.scores
    known = prepare_order_days(order_days).filter(pl.col("ordered_on") <= as_of)
    tried = run_backtest(known, as_of, params, optional=optional)
    customers = known.filter("is_order")["customer_id"].n_unique()
    if tried.choices["churn"].model is None:
        return _refuse(as_of, customers, tried.choices["churn"].reason)
    today = see_today(known, as_of, params, optional)
    in_use, tonight = _fit_orders(today, tried, params, memory)
    if in_use.fit is None:
        return _refuse(as_of, customers, f"{in_use.reason} More data do not cure this.")
    churn = score_churn(today, tried, params, rules.reasons)
    told = describe_reasons(churn, rules.reasons)
    scores, report = _score(today, tried, in_use.fit, params)
    windows, habits = _find_next_orders(today, in_use.fit, orders, rules.next_order)
    scores = (
        scores.join(churn, on="customer_id", maintain_order="left")
        .join(windows, on="customer_id", maintain_order="left")
        .join(habits.habits, on="customer_id", how="left", maintain_order="left")
    )
    drift = measure_drift(scores, memory.distributions if memory else _NO_DISTRIBUTIONS)
    is_refused = in_use.fit is not tonight
    return CustomerScores(
        scores=scores,
        reasons=told,
        distributions=summarise_columns(scores, WATCHED),
        drift=drift,
        backtest=tried,
        report=report.model_copy(
            update={
                "customers": customers,
                "reason": in_use.reason,
                "refused_fit": record_fit(tonight) if is_refused else None,
                "churn_columns": tried.churn_columns,
            }
        ),
        notes=_notes(tried, in_use, habits, describe_drift(drift, params.drift_limits)),
    )


_NO_DISTRIBUTIONS = summarise_columns(pl.DataFrame(), ())


def _refuse(as_of: date, customers: int, reason: str) -> ModelReport:
    return ModelReport(status="refused", reason=reason, as_of=as_of, customers=customers)


def _fit_orders(
    today: Day, tried: Backtest, params: ScoringParams, memory: Memory | None
) -> tuple[FitInUse, OrderFit]:
    """Fit the order model that did best in the back-test, to everybody, from the last release's."""
    last = memory.report if memory else None
    good, refused = (
        restore_fit(record) if record else None
        for record in (last.order_model if last else None, last.refused_fit if last else None)
    )
    kind = _kind(tried, params)
    start = good.model if good and good.model.kind == kind else None
    fit = fit_order_model(
        kind, *histories_of(today.aggregates), start=start, prior_sd=params.prior_sd
    )
    return keep_or_replace(fit, good, refused), fit


def _kind(tried: Backtest, params: ScoringParams) -> OrderModelKind:
    """The kind of order model chosen for orders; the preferred one where the baseline won."""
    chosen = tried.choices["orders"].model
    return next((kind for kind in params.order_models if kind == chosen), params.order_models[0])


def _score(
    today: Day, tried: Backtest, fit: OrderFit, params: ScoringParams
) -> tuple[pl.DataFrame, ModelReport]:
    x, t_x, tenure = histories_of(today.aggregates)
    past = Histories(x, t_x, tenure, _mean_margin(today))
    margins = fit_gamma_gamma(x, past.mean_margin, prior_sd=params.prior_sd)
    level = _level(today, tried, fit.model.kind, params)
    is_own_rate = tried.choices["value"].model == OWN_RATE
    value = predict_value(
        past, fit.model, margins,
        short_days=params.horizon_days, season=today.season, level=level,
        discount_rate=params.discount_rate,
    )  # fmt: skip
    if is_own_rate:
        value = value.with_columns(
            own_value(
                today.aggregates["margin_365d_amount"].cast(pl.Float64).to_numpy(),
                short_days=params.horizon_days, discount_rate=params.discount_rate,
            )
        )  # fmt: skip
    scores = pl.concat(
        [
            today.aggregates.select(
                "customer_id",
                frequency_count=pl.col("order_day_count").cast(pl.Int64) - 1,
                recency_days=pl.col("tenure_days").cast(pl.Int64) - pl.col("recency_days"),
                tenure_days=pl.col("tenure_days").cast(pl.Int64),
                p_alive=pl.Series(fit.model.p_alive(x, t_x, tenure)).round(DECIMALS),
            ),
            value.with_columns(clv_basis=pl.lit("own_rate" if is_own_rate else "model")),
        ],
        how="horizontal",
    )
    return scores, ModelReport(
        status="scored",
        as_of=today.feature_on,
        customers=scores.height,
        order_model=record_fit(fit),
        gamma_gamma=report_gamma_gamma(margins),
        season=round(today.season, DECIMALS),
        level=round(level, DECIMALS),
    )


def _mean_margin(today: Day) -> np.ndarray:
    """The mean margin of the purchase days after the first, refunds taken off; NaN if none."""
    repeats = pl.col("order_day_count") - 1
    after_first = pl.col("margin_amount") - pl.col("margin_first_amount")
    mean = today.aggregates.select(pl.when(repeats > 0).then(after_first / repeats)).to_series()
    return mean.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _level(today: Day, tried: Backtest, kind: str, params: ScoringParams) -> float:
    """What the totals of past days needed, of order days."""
    earlier = [d for d in tried.days[: params.training_cuts] if kind in d.order_models]
    return find_level(
        [float(day.label("order_count").sum()) for day in earlier],
        [
            float(expect_orders(day, params.horizon_days, kind).sum())
            * today.seasons.get(day.feature_on, 1.0)
            for day in earlier
        ],
    )


def _find_next_orders(
    today: Day, fit: OrderFit, orders: pl.DataFrame, rules: NextOrder
) -> tuple[pl.DataFrame, Habits]:
    past = histories_of(today.aggregates)
    windows = predict_windows(
        today.aggregates["customer_id"],
        lambda days: fit.model.p_no_order(days, *past),
        rules,
        today.feature_on,
    )
    return windows, find_habits(orders, rules, today.feature_on)


def _notes(tried: Backtest, in_use: FitInUse, habits: Habits, moved: list[str]) -> tuple[str, ...]:
    graded = [
        f"The model of {choice.target} is graded {choice.grade}: {choice.reason}"
        for choice in tried.choices.values()
        if choice.grade == "C"
    ]
    unheard = [
        f"Best {name}: {report.reason}"
        for name, report in (("weekday", habits.weekday), ("hour", habits.hour))
        if report.grade == "C"
    ]
    return (*([in_use.reason] if in_use.reason else []), *graded, *unheard, *moved)


__all__ = [
    "CustomerScores",
    "Memory",
    "ModelReport",
    "OrderModelRecord",
    "Rules",
    "score_customers",
]
