"""What is published of customers beside their risk: orders and value to expect, the next order."""

import numpy as np
import polars as pl

from pipelines.rules.next_order import NextOrder
from pipelines.scoring.models.channels import of_rows
from pipelines.scoring.models.newton import Floats
from pipelines.scoring.models.order_model import OrderModel
from pipelines.scoring.next_order import NoOrderWithin, Rows, predict_windows
from pipelines.scoring.past.candidates import OWN_RATE
from pipelines.scoring.past.days import Day
from pipelines.scoring.totals import ChosenTotal
from pipelines.scoring.value import YEAR_DAYS, Histories, as_money, bound_year, discount_years

DECIMALS = 6
# Nobody is surer than one in a million; a chance of nought or one has no exponent.
LEAST_CHANCE = 1e-6


def tell_value(
    day: Day, model: OrderModel, orders: ChosenTotal, value: ChosenTotal, discount_rate: float
) -> pl.DataFrame:
    """Return histories, chances, expected orders and expected margins, a row per customer.

    Args:
        day: The customers as of tonight, all or some.
        model: The fit in use.
        orders: What the back-test chose to expect order days by.
        value: What it chose to expect margins by.
        discount_rate: A year, for the value of three years.
    """
    x, t_x, tenure = day.histories
    counts, money = _expect(day, orders), _expect(day, value)
    # Unknown, not nought: where nobody's margin is known, nobody's value is.
    unknown = np.isnan(day.expected_margins)
    money = [np.where(unknown, np.nan, amount) for amount in money]
    low, high = _bound(day, value)
    most = {"horizon": orders.horizon_days, "365d": YEAR_DAYS, "1095d": 3 * YEAR_DAYS}
    amounts = {
        "expected_order_margin": day.expected_margins,
        "clv_horizon": money[0],
        "clv_365d": money[1],
        "clv_365d_low": low,
        "clv_365d_high": high,
        "clv_1095d": discount_years(money[1:], discount_rate),
    }
    return day.aggregates.select(
        "customer_id",
        frequency_count=pl.col("order_day_count").cast(pl.Int64) - 1,
        recency_days=pl.col("tenure_days").cast(pl.Int64) - pl.col("recency_days"),
        tenure_days=pl.col("tenure_days").cast(pl.Int64),
        p_alive=pl.Series(model.p_alive(x, t_x, tenure)).round(DECIMALS),
        # There are no more purchase days than days.
        **{
            f"expected_orders_{name}_count": pl.Series(np.minimum(count, days)).round(DECIMALS)
            for (name, days), count in zip(most.items(), (*counts[:2], counts[3]), strict=True)
        },
        expected_orders_basis=pl.lit(orders.basis),
        **{f"{name}_amount": as_money(amount) for name, amount in amounts.items()},
        clv_basis=pl.lit(value.basis),
    )


def _expect(day: Day, total: ChosenTotal) -> list[Floats]:
    """What is expected of the horizon, and of one, two and three years."""
    return [total.expect(day, ahead) for ahead in (None, *(YEAR_DAYS * n for n in (1, 2, 3)))]


def _bound(day: Day, value: ChosenTotal) -> tuple[Floats, Floats]:
    """The bounds of the coming year's margin; of a customer's own rate there are none."""
    if value.name == OWN_RATE:
        nothing = np.full_like(day.expected_margins, np.nan)
        return nothing, nothing
    expected = value.level * day.expected_orders(value.name, YEAR_DAYS)
    past, margins = Histories(*day.histories, day.mean_margins), day.margins.parameters
    return bound_year(past, day.order_models[value.name], margins, expected, value.level)


def tell_windows(
    day: Day, model: OrderModel, churn_risk: Floats, horizon_days: int, rules: NextOrder
) -> pl.DataFrame:
    """Return when the next order comes, so that the horizon's risk is the published one.

    All order rates of a customer are taken so many times as high as turns the model's chance of no
    order in the horizon into the risk.

    Args:
        day: The customers as of tonight, all or some.
        model: The fit in use.
        churn_risk: Of each of them, as published.
        horizon_days: Of the risk.
        rules: See `predict_windows`.
    """
    plain, risk = (
        np.clip(chance, LEAST_CHANCE, 1.0 - LEAST_CHANCE)
        for chance in (model.p_no_order(horizon_days, *day.histories), churn_risk)
    )
    times = np.log(risk) / np.log(plain)

    def no_order_of(rows: Rows) -> NoOrderWithin:
        some = of_rows(model, rows)
        silence, powers = some.silence(*(past[rows] for past in day.histories)), times[rows]
        return lambda days: silence(days) ** powers

    return predict_windows(day.aggregates["customer_id"], no_order_of, rules, day.feature_on)
