"""When will a customer order again, if customers stop at any time? The Pareto/NBD model.

While a customer is active, orders come at random at a personal rate; the customer stops for good
after a lifetime that ends at random at a personal rate too. The order rates follow a gamma
distribution (r, alpha), the stopping rates another (s, beta). Other than in the BG/NBD, a customer
can stop without an order.

Source: Schmittlein, Morrison, Colombo (1987), Counting your customers: who are they and what will
they do next?, Management Science 33(1); Fader, Hardie, Lee (2005), RFM and CLV: using iso-value
curves for customer base analysis, Journal of Marketing Research 42(4).
A customer is described by x, t_x and T: see `histories`.
"""

# ruff: noqa: N803  (T is the name in the papers)

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import exprel

from pipelines.scoring.models.histories import (
    Silence,
    as_floats,
    distinct_pairs,
    distinct_values,
)
from pipelines.scoring.models.nbd import Nbd
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.stop_first import p_stop_first

# Steps of ln(t) in the discounted lifetime: 1e-12 of the result.
STEPS_PER_UNIT = 4.0
NATS = 36.0


@dataclass(frozen=True)
class ParetoNbd:
    """The four parameters of a customer base; alpha and beta in days, r and s without unit."""

    r: float
    alpha: float
    s: float
    beta: float

    def __post_init__(self) -> None:
        if not all(np.isfinite(v) and v > 0 for v in astuple(self)):
            raise ValueError(f"Pareto/NBD parameters must be positive and finite, got {self}.")

    @property
    def kind(self) -> str:
        """The name of the model among those of `fit_order_model`."""
        return "pareto_nbd"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the papers."""
        return {"r": self.r, "alpha": self.alpha, "s": self.s, "beta": self.beta}

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of each customer's history.

        The customer was active at the last order, and ordered no more until T.
        """
        orders, last, tenure = as_floats(x, t_x, T)
        active = Nbd(self.r, self.alpha).log_likelihood(orders, last, last)
        quiet = self._log_quiet(self._next(orders, last), orders, last, tenure)
        return active - self.s * np.log1p(last / self.beta) + quiet

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of being active at T."""
        orders, last, tenure = as_floats(x, t_x, T)
        waits = self._log_silence(orders, last, tenure - last)
        quiet = self._log_quiet(self._next(orders, last), orders, last, tenure)
        alive: Floats = np.exp(waits - quiet)
        return np.minimum(alive, 1.0)

    def p_no_order(self, h: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no order in the next h days.

        This is the likelihood of the same history seen h days later, divided by that of today.
        """
        return self.silence(x, t_x, T)(h)

    def silence(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Silence:
        """Return `p_no_order` as a function of h, for who asks it many times."""
        orders, last, tenure = as_floats(x, t_x, T)
        at_last = self._next(orders, last)
        today = self._log_quiet(at_last, orders, last, tenure)

        def silent(h: float | Floats) -> Floats:
            later = self._log_quiet(at_last, orders, last, tenure + h)
            return np.minimum(np.exp(later - today), 1.0)

        return silent

    def expected_orders(
        self, t: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return the expected number of orders in the next t days (1987, equation 41)."""
        return self.p_alive(x, t_x, T) * self.orders_if_alive(t, x, T)

    def orders_if_alive(self, t: float | Floats, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days of a customer active at T.

        It is the order rate times the days a customer active at T stays so until T + t, which the
        papers write in a form that is 0 / 0 at s = 1.
        """
        orders, tenure = as_floats(x, T)
        log_time = np.log1p(t / (self.beta + tenure))
        active_days = (self.beta + tenure) * log_time * exprel((1.0 - self.s) * log_time)
        expected: Floats = self._rate(orders, tenure) * active_days
        return expected

    def residual_orders(
        self, discount_rate: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return DERT: the expected orders of all time to come, at their present value.

        Args:
            discount_rate: Continuous and per day (or per unit of T): ln(1 + yearly rate) / 365.
            x: Repeat purchase days.
            t_x: Days from the first to the last purchase.
            T: Days from the first purchase to today.

        Raises:
            ValueError: If the rate is not positive: the sum may then be infinite.
        """
        if not discount_rate > 0:
            raise ValueError(f"The discount rate must be positive, got {discount_rate}.")
        orders, last, tenure = as_floats(x, t_x, T)
        tenures, tenure_of = distinct_values(tenure)
        active_days = self._discounted_days(discount_rate, tenures)[tenure_of]
        worth: Floats = (
            self.p_alive(orders, last, tenure) * self._rate(orders, tenure) * active_days
        )
        return worth

    def _rate(self, orders: Floats, tenure: Floats) -> Floats:
        return (self.r + orders) / (self.alpha + tenure)

    def _discounted_days(self, discount_rate: float, tenure: Floats) -> Floats:
        """Integrate exp(-d t) (1 + t / (beta + T))^-s over all t, in equal steps of ln t."""
        end = np.log(NATS / discount_rate)
        begin = min(end, np.log((self.beta + tenure.min(initial=np.inf)) / self.s)) - NATS
        log_t = np.linspace(begin, end, int((end - begin) * STEPS_PER_UNIT) + 1)
        total = np.zeros_like(tenure)
        for moment in np.exp(log_t):
            decay = discount_rate * moment + self.s * np.log1p(moment / (self.beta + tenure))
            total += moment * np.exp(-decay)
        days: Floats = total * (log_t[1] - log_t[0])
        return days

    def _log_silence(self, orders: Floats, start: Floats, days: Floats | float) -> Floats:
        """Return the log chance that one active at `start` neither orders nor stops for `days`."""
        silence: Floats = -(self.r + orders) * np.log1p(days / (self.alpha + start))
        return silence - self.s * np.log1p(days / (self.beta + start))

    def _log_quiet(
        self, at_last: tuple[Floats, Floats], orders: Floats, last: Floats, tenure: Floats
    ) -> Floats:
        """Return the log chance that one active at t_x (see `_next`) orders no more until T.

        Either the stop comes before the next order, or neither comes until T and then the order is
        first. Where the first is almost certain, the small rest is what must not lose digits.
        """
        stops, orders_next = at_last
        _, orders_later = self._next(orders, tenure)
        late = np.exp(self._log_silence(orders, last, tenure - last)) * orders_later
        quiet: Floats = np.where(
            orders_next < 0.5, np.log1p(np.maximum(late - orders_next, -0.5)), np.log(stops + late)
        )
        return quiet

    def _next(self, orders: Floats, moment: Floats) -> tuple[Floats, Floats]:
        """Return the chances that one active at a moment stops first, and orders first."""
        pairs = distinct_pairs(orders, moment)
        ratio = (self.alpha + pairs.second) / (self.beta + pairs.second)
        stops, orders_first = p_stop_first(self.r + pairs.first, self.s, ratio)
        return stops[pairs.index], orders_first[pairs.index]
