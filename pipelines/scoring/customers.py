"""Score every customer: expected orders, expected margin, and the risk of no further order.

A night with too little data is no error: the scores are refused with a reason and the rest of the
run goes on without them.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.rules.schemas import RiskBands, ScoringParams
from pipelines.scoring.models.gamma_gamma import fit_gamma_gamma
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import fit_order_model
from pipelines.scoring.report import ModelReport, report_bg_nbd, report_gamma_gamma

__all__ = ["CustomerScores", "ModelReport", "RiskBands", "ScoringParams", "score_customers"]

# Counts and probabilities are published to six decimals: the last bits of a float differ between
# processors, and two runs on the same input must give the same bytes.
DECIMALS = 6
NEEDED_FOR_A_HISTORY = (
    "customer_id",
    "last_order_on",
    "order_day_count",
    "order_days_in_horizon_count",
)


@dataclass(frozen=True)
class CustomerScores:
    """One row of scores per customer with an order, and the report on the models behind them."""

    scores: pl.DataFrame
    report: ModelReport


def score_customers(customers: pl.DataFrame, params: ScoringParams, as_of: date) -> CustomerScores:
    """Return scores for all customers with an order, or none and the reason for it.

    The result does not depend on the order of the rows. No row is scored by itself: the same
    customer gets other scores in another customer base.

    Args:
        customers: One row per customer with customer_id, first_order_on, last_order_on (dates, null
            without orders), order_day_count (distinct purchase days),
            order_days_in_horizon_count (those in the last horizon_days up to as_of) and
            repeat_margin_mean_amount (mean net margin of the purchase days after the first, null if
            there are none). Other columns are ignored.
        params: Horizons, bands and what counts as enough data.
        as_of: The last day whose orders are known.

    Returns:
        Scores sorted by customer_id: frequency_count, recency_days and tenure_days (x, t_x and T of
        the models), p_alive, expected orders over the horizon and 365 days, expected margin per
        order and over 365 days in money, churn_risk and its band. Money is null if no customer has
        a repeat order with a positive margin.

    Raises:
        ValueError: If a customer has orders after as_of, occurs twice, or has impossible dates.
    """
    histories = _histories(customers, as_of)
    report = _examine(histories, params, as_of)
    if report.status == "refused":
        return CustomerScores(_no_scores(histories, params), report)
    x, t_x, tenure = _model_inputs(histories)
    order_times = fit_order_model("mbg_nbd", x, t_x, tenure, prior_sd=params.prior_sd)
    report = report.model_copy(update={"bg_nbd": report_bg_nbd(order_times)})
    if not order_times.converged:
        reason = (
            f"The search for the MBG/NBD parameters did not end after {order_times.iterations} "
            "steps; more data do not cure this, please look at the input."
        )
        refused = report.model_copy(update={"status": "refused", "reason": reason})
        return CustomerScores(_no_scores(histories, params), refused)
    margins = histories["repeat_margin_mean_amount"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    order_margins = fit_gamma_gamma(x, margins, prior_sd=params.prior_sd)
    report = report.model_copy(update={"gamma_gamma": report_gamma_gamma(order_margins)})
    model = order_times.model
    scores = _score_frame(
        histories,
        p_alive=model.p_alive(x, t_x, tenure),
        orders_in_horizon=model.expected_orders(params.horizon_days, x, t_x, tenure),
        orders_in_year=model.expected_orders(params.clv_days, x, t_x, tenure),
        order_margin=order_margins.expected_spend(x, margins),
        churn_risk=model.p_no_order(params.horizon_days, x, t_x, tenure),
        bands=params.risk_bands,
    )
    return CustomerScores(scores, report)


def _histories(customers: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the customers with orders, sorted, with x, t_x and T; raise on impossible rows."""
    ordered = customers.filter(pl.col("first_order_on").is_not_null()).sort("customer_id")
    first, last = pl.col("first_order_on"), pl.col("last_order_on")
    _refuse_rows(
        ordered,
        pl.any_horizontal(pl.col(name).is_null() for name in NEEDED_FOR_A_HISTORY),
        f"have a first order but lack one of {', '.join(NEEDED_FOR_A_HISTORY)}",
    )
    _refuse_rows(ordered, pl.col("customer_id").is_duplicated(), "share their customer_id")
    _refuse_rows(ordered, first > as_of, f"have a first order after {as_of}, the day of scoring")
    _refuse_rows(ordered, last > as_of, f"have a last order after {as_of}, the day of scoring")
    _refuse_rows(ordered, last < first, "have a last order before their first")
    _refuse_rows(
        ordered,
        (pl.col("order_day_count") < 1) | ((pl.col("order_day_count") > 1) != (last > first)),
        "have an order_day_count that contradicts their first and last order day",
    )
    return ordered.with_columns(
        frequency_count=pl.col("order_day_count").cast(pl.Int64) - 1,
        recency_days=(last - first).dt.total_days(),
        tenure_days=(pl.lit(as_of) - first).dt.total_days(),
    )


