"""Several kinds of models of order times, fitted to one customer base."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from pipelines.scoring.models.channels import Channels
from pipelines.scoring.models.kinds import Base, Kind, fit_kind
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderModel
from pipelines.scoring.models.parted import PartedModels, split_models

__all__ = [
    "OrderModel",
    "find_channels",
    "fit_order_models",
    "histories_of",
    "level_columns",
    "logits_of_no_order",
    "mean_margins_of",
    "says_more",
]

# Of order days and their sums, where it is known: the channel of the customer's first order.
FIRST_CHANNEL = "first_channel"
# A probability of exactly 0 or 1 has no logit; nobody is surer than one in a million.
SUREST = 1e-6


def fit_order_models(
    aggregates: pl.DataFrame, kinds: Sequence[Kind], base: Base, prior_sd: float
) -> dict[str, OrderModel]:
    """Return a fitted model per kind; one whose search did not end, or that lacks channels, is not.

    Args:
        aggregates: One row per customer, of `aggregate_history`.
        kinds: Names of models.
        base: The day of the aggregates, and what else models need.
        prior_sd: Of the weak prior on the log parameters.
    """
    histories = histories_of(aggregates)
    fits = {
        kind: fit_kind(kind, histories, base, prior_sd=prior_sd)
        for kind in kinds
        if kind != "mbg_nbd_channels" or base.channels is not None
    }
    return {kind: fit.model for kind, fit in fits.items() if fit.converged}


def says_more(model: OrderModel) -> bool:
    """Whether a model is more than the one of all customers: that of parts is if there are two."""
    return not isinstance(model, PartedModels) or len(model.own) > 1


def histories_of(aggregates: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Return x, t_x and T of the models: repeat purchase days, and days."""
    x, recency, tenure = (
        aggregates[name].cast(pl.Float64).to_numpy()
        for name in ("order_day_count", "recency_days", "tenure_days")
    )
    return x - 1.0, tenure - recency, tenure


def find_channels(aggregates: pl.DataFrame) -> Channels | None:
    """Return the channel of each customer's first order; None where none is known of anybody."""
    if FIRST_CHANNEL not in aggregates.columns:
        return None
    first = aggregates[FIRST_CHANNEL]
    names = first.drop_nulls().unique().sort()
    if names.is_empty():
        return None
    places = first.cast(pl.Enum(names)).to_physical().cast(pl.Int32).fill_null(-1)
    return Channels(tuple(names.to_list()), places.to_numpy())


def mean_margins_of(aggregates: pl.DataFrame) -> Floats:
    """Return the mean margin of purchase days after the first, refunds taken off; NaN if none."""
    repeats = pl.col("order_day_count") - 1
    after_first = pl.col("margin_amount") - pl.col("margin_first_amount")
    mean = aggregates.select(pl.when(repeats > 0).then(after_first / repeats)).to_series()
    return mean.cast(pl.Float64).fill_null(np.nan).to_numpy()


def level_columns(kind: str) -> tuple[str, str]:
    """Return the two columns whose sum is a model's log odds of no order in the horizon."""
    return f"{kind}_at_last_order", f"{kind}_since_last_order"


def logits_of_no_order(
    aggregates: pl.DataFrame, models: Mapping[str, OrderModel], horizon_days: int
) -> pl.DataFrame:
    """Return the log odds of no order in the horizon, in two parts per model.

    `<kind>_at_last_order` are the odds as they were on the day of the last order: how often the
    customer buys. `<kind>_since_last_order` is what the silence since then has added.
    """
    x, t_x, tenure = histories_of(aggregates)
    columns: dict[str, Floats] = {}
    for kind, model in models.items():
        at_last = _logit(_no_order_after_last(model, horizon_days, x, t_x, tenure))
        now = _logit(model.p_no_order(horizon_days, x, t_x, tenure))
        columns |= dict(zip(level_columns(kind), (at_last, now - at_last), strict=True))
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))


def _no_order_after_last(
    model: OrderModel, horizon_days: int, x: Floats, t_x: Floats, tenure: Floats
) -> Floats:
    """Return the chance of no order in the horizon as it was on the day of the last order."""
    chance = np.empty_like(x)
    for part, rows in split_models(model, tenure):
        chance[rows] = part.p_no_order(horizon_days, x[rows], t_x[rows], t_x[rows])
    return chance


def _logit(risk: Floats) -> Floats:
    sure = np.clip(risk, SUREST, 1.0 - SUREST)
    logit: Floats = np.log(sure) - np.log1p(-sure)
    return logit
