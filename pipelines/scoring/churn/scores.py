"""Tonight's churn risk of every customer, by the model that the back-test chose."""

from dataclasses import dataclass
from datetime import date

import polars as pl
from scipy.special import expit

from pipelines.rules.churn_reasons import ChurnReasons
from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.churn.features import aggregate_history, own_gap
from pipelines.scoring.churn.logistic import (
    Base,
    ChurnModel,
    Explained,
    describe_base,
    measure_levels,
)
from pipelines.scoring.churn.reasons import RANKS, find_typical, rank_reasons
from pipelines.scoring.past.backtest import Backtest
from pipelines.scoring.past.candidates import (
    BOOSTED,
    LOGISTIC,
    RECENCY,
    fit_churn_model,
)
from pipelines.scoring.past.days import Day, see_day
from pipelines.scoring.past.order_models import level_columns
from pipelines.scoring.past.season import change_hazard
from pipelines.scoring.past.snapshots import add_up, sample_customers

DECIMALS = 6
# Customers handled at once: memory does not grow with their number times that of the features.
CHUNK_ROWS = 500_000
SCHEMA = pl.Schema(
    {"customer_id": pl.String, "churn_risk": pl.Float64, "churn_risk_band": pl.String}
    | {
        f"churn_reason_{rank}{part}": pl.String if part == "" else pl.Float64
        for rank in RANKS
        for part in ("", "_value", "_typical")
    }
)


@dataclass(frozen=True)
class _OrderModelChurn:
    """A model of order times alone."""

    kind: str

    def explain(self, features: pl.DataFrame, base: Base | None = None) -> Explained:
        """Return the log odds of the order model, in two parts, against their means."""
        names = level_columns(self.kind)
        base = base or describe_base(features)
        mean = sum(base[name][0] for name in names)
        return Explained(mean, names, measure_levels(features, names, base))


def see_today(
    order_days: pl.DataFrame,
    as_of: date,
    params: ScoringParams,
    optional: pl.DataFrame | None = None,
    aggregates: pl.DataFrame | None = None,
) -> Day:
    """Return all customers as of tonight; order models and season are learnt on the sample.

    Args:
        order_days: Of `prepare_order_days`; rows after as_of are left out.
        as_of: The last day known.
        params: Horizon, kinds of order models, sample.
        optional: See `see_day`.
        aggregates: Of everybody, if order_days are of the sample only; see `see_day`.
    """
    known = order_days.filter(pl.col("ordered_on") <= as_of)
    everybody = aggregate_history(known, as_of) if aggregates is None else aggregates
    like = None
    if everybody.height > params.sample_customers:
        like = see_day(sample_customers(known, params.sample_customers), as_of, params)
    return see_day(known, as_of, params, optional, like, everybody)


def score_churn(
    today: Day, backtest: Backtest, params: ScoringParams, reasons: ChurnReasons
) -> pl.DataFrame:
    """Return the risk of no order in the horizon, its band and its three main reasons.

    Args:
        today: Of `see_today`.
        backtest: Of the same orders and day; says which model, and holds the past to learn from.
        params: Horizon and bands.
        reasons: Which feature belongs to which reason.

    Returns:
        One row per customer with an order, sorted by customer_id, in the columns of SCHEMA; none
        if the back-test refused for too little data.
    """
    chosen = backtest.choices["churn"].model
    if chosen is None:
        return pl.DataFrame(schema=SCHEMA)
    model = _learn(chosen, today, backtest, params)
    base = describe_base(today.features)
    values = _told_values(today)
    typical = find_typical(values)
    chunks = []
    for start in range(0, today.features.height, CHUNK_ROWS):
        features = today.features.slice(start, CHUNK_ROWS)
        explained = model.explain(features, base)
        risk = expit(explained.logits)
        if chosen != RECENCY:
            risk = change_hazard(risk, today.season)
        told = rank_reasons(explained, values.slice(start, CHUNK_ROWS), typical, reasons)
        risks = features.select("customer_id", churn_risk=pl.Series(risk).round(DECIMALS))
        chunks.append(pl.concat([risks, told], how="horizontal"))
    bands = params.risk_bands
    band = (
        pl.when(pl.col("churn_risk") < bands.low_below)
        .then(pl.lit("low"))
        .when(pl.col("churn_risk") > bands.high_above)
        .then(pl.lit("high"))
        .otherwise(pl.lit("medium"))
    )
    scores = pl.concat(chunks).with_columns(churn_risk_band=band)
    absent = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in SCHEMA.items()
        if name not in scores.columns
    ]
    return _tell_who_is_like_most(scores.with_columns(absent), reasons).select(SCHEMA.names())


def _tell_who_is_like_most(scores: pl.DataFrame, reasons: ChurnReasons) -> pl.DataFrame:
    """Where nearly nobody comes back, who is like all others is at risk, too, and is told so."""
    is_like_most = pl.col("churn_reason_1").is_null() & (pl.col("churn_risk_band") != "low")
    told = {
        "churn_reason_1": pl.lit(reasons.otherwise.reason),
        "churn_reason_1_value": pl.col("churn_risk"),
        "churn_reason_1_typical": (add_up(pl.col("churn_risk")) / pl.len()).round(DECIMALS),
    }
    return scores.with_columns(
        pl.when(is_like_most).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in told.items()
    )


def _told_values(today: Day) -> pl.DataFrame:
    """Return every number that a reason may tell."""
    aggregates = today.aggregates.with_columns(usual_gap_days=own_gap(today.aggregates))
    others = [name for name in today.features.columns if name not in aggregates.columns]
    return pl.concat([aggregates, today.features.select(others)], how="horizontal")


def _learn(chosen: str, today: Day, backtest: Backtest, params: ScoringParams) -> ChurnModel:
    if chosen in today.order_models:
        return _OrderModelChurn(chosen)
    # Of an order model that could not be fitted tonight the regression stands in.
    name = chosen if chosen in (RECENCY, BOOSTED) else LOGISTIC
    return fit_churn_model(name, today, backtest.days[: params.training_cuts], backtest.optional)
