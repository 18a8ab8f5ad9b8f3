"""Score every customer: when the next order comes, what it brings, and the risk that none does.

A night with too little data is no error: the scores are refused with a reason and the rest of the
run goes on without them.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import polars as pl

from pipelines.rules.churn_reasons import ChurnReasons
from pipelines.rules.next_order import NextOrder
from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.churn.features import aggregate_history
from pipelines.scoring.churn.reasons import describe_reasons
from pipelines.scoring.churn.scores import predict_total, score_churn, see_today
from pipelines.scoring.drift import describe_drift, measure_drift, summarise_columns
from pipelines.scoring.models.gamma_gamma import fit_gamma_gamma
from pipelines.scoring.models.kinds import Kind, fit_kind
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderFit
from pipelines.scoring.models.record import (
    FitInUse,
    keep_or_replace,
    record_fit,
    restore_fit,
)
from pipelines.scoring.next_order import predict_windows
from pipelines.scoring.order_habits import Habits, find_habits
from pipelines.scoring.past.backtest import Backtest, run_backtest
from pipelines.scoring.past.candidates import OWN_RATE, mean_margins
from pipelines.scoring.past.days import Day, describe_base
from pipelines.scoring.past.order_models import histories_of
from pipelines.scoring.past.snapshots import prepare_order_days
from pipelines.scoring.report import ModelReport, report_gamma_gamma
from pipelines.scoring.value import YEAR_DAYS, Histories, as_money, bound_year, discount_years

DECIMALS = 6
# Nobody is surer than one in a million; a chance of nought or one has no exponent.
LEAST_CHANCE = 1e-6
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
    aggregates: pl.DataFrame | None = None,
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
        aggregates: Of all customers (`read_aggregates`), where order_days are of the sample only.

    Raises:
        ValueError: If a day of a customer stands twice.
    """
    params = rules.scores
    known = prepare_order_days(order_days).filter(pl.col("ordered_on") <= as_of)
    if aggregates is None:
        aggregates = aggregate_history(known, as_of)
    tried = run_backtest(known, as_of, params, optional=optional)
    customers = aggregates.height
    if tried.choices["churn"].model is None:
        return _refuse(as_of, customers, tried.choices["churn"].reason, memory)
    today = see_today(known, as_of, params, optional, aggregates)
    in_use, tonight = _fit_orders(today, tried, params, memory)
    if in_use.fit is None:
        return _refuse(as_of, customers, f"{in_use.reason} More data do not cure this.", memory)
    churn = score_churn(today, tried, params, rules.reasons)
    told = describe_reasons(churn, rules.reasons)
    today = replace(
        today, order_models=today.order_models | {in_use.fit.model.kind: in_use.fit.model}
    )
    scores, report = _score(today, tried, in_use.fit, params)
    windows = _find_windows(today, in_use.fit, churn["churn_risk"].to_numpy(), rules)
    habits = find_habits(orders, rules.next_order, as_of)
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
                "refused_fit": record_fit(tonight) if is_refused and tonight.converged else None,
                "refused_nights": _refused_nights(memory) + 1 if is_refused else 0,
                "churn_columns": tried.churn_columns,
            }
        ),
        notes=_notes(tried, in_use, habits, describe_drift(drift, params.drift_limits)),
    )


_NO_DISTRIBUTIONS = summarise_columns(pl.DataFrame(), ())


def _refuse(as_of: date, customers: int, reason: str, memory: Memory | None) -> ModelReport:
    """No scores, and why; what the last release knew of its models is kept for the next night."""
    kept = memory.report.order_model if memory else None
    return ModelReport(
        status="refused", reason=reason, as_of=as_of, customers=customers, order_model=kept
    )


def _fit_orders(
    today: Day, tried: Backtest, params: ScoringParams, memory: Memory | None
) -> tuple[FitInUse, OrderFit]:
    """Fit the order model that did best in the back-test, to everybody, from the last release's."""
    last = memory.report if memory else None
    base = describe_base(today.feature_on, params)
    # Of a kind that the rules have given up since nothing is restored.
    good, refused = (
        restore_fit(record, base) if record and record.kind in params.kinds else None
        for record in (last.order_model if last else None, last.refused_fit if last else None)
    )
    kind = _kind(tried, params)
    start = good.model if good and good.model.kind == kind else None
    fit = fit_kind(
        kind, histories_of(today.aggregates), base, start=start, prior_sd=params.prior_sd
    )
    return keep_or_replace(fit, good, refused, _refused_nights(memory)), fit


