"""One way to fit any model of orders, and what all of them can tell of a customer."""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from pipelines.scoring.models import bg_nbd_likelihood, nbd, pareto_nbd_likelihood
from pipelines.scoring.models.bg_nbd import BgNbd
from pipelines.scoring.models.fitting import Fit, fit_model
from pipelines.scoring.models.histories import (
    Silence,
    as_floats,
    check_histories,
    distinct_pairs,
)
from pipelines.scoring.models.nbd import Nbd
from pipelines.scoring.models.newton import (
    Evaluation,
    Floats,
    Prior,
)
from pipelines.scoring.models.pareto_nbd import ParetoNbd

OrderModelKind = Literal["mbg_nbd", "bg_nbd", "pareto_nbd", "nbd"]


class OrderModel(Protocol):
    """The parameters of a customer base and what they say about a customer (x, t_x, T in days)."""

    @property
    def kind(self) -> str:
        """The name of the model among those of `fit_order_model`."""

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the papers; alpha and beta are in days."""

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of each customer's history."""

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of being active at T."""

    def p_no_order(self, h: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no order in the next h days (one for all, or of each)."""

    def silence(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Silence:
        """Return `p_no_order` as a function of h, for who asks it many times."""

    def expected_orders(
        self, t: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return the expected number of orders in the next t days (one for all, or of each)."""

    def orders_if_alive(self, t: float | Floats, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days of a customer active at T."""


OrderFit = Fit[OrderModel]


@dataclass(frozen=True)
class _Family:
    """How to fit one kind of model: its likelihood, and which of its parameters are times."""

    build: Callable[..., OrderModel]
    likelihood_of: Callable[[Floats, Floats, Floats], Callable[[Floats], Evaluation]]
    is_time: tuple[bool, ...]


_FAMILIES: dict[str, _Family] = {
    "mbg_nbd": _Family(
        partial(BgNbd, may_stop_at_once=True),
        partial(bg_nbd_likelihood.likelihood_of, may_stop_at_once=True),
        (False, True, False, False),
    ),
    "bg_nbd": _Family(
        partial(BgNbd, may_stop_at_once=False),
        partial(bg_nbd_likelihood.likelihood_of, may_stop_at_once=False),
        (False, True, False, False),
    ),
    "pareto_nbd": _Family(
        ParetoNbd, pareto_nbd_likelihood.likelihood_of, (False, True, False, True)
    ),
    "nbd": _Family(Nbd, nbd.likelihood_of, (False, True)),
}


def fit_order_model(
    kind: OrderModelKind,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    *,
    start: OrderModel | None = None,
    prior_sd: float | None = 2.0,
) -> OrderFit:
    """Return the most likely parameters for a customer base; never fail to converge with a prior.

    Where nobody visibly stops, the likelihood rises for ever towards the NBD. A weak normal prior
    on the log parameters ends that search (see `Prior`).

    Args:
        kind: Which model.
        x: Repeat purchase days of each customer, whole numbers.
        t_x: Days from the first to the last purchase; 0 exactly where x is 0.
        T: Days from the first purchase to today, at least t_x.
        start: Where the search begins, such as the model of the last release; it saves steps and
            does not change the result beyond rounding.
        prior_sd: Standard deviation of the prior around one customer's worth of experience (shapes
            at 1, times at the mean time between orders); None for plain maximum likelihood.

    Raises:
        ValueError: If there is no customer, a history is impossible, or `start` is another kind.
    """
    orders, last, tenure = as_floats(x, t_x, T)
    check_histories(orders, last, tenure)
    family = _FAMILIES[kind]
    # The data set the unit of time: histories in weeks give the same fit, with times in weeks.
    mean_wait = max(float(tenure.sum()), 1.0) / (float(orders.sum()) + 1.0)
    centre = np.log(np.where(family.is_time, mean_wait, 1.0))
    if start is not None and start.kind != kind:
        raise ValueError(f"The search for a {kind} cannot start at a {start.kind}.")
    return fit_model(
        family.build,
        family.likelihood_of(orders, last, tenure),
        Prior(centre, prior_sd),
        None if start is None else list(start.parameters.values()),
        len(orders),
    )


def build_order_model(kind: OrderModelKind, parameters: Mapping[str, float]) -> OrderModel:
    """Return the model of these parameters, by their names in the papers.

    Raises:
        ValueError: If they are not those of the kind, or not positive.
    """
    family = _FAMILIES[kind]
    try:
        return family.build(**parameters)
    except TypeError as error:
        raise ValueError(f"{sorted(parameters)} are not the parameters of a {kind}.") from error


def discounted_orders(
    model: OrderModel,
    days: float,
    yearly_rate: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    *,
    step_days: float = 30.0,
) -> Floats:
    """Return the expected orders of the next days, each at its present value.

    Orders of one step count as if they came in its middle.

    Args:
        model: In days.
        days: How far ahead.
        yearly_rate: 0.10 makes an order a year ahead worth 1 / 1.10 of one today.
        x: Repeat purchase days.
        t_x: Days from the first to the last purchase.
        T: Days from the first purchase to today.
        step_days: Length of the steps; the last may be shorter.
    """
    orders, last, tenure = as_floats(x, t_x, T)
    pairs = distinct_pairs(orders, tenure)
    ends = np.append(np.arange(step_days, days, step_days), days)
    total, before, start = np.zeros_like(pairs.first), np.zeros_like(pairs.first), 0.0
    for end in ends.tolist():
        until = model.orders_if_alive(end, pairs.first, pairs.second)
        total += (until - before) * (1.0 + yearly_rate) ** (-(start + end) / 2.0 / 365.0)
        before, start = until, end
    return model.p_alive(orders, last, tenure) * total[pairs.index]
