"""A model of its own for each cohort that is large enough, one of all for the rest.

A cohort is whoever first ordered in one calendar year: those whom a shop wins later are often
others than those it began with. Who ordered in the first days of a history was perhaps a customer
before it, and often orders more than who was won since: that is a cohort of its own. The year
follows from T and the day at which T was counted.
"""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.scoring.models.fitting import Fit
from pipelines.scoring.models.histories import Silence, as_floats
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import (
    OrderFit,
    OrderModel,
    OrderModelKind,
    build_order_model,
    fit_order_model,
)

Rows = NDArray[np.bool_] | slice
# Between the name of a parameter and the cohort that it is of.
OF = "_"
# The cohort of the first days, which is no year; and its name.
START, START_NAME = 0, "start"


@dataclass(frozen=True)
class CohortModels:
    """The model of all customers, and of each cohort (a year) that has its own, as of a day.

    known_by: the last day of the first ones; None where there are none.
    """

    pooled: OrderModel
    by_cohort: Mapping[int, OrderModel]
    as_of: date
    known_by: date | None = None

    @property
    def kind(self) -> str:
        """The kind of its parts, said to be of cohorts."""
        return f"{self.pooled.kind}_cohorts"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the model of all by their names; of a cohort as `r_2025`, `r_start`."""
        own = {
            f"{name}{OF}{START_NAME if cohort == START else cohort}": value
            for cohort, model in self.by_cohort.items()
            for name, value in model.parameters.items()
        }
        return self.pooled.parameters | own

    def split(self, T: ArrayLike) -> Iterator[tuple[OrderModel, Rows]]:
        """Return each model with the customers, known by T, that it is of."""
        cohort = find_cohorts(self.as_of, as_floats(T)[0], self.known_by)
        for name, model in self.by_cohort.items():
            yield model, cohort == name
        yield self.pooled, ~np.isin(cohort, list(self.by_cohort))

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of each customer's history."""
        orders, last, tenure = as_floats(x, t_x, T)
        return self._join(
            tenure, lambda model, at: model.log_likelihood(orders[at], last[at], tenure[at])
        )

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of being active at T."""
        orders, last, tenure = as_floats(x, t_x, T)
        return self._join(tenure, lambda model, at: model.p_alive(orders[at], last[at], tenure[at]))

    def p_no_order(self, h: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no order in the next h days."""
        return self.silence(x, t_x, T)(h)

    def silence(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Silence:
        """Return `p_no_order` as a function of h, for who asks it many times."""
        orders, last, tenure = as_floats(x, t_x, T)
        parts = [
            (model.silence(orders[at], last[at], tenure[at]), at)
            for model, at in self.split(tenure)
        ]

        def silent(h: float | Floats) -> Floats:
            ahead, told = np.broadcast_to(h, tenure.shape), np.empty_like(tenure)
            for part, rows in parts:
                told[rows] = part(ahead[rows])
            return told

        return silent

    def expected_orders(self, t: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days."""
        orders, last, tenure = as_floats(x, t_x, T)
        return self._join(
            tenure, lambda model, at: model.expected_orders(t, orders[at], last[at], tenure[at])
        )

    def orders_if_alive(self, t: float, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days of a customer active at T."""
        orders, tenure = as_floats(x, T)
        return self._join(
            tenure, lambda model, at: model.orders_if_alive(t, orders[at], tenure[at])
        )

    def _join(self, tenure: Floats, ask: Callable[[OrderModel, Rows], Floats]) -> Floats:
        told = np.empty_like(tenure)
        for model, rows in self.split(tenure):
            told[rows] = ask(model, rows)
        return told


def find_cohorts(as_of: date, tenure: Floats, known_by: date | None = None) -> NDArray[np.int64]:
    """Return the year of each customer's first order, T days before; START up to `known_by`."""
    days = np.datetime64(as_of, "D") - np.floor(tenure).astype(np.int64)
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    return (
        years if known_by is None else np.where(days <= np.datetime64(known_by, "D"), START, years)
    )


def split_models(model: OrderModel, T: Floats) -> Iterator[tuple[OrderModel, Rows]]:
    """Return the models that a model is made of, each with the customers that it is of."""
    if isinstance(model, CohortModels):
        yield from model.split(T)
    else:
        yield model, slice(None)


def fit_cohorts(
    kind: OrderModelKind,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    *,
    as_of: date,
    min_customers: int,
    known_by: date | None = None,
    start: CohortModels | None = None,
    prior_sd: float | None = 2.0,
) -> Fit[CohortModels]:
    """Return a model for each cohort of at least `min_customers`, and one of all customers.

    A cohort whose search does not end is scored with the model of all, like one that is too small.

    Args:
        kind: Of the parts, as in `fit_order_model`.
        x: Repeat purchase days.
        t_x: Days from the first to the last purchase.
        T: Days from the first purchase to as_of.
        as_of: The day at which T was counted.
        min_customers: The size from which a cohort has a model of its own.
        known_by: The last of the first days of the history; None if they are like others.
        start: The models of the last release.
        prior_sd: As in `fit_order_model`.

    Raises:
        ValueError: As in `fit_order_model`.
    """
    orders, last, tenure = as_floats(x, t_x, T)
    begin = None if start is None else start.pooled
    pooled = fit_order_model(kind, orders, last, tenure, start=begin, prior_sd=prior_sd)
    cohort = find_cohorts(as_of, tenure, known_by)
    own: dict[int, OrderFit] = {}
    for name in np.unique(cohort).tolist():
        rows = cohort == name
        if rows.sum() < min_customers:
            continue
        begin = pooled.model if start is None else start.by_cohort.get(name, start.pooled)
        fit = fit_order_model(
            kind, orders[rows], last[rows], tenure[rows], start=begin, prior_sd=prior_sd
        )
        if fit.converged:
            own[name] = fit
    models = {name: fit.model for name, fit in own.items()}
    model = CohortModels(pooled.model, models, as_of, known_by)
    fits = [pooled, *own.values()]
    errors = [fit.standard_errors for fit in fits]
    return Fit(
        model=model,
        log_likelihood=float(model.log_likelihood(orders, last, tenure).sum()),
        standard_errors=None if None in errors else tuple(e for each in errors for e in each or ()),
        iterations=max(fit.iterations for fit in fits),
        converged=pooled.converged,
        gradient_norm=max(fit.gradient_norm for fit in fits),
        customers=len(orders),
    )


def build_cohorts(
    kind: OrderModelKind,
    parameters: Mapping[str, float],
    as_of: date,
    known_by: date | None = None,
) -> CohortModels:
    """Return the models of these parameters, named as in `CohortModels.parameters`, as of a day.

    Raises:
        ValueError: If they are not those of the kind, or not positive.
    """
    parts: dict[str, dict[str, float]] = {}
    for name, value in parameters.items():
        plain, _, cohort = name.partition(OF)
        parts.setdefault(cohort, {})[plain] = value
    pooled = build_order_model(kind, parts.pop("", {}))
    own = {
        START if cohort == START_NAME else int(cohort): build_order_model(kind, part)
        for cohort, part in parts.items()
    }
    return CohortModels(pooled, own, as_of, known_by)
