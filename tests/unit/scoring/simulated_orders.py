"""Order days of made-up customers who order at their own rate and one day stop."""

from datetime import date, timedelta

import numpy as np
import polars as pl

AS_OF = date(2026, 6, 30)


def simulate_orders(
    customers: int = 1_500,
    *,
    days: int = 540,
    seed: int = 5,
    busy_months: tuple[int, ...] = (),
    busier: float = 1.0,
) -> pl.DataFrame:
    """Order days up to AS_OF; in busy months customers order `busier` times as often."""
    random = np.random.default_rng(seed)
    first = AS_OF - timedelta(days=days - 1)
    begins = random.integers(0, int(days * 0.8), customers)
    rates = random.gamma(1.0, 1.0 / 40.0, customers)
    ends = begins + random.exponential(250.0, customers)
    ends[random.random(customers) < 0.3] = 0.0
    calendar = [first + timedelta(days=day) for day in range(days)]
    factor = np.array([busier if day.month in busy_months else 1.0 for day in calendar])
    day = np.arange(days)
    chance = 1.0 - np.exp(-rates[:, None] * factor)
    alive = (day > begins[:, None]) & (day <= ends[:, None])
    ordered = (random.random((customers, days)) < chance) & alive
    ordered[np.arange(customers), begins] = True
    who, when = np.nonzero(ordered)
    margins = random.gamma(4.0, 5.0, len(who)).round(2)
    return pl.DataFrame(
        {
            "customer_id": [f"c{number:05d}" for number in who],
            "ordered_on": [calendar[index] for index in when],
            "margin_amount": pl.Series(margins).cast(pl.Decimal(18, 4)),
            "is_discounted": random.random(len(who)) < 0.2,
        }
    )
