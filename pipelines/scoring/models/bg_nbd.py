"""When will a customer order again? The BG/NBD and MBG/NBD models of repeat purchases.

While a customer is active, orders come at random at a personal rate; after each order the
customer stops for good with a personal probability. The rates follow a gamma distribution
(r, alpha), the probabilities a beta distribution (a, b). In the MBG/NBD the first purchase of all
is such an order too, so that a one-time buyer may have stopped; in the BG/NBD it is not.

Source: Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2);
Batislam, Denizel, Filiztekin (2007), Empirical validation and comparison of models for customer
base analysis, International Journal of Research in Marketing 24(3).
A customer is described by x, t_x and T: see `histories`.
"""

# ruff: noqa: N803  (T is the name in the papers)

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from pipelines.scoring.models.expected_orders import orders_while_active
from pipelines.scoring.models.histories import Silence, as_floats, distinct_pairs
from pipelines.scoring.models.nbd import Nbd, log_rising
from pipelines.scoring.models.newton import Floats


@dataclass(frozen=True)
class BgNbd:
    """The four parameters of a customer base; alpha is in days, the others have no unit."""

    r: float
    alpha: float
    a: float
    b: float
    may_stop_at_once: bool = True

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in astuple(self)[:4]):
            raise ValueError(f"BG/NBD parameters must be positive and finite, got {self}.")

    @property
    def kind(self) -> str:
        """The name of the model among those of `fit_order_model`."""
        return "mbg_nbd" if self.may_stop_at_once else "bg_nbd"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the papers."""
        return {"r": self.r, "alpha": self.alpha, "a": self.a, "b": self.b}

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of each customer's history (equation 6 of the 2005 paper)."""
        orders, last, tenure = as_floats(x, t_x, T)
        chances = self._chances(orders)
        active: Floats = (
            Nbd(self.r, self.alpha).log_likelihood(orders, last, tenure)
            + log_rising(self.b, chances)
            - log_rising(self.a + self.b, chances)
        )
        return active + np.logaddexp(0.0, self._log_odds_stopped(orders, last, tenure))

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of being active at T.

        The BG/NBD lets a customer stop only after a repeat order: a one-time buyer has exactly 1
        there, so use `p_no_order` to see who is at risk.
        """
        alive: Floats = expit(-self._log_odds_stopped(*as_floats(x, t_x, T)))
        return alive

    def p_no_order(self, h: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no order in the next h days.

        Either the customer has stopped, or is active and the next order takes longer than h. This
        is the likelihood of the same history seen h days later, divided by the likelihood today.
        """
        return self.silence(x, t_x, T)(h)

    def silence(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Silence:
        """Return `p_no_order` as a function of h, for who asks it many times."""
        orders, last, tenure = as_floats(x, t_x, T)
        log_odds = self._log_odds_stopped(orders, last, tenure)
        stopped, active = expit(log_odds), expit(-log_odds)
        slope, reach = -(self.r + orders), self.alpha + tenure

        def silent(h: float | Floats) -> Floats:
            waits = np.exp(slope * np.log1p(h / reach))
            least: Floats = np.minimum(stopped + active * waits, 1.0)
            return least

        return silent

    def expected_orders(
        self, t: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return the expected number of orders in the next t days (2005, equation 10)."""
        return self.p_alive(x, t_x, T) * self.orders_if_alive(t, x, T)

    def orders_if_alive(self, t: float | Floats, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days of a customer active at T."""
        ahead, orders, tenure = as_floats(t, x, T)
        if np.ndim(t):
            return self._while_active(ahead, orders, tenure)
        pairs = distinct_pairs(orders, tenure)
        return self._while_active(float(t), pairs.first, pairs.second)[pairs.index]

    def _while_active(self, t: float | Floats, orders: Floats, tenure: Floats) -> Floats:
        return orders_while_active(
            t / (self.alpha + tenure), self.r + orders, self.a, self.b + self._chances(orders)
        )

    def _chances(self, orders: Floats) -> Floats:
        """Return how often a customer with x repeat orders could have stopped before the last."""
        return orders + 1.0 if self.may_stop_at_once else orders

    def _log_odds_stopped(self, orders: Floats, last: Floats, tenure: Floats) -> Floats:
        """Return the log odds of having stopped right after the last order (-inf if it cannot)."""
        chances = self._chances(orders)
        gap = np.log1p((tenure - last) / (self.alpha + last))
        after_first = np.log(self.b + np.maximum(chances - 1.0, 0.0))
        log_odds = np.log(self.a) - after_first + (self.r + orders) * gap
        return log_odds if self.may_stop_at_once else np.where(orders > 0, log_odds, -np.inf)
