"""Score every customer: when the next order comes, what it brings, and the risk that none does.

A night with too little data is no error: the scores are refused with a reason and the rest of the
run goes on without them.
"""

from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from pipelines.rules.churn_reasons import ChurnReasons
from pipelines.rules.next_order import NextOrder
from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.churn.features import aggregate_history
from pipelines.scoring.churn.reasons import describe_reasons
from pipelines.scoring.churn.scores import CHUNK_ROWS, score_churn, see_today
from pipelines.scoring.columns import tell_value, tell_windows
from pipelines.scoring.drift import describe_drift, measure_drift, summarise_columns
from pipelines.scoring.models.gamma_gamma import GammaGamma
from pipelines.scoring.models.kinds import Kind, fit_kind
from pipelines.scoring.models.order_model import OrderFit, OrderModel
from pipelines.scoring.models.record import (
    FitInUse,
    keep_or_replace,
    record_fit,
    restore_fit,
)
from pipelines.scoring.order_habits import Habits, find_habits
from pipelines.scoring.past.backtest import Backtest, run_backtest
from pipelines.scoring.past.days import Day, describe_base, fit_margins, lacking_season
from pipelines.scoring.past.order_models import histories_of
from pipelines.scoring.past.snapshots import prepare_order_days
from pipelines.scoring.report import ModelReport, report_gamma_gamma
from pipelines.scoring.totals import choose_total

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
    today = replace(
        today,
        order_models=today.order_models | {in_use.fit.model.kind: in_use.fit.model},
        margins=fit_margins(aggregates, params, _last_margins(memory)),
    )
    scores = _score(today, tried, in_use.fit.model, churn, rules)
    habits = find_habits(orders, rules.next_order, as_of)
    scores = scores.join(habits.habits, on="customer_id", how="left", maintain_order="left")
    drift = measure_drift(scores, memory.distributions if memory else _NO_DISTRIBUTIONS)
    is_refused = in_use.fit is not tonight
    return CustomerScores(
        scores=scores,
        reasons=describe_reasons(churn, rules.reasons),
        distributions=summarise_columns(scores, WATCHED),
        drift=drift,
        backtest=tried,
        report=ModelReport(
            status="scored",
            reason=in_use.reason,
            as_of=as_of,
            customers=customers,
            order_model=record_fit(in_use.fit),
            refused_fit=record_fit(tonight) if is_refused and tonight.converged else None,
            refused_nights=_refused_nights(memory) + 1 if is_refused else 0,
            gamma_gamma=report_gamma_gamma(today.margins),
            season=round(today.season, DECIMALS),
            churn_columns=tried.churn_columns,
        ),
        notes=(
            *_notes(tried, in_use, habits, describe_drift(drift, params.drift_limits)),
            *lacking_season(known, as_of, params),
        ),
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
    base = describe_base(today.feature_on, today.aggregates, params)
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


def _last_margins(memory: Memory | None) -> GammaGamma | None:
    """The last release's model of what an order brings; None if it had none."""
    last = memory.report.gamma_gamma if memory else None
    if last is None or last.p is None or last.q is None or last.gamma is None:
        return None
    return GammaGamma(last.p, last.q, last.gamma)


def _score(
    today: Day, tried: Backtest, model: OrderModel, churn: pl.DataFrame, rules: Rules
) -> pl.DataFrame:
    """What the back-test chose, beyond the horizon, too, and when the next order comes."""
    orders = choose_total(today, tried, rules.scores, "orders")
    value = choose_total(today, tried, rules.scores, "value")
    horizon, rate = rules.scores.horizon_days, rules.scores.discount_rate
    scored, begin = [], 0
    for part in today.parts(CHUNK_ROWS):
        of_part = churn.slice(begin, part.aggregates.height)
        begin += part.aggregates.height
        fit = part.order_models[model.kind]
        told = tell_value(part, fit, orders, value, rate)
        risk = of_part["churn_risk"].to_numpy()
        windows = tell_windows(part, fit, risk, horizon, rules.next_order)
        others = (frame.drop("customer_id") for frame in (of_part, windows))
        scored.append(pl.concat([told, *others], how="horizontal"))
    return pl.concat(scored)


def _notes(tried: Backtest, in_use: FitInUse, habits: Habits, moved: list[str]) -> tuple[str, ...]:
    graded = [
        f"The model of {choice.target} is graded {choice.grade}: {choice.reason}"
        for choice in tried.choices.values()
        if choice.grade in ("B", "C")
    ]
    unheard = [
        f"Best {name}: {report.reason}"
        for name, report in (("weekday", habits.weekday), ("hour", habits.hour))
        if report.grade == "C"
    ]
    return (*([in_use.reason] if in_use.reason else []), *graded, *unheard, *moved)
