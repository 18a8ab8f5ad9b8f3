"""How the coming weeks differ from the average of the year, and how totals erred before.

The models of order times know no calendar. What the same weeks of earlier years did, measured
against what a model without a calendar expected for them, is the season; growth of the base and
customers who leave are in the expectation already, so they are not taken for one.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.special import expit

from pipelines.scoring.past.metrics import WIDEST, Floats
from pipelines.scoring.past.order_models import OrderModel

# Whole weeks, so that the same weekdays are compared.
YEAR_DAYS = 364
# E[X(t)] is a smooth curve: one point a week and straight lines between are enough.
CURVE_STEP_DAYS = 7
LARGEST_CHANGE = 3.0
# How many years without a season, and how many cuts without an error, the prior is worth.
SEASON_PRIOR, LEVEL_PRIOR = 0.5, 1.0
# By how much, in logs, a season is thought to differ from year to year before two are seen.
YEARLY_SD = 0.15


def find_seasons(
    order_days: pl.DataFrame,
    model: OrderModel,
    as_of: date,
    horizon_days: int,
    begins: Sequence[date],
    usual_month_orders: Sequence[float] | None = None,
) -> dict[date, float]:
    """Return by what factor orders of a horizon exceed the average of a year, as known at `as_of`.

    Per year in which the same weeks are known: actual over expected repeat orders of these weeks,
    over actual over expected of the year around them. The mean of the logs over k years is drawn
    to the usual season by k / (k + 1/2) if the years differ by 15 %, less if they agree, more if
    one was odd: a closed shop or a great sale is no season. A year counts if a horizon of history
    lies before it, so the usual season stands alone where history is shorter than a year and a
    horizon. Never beyond a factor of 3.

    Args:
        order_days: Of `prepare_order_days`; days after as_of are ignored.
        model: Fitted to the history up to as_of.
        as_of: The last day known.
        horizon_days: Length of each window.
        begins: The day before each window: as_of for the coming one, or earlier.
        usual_month_orders: Orders of a usual year by month, from January on, free of growth; no
            season if None.
    """
    usual = {begin: usual_season(usual_month_orders, begin, horizon_days) for begin in begins}
    orders = order_days.filter(pl.col("is_order") & (pl.col("ordered_on") <= as_of))
    first = orders["ordered_on"].min()
    if not isinstance(first, date) or (as_of - first).days < YEAR_DAYS + horizon_days:
        return {begin: draw_season([], usual[begin]) for begin in begins}
    tracking = _track(orders, model, as_of)
    earliest = first + timedelta(days=horizon_days)
    logs = {begin: _season_logs(tracking, begin, horizon_days, earliest) for begin in begins}
    return {begin: draw_season(logs[begin], usual[begin]) for begin in begins}


def draw_season(logs: Sequence[float], usual: float) -> float:
    """Return the mean season of k years drawn to the usual one, the more so the less they agree.

    The variance between years is that of the logs, and of one year more that differs by 15 %.
    """
    spread = float(np.var(logs)) * len(logs) if logs else 0.0
    variance = (YEARLY_SD**2 + spread) / max(len(logs), 1)
    return shrink_factor(logs, SEASON_PRIOR * variance / YEARLY_SD**2, usual)


def usual_season(month_orders: Sequence[float] | None, begin: date, horizon_days: int) -> float:
    """Return by what factor the orders of a usual year exceed its average after `begin`."""
    if month_orders is None:
        return 1.0
    days = [begin + timedelta(days=ahead) for ahead in range(1, horizon_days + 1)]
    a_day = [month_orders[day.month - 1] / monthrange(day.year, day.month)[1] for day in days]
    return float(np.mean(a_day)) / (sum(month_orders) / 365)


def _season_logs(
    tracking: "_Tracking", begin: date, horizon_days: int, earliest: date
) -> list[float]:
    """Return the log of the season in each year in which the weeks after `begin` are known."""
    logs: list[float] = []
    year, horizon = timedelta(days=YEAR_DAYS), timedelta(days=horizon_days)
    while begin >= earliest:
        # In the middle of its year a window says nothing of a trend that the model missed.
        centred = begin - (year - horizon) // 2
        year_begin = min(max(centred, earliest), tracking.as_of - year)
        if begin + horizon <= tracking.as_of and year_begin >= earliest:
            window = tracking.actual_over_expected(begin, begin + horizon)
            whole = tracking.actual_over_expected(year_begin, year_begin + year)
            if window > 0 and whole > 0:
                logs.append(float(np.log(window / whole)))
        begin -= year
    return logs


def find_level(actual: Sequence[float], expected: Sequence[float]) -> float:
    """Return the factor that past totals needed, drawn to 1 by k / (k + 1) over k past cuts.

    A cut without orders or expectation says nothing.
    """
    logs = [np.log(a / e) for a, e in zip(actual, expected, strict=True) if a > 0 and e > 0]
    return shrink_factor(logs, LEVEL_PRIOR)


def shrink_factor(logs: Sequence[float], prior: float, towards: float = 1.0) -> float:
    """Return e to the mean of k logs, drawn to a factor by k / (k + prior), between 1/3 and 3."""
    drawn = (sum(logs) + prior * float(np.log(towards))) / (len(logs) + prior)
    return float(np.exp(np.clip(drawn, -np.log(LARGEST_CHANGE), np.log(LARGEST_CHANGE))))


def find_risk_level(
    logits: Sequence[Floats], shares: Sequence[float], seasons: Sequence[float]
) -> float:
    """Return by how much past log odds of no order were off, drawn to 0 by k / (k + 1).

    Args:
        logits: Of each past day, the customers' log odds of no order in an average season.
        shares: Of each, the share of customers that did not order, neither none nor all of them.
        seasons: Of each, by what factor orders exceeded the average.
    """
    past = zip(logits, shares, seasons, strict=True)
    shifts = [shift_to(day, share, season) for day, share, season in past]
    return sum(shifts) / (len(shifts) + LEVEL_PRIOR)


def shift_to(logits: Floats, share: float, season: float = 1.0) -> float:
    """Return what to add to log odds so that in a season the mean risk is a share in (0, 1)."""

    def miss(by: float) -> float:
        return float(change_hazard(expit(logits + by), season).mean()) - share

    return float(brentq(miss, -WIDEST, WIDEST))


def change_hazard(risk: Floats, multiplier: float) -> Floats:
    """Return the risk of no order if all order rates were `multiplier` times as high.

    No order of a Poisson process at m times the rate has the probability to the power of m.
    """
    changed: Floats = risk**multiplier
    return changed


@dataclass(frozen=True)
class _Tracking:
    """Repeat orders of a base, and what a model expected of it from the first orders alone."""

    first_days: Floats
    repeats: pl.DataFrame
    curve_days: Floats
    curve: Floats
    as_of: date

    def actual_over_expected(self, begin: date, end: date) -> float:
        """Return the ratio over the days after `begin` up to `end`, of customers known by then."""
        before, after = ((self.as_of - day).days for day in (begin, end))
        rows = self.repeats.filter(
            (pl.col("first_age") >= before) & (pl.col("age") < before) & (pl.col("age") >= after)
        )
        known = self.first_days[self.first_days >= before]
        expected = self._expected(known - after) - self._expected(known - before)
        return rows.height / expected if expected > 0 else 0.0

    def _expected(self, days: Floats) -> float:
        return float(np.interp(days, self.curve_days, self.curve).sum())


def _track(orders: pl.DataFrame, model: OrderModel, as_of: date) -> _Tracking:
    age = (pl.lit(as_of) - pl.col("ordered_on")).dt.total_days()
    aged = orders.select("customer_id", age=age).with_columns(
        first_age=pl.col("age").max().over("customer_id")
    )
    firsts = aged.filter(pl.col("age") == pl.col("first_age"))["age"].cast(pl.Float64).to_numpy()
    days = np.arange(0.0, firsts.max() + CURVE_STEP_DAYS, CURVE_STEP_DAYS)
    # The expected orders of a customer who has just bought for the first time.
    curve = model.expected_orders(days, 0.0, 0.0, 0.0)
    repeats = aged.filter(pl.col("age") < pl.col("first_age"))
    return _Tracking(firsts, repeats, days, curve, as_of)
