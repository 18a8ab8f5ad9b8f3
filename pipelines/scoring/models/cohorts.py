"""A model of its own for each cohort that is large enough, one of all for the rest.

A cohort is whoever first ordered in one calendar year: those whom a shop wins later are often
others than those it began with. Who ordered in the first days of a history was perhaps a customer
before it, and often orders more than who was won since: that is a cohort of its own. The year
follows from T and the day at which T was counted.
"""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.scoring.models.fitting import Fit
from pipelines.scoring.models.histories import as_floats
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderModel, OrderModelKind
from pipelines.scoring.models.parted import PartedModels, Rows, build_parts, fit_parts, join_fits

# The cohort of the first days, which is no year; and its name.
START, START_NAME = 0, "start"


@dataclass(frozen=True)
class CohortModels(PartedModels):
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
    def own(self) -> Mapping[str, OrderModel]:
        """The models of cohorts by name: `2025`, or `start`."""
        return {_name(cohort): model for cohort, model in self.by_cohort.items()}

    def split(self, T: ArrayLike) -> Iterator[tuple[OrderModel, Rows]]:
        """Return each model with the customers, known by T, that it is of."""
        cohort = find_cohorts(self.as_of, as_floats(T)[0], self.known_by)
        for name, model in self.by_cohort.items():
            yield model, cohort == name
        yield self.pooled, ~np.isin(cohort, list(self.by_cohort))


def find_cohorts(as_of: date, tenure: Floats, known_by: date | None = None) -> NDArray[np.int64]:
    """Return the year of each customer's first order, T days before; START up to `known_by`."""
    days = np.datetime64(as_of, "D") - np.floor(tenure).astype(np.int64)
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    return (
        years if known_by is None else np.where(days <= np.datetime64(known_by, "D"), START, years)
    )


def _name(cohort: int) -> str:
    return START_NAME if cohort == START else str(cohort)


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
    histories = (orders, last, tenure)
    cohort = find_cohorts(as_of, tenure, known_by)
    years = {_name(year): year for year in np.unique(cohort).tolist()}
    pooled, own = fit_parts(
        kind,
        histories,
        {name: cohort == year for name, year in years.items()},
        min_customers=min_customers,
        start=start,
        prior_sd=prior_sd,
    )
    models = {years[name]: fit.model for name, fit in own.items()}
    model = CohortModels(pooled.model, models, as_of, known_by)
    return join_fits(model, pooled, [*own.values()], float(model.log_likelihood(*histories).sum()))


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
    pooled, own = build_parts(kind, parameters)
    by_cohort = {START if name == START_NAME else int(name): model for name, model in own.items()}
    return CohortModels(pooled, by_cohort, as_of, known_by)