def _refuse_rows(customers: pl.DataFrame, is_wrong: pl.Expr, what: str) -> None:
    wrong = customers.filter(is_wrong)
    if wrong.height:
        raise ValueError(
            f"{wrong.height} customer rows {what}; the first is {wrong['customer_id'][0]!r}."
        )


def _model_inputs(histories: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    x, t_x, tenure = (
        histories[name].cast(pl.Float64).to_numpy()
        for name in ("frequency_count", "recency_days", "tenure_days")
    )
    return x, t_x, tenure


def _examine(histories: pl.DataFrame, params: ScoringParams, as_of: date) -> ModelReport:
    """Return the report before any model, refused if there is too little to learn from."""
    first_order = histories["first_order_on"].min()
    history_days = (as_of - first_order).days if isinstance(first_order, date) else 0
    known_long = histories.filter(
        pl.col("first_order_on") <= as_of - timedelta(days=params.horizon_days)
    )
    with_order = known_long.filter(pl.col("order_days_in_horizon_count") > 0).height
    without_order = known_long.height - with_order
    lacks = _lacks(params, histories.height, history_days, with_order, without_order)
    return ModelReport(
        status="refused" if lacks else "scored",
        reason=" ".join(lacks) or None,
        as_of=as_of,
        customers=histories.height,
        history_days=history_days,
        customers_with_order_in_horizon=with_order,
        customers_without_order_in_horizon=without_order,
    )


def _lacks(
    params: ScoringParams, customers: int, history_days: int, with_order: int, without_order: int
) -> list[str]:
    """Return one sentence for each thing that is missing: what there is and what is enough."""
    lacks = []
    if customers < params.min_customers:
        lacks.append(f"{customers} customers have an order; {params.min_customers} are needed.")
    enough_days = params.min_history_horizons * params.horizon_days
    if history_days < enough_days:
        lacks.append(f"Orders go back {history_days} days; {enough_days} are needed.")
    known = f"known for {params.horizon_days} days or longer"
    for count, verb in ((with_order, "ordered"), (without_order, "did not order")):
        if count < params.min_events_per_class:
            lacks.append(
                f"{count} customers {known} {verb} in the last {params.horizon_days} days; "
                f"{params.min_events_per_class} are needed."
            )
    return lacks


def _no_scores(histories: pl.DataFrame, params: ScoringParams) -> pl.DataFrame:
    nothing = np.empty(0)
    return _score_frame(
        histories.clear(), nothing, nothing, nothing, nothing, nothing, params.risk_bands
    )


def _score_frame(
    histories: pl.DataFrame,
    p_alive: Floats,
    orders_in_horizon: Floats,
    orders_in_year: Floats,
    order_margin: Floats,
    churn_risk: Floats,
    bands: RiskBands,
) -> pl.DataFrame:
    risk = pl.col("churn_risk")
    return histories.select(
        "customer_id",
        "frequency_count",
        "recency_days",
        "tenure_days",
        p_alive=_rounded(p_alive),
        expected_orders_horizon_count=_rounded(orders_in_horizon),
        expected_orders_365d_count=_rounded(orders_in_year),
        expected_order_margin_amount=_money(order_margin),
        clv_365d_amount=_money(orders_in_year * order_margin),
        churn_risk=_rounded(churn_risk),
    ).with_columns(
        churn_risk_band=pl.when(risk < bands.low_below)
        .then(pl.lit("low"))
        .when(risk > bands.high_above)
        .then(pl.lit("high"))
        .otherwise(pl.lit("medium"))
    )


def _rounded(values: Floats) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64).round(DECIMALS)


def _money(values: Floats) -> pl.Series:
    """Return amounts with four decimals, half to even; unknown (NaN) becomes null."""
    amounts = pl.Series(values, dtype=pl.Float64).fill_nan(None)
    return amounts.round(4, mode="half_to_even").cast(pl.Decimal(18, 4))
