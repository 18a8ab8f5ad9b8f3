"""How much is a customer worth? Expected orders times the expected margin of an order.

The sum over a horizon is uncertain in three ways: how many orders come, how much the customer
spends per order, and how much single orders vary. The sum is zero with the model's probability of
no order. Else its first two moments are known; its lower end is much like that of a gamma variable,
its upper end like that of a log-normal one: on simulated customers each bound holds what it says.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtri

from pipelines.scoring.models.gamma_gamma import GammaGammaFit
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderModel

DECIMALS = 6
YEAR_DAYS = 365
YEARS = 3
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


def predict_value(
    histories: Histories,
    orders: OrderModel,
    margins: GammaGammaFit,
    *,
    short_days: int,
    season: float,
    level: float,
    discount_rate: float,
) -> pl.DataFrame:
    """Return expected orders and margin of each customer over a horizon, one year and three.

    Args:
        histories: The customers.
        orders: When they order.
        margins: What an order brings.
        short_days: The churn horizon.
        season: By what factor orders of the horizon exceed the average of a year.
        level: Factor that totals of past days needed (see `season.find_level`).
        discount_rate: Per year; money of the second and third year is discounted from the middle of
            each year, of the first year not at all.

    Returns:
        expected_orders_ (horizon, 365d, 1095d), expected_order_margin_amount, clv_ (horizon, 365d,
        1095d) and the bounds clv_365d_low_amount and clv_365d_high_amount, which the margin of the
        coming year passes with a probability of 90 % and 10 %. Money is null where no margin is
        known of anybody.
    """
    past = histories.x, histories.t_x, histories.tenure
    yearly = [level * orders.expected_orders(YEAR_DAYS * n, *past) for n in range(1, YEARS + 1)]
    short = level * season * orders.expected_orders(short_days, *past)
    margin = margins.expected_spend(histories.x, histories.mean_margin)
    added = np.diff(np.array(yearly), axis=0, prepend=0.0)
    factors = _discounts(discount_rate)
    discounted = sum(part * factor for part, factor in zip(added, factors, strict=True))
    silent = orders.p_no_order(YEAR_DAYS, *past)
    low, high = bound_sum(yearly[0], silent, margin, spread_of(histories, orders, margins, level))
    counts = {"horizon": short, "365d": yearly[0], "1095d": yearly[2]}
    amounts = {
        "expected_order_margin": margin,
        "clv_horizon": short * margin,
        "clv_365d": yearly[0] * margin,
        "clv_365d_low": low,
        "clv_365d_high": high,
        "clv_1095d": discounted * margin,
    }
    return pl.DataFrame(
        {
            f"expected_orders_{name}_count": pl.Series(value, dtype=pl.Float64).round(DECIMALS)
            for name, value in counts.items()
        }
        | {f"{name}_amount": as_money(value) for name, value in amounts.items()}
    )


def own_value(margin_365d: Floats, *, short_days: int, discount_rate: float) -> pl.DataFrame:
    """Return the same columns of money as if every year were like the last one.

    It is what is published where the models do no better; a single year gives no bounds.
    """
    nothing = np.full_like(margin_365d, np.nan)
    amounts = {
        "clv_horizon": margin_365d * short_days / YEAR_DAYS,
        "clv_365d": margin_365d,
        "clv_365d_low": nothing,
        "clv_365d_high": nothing,
        "clv_1095d": margin_365d * sum(_discounts(discount_rate)),
    }
    return pl.DataFrame({f"{name}_amount": as_money(value) for name, value in amounts.items()})


def _discounts(rate: float) -> list[float]:
    return [1.0] + [(1 + rate) ** -(year + 0.5) for year in range(1, YEARS)]


@dataclass(frozen=True)
class Spread:
    """Second moments: of the number of orders, of the personal mean margin relative to its square.

    order_noise: variance of one order relative to the square of the personal mean.
    """

    squared_orders: Floats
    squared_margin: Floats
    order_noise: float


def spread_of(
    histories: Histories, orders: OrderModel, margins: GammaGammaFit, level: float
) -> Spread:
    """Return how far next year's orders and margins may lie from what is expected.

    While active, orders are a Poisson process whose rate has a gamma posterior (shape r + x, rate
    alpha + T); who stops within the year is counted as never there, in the share that gives the
    model's own expectation. Margins: Fader and Hardie (2013), equation 4 of the posterior.
    """
    shape = orders.parameters["r"] + histories.x
    busy = level * shape * YEAR_DAYS / (orders.parameters["alpha"] + histories.tenure)
    expected = level * orders.expected_orders(
        YEAR_DAYS, histories.x, histories.t_x, histories.tenure
    )
    share = np.minimum(expected / np.maximum(busy, 1e-300), 1.0)
    squared_orders = share * (busy + busy**2 * (1.0 + 1.0 / shape))
    fitted = margins.parameters
    if fitted is None:
        return Spread(squared_orders, np.ones_like(shape), 0.0)
    known = np.isfinite(histories.mean_margin) & (histories.mean_margin > 0) & (histories.x > 0)
    freedom = fitted.q + np.where(known, fitted.p * histories.x, 0.0)
    squared = (freedom - 1.0) / np.maximum(freedom - 2.0, LEAST_FREEDOM)
    return Spread(squared_orders, squared, 1.0 / fitted.p)


def bound_sum(
    expected: Floats, silent: Floats, margin: Floats, spread: Spread
) -> tuple[Floats, Floats]:
    """Return the bounds that the sum passes with a probability of 90 % and of 10 %."""
    some = np.maximum(1.0 - silent, 1e-12)
    mean = expected * margin / some
    square = (
        margin**2
        * spread.squared_margin
        * (spread.squared_orders + spread.order_noise * expected)
        / some
    )
    ratio = np.maximum(square / np.maximum(mean**2, 1e-300), 1.0)
    return (
        _zero_or(silent, LOW, mean, mean * _gamma_quantile(ratio - 1.0, (LOW - silent) / some)),
        _zero_or(silent, HIGH, mean, mean * _lognormal_quantile(ratio, (HIGH - silent) / some)),
    )


def _zero_or(silent: Floats, level: float, mean: Floats, quantile: Floats) -> Floats:
    bound: Floats = np.where(silent >= level, np.where(np.isnan(mean), np.nan, 0.0), quantile)
    return bound


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
