"""The frame of the made-up world: its calendar, its seasons, its chance, its goods.

Every draw comes from `draw(seed, chunk, topic)`, a counter-based generator, so that a chunk of
people has the same history whatever day the company is written for, and chunks can be made in any
order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.demo import vocabulary as words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Window = tuple[int, int]  # seconds of the world: from, and before

ORIGIN = date(2023, 1, 1)
HORIZON = date(2027, 12, 31)
KNOWN_BY = date(2026, 6, 30)
LOCAL = timezone(timedelta(hours=8))  # China has had one zone without summer time since 1992
DAY = 86_400
SPAN = ((HORIZON - ORIGIN).days + 1) * DAY
NEVER = 10 * SPAN  # an instant that no window reaches
CHUNK = 20_000
LATE_SHARE = 0.36  # people acquired after KNOWN_BY, per person acquired before: the same daily rate
MONEY = pl.Decimal(18, 4)

_ORIGIN_EPOCH = int(datetime(ORIGIN.year, ORIGIN.month, ORIGIN.day, tzinfo=LOCAL).timestamp())
_TOPICS = (
    "products",
    "rates",
    "people",
    "accounts",
    "shop",
    "crm",
    "wecom",
    "orders",
    "order_text",
    "refunds",
    "points",
    "referrals",
    "web",
    "mail",
    "social",
    "surveys",
    "cases",
    "activities",
    "deals",
    "consents",
    "links",
    "totals",
    "wechat",
)


@dataclass(frozen=True)
class Chunk:
    """A slice of the population that is drawn in one go: `size` persons from number `first`."""

    number: int
    first: int
    size: int
    late: bool

    @property
    def begins(self) -> int:
        """The second from which people of this chunk are acquired; nothing of it happens before."""
        return second_of(KNOWN_BY) + DAY if self.late else 0

    @property
    def ends(self) -> int:
        """The second before which they are acquired; their lives go on after it."""
        return SPAN if self.late else second_of(KNOWN_BY) + DAY


@dataclass(frozen=True)
class Catalogue:
    """What is on sale, as arrays in the order of `products`.

    Category by category, cheap to dear.
    """

    products: pl.DataFrame
    prices: Ints  # fen
    costs: Ints  # fen
    launched: Ints
    dropped: Ints


def draw(seed: int, chunk: int, topic: str) -> np.random.Generator:
    """Return the generator of one topic of one chunk."""
    key = np.array([seed % 2**64, chunk * 64 + _TOPICS.index(topic)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def plan_chunks(customers: int) -> list[Chunk]:
    """Split the population: `customers` persons acquired by KNOWN_BY, then those who come later."""
    chunks: list[Chunk] = []
    first = 0
    for count, late in ((customers, False), (round(customers * LATE_SHARE), True)):
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            chunks.append(Chunk(len(chunks), first + start, size, late))
        first += count
    return chunks


def second_of(day: date) -> int:
    """Return the local midnight that begins a day, in seconds since the world's origin."""
    return (day - ORIGIN).days * DAY


