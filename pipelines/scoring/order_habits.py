"""On which weekday, and at which hour, does a customer usually order?

A few orders say little of a habit, so each customer's counts are shrunk to the whole base's shares:
the Dirichlet-multinomial model. How strongly, the data say: the more alike customers are, the more.
Source: Minka (2000), "Estimating a Dirichlet distribution", section 4.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from pipelines.rules.next_order import NextOrder
from pipelines.scoring.models.newton import Floats

DECIMALS = 6
CLEAR_ERRORS = 2.0
# Between nearly no shrinkage and a base in which everybody is alike.
LEAST_STRENGTH, MOST_STRENGTH = 0.01, 1e6
WEEKDAYS = tuple(range(1, 8))
HOURS = tuple(range(24))


class HabitReport(BaseModel):
    """How a habit did on the days kept back, against the base's favourite for everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["own_habit", "base_habit"] = Field(description="What is published.")
    grade: Literal["A", "B", "C"] | None = Field(
        description="Against the base's favourite: A clearly better, B as good, C worse."
    )
    reason: str = Field(description="Why, in a sentence.")
    favourite: int | None = Field(description="The base's favourite; null without an order.")
    strength: float | None = Field(description="Weight of the base's shares, in orders.")
    customers: int = Field(description="Customers who ordered both before the days and in them.")
    hit_rate: float | None = Field(description="Share of their later orders that their habits hit.")
    base_hit_rate: float | None = Field(description="The same, for the base's favourite.")


@dataclass(frozen=True)
class Habits:
    """A customer's best weekday and hour, and how such habits did before."""

    habits: pl.DataFrame
    weekday: HabitReport
    hour: HabitReport


def find_habits(orders: pl.DataFrame, rules: NextOrder, as_of: date) -> Habits:
    """Return the weekday and hour at which each customer's next order is most likely.

    Args:
        orders: customer_id, ordered_on (local date) and ordered_hour (0-23, null if unknown), a row
            for each order; two orders of one day, or of one hour, count once.
        rules: The days kept back to judge by.
        as_of: Later orders are passed over.

    Returns:
        A row for each customer with an order, sorted: best_weekday (ISO, 1 is Monday), best_hour,
        each with `_rate` (how many of the orders are expected then) and `_order_count` (the
        customer's own that were counted). A habit that did worse than the base's favourite on the
        days kept back, or cannot be judged, is not published: then all get the favourite.
        No order of rows changes the result.
    """
    known = orders.filter(pl.col("ordered_on") <= as_of)
    weekday, weekday_report = _find_habit(
        known.select("customer_id", "ordered_on", kind=pl.col("ordered_on").dt.weekday()),
        "weekday", WEEKDAYS, rules, as_of,
    )  # fmt: skip
    # A source that knows only days gives midnight for every order.
    timed = known if known["ordered_hour"].drop_nulls().n_unique() > 1 else known.clear()
    hour, hour_report = _find_habit(
        timed.select("customer_id", "ordered_on", kind="ordered_hour").drop_nulls("kind"),
        "hour", HOURS, rules, as_of,
    )  # fmt: skip
    habits = (
        weekday.join(hour, on="customer_id", how="left")
        .with_columns(pl.col("hour_order_count").fill_null(0))
        .sort("customer_id")
    )
    return Habits(habits, weekday_report, hour_report)


def _find_habit(
    moments: pl.DataFrame, name: str, kinds: tuple[int, ...], rules: NextOrder, as_of: date
) -> tuple[pl.DataFrame, HabitReport]:
    moments = moments.with_columns(pl.col("kind").cast(pl.Int64)).unique()
    report = _judge(moments, kinds, rules, as_of)
    own = _choose(moments, kinds, report.strength if report.method == "own_habit" else None)
    return own.select(
        "customer_id",
        pl.col("best").alias(f"best_{name}"),
        pl.col("rate").alias(f"best_{name}_rate"),
        pl.col("orders").alias(f"{name}_order_count"),
    ), report


def _choose(moments: pl.DataFrame, kinds: tuple[int, ...], strength: float | None) -> pl.DataFrame:
    """Return each customer's most likely kind; the base's favourite where strength is None."""
    counts = count_kinds(moments, kinds)
    base = _shares(counts, kinds)
    own = counts.select(str(kind) for kind in kinds).to_numpy().astype(np.float64)
    orders = own.sum(axis=1, keepdims=True)
    expected = (
        np.broadcast_to(base, own.shape)
        if strength is None
        else (own + strength * base) / (orders + strength)
    )
    expected = expected.round(DECIMALS)
    best = expected.argmax(axis=1) if len(own) else np.empty(0, dtype=np.int64)
    return counts.select(
        "customer_id",
        best=pl.Series(np.array(kinds, dtype=np.int64)[best]),
        rate=pl.Series(np.take_along_axis(expected, best[:, np.newaxis], axis=1)[:, 0]),
        orders=pl.Series(orders[:, 0].astype(np.int64)),
    )


