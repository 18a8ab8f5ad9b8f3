"""The seam to the models of order times: fit several kinds to one customer base."""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from pipelines.scoring.bg_nbd import fit_bg_nbd
from pipelines.scoring.newton import Floats

# A probability of exactly 0 or 1 has no logit; nobody is surer than one in a million.
SUREST = 1e-6


class OrderModel(Protocol):
    """What churn and value need of a model of order times; times in days."""

    def p_no_order(self, h: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no order in the next h days."""
        ...

    def expected_orders(self, t: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days."""
        ...


def fit_order_models(
    aggregates: pl.DataFrame, kinds: Sequence[str], prior_sd: float
) -> dict[str, OrderModel]:
    """Return a fitted model per kind; a kind whose search did not end is left out.

    Args:
        aggregates: One row per customer, of `aggregate_history`.
        kinds: Names of models.
        prior_sd: Of the weak prior on the log parameters.
    """
    x, t_x, tenure = histories_of(aggregates)
    fits = {kind: fit_bg_nbd(x, t_x, tenure, prior_sd=prior_sd) for kind in kinds}
    return {kind: fit.parameters for kind, fit in fits.items() if fit.converged}


def histories_of(aggregates: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Return x, t_x and T of the models: repeat purchase days, and days."""
    x, recency, tenure = (
        aggregates[name].cast(pl.Float64).to_numpy()
        for name in ("order_day_count", "recency_days", "tenure_days")
    )
    return x - 1.0, tenure - recency, tenure


def logits_of_no_order(
    aggregates: pl.DataFrame, models: Mapping[str, OrderModel], horizon_days: int
) -> pl.DataFrame:
    """Return a column `<kind>_logit` per model: the log odds of no order in the horizon."""
    histories = histories_of(aggregates)
    columns = {}
    for kind, model in models.items():
        risk = np.clip(model.p_no_order(horizon_days, *histories), SUREST, 1.0 - SUREST)
        columns[f"{kind}_logit"] = np.log(risk) - np.log1p(-risk)
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))