def _refused_nights(memory: Memory | None) -> int:
    return memory.report.refused_nights if memory else 0


def _kind(tried: Backtest, params: ScoringParams) -> Kind:
    """The kind of order model chosen for value, else for orders, else the preferred one."""
    chosen = [tried.choices["value"].model, tried.choices["orders"].model]
    kinds = [kind for name in chosen for kind in params.kinds if kind == name]
    return kinds[0] if kinds else params.kinds[0]


def _score(
    today: Day, tried: Backtest, fit: OrderFit, params: ScoringParams
) -> tuple[pl.DataFrame, ModelReport]:
    """What the back-test chose, beyond the horizon, too; and what it rests on."""
    x, t_x, tenure = histories_of(today.aggregates)
    past = Histories(x, t_x, tenure, mean_margins(today))
    margins = fit_gamma_gamma(x, past.mean_margin, prior_sd=params.prior_sd)
    margin = margins.expected_spend(x, past.mean_margin)
    orders = _expect(today, tried, params, "orders")
    # Unknown, not nought: where nobody's margin is known, nobody's value is.
    value = _expect(today, tried, params, "value")
    money = [np.where(np.isnan(margin), np.nan, part) for part in value]
    is_model = tried.choices["value"].model != OWN_RATE
    low, high = bound_year(past, fit.model, margins.parameters if is_model else None, money[1])
    counts = {"horizon": orders[0], "365d": orders[1], "1095d": orders[3]}
    days = {"horizon": params.horizon_days, "365d": YEAR_DAYS, "1095d": 3 * YEAR_DAYS}
    amounts = {
        "expected_order_margin": margin,
        "clv_horizon": money[0],
        "clv_365d": money[1],
        "clv_365d_low": low,
        "clv_365d_high": high,
        "clv_1095d": discount_years(money[1:], params.discount_rate),
    }
    scores = today.aggregates.select(
        "customer_id",
        frequency_count=pl.col("order_day_count").cast(pl.Int64) - 1,
        recency_days=pl.col("tenure_days").cast(pl.Int64) - pl.col("recency_days"),
        tenure_days=pl.col("tenure_days").cast(pl.Int64),
        p_alive=pl.Series(fit.model.p_alive(x, t_x, tenure)).round(DECIMALS),
        # There are no more purchase days than days.
        **{
            f"expected_orders_{name}_count": pl.Series(np.minimum(n, days[name])).round(DECIMALS)
            for name, n in counts.items()
        },
        expected_orders_basis=_basis(tried, "orders"),
        **{f"{name}_amount": as_money(amount) for name, amount in amounts.items()},
        clv_basis=_basis(tried, "value"),
    )
    return scores, ModelReport(
        status="scored",
        as_of=today.feature_on,
        customers=scores.height,
        order_model=record_fit(fit),
        gamma_gamma=report_gamma_gamma(margins),
        season=round(today.season, DECIMALS),
    )


def _basis(tried: Backtest, target: Literal["orders", "value"]) -> pl.Expr:
    return pl.lit("own_rate" if tried.choices[target].model == OWN_RATE else "model")


def _expect(
    today: Day, tried: Backtest, params: ScoringParams, target: Literal["orders", "value"]
) -> list[Floats]:
    """What is expected of the horizon, and of one, two and three years."""
    ahead = [None, *(YEAR_DAYS * year for year in (1, 2, 3))]
    expected = [predict_total(today, tried, params, target, days) for days in ahead]
    return [total for total in expected if total is not None]


def _find_windows(today: Day, fit: OrderFit, churn_risk: Floats, rules: Rules) -> pl.DataFrame:
    """When the next order comes, in such a way that the horizon's risk is the published one.

    All order rates of a customer are taken so many times as high as turns the model's chance of no
    order in the horizon into the risk.
    """
    past = histories_of(today.aggregates)
    plain, risk = (
        np.clip(chance, LEAST_CHANCE, 1.0 - LEAST_CHANCE)
        for chance in (fit.model.p_no_order(rules.scores.horizon_days, *past), churn_risk)
    )
    times = np.log(risk) / np.log(plain)
    return predict_windows(
        today.aggregates["customer_id"],
        lambda days: fit.model.p_no_order(days, *past) ** times,
        rules.next_order,
        today.feature_on,
    )


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
