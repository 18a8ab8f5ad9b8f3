"""A distribution as it was on one day: the percentile of any value in it, and the way back.

Percentiles are mid-ranks: the share of customers below a value and half of those who have it, so
equal values have equal percentiles in whatever order they come.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
STEPS = 1000  # a value that fewer than one in so many have may be left out and interpolated
DIGITS = 9


@dataclass(frozen=True)
class Scale:
    """Values in rising order, the share of customers below each, and that up to and with it."""

    values: Floats
    below: Floats
    upto: Floats

    @property
    def middle(self) -> Floats:
        """Percentile of each value."""
        middle: Floats = np.round((self.below + self.upto) / 2, DIGITS)
        return middle

    def rate(self, values: Floats) -> Floats:
        """Percentile of each value, 0 to 1; not a number where there is none.

        Between two values of the scale nobody was, or too few to be kept: there it rises evenly
        from the share up to the lower to the share below the higher.
        """
        place = np.searchsorted(self.values, values, side="left")
        at = np.minimum(place, len(self.values) - 1)
        knots = np.concatenate([[self.values[0]], self.values, [self.values[-1]]])
        low, high = knots[place], knots[np.minimum(place + 1, len(knots) - 1)]
        from_rate = np.concatenate([[0.0], self.upto])[place]
        to_rate = np.concatenate([self.below, [1.0]])[place]
        share = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
        between = from_rate + np.clip(share, 0, 1) * (to_rate - from_rate)
        rates = np.where(self.values[at] == values, self.middle[at], between)
        result: Floats = np.where(np.isnan(values), np.nan, np.round(rates, DIGITS))
        return result

    def value_at(self, rates: Floats, unit: float) -> Floats:
        """The lowest multiple of a unit that has at least a percentile; not a number above 1."""
        place = np.searchsorted(self.middle, rates, side="left")
        at = np.minimum(place, len(self.values) - 1)
        before = np.maximum(place - 1, 0)
        low, from_rate = self.values[before], self.upto[before]
        high, to_rate = self.values[at], self.below[at]
        share = np.divide(
            rates - from_rate, to_rate - from_rate,
            out=np.zeros_like(rates), where=to_rate > from_rate,
        )  # fmt: skip
        # Just above the lower value is enough where nobody was between the two.
        between = np.floor(np.round((low + np.clip(share, 0, 1) * (high - low)) / unit, 6)) * unit
        between = np.where(rates <= to_rate, np.minimum(between + unit, high), high)
        found = np.where(place == 0, high, np.where(place == len(self.values), low + unit, between))
        result: Floats = np.where(np.isnan(rates) | (rates > 1), np.nan, found)
        return result

    def cut_at(self, rate: float) -> float | None:
        """The lowest value on the scale that has at least a percentile; None if none has."""
        place = int(np.searchsorted(self.middle, round(rate, DIGITS), side="left"))
        return float(self.values[place]) if place < len(self.values) else None


def take_scale(values: pl.Series) -> Scale | None:
    """The distribution of values; None if there are none."""
    known = values.drop_nulls().to_numpy().astype(np.float64)
    if not len(known):
        return None
    found, counts = np.unique(known, return_counts=True)
    upto = np.cumsum(counts) / len(known)
    below = np.concatenate([[0.0], upto[:-1]])
    if len(found) > STEPS:
        # The first value beyond each step; whatever many customers share is among them.
        kept = np.unique(np.searchsorted(upto, np.arange(STEPS + 1) / STEPS, side="left"))
        kept = kept[kept < len(found)]
        found, below, upto = found[kept], below[kept], upto[kept]
    return Scale(found, np.round(below, DIGITS), np.round(upto, DIGITS))


def read_scale(rows: pl.DataFrame) -> Scale:
    """A scale from its rows: value, below_rate, upto_rate."""
    values, below, upto = (
        rows.sort("value")[name].to_numpy() for name in ("value", "below_rate", "upto_rate")
    )
    return Scale(values, below, upto)


def scale_rows(scale: Scale, **named: Any) -> pl.DataFrame:
    """A scale as rows."""
    rows = {"value": scale.values, "below_rate": scale.below, "upto_rate": scale.upto}
    return pl.DataFrame(rows).with_columns(
        pl.lit(value).alias(name) for name, value in named.items()
    )
