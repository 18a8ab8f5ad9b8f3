"""Gradient-boosted trees on top of the order models, for customers of whom more is known.

An optional extra (`pip install customer-360[trees]`): it is tried only where other sources give
columns beside the orders, and taken only where the back-test says it is clearly better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

from pipelines.scoring.churn.logistic import (
    Base,
    Example,
    Explained,
    describe_base,
    known_columns,
    measure_against_base,
    measure_levels,
)

# Few and shallow: foresees as well as twice as many with twice the leaves, at a sixth of the cost.
TREES = 50
SETTINGS = {
    "objective": "binary", "learning_rate": 0.1, "num_leaves": 8, "max_depth": 4,
    "min_data_in_leaf": 100,
    "lambda_l2": 5.0, "feature_fraction": 0.8, "seed": 360, "deterministic": True,
    "force_row_wise": True, "num_threads": 1, "verbose": -1,
}  # fmt: skip


def is_installed() -> bool:
    """Whether the optional package is there."""
    try:
        import_module("lightgbm")
    except (ImportError, OSError):  # its library needs libgomp of the system
        return False
    return True


@dataclass(frozen=True)
class BoostedChurn:
    """Trees that correct the log odds in the `level` columns: the mean of their `models` sums."""

    level: tuple[str, ...]
    models: int
    columns: tuple[str, ...]
    booster: Any

    def explain(self, features: pl.DataFrame, base: Base | None = None) -> Explained:
        """Return each feature's part of the log odds (TreeSHAP, Lundberg et al. 2018)."""
        base = base or describe_base(features)
        measured = measure_against_base(features, self.columns, base)
        # The last column is the same for all: what the trees say of nobody in particular.
        shares = np.asarray(self.booster.predict(measured, pred_contrib=True))
        levels = measure_levels(features, self.level, base) / self.models
        parts = np.hstack((levels, shares[:, :-1]))
        mean = sum(base[name][0] for name in self.level) / self.models
        names = (*(f"{name}:level" for name in self.level), *self.columns)
        return Explained(mean + float(shares[0, -1]), names, parts)


def fit_boosted(
    examples: Sequence[Example], level: Sequence[str], columns: Sequence[str]
) -> BoostedChurn:
    """Return trees learnt from past snapshots, starting at the order models' mean log odds."""
    import lightgbm

    models = max(1, sum(name.endswith("_at_last_order") for name in level))
    known = known_columns(examples, columns)
    rows = np.vstack([measure_against_base(example.features, known) for example in examples])
    start = np.concatenate(
        [e.features.select(pl.sum_horizontal(level)).to_series().to_numpy() for e in examples]
    )
    churned = np.concatenate([example.is_churned for example in examples]).astype(float)
    data: Any = lightgbm.Dataset(rows, churned, init_score=start / models)
    return BoostedChurn(tuple(level), models, known, lightgbm.train(SETTINGS, data, TREES))
