import numpy as np
import pytest
from scipy.special import beta as beta_function

from pipelines.scoring.models.sbg import Sbg, fit_sbg

# Survivors in percent after each of 12 renewals (Fader and Hardie 2007, table 1); the first seven
# are fitted, as there.
REGULAR = [63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3]
HIGH_END = [86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]


def as_groups(survivors: list[float], renewals: int = 7):
    """Return renewals, has_left and number of a cohort of 1,000 subscribers."""
    left = 10.0 * np.r_[100.0, survivors[:renewals]]
    groups = np.r_[np.arange(renewals), renewals]
    return groups, np.arange(renewals + 1) < renewals, np.r_[-np.diff(left), left[-1]]


@pytest.mark.parametrize(
    ("survivors", "log_likelihood", "expected", "rounded"),
    [
        (REGULAR, -1680.26519, (0.70407746, 1.18204344), (0.704, 1.182)),
        (HIGH_END, -1611.15815, (0.6680876, 3.80608936), (0.668, 3.806)),
    ],
)
def test_published_cohorts(survivors, log_likelihood, expected, rounded):
    fit = fit_sbg(*as_groups(survivors), prior_sd=None)

    assert fit.converged
    assert fit.customers == 1000
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-5)
    assert tuple(fit.model.parameters.values()) == pytest.approx(expected, rel=1e-5)
    assert tuple(round(v, 3) for v in fit.model.parameters.values()) == rounded


@pytest.mark.parametrize("survivors", [REGULAR, HIGH_END])
def test_projection_to_twelve_renewals_is_within_two_points(survivors):
    model = fit_sbg(*as_groups(survivors), prior_sd=None).model

    assert 100.0 * model.survival(np.arange(1, 13)) == pytest.approx(survivors, abs=2.0)


def test_survival_is_a_ratio_of_beta_functions():
    model, renewals = Sbg(0.7, 1.2), np.array([0, 1, 5, 40])

    expected = beta_function(0.7, 1.2 + renewals) / beta_function(0.7, 1.2)
    assert model.survival(renewals) == pytest.approx(expected, rel=1e-12)


def test_subscribers_one_by_one_or_in_groups_give_the_same_fit():
    renewals, has_left, number = as_groups(REGULAR)
    number = number.round().astype(int)
    groups = fit_sbg(renewals, has_left, number)
    one_by_one = fit_sbg(np.repeat(renewals, number), np.repeat(has_left, number))

    assert one_by_one.model.parameters == pytest.approx(groups.model.parameters, rel=1e-12)


def test_retention_rises_with_each_renewal_and_so_does_what_is_to_come():
    model = fit_sbg(*as_groups(HIGH_END)).model

    assert (np.diff(model.retention_rate(np.arange(1, 20))) > 0).all()
    assert (np.diff(model.discounted_renewals(0.1, np.arange(10))) > 0).all()
    assert (np.diff(model.expected_renewals(4, np.arange(10))) > 0).all()


def test_expected_renewals_are_the_sum_of_survival():
    model = Sbg(0.668, 3.806)

    expected = model.survival([3, 4, 5, 6]).sum() / model.survival(2)
    assert model.expected_renewals(4, 2) == pytest.approx(expected, rel=1e-12)


def test_discounted_renewals_are_a_discounted_sum():
    model, ahead = Sbg(0.668, 3.806), np.arange(3000)

    expected = (model.survival(3.0 + ahead) / model.survival(2.0) / 1.1**ahead).sum()
    assert model.discounted_renewals(0.1, 2) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match="discount rate must be positive"):
        model.discounted_renewals(0.0, 2)


def test_fit_recovers_the_parameters_of_a_simulation():
    random = np.random.default_rng(4)
    stays = random.geometric(random.beta(0.8, 2.5, 30_000)) - 1
    fit = fit_sbg(np.minimum(stays, 8), stays < 8)

    errors = np.array(list(fit.model.parameters.values())) - (0.8, 2.5)
    assert (np.abs(errors) < 3.0 * np.array(fit.standard_errors)).all()


@pytest.mark.parametrize(("has_left", "stay"), [(True, 2 / 3), (False, 1.0)])
def test_cohort_that_all_stayed_or_all_left_is_fitted_without_error(has_left, stay):
    # Two renewals of two, or of three: nobody differs, so beta has no upper end.
    fit = fit_sbg(np.full(200, 2.0), np.full(200, has_left))

    assert fit.converged
    assert fit.model.retention_rate(1)[0] == pytest.approx(stay, abs=0.01)


def test_impossible_subscribers_are_refused():
    with pytest.raises(ValueError, match="There is no subscriber"):
        fit_sbg([], [])
    with pytest.raises(ValueError, match="whole numbers"):
        fit_sbg([1.5], [True])
    with pytest.raises(ValueError, match="positive and finite"):
        Sbg(0.0, 1.0)
