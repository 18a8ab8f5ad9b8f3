"""Every kind of model that may be tried on a customer base, fitted and built in one way.

Some need to know more of the base than its histories: at which day they were counted (the cohorts),
or how long a period is (the models of periodic orders and of contracts).
"""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from pipelines.scoring.models.channels import (
    ChannelModels,
    Channels,
    build_channels,
    fit_channels,
)
from pipelines.scoring.models.cohorts import CohortModels, build_cohorts, fit_cohorts
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import (
    OrderFit,
    OrderModel,
    build_order_model,
    fit_order_model,
)
from pipelines.scoring.models.parted import split_models
from pipelines.scoring.models.periodic import (
    Contracts,
    PeriodicOrders,
    build_periodic,
    fit_contracts,
    fit_periodic,
)

Kind = Literal[
    "mbg_nbd", "bg_nbd", "pareto_nbd", "nbd", "mbg_nbd_cohorts", "mbg_nbd_channels", "bg_bb", "sbg"
]


@dataclass(frozen=True)
class Base:
    """What is known of a customer base beside its histories.

    as_of: the day at which T was counted. min_cohort_customers: from which size a cohort has a
    model of its own. period_days: of periodic orders and contracts. known_by: who ordered up to
    this day was perhaps a customer before the history begins. channels: of first orders, if known.
    """

    as_of: date
    min_cohort_customers: int = 1_000
    period_days: int | None = None
    known_by: date | None = None
    channels: Channels | None = None

    @property
    def period(self) -> int:
        """The days of a period.

        Raises:
            ValueError: If there is none.
        """
        if self.period_days is None:
            raise ValueError("A model of periods needs to know how many days a period has.")
        return self.period_days


def fit_kind(
    kind: Kind,
    histories: tuple[Floats, Floats, Floats],
    base: Base,
    *,
    start: OrderModel | None = None,
    prior_sd: float | None = 2.0,
) -> OrderFit:
    """Return the most likely parameters of any kind of model; see `fit_order_model`.

    Args:
        kind: Which model.
        histories: x, t_x and T of each customer.
        base: What else the model needs.
        start: Of the same kind: where the search begins.
        prior_sd: Of the weak prior on the log parameters.

    Raises:
        ValueError: If there is no customer, a history is impossible, or no period is known.
    """
    if kind == "mbg_nbd_cohorts":
        return fit_cohorts(
            "mbg_nbd",
            *histories,
            as_of=base.as_of,
            min_customers=base.min_cohort_customers,
            known_by=base.known_by,
            start=start if isinstance(start, CohortModels) else None,
            prior_sd=prior_sd,
        )
    if kind == "mbg_nbd_channels":
        return fit_channels(
            "mbg_nbd",
            histories,
            base.channels or no_channels(len(histories[0])),
            min_customers=base.min_cohort_customers,
            start=start if isinstance(start, ChannelModels) else None,
            prior_sd=prior_sd,
        )
    if kind == "bg_bb":
        periodic = start if isinstance(start, PeriodicOrders) else None
        return fit_periodic(*histories, period_days=base.period, start=periodic, prior_sd=prior_sd)
    if kind == "sbg":
        contracts = start if isinstance(start, Contracts) else None
        return fit_contracts(
            *histories, period_days=base.period, start=contracts, prior_sd=prior_sd
        )
    return fit_order_model(kind, *histories, start=start, prior_sd=prior_sd)


def build_kind(kind: Kind, parameters: Mapping[str, float], base: Base) -> OrderModel:
    """Return the model of these parameters.

    Raises:
        ValueError: If they are not those of the kind, or not positive.
    """
    if kind == "mbg_nbd_cohorts":
        return build_cohorts("mbg_nbd", parameters, base.as_of, base.known_by)
    if kind == "mbg_nbd_channels":
        return build_channels("mbg_nbd", parameters, base.channels or no_channels(0))
    if kind == "bg_bb" or kind == "sbg":
        return build_periodic(kind, parameters, base.period)
    return build_order_model(kind, parameters)


def no_channels(customers: int) -> Channels:
    """Return the channels of customers none of whose first orders is known to have one."""
    return Channels((), np.full(customers, -1, dtype=np.int32))


def find_rates(model: OrderModel, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
    """Return what is known of each customer's orders a day while active: its posterior as a gamma.

    Of orders at random it is one, of shape r + x and mean (r + x) / (alpha + T). Of chances that
    are taken or not it is a beta; the gamma has the same mean and variance.

    Returns:
        Shape and mean.
    """
    if isinstance(model, PeriodicOrders | Contracts):
        return model.find_rates(x, t_x, T)
    shape, mean = np.empty_like(x), np.empty_like(x)
    for part, rows in split_models(model, T):
        shape[rows] = part.parameters["r"] + x[rows]
        mean[rows] = shape[rows] / (part.parameters["alpha"] + T[rows])
    return shape, mean
