"""What is expected of tonight's customers: order days and margin, by what the back-test chose."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.past.backtest import Backtest
from pipelines.scoring.past.candidates import (
    BASELINES,
    OWN_RATE,
    Total,
    order_candidates,
    value_candidates,
)
from pipelines.scoring.past.days import Day
from pipelines.scoring.past.metrics import Floats


@dataclass(frozen=True)
class ChosenTotal:
    """The candidate to publish, and the level that the totals of earlier days needed."""

    name: str
    total: Total
    level: float
    horizon_days: int

    @property
    def basis(self) -> Literal["own_rate", "model"]:
        """What it rests on, as it is published."""
        return "own_rate" if self.name == OWN_RATE else "model"

    def expect(self, day: Day, ahead_days: int | None = None) -> Floats:
        """Return what is expected of the horizon in its season, or of so many days.

        Further ahead than the horizon the level holds, and seasons even out; but a year brings no
        less than the busy horizon that it begins with.
        """
        coming: Floats = self.total.expect(day, self.horizon_days) * day.season * self.level
        if ahead_days is None:
            return coming
        expected: Floats = self.total.expect(day, ahead_days) * self.level
        return np.maximum(expected, coming) if ahead_days >= self.horizon_days else expected


def choose_total(
    today: Day, backtest: Backtest, params: ScoringParams, target: Literal["orders", "value"]
) -> ChosenTotal:
    """Return the chosen model of order days or margin.

    The baseline stands in for a model that could not be fitted tonight, and where nothing was seen
    to choose by.

    Args:
        today: Of `see_today`.
        backtest: Of the same orders and day.
        params: Horizon.
        target: What is predicted.
    """
    chosen = backtest.choices[target].model
    candidates = {"orders": order_candidates, "value": value_candidates}[target](
        [*today.order_models], params.horizon_days
    )
    name = chosen if chosen is not None and chosen in candidates else BASELINES[target]
    earlier = backtest.days[: params.training_cuts]
    level = candidates[name].find_level(today, earlier, params.horizon_days)
    return ChosenTotal(name, candidates[name], level, params.horizon_days)
