from collections.abc import Callable
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

CALIBRATION_END = date(1997, 9, 30)
DAYS_PER_WEEK = 7.0


class Cdnow(NamedTuple):
    """Histories in weeks (as published), spend per repeat day, and orders in the next 39 weeks."""

    x: NDArray[np.float64]
    t_x: NDArray[np.float64]
    tenure: NDArray[np.float64]
    mean_spend: NDArray[np.float64]
    orders_after: NDArray[np.float64]


class SimulatedBase(NamedTuple):
    """Histories in days drawn from a known BG/NBD model, and the days to the next order."""

    x: NDArray[np.float64]
    t_x: NDArray[np.float64]
    tenure: NDArray[np.float64]
    days_to_next: NDArray[np.float64]


class SimulatedLifetimes(NamedTuple):
    """Histories in days drawn from a known Pareto/NBD model, and what came after them."""

    x: NDArray[np.float64]
    t_x: NDArray[np.float64]
    tenure: NDArray[np.float64]
    is_active: NDArray[np.bool_]
    orders_in_60_days: NDArray[np.float64]


@pytest.fixture(scope="session")
def cdnow_sample() -> Cdnow:
    return _read_cdnow("CDNOW_sample.txt", id_column=1)


@pytest.fixture(scope="session")
def cdnow_master() -> Cdnow:
    return _read_cdnow("CDNOW_master.txt", id_column=0)


@pytest.fixture(scope="session")
def simulate() -> Callable[..., SimulatedBase]:
    return _simulate


@pytest.fixture(scope="session")
def simulate_lifetimes() -> Callable[..., SimulatedLifetimes]:
    return _simulate_lifetimes


def _read_cdnow(name: str, id_column: int) -> Cdnow:
    # The package itself is never imported: it is unmaintained and warns on import.
    spec = find_spec("lifetimes")
    assert spec is not None, "lifetimes is in the dev extra: pip install -e .[dev]"
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "datasets" / name
    lines = [line.split() for line in path.read_text().splitlines()]
    rows = [fields for fields in lines if fields and fields[0].isdigit()]
    purchases = pl.DataFrame(
        {
            "customer": [fields[id_column] for fields in rows],
            "day": [datetime.strptime(f[id_column + 1], "%Y%m%d").date() for f in rows],  # noqa: DTZ007
            "spend": [float(fields[id_column + 3]) for fields in rows],
        }
    )
    days = purchases.group_by("customer", "day").agg(pl.col("spend").sum()).sort("customer", "day")
    known = pl.col("day") <= CALIBRATION_END
    customers = days.group_by("customer", maintain_order=True).agg(
        first=pl.col("day").min(),
        last=pl.col("day").filter(known).max(),
        x=known.sum() - 1,
        after=(~known).sum(),
        mean_spend=pl.col("spend").filter(known).slice(1).mean(),
    )
    return Cdnow(
        x=customers["x"].cast(pl.Float64).to_numpy(),
        t_x=(customers["last"] - customers["first"]).dt.total_days().to_numpy() / DAYS_PER_WEEK,
        tenure=np.array([(CALIBRATION_END - day).days for day in customers["first"]])
        / DAYS_PER_WEEK,
        mean_spend=customers["mean_spend"].fill_null(np.nan).to_numpy(),
        orders_after=customers["after"].cast(pl.Float64).to_numpy(),
    )


def _simulate(
    customers: int,
    *,
    r: float,
    alpha: float,
    a: float,
    b: float,
    seed: int,
    may_stop_at_once: bool = False,
) -> SimulatedBase:
    """Draw each customer's orders one after the other, as the (M)BG/NBD tells the story."""
    random = np.random.default_rng(seed)
    tenure = random.uniform(100.0, 1000.0, customers)
    rate = random.gamma(r, 1.0 / alpha, customers)
    stops = random.beta(a, b, customers)
    x, t_x, now = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    days_to_next = np.full(customers, np.inf)
    active = np.arange(customers)
    if may_stop_at_once:
        active = active[random.random(customers) > stops]
    while len(active):
        # A rate can underflow to zero: such a customer never orders again.
        with np.errstate(divide="ignore", over="ignore"):
            now[active] += random.exponential(1.0, len(active)) / rate[active]
        late = active[now[active] > tenure[active]]
        days_to_next[late] = now[late] - tenure[late]
        active = active[now[active] <= tenure[active]]
        x[active] += 1.0
        t_x[active] = now[active]
        active = active[random.random(len(active)) > stops[active]]
    return SimulatedBase(x, t_x, tenure, days_to_next)


def _simulate_lifetimes(
    customers: int, *, r: float, alpha: float, s: float, beta: float, seed: int
) -> SimulatedLifetimes:
    """Draw customers in continuous time, as the Pareto/NBD tells the story."""
    random = np.random.default_rng(seed)
    tenure = random.uniform(100.0, 400.0, customers)
    rate = random.gamma(r, 1.0 / alpha, customers)
    # A stopping rate can underflow to zero: such a customer stays.
    stop_rate = np.maximum(random.gamma(s, 1.0 / beta, customers), 1e-300)
    stops_after = random.exponential(1.0, customers) / stop_rate
    active_days = np.minimum(stops_after, tenure)
    x = random.poisson(rate * active_days).astype(np.float64)
    # The last of x moments that are spread evenly over the active days.
    last = active_days * random.random(customers) ** (1.0 / np.maximum(x, 1.0))
    days_to_come = np.minimum(stops_after, tenure + 60.0) - active_days
    orders_after = random.poisson(rate * days_to_come).astype(np.float64)
    return SimulatedLifetimes(
        x, np.where(x > 0, last, 0.0), tenure, stops_after > tenure, orders_after
    )
