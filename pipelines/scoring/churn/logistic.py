"""The risk of no order in the next horizon: a logistic regression on past snapshots.

The level of a risk comes from the models of order times, refitted at each day; what a customer does
differently from the base of the same day moves it up or down. So features are measured against the
base of their own day, and a base that ages or grows does not look like customers who leave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import polars as pl
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pipelines.scoring.past.metrics import Bools, Floats, log_losses

# Chosen on forward predictions; the middle one where there is only one past snapshot to learn from.
STRENGTHS = (0.003, 0.03, 0.3)
USUAL_STRENGTH = 0.03
# So many past days are predicted from the ones before them.
MOST_LOOKS = 2
# scikit-learn shrinks all columns alike; a column this much larger is left free.
FREE_SCALE = 100.0
# Standard deviations beyond which a customer is no stranger still.
STRANGEST = 5.0


# Mean and standard deviation of each feature over all customers of a day.
Base = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Example:
    """Features of one day and, of a past day, what came after: rows of one customer each."""

    features: pl.DataFrame
    is_churned: Bools


@dataclass(frozen=True)
class Explained:
    """The log odds of churn taken apart: `base` plus a row's contributions is its logit."""

    base: float
    columns: tuple[str, ...]
    contributions: Floats

    @property
    def logits(self) -> Floats:
        """The log odds of each row."""
        total: Floats = self.base + self.contributions.sum(axis=1)
        return total


class ChurnModel(Protocol):
    """What can say how likely a customer is not to order, and why."""

    def explain(self, features: pl.DataFrame, base: Base | None = None) -> Explained:
        """Return each feature's part of the log odds, against the mean of the base.

        Args:
            features: Customers, all or some.
            base: Of `describe_base` of all customers; of these rows if it is not given.
        """
        ...


@dataclass(frozen=True)
class LogisticChurn:
    """A fitted model: the sum of the `level` columns as it is, the others against the base.

    `slope` calibrates how sure the model is, learnt on predictions of days it had not seen (1 where
    there were none).
    """

    level: tuple[str, ...]
    columns: tuple[str, ...]
    coefficients: Floats
    level_weight: float
    intercept: float
    strength: float
    slope: float = 1.0

    def explain(self, features: pl.DataFrame, base: Base | None = None) -> Explained:
        """Return each feature's part of the log odds."""
        base = base or describe_base(features)
        parts = np.hstack(
            (
                measure_levels(features, self.level, base) * self.level_weight,
                measure_against_base(features, self.columns, base) * self.coefficients,
            )
        )
        mean = self.intercept + self.level_weight * sum(base[name][0] for name in self.level)
        names = (*(f"{name}:level" for name in self.level), *self.columns)
        return Explained(mean, names, self.slope * parts)


@dataclass(frozen=True)
class LevelledChurn:
    """A model of churn whose log odds are all moved by as much."""

    model: ChurnModel
    shift: float

    def explain(self, features: pl.DataFrame, base: Base | None = None) -> Explained:
        """Return each feature's part of the log odds; the shift is in what all have."""
        told = self.model.explain(features, base)
        return replace(told, base=told.base + self.shift)


def measure_levels(features: pl.DataFrame, level: Sequence[str], base: Base) -> Floats:
    """Return columns as they are, less the base's means."""
    distances: Floats = features.select(level).to_numpy() - np.array([base[n][0] for n in level])
    return distances


def describe_base(features: pl.DataFrame) -> Base:
    """Return mean and standard deviation of each column over the rows where it is known."""
    base = {}
    for name in features.columns:
        if name != "customer_id":
            values = features[name].cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
            spread = float(values.std()) if len(values) else 0.0
            base[name] = (float(values.mean()) if len(values) else 0.0, spread)
    return base