def to_utc(seconds: NDArray[Any]) -> pl.Series:
    """Turn seconds of the world into UTC instants; what lies beyond the horizon stays null."""
    whole = seconds.astype(np.int64)
    instants = pl.Series((whole + _ORIGIN_EPOCH) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    blank = pl.Series(np.zeros(len(whole), dtype=bool) | (whole >= NEVER))
    return pl.select(pl.when(~blank).then(instants)).to_series()


def to_day(seconds: NDArray[Any]) -> pl.Series:
    """Turn seconds of the world into local dates; what lies beyond the horizon stays null."""
    days = seconds.astype(np.int64) // DAY
    dates = pl.Series((days + (ORIGIN - date(1970, 1, 1)).days).astype(np.int32)).cast(pl.Date)
    return pl.select(pl.when(pl.Series(days * DAY < NEVER)).then(dates)).to_series()


def to_money(fen: NDArray[Any]) -> pl.Series:
    """Turn whole hundredths into money."""
    return (pl.Series(fen.astype(np.int64)) / 100).cast(MONEY)


def pick(choices: Sequence[Any], index: NDArray[Any]) -> pl.Series:
    """Return the chosen words, one per index."""
    return pl.Series(list(choices)).gather(index.astype(np.uint32))


def keep_where(values: pl.Series, kept: NDArray[np.bool_]) -> pl.Series:
    """Return the values with nulls wherever `kept` is false."""
    return pl.select(pl.when(pl.Series(kept)).then(values)).to_series()


def make_ids(prefix: str, chunk: int, count: int, width: int = 7) -> pl.Series:
    """Return running ids of one chunk; every id ends in digits, which `dirt` relies on."""
    numbers = pl.Series(np.arange(count))
    return pl.select(
        pl.lit(f"{prefix}{chunk:04d}") + numbers.cast(pl.String).str.zfill(width)
    ).to_series()


def choose(chance: np.random.Generator, weights: Sequence[float] | Floats, count: int) -> Ints:
    """Draw `count` indices with the given relative weights."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.searchsorted(edges, chance.random(count), side="right").astype(np.int64)


def season_of_days() -> Floats:
    """Return demand per local day relative to the mean.

    11.11, 618, December, the quiet of the new year.
    """
    days = [ORIGIN + timedelta(days=i) for i in range(SPAN // DAY)]
    demand = np.ones(len(days))
    for i, day in enumerate(days):
        md = (day.month, day.day)
        demand[i] *= 1.15 if day.weekday() >= 5 else 1.0
        demand[i] *= 1.3 if day.month == 12 else 1.0
        demand[i] *= 0.7 if (1, 20) <= md <= (2, 20) else 1.0
        demand[i] *= 1.5 if (6, 1) <= md <= (6, 18) else 1.0
        demand[i] *= 1.8 if (11, 1) <= md <= (11, 11) else 1.0
        demand[i] *= 2.2 if md in ((11, 11), (6, 18), (12, 12)) else 1.0
    return np.asarray(demand / demand.mean(), dtype=np.float64)


_CLOCK = np.arange(SPAN // DAY + 1, dtype=np.float64) * DAY
_DEMAND = np.concatenate(([0.0], np.cumsum(season_of_days()))) * DAY
_HOURS = (1, 1, 1, 1, 1, 1, 2, 4, 6, 9, 10, 10, 11, 10, 9, 9, 9, 10, 11, 14, 18, 18, 12, 5)


def demand_at(seconds: NDArray[Any]) -> Floats:
    """Return the seasonal clock.

    It runs fast when demand is high and keeps the mean pace of seconds.
    """
    return np.asarray(np.interp(seconds, _CLOCK, _DEMAND), dtype=np.float64)


def second_at(demand: Floats) -> Floats:
    """Return the inverse of `demand_at`."""
    return np.asarray(np.interp(demand, _DEMAND, _CLOCK), dtype=np.float64)


def draw_hours(chance: np.random.Generator, count: int) -> Ints:
    """Draw local hours of the day, busiest in the evening."""
    return choose(chance, _HOURS, count)


def set_hours(chance: np.random.Generator, seconds: NDArray[Any], hours: Ints) -> Ints:
    """Keep the days and give them hours, with a minute and second at random."""
    days = seconds.astype(np.int64) // DAY
    return days * DAY + hours * 3600 + chance.integers(0, 3600, len(days))


def repeat_rows(counts: NDArray[Any]) -> Ints:
    """Return 0, 0, 1, 2, 2, 2 … : the row number of the parent for each of its children."""
    return np.repeat(np.arange(len(counts)), counts)


def number_within(parents: NDArray[Any]) -> Ints:
    """Return 0, 1, 0, 0, 1, 2 … : the place of each child under its parent, for sorted parents."""
    if len(parents) == 0:
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate(([True], parents[1:] != parents[:-1])))
    lengths = np.diff(np.concatenate((starts, [len(parents)])))
    return np.arange(len(parents)) - np.repeat(starts, lengths)


def draw_seasonal(chance: np.random.Generator, low: int, high: int, count: int) -> Ints:
    """Draw moments between two seconds, more of them in season, with hours of the day."""
    first, last = demand_at(np.array([low, high]))
    return set_hours(
        chance, second_at(chance.uniform(first, last, count)), draw_hours(chance, count)
    )


def draw_visits(
    start: Ints, stop: Ints, rate: Floats, chance: np.random.Generator
) -> tuple[Ints, Ints]:
    """Draw moments between start and stop on the seasonal clock.

    Return the row and the second of each.
    """
    low, high = demand_at(np.minimum(start, SPAN)), demand_at(np.minimum(stop, SPAN))
    counts = chance.poisson(np.maximum(high - low, 0) / DAY * rate)
    parent = repeat_rows(np.minimum(counts, 500))
    at = second_at(low[parent] + chance.random(len(parent)) * (high - low)[parent])
    return parent, np.maximum(
        set_hours(chance, at, draw_hours(chance, len(parent))), start[parent] + 60
    )


def inside(at: Ints, window: Window) -> Flags:
    """Return which instants fall into the window."""
    return (at >= window[0]) & (at < window[1])


def number_ids(prefix: str, chunk: Chunk, numbers: Ints) -> pl.Series:
    """Return ids for the given places in the whole history of a chunk."""
    return pl.select(
        pl.lit(f"{prefix}{chunk.number:04d}") + pl.Series(numbers).cast(pl.String).str.zfill(8)
    ).to_series()


def make_catalogue(seed: int) -> Catalogue:
    """Make the products.

    Every second one came late or left early, its cheaper neighbour never does.
    """
    chance = draw(seed, 0, "products")
    per = len(words.PRODUCT_STYLES)
    category = np.repeat(np.arange(len(words.CATEGORIES)), per)
    style = np.tile(np.arange(per), len(words.CATEGORIES))
    typical = np.array([c[3] for c in words.CATEGORIES])[category]
    count = len(category)
    # Prices run from a quarter to eight times the typical one, and end in 9 as shop prices do.
    prices = (np.round(typical * 0.25 * 32 ** (style / (per - 1)) / 10) * 10 + 9).astype(
        np.int64
    ) * 100
    costs = (prices * (0.54 + 0.14 * chance.random(count))).astype(np.int64)
    fleeting = style % 2 == 1
    launched = (
        np.where(fleeting & (chance.random(count) < 0.4), chance.integers(0, 1000, count), 0) * DAY
    )
    leaves = fleeting & (chance.random(count) < 0.35)
    dropped = np.where(leaves, chance.integers(1001, 1700, count) * DAY, NEVER)
    products = pl.DataFrame(
        {
            "id": [f"SKU{i:06d}" for i in range(count)],
            "name": [
                f"{kind[2]} {look[1]} {look[0]} {kind[1]}"
                for kind in words.CATEGORIES
                for look in words.PRODUCT_STYLES
            ],
            "category_path": [
                f"{words.CATEGORIES[c][0]} > {words.CATEGORIES[c][1]}" for c in category
            ],
            "brand": [words.CATEGORIES[c][4] for c in category],
            "unit_price": to_money(prices),
            "unit_cost": to_money(costs),
            "currency": ["CNY"] * count,
        }
    )
    return Catalogue(products, prices, costs, launched, dropped)


def draw_rates(seed: int) -> dict[str, Floats]:
    """Return the price of one unit of each currency in CNY on each local day."""
    chance = draw(seed, 0, "rates")
    rates: dict[str, Floats] = {}
    for currency, start in (("USD", 7.1), ("HKD", 0.91)):
        walk = np.exp(np.cumsum(chance.normal(0, 0.0018, SPAN // DAY)))
        rates[currency] = np.asarray(np.round(start * walk, 6), dtype=np.float64)
    return rates