def count_kinds(moments: pl.DataFrame, kinds: tuple[int, ...]) -> pl.DataFrame:
    """Return a row for each customer, and in a column for each kind how many moments are of it."""
    return (
        moments.group_by("customer_id")
        .agg((pl.col("kind") == kind).sum().cast(pl.Int64).alias(str(kind)) for kind in kinds)
        .sort("customer_id")
    )


def _shares(counts: pl.DataFrame, kinds: tuple[int, ...]) -> Floats:
    """Return the base's share of each kind, every kind counted once more than seen."""
    total: Floats = np.array([counts[str(kind)].sum() for kind in kinds], dtype=np.float64) + 1.0
    shares: Floats = total / total.sum()
    return shares


def estimate_strength(counts: pl.DataFrame, kinds: tuple[int, ...]) -> float:
    """Return the weight of the base's shares, in orders, that makes all customers most likely.

    The likelihood needs only how many customers have each count, so it costs the same for any
    number of customers.
    """
    base = _shares(counts, kinds)
    columns = [counts[str(kind)].to_numpy() for kind in kinds]
    orders = np.bincount(sum(columns, np.zeros(counts.height, dtype=np.int64)))
    of_kind = [np.bincount(column) for column in columns]

    def loss(log_strength: float) -> float:
        strength = float(np.exp(log_strength))
        total = float((orders * _rising(strength, len(orders))).sum())
        parts = (
            float((seen * _rising(strength * share, len(seen))).sum())
            for share, seen in zip(base, of_kind, strict=True)
        )
        return total - sum(parts)

    limits = (float(np.log(LEAST_STRENGTH)), float(np.log(MOST_STRENGTH)))
    best = minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(best.x))


def _rising(start: float, count: int) -> Floats:
    """Return ln start (start + 1) ... (start + n - 1) for n = 0, 1, ... below count."""
    rising: Floats = gammaln(start + np.arange(count)) - gammaln(start)
    return rising


def _judge(
    moments: pl.DataFrame, kinds: tuple[int, ...], rules: NextOrder, as_of: date
) -> HabitReport:
    """Return how the habits of before the days kept back did in them."""
    cut = as_of - timedelta(days=rules.backtest_days)
    before, after = (moments.filter(part) for part in _parts(cut))
    customers = after.join(before, on="customer_id", how="semi")["customer_id"].n_unique()
    counts = count_kinds(moments, kinds)
    facts = {
        "favourite": kinds[int(_shares(counts, kinds).argmax())] if counts.height else None,
        "strength": round(estimate_strength(counts, kinds), 4) if counts.height else None,
        "customers": customers,
    }
    if customers < rules.min_backtest_customers:
        return HabitReport(
            method="base_habit",
            grade=None,
            reason=f"{customers} customers ordered both before {cut} and after it; "
            f"{rules.min_backtest_customers} are needed to judge. All get the base's favourite.",
            hit_rate=None,
            base_hit_rate=None,
            **facts,
        )
    strength = estimate_strength(count_kinds(before, kinds), kinds)
    own, base = (_count_hits(_choose(before, kinds, weight), after) for weight in (strength, None))
    gain = (own["hits"] - base["hits"]).to_numpy()
    # The orders of one customer are alike, so the customers are counted, not the orders.
    clear = int(gain.sum()) > CLEAR_ERRORS * float((gain**2).sum()) ** 0.5
    grade: Literal["A", "B", "C"] = "C" if gain.sum() < 0 else "A" if clear else "B"
    verdict = {"A": "clearly better", "B": "as good", "C": "worse, so all get the favourite"}[grade]
    orders = int(own["orders"].sum())
    rate, base_rate = (int(found["hits"].sum()) / orders for found in (own, base))
    return HabitReport(
        method="base_habit" if grade == "C" else "own_habit",
        grade=grade,
        reason=f"Of {orders} orders of {customers} customers after {cut}, their own habits hit "
        f"{rate:.1%} and the base's favourite {base_rate:.1%}: {verdict}.",
        hit_rate=round(rate, DECIMALS),
        base_hit_rate=round(base_rate, DECIMALS),
        **facts,
    )


def _parts(cut: date) -> tuple[pl.Expr, pl.Expr]:
    return pl.col("ordered_on") <= cut, pl.col("ordered_on") > cut


def _count_hits(chosen: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return for each customer how many later orders there are, and how many of the chosen kind."""
    return (
        after.join(chosen, on="customer_id")
        .group_by("customer_id")
        .agg(
            hits=(pl.col("kind") == pl.col("best")).sum().cast(pl.Int64),
            orders=pl.len().cast(pl.Int64),
        )
        .sort("customer_id")
    )
