"""How much is a customer worth? Expected orders times the expected margin of an order.

The sum over a horizon is uncertain in three ways: how many orders come, how much the customer
spends per order, and how much single orders vary. The sum is zero with the model's probability of
no order. Else its first two moments are known; its lower end is much like that of a gamma variable,
its upper end like that of a log-normal one, and below that of a customer who is sure to stay: on
simulated customers each bound holds what it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from pipelines.scoring.models.channels import of_rows
from pipelines.scoring.models.gamma_gamma import GammaGamma
from pipelines.scoring.models.kinds import find_rates
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderModel

DECIMALS = 6
YEAR_DAYS = 365
LOW, HIGH = 0.10, 0.90
# Where a posterior has no variance, the spread is that of the nearest one that has.
LEAST_FREEDOM = 0.5


@dataclass(frozen=True)
class Histories:
    """One customer per place.

    x, t_x, tenure: of the order models, in days. mean_margin: of the repeat purchase days, NaN if
    unknown.
    """

    x: Floats
    t_x: Floats
    tenure: Floats
    mean_margin: Floats

    def at(self, places: NDArray[np.int64]) -> "Histories":
        """Return the histories of some customers."""
        return Histories(*(column[places] for column in vars(self).values()))


def discount_years(cumulative: Sequence[Floats], rate: float) -> Floats:
    """Return the present value of money that has come in by the end of each year.

    The first year is not discounted, later ones from their middle.
    """
    added = np.diff(np.array(cumulative), axis=0, prepend=0.0)
    factors = [1.0] + [(1 + rate) ** -(year + 0.5) for year in range(1, len(cumulative))]
    worth: Floats = sum(part * factor for part, factor in zip(added, factors, strict=True))
    return worth


def bound_year(
    histories: Histories,
    orders: OrderModel,
    margins: GammaGamma | None,
    expected: Floats,
    level: float = 1.0,
) -> tuple[Floats, Floats]:
    """Return the bounds that the margin of the coming year passes with 90 % and with 10 %.

    Args:
        histories: The customers.
        orders: When they order.
        margins: What an order brings; None where no model of it fits.
        expected: The order days expected of the year: the model's own times the level.
        level: How many times the model's own all order rates are.

    Returns:
        Low and high; NaN where no model of margins fits.
    """
    if margins is None:
        nothing = np.full_like(expected, np.nan)
        return nothing, nothing
    silent = orders.p_no_order(YEAR_DAYS, histories.x, histories.t_x, histories.tenure) ** level
    low, high = np.zeros_like(expected), np.zeros_like(expected)
    some = np.flatnonzero(silent < HIGH)
    past = histories.at(some)
    margin = margins.expected_spend(past.x, past.mean_margin)
    spread = _spread_of(past, of_rows(orders, some), margins, expected[some], level)
    mean, ratio = _moments_of_some(expected[some], silent[some], margin, spread)
    upper = mean * _lognormal_quantile(ratio, _above(HIGH, silent[some]))
    high[some] = np.minimum(upper, _upper_of_who_stays(margin, spread))
    sure = silent[some] < LOW
    few = some[sure]
    low[few] = mean[sure] * _gamma_quantile(ratio[sure] - 1.0, _above(LOW, silent[few]))
    return low, high


@dataclass(frozen=True)
class _Spread:
    """Second moments: of the number of orders, of the personal mean margin relative to its square.

    order_noise: variance of one order relative to the square of the personal mean. staying_orders
    and squared_staying_orders: the moments of the number of orders of who does not stop.
    """

    squared_orders: Floats
    squared_margin: Floats
    order_noise: float
    staying_orders: Floats
    squared_staying_orders: Floats


def _spread_of(
    histories: Histories, orders: OrderModel, margins: GammaGamma, expected: Floats, level: float
) -> _Spread:
    """Return how far next year's orders and margins may lie from what is expected.

    While active, orders are a Poisson process whose rate has a gamma posterior (`find_rates`); who
    stops within the year is counted as never there, in the share that gives the model's own
    expectation. Margins: Fader and Hardie (2013), equation 4 of the posterior.
    """
    shape, rate = find_rates(orders, histories.x, histories.t_x, histories.tenure)
    busy = level * rate * YEAR_DAYS
    share = np.minimum(expected / np.maximum(busy, 1e-300), 1.0)
    squared_busy = busy + busy**2 * (1.0 + 1.0 / shape)
    known = np.isfinite(histories.mean_margin) & (histories.mean_margin > 0) & (histories.x > 0)
    freedom = margins.q + np.where(known, margins.p * histories.x, 0.0)
    squared = (freedom - 1.0) / np.maximum(freedom - 2.0, LEAST_FREEDOM)
    return _Spread(share * squared_busy, squared, 1.0 / margins.p, busy, squared_busy)


def _moments_of_some(
    expected: Floats, silent: Floats, margin: Floats, spread: _Spread
) -> tuple[Floats, Floats]:
    """Return the mean of a sum that is not zero, and its mean square relative to that squared."""
    some = np.maximum(1.0 - silent, 1e-12)
    mean = expected * margin / some
    square = (
        margin**2
        * spread.squared_margin
        * (spread.squared_orders + spread.order_noise * expected)
        / some
    )
    return mean, np.maximum(square / np.maximum(mean**2, 1e-300), 1.0)


def _upper_of_who_stays(margin: Floats, spread: _Spread) -> Floats:
    """Return the upper bound of who does not stop, which nobody's can exceed.

    Of steady buyers nearly all stay: a sum that is either all or hardly anything is no log-normal.
    """
    orders = np.maximum(spread.staying_orders, 1e-300)
    squared = spread.squared_staying_orders + spread.order_noise * orders
    ratio = np.maximum(spread.squared_margin * squared / orders**2, 1.0)
    upper: Floats = orders * margin * _lognormal_quantile(ratio, np.full_like(ratio, HIGH))
    return upper


def _above(level: float, silent: Floats) -> Floats:
    """Return at which level of the sums that are not zero a level of all sums is."""
    among: Floats = (level - silent) / np.maximum(1.0 - silent, 1e-12)
    return among


def _gamma_quantile(variance: Floats, level: Floats) -> Floats:
    """Of mean 1; Wilson and Hilferty (1931): the cube root is nearly normal."""
    ninth = np.maximum(variance, 1e-12) / 9.0
    root = 1.0 - ninth + np.sqrt(ninth) * ndtri(np.clip(level, 1e-9, 1.0))
    cube: Floats = np.maximum(root, 0.0) ** 3
    return cube


def _lognormal_quantile(squared: Floats, level: Floats) -> Floats:
    """Of mean 1 and the given mean of squares."""
    variance = np.log(squared)
    quantile: Floats = np.exp(np.sqrt(variance) * ndtri(np.clip(level, 1e-9, 1.0)) - variance / 2)
    return quantile


def as_money(values: Floats) -> pl.Series:
    """Return amounts with four decimals, half to even; unknown (NaN) becomes null."""
    amounts = pl.Series(values, dtype=pl.Float64).fill_nan(None)
    return amounts.round(4, mode="half_to_even").cast(pl.Decimal(18, 4))
