import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_poisson_deviance,
    mean_tweedie_deviance,
    roc_auc_score,
)

from pipelines.scoring.past.metrics import (
    AMOUNT_METRICS,
    RISK_METRICS,
    capture_at_top,
    decile_mape,
    expected_calibration_error,
    level_amount,
    level_risk,
    log_losses,
    measure_amount,
    measure_risk,
    normalised_gini,
    poisson_deviances,
    total_bias,
    tweedie_deviances,
)

RANDOM = np.random.default_rng(11)
RISK = RANDOM.random(400).round(2)
CHURNED = RANDOM.random(400) < RISK
ACTUAL = RANDOM.poisson(1.0, 400).astype(float)
PREDICTED = (0.5 * ACTUAL + RANDOM.gamma(1.0, 0.5, 400)).round(2) + 0.1


def test_risk_metrics_are_scikit_learns():
    metrics = measure_risk(CHURNED, RISK)
    assert tuple(metrics) == RISK_METRICS
    assert metrics["auc"] == roc_auc_score(CHURNED, RISK)
    assert metrics["pr_auc"] == average_precision_score(CHURNED, RISK)
    assert metrics["brier"] == brier_score_loss(CHURNED, RISK)
    assert metrics["log_loss"] == pytest.approx(log_loss(CHURNED, np.clip(RISK, 1e-6, 1 - 1e-6)))
    assert log_losses(CHURNED, RISK).mean() == pytest.approx(metrics["log_loss"])


def test_calibration_error_by_hand():
    churned = np.array([True, False, False, True])
    risk = np.array([0.05, 0.09, 0.55, 1.0])
    # Bin [0, .1): 2 customers, 1 churned, sum of risk .14; [.5, .6): .55 and 0; [.9, 1]: right.
    assert expected_calibration_error(churned, risk) == pytest.approx((0.86 + 0.55 + 0.0) / 4)


def test_errors_within_a_bin_may_cancel_but_not_between_bins():
    churned = np.array([True, False])
    assert expected_calibration_error(churned, np.array([0.5, 0.5])) == 0.0
    assert expected_calibration_error(churned, np.array([0.49, 0.51])) == pytest.approx(0.51)


def test_capture_and_lift_by_hand():
    actual = np.array([5.0, 3.0, 1.0, 1.0] + [0.0] * 16)
    predicted = np.arange(20.0, 0.0, -1.0)
    assert capture_at_top(actual, predicted) == pytest.approx(0.8)
    assert measure_amount(actual, predicted)["lift_10"] == pytest.approx(8.0)


def test_equal_predictions_share_the_top_tenth():
    actual = np.array([10.0] + [0.0] * 9)
    assert capture_at_top(actual, np.ones(10)) == pytest.approx(0.1)


def test_gini_is_one_for_the_perfect_order_and_nothing_for_none():
    assert normalised_gini(ACTUAL, ACTUAL * 7.0 - 3.0) == pytest.approx(1.0)
    assert normalised_gini(ACTUAL, np.ones(400)) == 0.0
    assert normalised_gini(ACTUAL, -ACTUAL) == pytest.approx(-1.0)
    assert np.isnan(normalised_gini(np.ones(5), np.arange(5.0)))


def test_gini_of_two_classes_is_twice_the_auc_less_one():
    gini = normalised_gini(CHURNED.astype(float), RISK)
    assert gini == pytest.approx(2.0 * roc_auc_score(CHURNED, RISK) - 1.0)


def test_decile_mape_by_hand():
    actual = np.repeat(np.arange(1.0, 11.0), 2)
    assert decile_mape(actual, actual * 1.2) == pytest.approx(0.2)
    # All equal: each tenth holds a tenth of everything.
    assert decile_mape(actual, np.full(20, actual.mean())) == pytest.approx(0.0)


def test_a_tenth_in_which_nothing_happened_is_left_out():
    actual = np.array([0.0] * 9 + [10.0])
    predicted = np.array([0.1] * 9 + [5.0]) + np.arange(10) * 1e-9
    assert decile_mape(actual, predicted) == pytest.approx(0.5, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    order = list(range(400))
    random.shuffle(order)
    whole, mixed = measure_risk(CHURNED, RISK), measure_risk(CHURNED[order], RISK[order])
    assert mixed == pytest.approx(whole, abs=1e-12)
    whole = measure_amount(ACTUAL, PREDICTED)
    assert measure_amount(ACTUAL[order], PREDICTED[order]) == pytest.approx(whole, abs=1e-12)


def test_a_base_of_one_kind_has_no_metrics():
    assert all(np.isnan(v) for v in measure_risk(np.ones(9, dtype=bool), RISK[:9]).values())
    few = measure_amount(ACTUAL[:3], PREDICTED[:3])
    assert tuple(few) == AMOUNT_METRICS
    assert all(np.isnan(value) for value in few.values())


def test_total_bias():
    assert total_bias(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == pytest.approx(0.25)
    assert np.isnan(total_bias(np.zeros(2), np.ones(2)))


def test_deviances_are_scikit_learns_and_negative_amounts_count_as_nothing():
    assert poisson_deviances(ACTUAL, PREDICTED).mean() == pytest.approx(
        mean_poisson_deviance(ACTUAL, PREDICTED)
    )
    assert tweedie_deviances(ACTUAL, PREDICTED).mean() == pytest.approx(
        mean_tweedie_deviance(ACTUAL, PREDICTED, power=1.5)
    )
    refunded = tweedie_deviances(np.array([-50.0, 1.0]), np.array([1.0, 1.0]))
    assert refunded[0] == tweedie_deviances(np.array([0.0, 1.0]), np.array([1.0, 1.0]))[0]


def test_a_sure_nothing_costs_no_infinity():
    assert np.isfinite(poisson_deviances(np.array([5.0, 0.0]), np.array([0.0, 1.0]))).all()


def test_levelled_predictions_have_the_actual_total_and_the_same_order():
    levelled = level_risk(CHURNED, RISK * 0.3)
    assert levelled.mean() == pytest.approx(CHURNED.mean(), abs=1e-9)
    assert roc_auc_score(CHURNED, levelled) == pytest.approx(roc_auc_score(CHURNED, RISK))
    assert level_amount(ACTUAL, PREDICTED).sum() == pytest.approx(ACTUAL.sum())
    assert (level_amount(np.zeros(400), PREDICTED) == PREDICTED).all()
