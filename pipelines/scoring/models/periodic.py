"""Orders that come once a period, or not at all: the BG/BB and sBG models for days.

Chance number j to order lies j periods after the first order; an order belongs to the nearest one.
An order that has not come by its day is missed: as many come a little early as a little late. A
contract has half a period to be renewed, as who has left does not come back.
"""

# ruff: noqa: N803  (T is the name in the papers)

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.scoring.models.bg_bb import BgBb, fit_bg_bb
from pipelines.scoring.models.fitting import Fit
from pipelines.scoring.models.histories import Silence, as_floats, check_histories
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderModel
from pipelines.scoring.models.sbg import Sbg, fit_sbg

HALF = 0.5
NO_GRACE, GRACE = 0.0, 0.5  # in periods
# A sum of whole periods may fall short of a whole number by a rounding.
ROUNDING = 1e-9
# Of a rate that is known.
SURE_SHAPE = 1e6


@dataclass(frozen=True)
class Chances:
    """Histories in periods: how many were taken, the last that was, and how many are known.

    `over` leaves out a chance that was taken before its time was over.
    """

    taken: Floats
    last: Floats
    so_far: Floats
    over: Floats


def count_chances(
    period_days: int, x: Floats, t_x: Floats, T: Floats, *, grace: float = NO_GRACE
) -> Chances:
    """Return histories in periods; orders of one period are one, and the first order is none."""
    last = np.maximum(np.floor(t_x / period_days + HALF), x > 0)
    over = np.maximum(np.floor(T / period_days - grace + ROUNDING), 0.0)
    return Chances(np.minimum(x, last), last, np.maximum(over, last), over)


def chances_ahead(t: float | Floats, T: Floats, so_far: Floats, period_days: int) -> Floats:
    """Return how many chances come in the next t days; one that is late is among them."""
    until = np.floor((T + t) / period_days + ROUNDING)
    ahead: Floats = np.maximum(until - so_far, 0.0)
    return ahead


