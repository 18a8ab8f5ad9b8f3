"""One kind of model for parts of a customer base, each with parameters of its own.

The model of all customers stands for those parts that are too small. It is asked what any model of
orders is asked, and passes each customer on to the model of the own part.
"""

# ruff: noqa: N803  (T is the name in the papers)

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

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
# Between the name of a parameter and the part that it is of.
OF = "_"


class PartedModels(ABC):
    """The model of all customers, and that of each part that has its own, by the part's name."""

    pooled: OrderModel

    @property
    @abstractmethod
    def own(self) -> Mapping[str, OrderModel]:
        """The models of parts by the names that their parameters bear."""

    @abstractmethod
    def split(self, T: ArrayLike) -> Iterator[tuple[OrderModel, Rows]]:
        """Return each model with the customers that it is of."""

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the model of all by their names; those of a part as `r_2025`."""
        own = {
            f"{name}{OF}{part}": value
            for part, model in self.own.items()
            for name, value in model.parameters.items()
        }
        return self.pooled.parameters | own

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

    def expected_orders(
        self, t: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return the expected number of orders in the next t days."""
        orders, last, tenure = as_floats(x, t_x, T)
        return self._join(
            tenure,
            lambda model, at: model.expected_orders(
                _of_rows(t, at), orders[at], last[at], tenure[at]
            ),
        )

    def orders_if_alive(self, t: float | Floats, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days of a customer active at T."""
        orders, tenure = as_floats(x, T)
        return self._join(
            tenure, lambda model, at: model.orders_if_alive(_of_rows(t, at), orders[at], tenure[at])
        )

    def _join(self, tenure: Floats, ask: Callable[[OrderModel, Rows], Floats]) -> Floats:
        told = np.empty_like(tenure)
        for model, rows in self.split(tenure):
            told[rows] = ask(model, rows)
        return told


def _of_rows(t: float | Floats, rows: Rows) -> float | Floats:
    return t[rows] if isinstance(t, np.ndarray) else t


def split_models(model: OrderModel, T: Floats) -> Iterator[tuple[OrderModel, Rows]]:
    """Return the models that a model is made of, each with the customers that it is of."""
    if isinstance(model, PartedModels):
        yield from model.split(T)
    else:
        yield model, slice(None)


def fit_parts(
    kind: OrderModelKind,
    histories: tuple[Floats, Floats, Floats],
    parts: Mapping[str, NDArray[np.bool_]],
    *,
    min_customers: int,
    start: PartedModels | None,
    prior_sd: float | None,
) -> tuple[OrderFit, dict[str, OrderFit]]:
    """Return the fit of all customers, and that of each part of at least `min_customers`.

    A part whose search does not end has none, like one that is too small.
    """
    begin = None if start is None else start.pooled
    pooled = fit_order_model(kind, *histories, start=begin, prior_sd=prior_sd)
    own: dict[str, OrderFit] = {}
    for name, rows in parts.items():
        if rows.sum() < min_customers:
            continue
        begin = pooled.model if start is None else start.own.get(name, start.pooled)
        of_part = (column[rows] for column in histories)
        fit = fit_order_model(kind, *of_part, start=begin, prior_sd=prior_sd)
        if fit.converged:
            own[name] = fit
    return pooled, own


def join_fits(
    model: Any, pooled: OrderFit, own: Sequence[OrderFit], log_likelihood: float
) -> Fit[Any]:
    """Return the fit of the models of parts as one."""
    fits = [pooled, *own]
    errors = [fit.standard_errors for fit in fits]
    return Fit(
        model=model,
        log_likelihood=log_likelihood,
        standard_errors=None if None in errors else tuple(e for each in errors for e in each or ()),
        iterations=max(fit.iterations for fit in fits),
        converged=pooled.converged,
        gradient_norm=max(fit.gradient_norm for fit in fits),
        customers=pooled.customers,
    )


def build_parts(
    kind: OrderModelKind, parameters: Mapping[str, float]
) -> tuple[OrderModel, dict[str, OrderModel]]:
    """Return the model of all and those of parts, of parameters named as in `PartedModels`.

    Raises:
        ValueError: If they are not those of the kind, or not positive.
    """
    pooled: dict[str, float] = {}
    parts: dict[str, dict[str, float]] = {}
    for name, value in parameters.items():
        plain, of, part = name.partition(OF)
        # Without a name is a part too: a channel may be written as nothing.
        (parts.setdefault(part, {}) if of else pooled)[plain] = value
    own = {part: build_order_model(kind, of_part) for part, of_part in parts.items()}
    return build_order_model(kind, pooled), own
