"""A model for each cohort (acquisition period, channel) that is large enough, one for the rest."""

# ruff: noqa: N803  (T is the name in the papers)

from dataclasses import dataclass

import polars as pl
from numpy.typing import ArrayLike

from pipelines.scoring.models.histories import as_floats
from pipelines.scoring.models.order_model import OrderFit, OrderModelKind, fit_order_model


@dataclass(frozen=True)
class CohortFits:
    """The fit of all customers, and of each cohort that has its own."""

    pooled: OrderFit
    by_cohort: dict[str, OrderFit]

    def fit_for(self, cohort: str | None) -> OrderFit:
        """Return the fit to score a customer of this cohort with."""
        return self.pooled if cohort is None else self.by_cohort.get(cohort, self.pooled)


def fit_by_cohort(
    kind: OrderModelKind,
    cohort: pl.Series,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    *,
    min_customers: int,
    start: CohortFits | None = None,
    prior_sd: float | None = 2.0,
) -> CohortFits:
    """Return a fit for each cohort of at least `min_customers`, and one of all customers.

    A cohort whose search does not end is scored with the fit of all, like one that is too small.

    Args:
        kind: Which model, as in `fit_order_model`.
        cohort: Of each customer, a string; null if unknown.
        x: Repeat purchase days.
        t_x: Days from the first to the last purchase.
        T: Days from the first purchase to today.
        min_customers: The size from which a cohort has a model of its own.
        start: The fits of the last release.
        prior_sd: As in `fit_order_model`.

    Raises:
        ValueError: As in `fit_order_model`.
    """
    orders, last, tenure = as_floats(x, t_x, T)
    begin = None if start is None else start.pooled.model
    pooled = fit_order_model(kind, orders, last, tenure, start=begin, prior_sd=prior_sd)
    fits = {}
    for name in cohort.drop_nulls().unique().sort():
        rows = (cohort == name).fill_null(value=False).to_numpy()
        if rows.sum() < min_customers:
            continue
        begin = pooled.model if start is None else start.fit_for(name).model
        fit = fit_order_model(
            kind, orders[rows], last[rows], tenure[rows], start=begin, prior_sd=prior_sd
        )
        if fit.converged:
            fits[name] = fit
    return CohortFits(pooled, fits)