@dataclass(frozen=True)
class PeriodicOrders:
    """The BG/BB model of orders that come once a period at most."""

    model: BgBb
    period_days: int
    kind: str = "bg_bb"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the paper."""
        return self.model.parameters

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of each customer's history of chances."""
        past = count_chances(self.period_days, *as_floats(x, t_x, T))
        return self.model.log_likelihood(past.taken, past.last, past.so_far)

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of being active at the next chance."""
        past = count_chances(self.period_days, *as_floats(x, t_x, T))
        return self.model.p_alive(past.taken, past.last, past.so_far)

    def p_no_order(self, h: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability that none of the chances of the next h days is taken."""
        return self.silence(x, t_x, T)(h)

    def silence(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Silence:
        """Return `p_no_order` as a function of h, for who asks it many times."""
        orders, last, tenure = as_floats(x, t_x, T)
        past = count_chances(self.period_days, orders, last, tenure)
        today = self.model.log_likelihood(past.taken, past.last, past.so_far)

        def silent(h: float | Floats) -> Floats:
            more = past.so_far + chances_ahead(h, tenure, past.so_far, self.period_days)
            later = self.model.log_likelihood(past.taken, past.last, more)
            return np.minimum(np.exp(later - today), 1.0)

        return silent

    def expected_orders(
        self, t: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return the expected number of chances of the next t days that are taken."""
        ahead_days, orders, last, tenure = as_floats(t, x, t_x, T)
        past = count_chances(self.period_days, orders, last, tenure)
        return _by_number(
            chances_ahead(ahead_days, tenure, past.so_far, self.period_days),
            lambda ahead, at: self.model.expected_orders(
                ahead, past.taken[at], past.last[at], past.so_far[at]
            ),
        )

    def orders_if_alive(self, t: float | Floats, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of orders in the next t days of a customer active at T."""
        orders, tenure = as_floats(x, T)
        # Of x only the number counts: that nothing is known of the last order cancels out.
        alive = self.p_alive(orders, tenure * (orders > 0), tenure)
        return self.expected_orders(t, orders, tenure * (orders > 0), tenure) / alive

    def find_rates(self, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
        """Return shape and mean of a gamma that is like the beta of chances taken, per day."""
        past = count_chances(self.period_days, x, t_x, T)
        take = self.model.alpha + past.taken
        miss = self.model.beta + past.so_far - past.taken
        share = take / (take + miss)
        variance = share * (1.0 - share) / (take + miss + 1.0)
        return share**2 / variance, share / self.period_days


@dataclass(frozen=True)
class Contracts:
    """The sBG model of contracts that are renewed each period, or end for good."""

    model: Sbg
    period_days: int
    kind: str = "sbg"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names in the paper."""
        return self.model.parameters

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the log-likelihood of each subscriber's renewals."""
        past = self._count(*as_floats(x, t_x, T))
        left = np.where(past.over > past.last, 1.0 - self.model.retention_rate(past.last + 1), 1)
        made = np.minimum(past.last, past.over)
        value: Floats = np.log(self.model.survival(made)) + np.log(left)
        return value

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return 1 for whoever has made the last renewal that was due, 0 for all others."""
        past = self._count(*as_floats(x, t_x, T))
        alive: Floats = (past.over <= past.last).astype(np.float64)
        return alive

    def p_no_order(self, h: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of no renewal in the next h days; 1 where none is due."""
        return self.silence(x, t_x, T)(h)

    def silence(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Silence:
        """Return `p_no_order` as a function of h, for who asks it many times."""
        orders, last, tenure = as_floats(x, t_x, T)
        past = self._count(orders, last, tenure)
        renews = self.p_alive(orders, last, tenure) * self.model.retention_rate(past.last + 1.0)

        def silent(h: float | Floats) -> Floats:
            due = chances_ahead(h, tenure, past.so_far, self.period_days) > 0
            return np.where(due, 1.0 - renews, 1.0)

        return silent

    def expected_orders(
        self, t: float | Floats, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> Floats:
        """Return the expected number of renewals in the next t days."""
        alive = self.p_alive(x, t_x, T)
        ahead_days, orders, last, tenure = as_floats(t, x, t_x, T)
        past = self._count(orders, last, tenure)
        return alive * self._renewals(ahead_days, past.last, tenure)

    def orders_if_alive(self, t: float | Floats, x: ArrayLike, T: ArrayLike) -> Floats:
        """Return the expected number of renewals in the next t days of who has not left."""
        ahead_days, orders, tenure = as_floats(t, x, T)
        return self._renewals(ahead_days, self._count(orders, tenure, tenure).over, tenure)

    def find_rates(self, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
        """Return shape and mean of the renewals a day: one a period, so the shape is large."""
        return np.full_like(x, SURE_SHAPE), np.full_like(x, 1.0 / self.period_days)

    def _count(self, x: Floats, t_x: Floats, T: Floats) -> Chances:
        return count_chances(self.period_days, x, t_x, T, grace=GRACE)

    def _renewals(self, t: Floats, made: Floats, tenure: Floats) -> Floats:
        return _by_number(
            chances_ahead(t, tenure, made, self.period_days),
            lambda ahead, at: self.model.expected_renewals(ahead, made[at]),
        )


def _by_number(ahead: Floats, ask: Callable[[int, NDArray[np.int64]], Floats]) -> Floats:
    """Ask once for each number of chances, for the rows that have so many."""
    told = np.zeros_like(ahead)
    for number in np.unique(ahead).tolist():
        rows = np.flatnonzero(ahead == number)
        told[rows] = ask(int(number), rows)
    return told


def fit_periodic(
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    *,
    period_days: int,
    start: PeriodicOrders | None = None,
    prior_sd: float | None = 2.0,
) -> Fit[PeriodicOrders]:
    """Return the BG/BB of a base that orders once a period at most; see `fit_bg_bb`."""
    histories = as_floats(x, t_x, T)
    check_histories(*histories)
    past = count_chances(period_days, *histories)
    begin = None if start is None else start.model
    fit = fit_bg_bb(past.taken, past.last, past.so_far, start=begin, prior_sd=prior_sd)
    return Fit(**{**vars(fit), "model": PeriodicOrders(fit.model, period_days)})


def fit_contracts(
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    *,
    period_days: int,
    start: Contracts | None = None,
    prior_sd: float | None = 2.0,
) -> Fit[Contracts]:
    """Return the sBG of a base of subscribers who renew once a period; see `fit_sbg`.

    Who has let a renewal pass and ordered later is taken for one who never lapsed.
    """
    histories = as_floats(x, t_x, T)
    check_histories(*histories)
    past = count_chances(period_days, *histories, grace=GRACE)
    begin = None if start is None else start.model
    made = np.minimum(past.last, past.over)
    fit = fit_sbg(made, past.last < past.over, start=begin, prior_sd=prior_sd)
    return Fit(**{**vars(fit), "model": Contracts(fit.model, period_days)})


def build_periodic(
    kind: Literal["bg_bb", "sbg"], parameters: Mapping[str, float], period_days: int
) -> OrderModel:
    """Return the model of these parameters.

    Raises:
        ValueError: If they are not those of the kind, or not positive.
    """
    try:
        if kind == "sbg":
            return Contracts(Sbg(**parameters), period_days)
        return PeriodicOrders(BgBb(**parameters), period_days)
    except TypeError as error:
        raise ValueError(f"{sorted(parameters)} are not the parameters of a {kind}.") from error
