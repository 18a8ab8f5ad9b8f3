import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from pipelines.scoring.churn.boosted import fit_boosted
from pipelines.scoring.churn.logistic import (
    Example,
    describe_base,
    fit_logistic,
    fit_platt,
    measure_against_base,
)

LEVEL = ["mbg_nbd_at_last_order", "mbg_nbd_since_last_order"]
COLUMNS = ["a", "b", "empty"]


def example(seed: int, *, rows: int = 3_000, shift: float = 0.0, weight: float = 0.8) -> Example:
    """Customers whose log odds are the level plus `weight` times a's distance from its mean."""
    random = np.random.default_rng(seed)
    level = random.normal(0.5, 1.0, (rows, 2))
    a, b = random.normal(shift, 1.0, rows), random.normal(0.0, 1.0, rows)
    churned = random.random(rows) < expit(level.sum(axis=1) + weight * (a - shift))
    features = pl.DataFrame(
        {
            "customer_id": [f"c{number:05d}" for number in range(rows)],
            LEVEL[0]: level[:, 0],
            LEVEL[1]: level[:, 1],
            "a": a,
            "b": b,
            "empty": pl.Series([None] * rows, dtype=pl.Float64),
        }
    )
    return Example(features, churned)


def test_parts_and_base_add_up_to_the_log_odds():
    model = fit_logistic([example(1), example(2), example(3)], LEVEL, COLUMNS)
    seen = example(4).features
    explained = model.explain(seen)
    z = measure_against_base(seen, model.columns)
    by_hand = (
        model.intercept
        + model.level_weight * seen.select(pl.sum_horizontal(LEVEL)).to_numpy()[:, 0]
        + z @ model.coefficients
    )
    # The slope turns the line about the base of the day.
    turned = explained.base + model.slope * (by_hand - explained.base)
    assert explained.logits == pytest.approx(turned)
    assert explained.contributions.mean(axis=0) == pytest.approx(0.0, abs=1e-9)


def test_it_finds_what_the_data_were_made_of():
    model = fit_logistic([example(seed) for seed in (1, 2, 3)], LEVEL, COLUMNS)
    assert model.columns == ("a", "b")
    assert model.coefficients == pytest.approx([0.8, 0.0], abs=0.08)
    assert model.level_weight == pytest.approx(1.0, abs=0.08)
    assert model.intercept == pytest.approx(0.0, abs=0.1)
    assert model.slope == pytest.approx(1.0, abs=0.1)


def test_a_column_is_learnt_on_the_days_that_know_it():
    unknown = pl.lit(None, pl.Float64)
    before = Example(example(1).features.with_columns(a=unknown), example(1, weight=0.0).is_churned)
    model = fit_logistic([example(2), example(3), before], LEVEL, COLUMNS)
    assert model.columns == ("a", "b")
    assert model.coefficients[0] == pytest.approx(0.8, abs=0.1)


def test_the_level_is_hardly_shrunk():
    free = LogisticRegression(C=np.inf, solver="newton-cholesky")
    only = example(1)
    level = only.features.select(pl.sum_horizontal(LEVEL)).to_numpy()
    free.fit(level, only.is_churned)
    model = fit_logistic([only], LEVEL, [])
    assert model.level_weight == pytest.approx(float(free.coef_[0, 0]), rel=1e-3)


def test_a_base_that_moved_as_a_whole_is_not_taken_for_customers_who_leave():
    model = fit_logistic([example(1), example(2)], LEVEL, COLUMNS)
    seen = example(3)
    moved = seen.features.with_columns(pl.col("a") + 9.0)
    assert model.explain(moved).logits == pytest.approx(model.explain(seen.features).logits)


def test_a_model_too_sure_of_itself_is_calibrated_on_days_it_had_not_seen():
    # What was learnt on older days holds by half only on the newer ones.
    days = [example(1, weight=0.4), example(2, weight=0.4), example(3, weight=2.5)]
    assert fit_logistic(days, LEVEL, COLUMNS).slope < 0.9


def test_platt_finds_slope_and_offset():
    random = np.random.default_rng(8)
    logits = random.normal(0.0, 2.0, 60_000)
    churned = random.random(60_000) < expit(0.5 * logits - 1.0)
    assert fit_platt(logits, churned) == pytest.approx((0.5, -1.0), abs=0.05)


def test_unknown_counts_as_the_mean_and_strangers_are_held():
    frame = pl.DataFrame({"a": [1.0] * 98 + [None, 1e6], "same": [3.0] * 100})
    measured = measure_against_base(frame, ["a", "same"])
    assert measured[98, 0] == 0.0
    assert measured[99, 0] == 5.0
    assert (measured[:, 1] == 0.0).all()


def test_some_customers_are_explained_as_if_all_were():
    model = fit_logistic([example(1), example(2)], LEVEL, COLUMNS)
    everybody = example(3).features
    whole = model.explain(everybody)
    some = model.explain(everybody.slice(500, 40), describe_base(everybody))
    assert some.base == whole.base
    assert some.contributions == pytest.approx(whole.contributions[500:540])


def test_without_a_past_snapshot_nothing_can_be_learnt():
    with pytest.raises(ValueError, match="no past snapshot"):
        fit_logistic([], LEVEL, COLUMNS)


def test_the_order_of_rows_does_not_matter():
    days = [example(1), example(2)]
    order = np.random.default_rng(1).permutation(3_000)
    mixed = [Example(day.features[order.tolist()], day.is_churned[order]) for day in days]
    straight, other = (fit_logistic(d, LEVEL, COLUMNS) for d in (days, mixed))
    assert other.coefficients == pytest.approx(straight.coefficients, abs=1e-9)
    assert other.slope == pytest.approx(straight.slope, abs=1e-9)


def test_trees_add_up_to_their_log_odds_too():
    pytest.importorskip("lightgbm")
    model = fit_boosted([example(1), example(2)], LEVEL, COLUMNS)
    seen = example(3).features
    explained = model.explain(seen)
    raw = model.booster.predict(measure_against_base(seen, model.columns), raw_score=True)
    level = seen.select(pl.sum_horizontal(LEVEL)).to_numpy()[:, 0]
    assert explained.logits == pytest.approx(level + raw)
