"""When will a customer order again? The BG/NBD model of repeat purchases.

While a customer is active, orders come at random at a personal rate; after each order the
customer stops for good with a personal probability. The rates follow a gamma distribution
(r, alpha), the probabilities a beta distribution (a, b).

Source: Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2).
A customer is described by x (repeat purchase days), t_x (days from the first to the last purchase)
and T (days from the first purchase to today).
"""

# ruff: noqa: N803  (T is the name in the paper)

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, expit, gammaln

from pipelines.scoring.bg_nbd_likelihood import group_customers, likelihood_in_logs
from pipelines.scoring.expected_orders import orders_while_active
from pipelines.scoring.newton import Evaluation, Floats, maximise, standard_errors


@dataclass(frozen=True)
class BgNbd:
    """The four parameters of a customer base; alpha is in days, the others have no unit."""

    r: float
    alpha: float
    a: float
    b: float

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in (self.r, self.alpha, self.a, self.b)):
            raise ValueError(f"BG/NBD parameters must be positive and finite, got {self}.")

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of each customer's history (equation 6 of the paper)."""
        orders, last, tenure = _as_floats(x, t_x, T)
        shape = self.r + orders
        active: Floats = (
            gammaln(shape)
            - gammaln(self.r)
            + self.r * np.log(self.alpha)
            - shape * np.log(self.alpha + tenure)
            + betaln(self.a, self.b + orders)
            - betaln(self.a, self.b)
        )
        return active + np.logaddexp(0.0, self._log_odds_stopped(orders, last, tenure))

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of being active at T; exactly 1 for one-time buyers.

        The model lets a customer stop only after a repeat order, so it knows nothing yet about
        one-time buyers: use `p_no_order` to see who is at risk.
        """
        alive: Floats = expit(-self._log_odds_stopped(*_as_floats(x, t_x, T)))
        return alive

    def p_no_order(self, h: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no order in the next h days.

        Either the customer has stopped, or is active and the next order takes longer than h. This
        is the likelihood of the same history seen h days later, divided by the likelihood today.
        """
        orders, last, tenure = _as_floats(x, t_x, T)
        log_odds = self._log_odds_stopped(orders, last, tenure)
        waits = np.exp(-(self.r + orders) * np.log1p(h / (self.alpha + tenure)))
        silent: Floats = expit(log_odds) + expit(-log_odds) * waits
        return np.minimum(silent, 1.0)

    def expected_orders(self, t: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days (equation 10 of the paper)."""
        orders, last, tenure = _as_floats(x, t_x, T)
        alive: Floats = expit(-self._log_odds_stopped(orders, last, tenure))
        # While active the answer depends on x and T only: a million customers share some ten
        # thousand pairs of them, and the costly function runs once for each.
        tenures, tenure_of = np.unique(tenure, return_inverse=True)
        counts, count_of = np.unique(orders, return_inverse=True)
        pairs, pair_of = np.unique(count_of * len(tenures) + tenure_of, return_inverse=True)
        per_pair = orders_while_active(
            t / (self.alpha + tenures[pairs % len(tenures)]),
            counts[pairs // len(tenures)],
            self.r,
            self.a,
            self.b,
        )
        return alive * per_pair[pair_of]

    def _log_odds_stopped(self, orders: Floats, last: Floats, tenure: Floats) -> Floats:
        """Return the log odds of having stopped right after the last order (-inf if x is 0)."""
        gap = np.log1p((tenure - last) / (self.alpha + last))
        after_first = np.log(np.where(orders > 0, self.b + orders - 1.0, 1.0))
        log_odds = np.log(self.a) - after_first + (self.r + orders) * gap
        return np.where(orders > 0, log_odds, -np.inf)


@dataclass(frozen=True)
class BgNbdFit:
    """A fitted model and how well the search for it ended.

    `log_likelihood` is without the prior, so that it can be compared with other models.
    `standard_errors` (r, alpha, a, b) is None where the data do not pin the parameters down.
    `gradient_norm` is the largest slope per customer and log parameter: zero at the optimum.
    """

    parameters: BgNbd
    log_likelihood: float
    standard_errors: tuple[float, ...] | None
    iterations: int
    converged: bool
    gradient_norm: float
    customers: int


def fit_bg_nbd(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, prior_sd: float | None = 2.0
) -> BgNbdFit:
    """Return the most likely parameters for a customer base; never fail to converge with a prior.

    Where nobody visibly stops, the likelihood rises for ever along b -> infinity. A weak normal
    prior on the log parameters ends that search. It weighs as much as a fraction of one customer,
    so it vanishes in the data as customers are added.

    Args:
        x: Repeat purchase days of each customer, whole numbers.
        t_x: Days from the first to the last purchase; 0 exactly where x is 0.
        T: Days from the first purchase to today, at least t_x.
        prior_sd: Standard deviation of the prior around one customer's worth of experience (r, a, b
            at 1, alpha at the mean time between orders); None for plain maximum likelihood.

    Raises:
        ValueError: If there is no customer or a history is impossible.
    """
    orders, last, tenure = _as_floats(x, t_x, T)
    _check_histories(orders, last, tenure)
    base = group_customers(orders, last, tenure)
    # The data set the unit of time: histories in weeks give the same fit, with alpha in weeks.
    mean_wait = max(float(tenure.sum()), 1.0) / (float(orders.sum()) + 1.0)
    centre = np.log([1.0, mean_wait, 1.0, 1.0])

    def evaluate(log_parameters: Floats) -> Evaluation:
        value, gradient, hessian = likelihood_in_logs(base, log_parameters)
        if prior_sd is None:
            return value, gradient, hessian
        distance = (log_parameters - centre) / prior_sd
        return (
            value - 0.5 * float(distance @ distance),
            gradient - distance / prior_sd,
            hessian - np.eye(4) / prior_sd**2,
        )

    best = maximise(evaluate, centre)
    r, alpha, a, b = (float(value) for value in np.exp(best.point))
    errors = standard_errors(best.hessian)
    return BgNbdFit(
        parameters=BgNbd(r, alpha, a, b),
        log_likelihood=likelihood_in_logs(base, best.point)[0],
        standard_errors=None if errors is None else tuple((np.exp(best.point) * errors).tolist()),
        iterations=best.iterations,
        converged=best.converged,
        gradient_norm=float(np.abs(best.gradient).max()) / len(orders),
        customers=len(orders),
    )


def _check_histories(orders: Floats, last: Floats, tenure: Floats) -> None:
    if len(orders) == 0:
        raise ValueError("There is no customer to fit a model to.")
    possible = (
        np.isfinite(tenure)
        & (orders >= 0)
        & (orders == np.floor(orders))
        & (last >= 0)
        & (last <= tenure)
        & ((last > 0) == (orders > 0))
    )
    if not possible.all():
        row = int(np.argmin(possible))
        raise ValueError(
            f"{int((~possible).sum())} histories are impossible, the first in row {row}: "
            f"x = {orders[row]}, t_x = {last[row]}, T = {tenure[row]}. "
            "Needed: x a whole number, 0 <= t_x <= T, and t_x = 0 exactly where x = 0."
        )


def _as_floats(x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> tuple[Floats, Floats, Floats]:
    orders, last, tenure = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (x, t_x, T))
    )
    return orders, last, tenure
