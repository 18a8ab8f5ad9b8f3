"""When will a customer order again, if nobody ever stops? The NBD model.

Orders come at random at a personal rate for ever; the rates follow a gamma distribution
(r, alpha). It is what every other model of orders turns into where no churn is visible.

Source: Ehrenberg (1959), The pattern of consumer purchases, Applied Statistics 8(1).
A customer is described by x, t_x and T: see `histories`.
"""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipelines.scoring.models.histories import Silence, as_floats, distinct_values
from pipelines.scoring.models.newton import Evaluation, Floats, in_logs


@dataclass(frozen=True)
class Nbd:
    """The two parameters of a customer base; alpha is in days, r has no unit."""

    r: float
    alpha: float

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in astuple(self)):
            raise ValueError(f"NBD parameters must be positive and finite, got {self}.")

    @property
    def kind(self) -> str:
        """The name of the model among those of `fit_order_model`."""
        return "nbd"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the papers."""
        return {"r": self.r, "alpha": self.alpha}

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of the moments of each customer's orders.

        It is that of the other models (not of x alone, which a constant tells from it), so that
        they can be compared.
        """
        orders, _, tenure = as_floats(x, t_x, T)
        value: Floats = (
            log_rising(self.r, orders)
            - self.r * np.log1p(tenure / self.alpha)
            - orders * np.log(self.alpha + tenure)
        )
        return value

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return 1: the model has no churn."""
        return np.ones_like(as_floats(x, t_x, T)[0])

    def p_no_order(self, h: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no order in the next h days."""
        return self.silence(x, t_x, T)(h)

    def silence(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Silence:
        """Return `p_no_order` as a function of h, for who asks it many times."""
        orders, _, tenure = as_floats(x, t_x, T)
        slope, reach = -(self.r + orders), self.alpha + tenure
        return lambda h: np.exp(slope * np.log1p(h / reach))

    def expected_orders(
        self, t: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return the expected number of orders in the next t days."""
        return self.orders_if_alive(t, x, T)

    def orders_if_alive(self, t: float | Floats, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days of a customer active at T."""
        orders, tenure = as_floats(x, T)
        return t * (self.r + orders) / (self.alpha + tenure)


@dataclass(frozen=True)
class OrderCounts:
    """All the NBD needs of a customer base: its terms depend on x or T alone.

    `customers_above[j]` have more than j repeat orders: ln G(r+x) - ln G(r) is the sum of ln (r+j)
    over j < x, which loses no digit however large r is.
    """

    customers: int
    customers_above: Floats
    tenure: Floats
    customers_of_tenure: Floats
    orders_of_tenure: Floats


def count_orders(orders: Floats, tenure: Floats) -> OrderCounts:
    """Return the number of customers at each x and T, and of their repeat orders."""
    customers_of_x = np.bincount(orders.astype(np.int64))
    tenures, tenure_of = distinct_values(tenure)
    return OrderCounts(
        customers=len(orders),
        customers_above=(len(orders) - np.cumsum(customers_of_x)[:-1]).astype(np.float64),
        tenure=tenures,
        customers_of_tenure=np.bincount(tenure_of).astype(np.float64),
        orders_of_tenure=np.bincount(tenure_of, weights=orders).astype(np.float64),
    )


def log_rising(start: float, counts: Floats) -> Floats:
    """Return ln G(start + x) - ln G(start) for whole numbers x, to the last digits."""
    steps = np.log(start + np.arange(int(counts.max(initial=0.0))))
    table = np.concatenate(([0.0], np.cumsum(steps)))
    value: Floats = table[counts.astype(np.int64)]
    return value


def likelihood_of(orders: Floats, _last: Floats, tenure: Floats) -> Callable[[Floats], Evaluation]:
    """Return the log-likelihood of a customer base as a function of ln (r, alpha)."""
    counts = count_orders(orders, tenure)

    def likelihood(log_parameters: Floats) -> Evaluation:
        parameters = np.exp(log_parameters)
        return in_logs(likelihood_of_counts(counts, *parameters), parameters)

    return likelihood


def likelihood_of_counts(counts: OrderCounts, r: float, alpha: float) -> Evaluation:
    """Return the total log-likelihood, its gradient and Hessian in r and alpha."""
    above, rates = counts.customers_above, r + np.arange(len(counts.customers_above))
    tenure, n, orders = counts.tenure, counts.customers_of_tenure, counts.orders_of_tenure
    reach, waiting = alpha + tenure, np.log1p(tenure / alpha)
    value = (above * np.log(rates)).sum() - (n * r * waiting + orders * np.log(reach)).sum()
    d_r = (above / rates).sum() - (n * waiting).sum()
    d_rr = -(above / rates**2).sum()
    d_r_alpha = (n * tenure / (alpha * reach)).sum()
    d_alpha = r * d_r_alpha - (orders / reach).sum()
    d_alpha_alpha = ((r * n + orders) / reach**2 - r * n / alpha**2).sum()
    hessian = np.array([[d_rr, d_r_alpha], [d_r_alpha, d_alpha_alpha]])
    return float(value), np.array([d_r, d_alpha]), hessian
