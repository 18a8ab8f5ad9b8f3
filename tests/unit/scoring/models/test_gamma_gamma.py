import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.scoring.models.gamma_gamma import GammaGamma, fit_gamma_gamma

PUBLISHED = GammaGamma(p=6.25, q=3.74, gamma=15.44)


def repeat_spend(customers: int, *, p: float, q: float, gamma: float, seed: int):
    random = np.random.default_rng(seed)
    x = random.integers(1, 12, customers).astype(float)
    rate = random.gamma(q, 1.0 / gamma, customers)
    return x, random.gamma(p * x, 1.0 / (rate * x))


def test_cdnow_sample_gives_the_published_parameters(cdnow_sample):
    fit = fit_gamma_gamma(cdnow_sample.x, cdnow_sample.mean_spend, prior_sd=None)

    assert fit.customers == 946
    assert fit.fallback_reason is None
    assert fit.log_likelihood == pytest.approx(-4055.91769, abs=1e-5)
    fitted = (fit.parameters.p, fit.parameters.q, fit.parameters.gamma)
    assert fitted == pytest.approx((6.24957, 3.74422, 15.44352), rel=1e-4)
    assert tuple(round(v, 2) for v in fitted) == (6.25, 3.74, 15.44)


def test_population_mean_is_near_the_observed_mean(cdnow_sample):
    fit = fit_gamma_gamma(cdnow_sample.x, cdnow_sample.mean_spend)

    assert fit.parameters.population_mean == pytest.approx(fit.observed_mean, rel=0.01)


def test_fit_recovers_the_parameters_of_a_simulation():
    x, spend = repeat_spend(40_000, p=6.25, q=3.74, gamma=15.44, seed=3)
    fitted = fit_gamma_gamma(x, spend).parameters

    assert (fitted.p, fitted.q, fitted.gamma) == pytest.approx((6.25, 3.74, 15.44), rel=0.06)


def test_currency_does_not_change_the_fit(cdnow_sample):
    dollars = fit_gamma_gamma(cdnow_sample.x, cdnow_sample.mean_spend).parameters
    cents = fit_gamma_gamma(cdnow_sample.x, 100 * cdnow_sample.mean_spend).parameters

    expected = (dollars.p, dollars.q, 100 * dollars.gamma)
    assert (cents.p, cents.q, cents.gamma) == pytest.approx(expected, rel=1e-6)


def test_customers_of_unknown_spend_get_the_population_mean():
    mean = PUBLISHED.population_mean

    assert mean == pytest.approx(6.25 * 15.44 / 2.74)
    expected = PUBLISHED.expected_spend([0, 0, 3], [np.nan, 7.0, np.nan])
    assert expected == pytest.approx([mean] * 3)


def test_who_gives_back_more_than_he_keeps_is_expected_to_bring_less_and_never_less_than_nothing():
    own = np.array([20.0, 5.0, 0.0, -4.0, -5.0, -500.0])
    expected = PUBLISHED.expected_spend(3, own)

    assert (np.diff(expected[:5]) < 0).all()
    assert expected[-1] == 0
    assert expected[2] == pytest.approx(6.25 * 15.44 / (6.25 * 3 + 2.74))


def test_customers_without_positive_spend_take_no_part_in_the_fit(cdnow_sample):
    x = np.append(cdnow_sample.x, [4.0, 5.0, 6.0])
    spend = np.append(cdnow_sample.mean_spend, [0.0, -30.0, np.nan])

    with_them = fit_gamma_gamma(x, spend)
    assert with_them == fit_gamma_gamma(cdnow_sample.x, cdnow_sample.mean_spend)


@settings(derandomize=True, deadline=None)
@given(x=st.integers(1, 5000), spend=st.floats(0.01, 1e6))
def test_expected_spend_lies_between_own_and_population_mean(x, spend):
    expected = PUBLISHED.expected_spend(x, spend)[0]
    ends = sorted((spend, PUBLISHED.population_mean))

    assert ends[0] * (1 - 1e-12) <= expected <= ends[1] * (1 + 1e-12)


def test_more_orders_count_for_more():
    few, many = PUBLISHED.expected_spend([1, 50], [100.0, 100.0])

    assert PUBLISHED.population_mean < few < many < 100.0


def test_constant_spend_falls_back_to_the_mean_with_a_reason():
    x = np.arange(1.0, 301.0)
    fit = fit_gamma_gamma(x, np.full(300, 25.0))

    assert fit.parameters is None
    assert "vary by 0.00% between customers" in fit.fallback_reason
    assert fit.expected_spend([0, 5], [np.nan, 25.0]) == pytest.approx([25.0, 25.0])


def test_spend_without_a_mean_falls_back_with_a_reason():
    x, spend = repeat_spend(2_000, p=2.0, q=0.6, gamma=10.0, seed=5)
    fit = fit_gamma_gamma(x, spend)

    assert fit.parameters is None
    assert "the model has no mean" in fit.fallback_reason
    assert (fit.expected_spend(x, spend) == spend.mean()).all()


def test_mean_far_from_the_observed_one_falls_back_with_a_reason():
    x, spend = repeat_spend(2_000, p=2.0, q=1.02, gamma=10.0, seed=6)
    fit = fit_gamma_gamma(x, spend)

    assert fit.parameters is None
    assert "times the observed one" in fit.fallback_reason


def test_too_few_customers_fall_back_with_a_reason():
    x, spend = repeat_spend(99, p=6.0, q=4.0, gamma=15.0, seed=5)
    fit = fit_gamma_gamma(x, spend)

    assert "Only 99 customers" in fit.fallback_reason
    assert "100 are needed" in fit.fallback_reason


def test_no_known_spend_gives_no_number_rather_than_a_wrong_one():
    fit = fit_gamma_gamma([0, 2], [np.nan, -5.0])

    assert fit.observed_mean is None
    assert np.isnan(fit.expected_spend([0, 2], [np.nan, -5.0])).all()


def test_personal_constant_spend_is_fitted_without_error():
    # Everybody always spends the same, but not the same as others: p has no upper end.
    random = np.random.default_rng(8)
    x, spend = random.integers(1, 20, 500).astype(float), 90.0 / random.gamma(4.0, 1.0, 500)
    fit = fit_gamma_gamma(x, spend)

    assert fit.fallback_reason is None
    assert fit.expected_spend(x, spend) == pytest.approx(spend, rel=0.3)


def test_model_without_a_mean_does_not_answer():
    with pytest.raises(ValueError, match="needed: q > 1"):
        GammaGamma(p=2.0, q=0.9, gamma=10.0).expected_spend(3, 20.0)


def test_parameters_must_be_positive():
    with pytest.raises(ValueError, match="positive and finite"):
        GammaGamma(p=2.0, q=float("inf"), gamma=10.0)