def measure_against_base(
    features: pl.DataFrame, columns: Sequence[str], base: Base | None = None
) -> Floats:
    """Return columns in standard deviations from the base's mean; unknown counts as the mean."""
    base = base or describe_base(features.select(columns))
    measured = np.zeros((features.height, len(columns)))
    for place, name in enumerate(columns):
        mean, spread = base[name]
        if spread > 0:
            values = features[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
            distance = np.clip((values - mean) / spread, -STRANGEST, STRANGEST)
            measured[:, place] = np.nan_to_num(distance)
    return measured


def fit_logistic(
    examples: Sequence[Example], level: Sequence[str], columns: Sequence[str]
) -> LogisticChurn:
    """Return the model of past snapshots, its strength and slope learnt on days it had not seen.

    With two or more snapshots, the newest two are also predicted, each by a model of the older ones
    only. The strength of shrinkage that foresees best is taken, and the slope of Platt's line
    (Platt 1999) through those predictions says how sure the model may be; of its distance from 1,
    k / (k + 1) is kept, where k is the number of predicted days. The line's other number, how far
    the level of one quarter was from the ones before, is left out: to the next one it is noise.

    Args:
        examples: Past snapshots, the newest first, each with customers of both kinds.
        level: Columns whose sum enters as it is, such as log odds of order models.
        columns: Columns that enter against the base of their day; one that no day knows is left
            out.

    Raises:
        ValueError: If there is no snapshot.
    """
    if not examples:
        raise ValueError("There is no past snapshot to learn churn from.")
    known = known_columns(examples, columns)
    rows = [_design(example, tuple(level), known) for example in examples]
    labels = [example.is_churned for example in examples]
    looks = min(len(rows) - 1, MOST_LOOKS)
    forward = {
        strength: [
            _logits(_fit(rows[cut + 1 :], labels[cut + 1 :], strength), rows[cut])
            for cut in range(looks)
        ]
        for strength in (STRENGTHS if known else (USUAL_STRENGTH,))
    }
    churned = np.concatenate(labels[:looks]) if looks else np.empty(0, dtype=bool)
    strength = USUAL_STRENGTH
    if len(churned):
        strength = min(
            forward,
            key=lambda c: float(log_losses(churned, expit(np.concatenate(forward[c]))).mean()),
        )
    weights = _fit(rows, labels, strength)
    model = LogisticChurn(
        level=tuple(level),
        columns=known,
        coefficients=weights[:-2],
        level_weight=float(weights[-2]),
        intercept=float(weights[-1]),
        strength=strength,
    )
    if not len(churned):
        return model
    slope, _ = fit_platt(np.concatenate(forward[strength]), churned)
    return replace(model, slope=1.0 + (slope - 1.0) * looks / (looks + 1.0))


def fit_platt(logits: Floats, churned: Bools) -> tuple[float, float]:
    """Return slope and offset of the line through logits that fits what happened best."""
    with threadpool_limits(1):
        line = LogisticRegression(C=np.inf, solver="newton-cholesky")
        line.fit(logits[:, None], churned)
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def known_columns(examples: Sequence[Example], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that some day knows; on the other days they say nothing of anybody."""
    return tuple(name for name in columns if any(is_known(e.features, name) for e in examples))


def is_known(features: pl.DataFrame, name: str) -> bool:
    """Whether the column is there and known of some customer."""
    return name in features.columns and features[name].null_count() < features.height


def _design(example: Example, level: tuple[str, ...], columns: tuple[str, ...]) -> Floats:
    total = example.features.select(pl.sum_horizontal(level)).to_numpy()
    return np.hstack((measure_against_base(example.features, columns), total))


def _fit(rows: Sequence[Floats], labels: Sequence[Bools], strength: float) -> Floats:
    """Return the coefficients: of the columns, of the level, and the intercept."""
    stacked = np.vstack(rows)
    stacked[:, -1] *= FREE_SCALE
    # One thread: the sums of a BLAS library depend on how many share the work.
    with threadpool_limits(1):
        model = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=200)
        model.fit(stacked, np.concatenate(labels))
    weights = np.append(model.coef_[0], model.intercept_[0])
    weights[-2] *= FREE_SCALE
    return weights


def _logits(weights: Floats, rows: Floats) -> Floats:
    logits: Floats = rows @ weights[:-1] + weights[-1]
    return logits
