from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from pipelines.scoring.models.bg_nbd import BgNbd
from pipelines.scoring.models.bg_nbd_likelihood import likelihood_of
from pipelines.scoring.models.expected_orders import by_integral, orders_while_active
from pipelines.scoring.models.order_model import fit_order_model

# Of the BG/NBD on the CDNOW sample; alpha in weeks.
PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, may_stop_at_once=False)
UNROUNDED = BgNbd(0.24259452, 4.41360202, 0.79292202, 2.42590678, may_stop_at_once=False)

# t, x, T and four parameters drawn over the whole range; 400-digit mpmath 1.3 of
# (a+b+x-1)/(a-1) (1 - (1-z)^(a-1) 2F1(a-1, a+b-1-r; a+b+x-1; z)), z = t / (alpha+T+t).
STRESS_POINTS = np.genfromtxt(
    Path(__file__).with_name("expected_orders_mpmath.csv"), delimiter=",", names=True
)

positive = st.floats(-2.0, 4.0).map(lambda exponent: 10.0**exponent)
models = st.builds(BgNbd, positive, positive, positive, positive, st.booleans())
kinds = pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd"])


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, int, int]:
    x = draw(st.integers(0, 5000))
    tenure = draw(st.integers(0 if x == 0 else 1, 3650))
    return x, 0 if x == 0 else draw(st.integers(1, tenure)), tenure


def as_tuple(model: BgNbd) -> tuple[float, float, float, float]:
    return model.r, model.alpha, model.a, model.b


# ---------- published numbers


def test_cdnow_sample_gives_the_published_parameters(cdnow_sample):
    fit = fit_order_model(
        "bg_nbd", cdnow_sample.x, cdnow_sample.t_x, cdnow_sample.tenure, prior_sd=None
    )

    assert fit.converged
    assert fit.customers == 2357
    assert fit.log_likelihood == pytest.approx(-9582.429207, abs=1e-5)
    assert as_tuple(fit.model) == pytest.approx(as_tuple(UNROUNDED), rel=1e-5)
    assert tuple(round(v, 3) for v in as_tuple(fit.model)) == as_tuple(PUBLISHED)
    assert fit.standard_errors == pytest.approx((0.012557, 0.378224, 0.185734, 0.705414), rel=1e-4)


def test_full_cdnow_file_gives_the_parameters_of_the_r_packages(cdnow_master):
    fit = fit_order_model(
        "bg_nbd", cdnow_master.x, cdnow_master.t_x, cdnow_master.tenure, prior_sd=None
    )

    assert fit.customers == 23570
    assert fit.log_likelihood == pytest.approx(-95368.4439, abs=1e-3)
    expected = (0.251624, 4.788943, 0.723431, 2.161078)
    assert as_tuple(fit.model) == pytest.approx(expected, rel=1e-4)


def test_holdout_forecast_is_as_good_as_published(cdnow_sample):
    x, t_x, tenure, _, actual = cdnow_sample
    model = fit_order_model("bg_nbd", x, t_x, tenure, prior_sd=None).model
    forecast = model.expected_orders(39.0, x, t_x, tenure)

    assert actual.sum() == 1882
    assert forecast.sum() == pytest.approx(1653.41, abs=0.01)
    assert np.abs(forecast - actual).mean() == pytest.approx(0.785454, abs=1e-5)
    assert np.sqrt(((forecast - actual) ** 2).mean()) == pytest.approx(1.607982, abs=1e-5)
    assert model.p_alive(x, t_x, tenure).mean() == pytest.approx(0.81344, abs=1e-5)
    assert model.p_no_order(39.0, x, t_x, tenure).mean() == pytest.approx(0.7382, abs=1e-4)
    by_frequency = [forecast[np.minimum(x, 7) == count].mean() for count in range(8)]
    assert by_frequency == pytest.approx(
        [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157], abs=6e-4
    )


def test_expected_orders_of_one_customer_as_in_the_paper():
    assert UNROUNDED.expected_orders(39.0, 2, 30.43, 38.86)[0] == pytest.approx(1.226, abs=5e-4)


@pytest.mark.parametrize(
    ("weeks", "orders"),
    [
        (0.1429, 0.0078),
        (1, 0.0532),
        (3, 0.1506),
        (31.8571, 1.0405),
        (32, 1.0437),
        (
            78,
            1.8580,
        ),  # the sheet says 1.8576: it stops its series after 150 terms (mpmath: 1.857958)
    ],
)
def test_expected_orders_of_a_new_customer_as_in_hardies_sheet(weeks, orders):
    assert UNROUNDED.expected_orders(weeks, 0, 0, 0)[0] == pytest.approx(orders, abs=6e-5)


# ---------- the fit


@pytest.mark.parametrize("may_stop_at_once", [True, False])
def test_gradient_and_hessian_are_the_derivatives_of_the_likelihood(cdnow_sample, may_stop_at_once):
    likelihood = likelihood_of(*cdnow_sample[:3], may_stop_at_once=may_stop_at_once)
    point, step = np.log([0.4, 6.0, 1.3, 3.0]), 1e-5
    _, gradient, hessian = likelihood(point)

    for k, move in enumerate(step * np.eye(4)):
        ahead, behind = (likelihood(point + s * move) for s in (1, -1))
        assert gradient[k] == pytest.approx((ahead[0] - behind[0]) / (2 * step), rel=1e-5)
        numeric = (ahead[1] - behind[1]) / (2 * step)
        assert hessian[k] == pytest.approx(numeric, rel=1e-6, abs=1e-4)


def test_likelihood_of_a_base_is_the_sum_over_its_customers(cdnow_sample):
    x, t_x, tenure = cdnow_sample[:3]
    fit = fit_order_model("bg_nbd", x, t_x, tenure)

    each = fit.model.log_likelihood(x, t_x, tenure)
    assert each.sum() == pytest.approx(fit.log_likelihood, abs=1e-8)


def test_days_and_weeks_give_the_same_fit(cdnow_sample):
    x, t_x, tenure = cdnow_sample[:3]
    weeks = as_tuple(fit_order_model("bg_nbd", x, t_x, tenure).model)
    days = as_tuple(fit_order_model("bg_nbd", x, 7 * t_x, 7 * tenure).model)

    assert days == pytest.approx((weeks[0], 7 * weeks[1], weeks[2], weeks[3]), rel=1e-7)


def test_prior_fades_as_customers_are_added(cdnow_master):
    x, t_x, tenure = cdnow_master[:3]
    with_prior = as_tuple(fit_order_model("bg_nbd", x, t_x, tenure).model)

    assert with_prior == pytest.approx((0.251624, 4.788943, 0.723431, 2.161078), rel=2e-3)


@pytest.mark.parametrize("may_stop_at_once", [True, False])
def test_fit_recovers_the_parameters_of_a_simulation(simulate, may_stop_at_once):
    truth = BgNbd(r=0.55, alpha=16.0, a=0.55, b=3.0, may_stop_at_once=may_stop_at_once)
    base = simulate(30_000, **asdict(truth), seed=20)
    fit = fit_order_model(truth.kind, base.x, base.t_x, base.tenure)

    assert fit.standard_errors is not None
    errors = np.array(as_tuple(fit.model)) - np.array(as_tuple(truth))
    assert np.abs(errors / np.array(fit.standard_errors)).max() < 3.0


@kinds
@pytest.mark.parametrize("prior_sd", [2.0, None])
def test_base_without_visible_churn_is_fitted_without_error(kind, prior_sd):
    # Everybody orders weekly to the end: the likelihood rises for ever as b grows.
    tenure = np.repeat([350.0, 420.0, 490.0, 560.0], 150)
    fit = fit_order_model(kind, tenure / 7.0, tenure, tenure, prior_sd=prior_sd)

    model = fit.model
    assert fit.converged
    assert model.p_alive(50, 350, 350)[0] > 0.99
    assert model.expected_orders(70.0, 50, 350, 350)[0] == pytest.approx(10.0, rel=0.1)


@kinds
def test_plain_likelihood_on_the_ridge_ends_at_the_nbd(simulate, kind):
    base = simulate(2_000, r=0.8, alpha=20.0, a=1e-6, b=10.0, seed=4)
    plain = fit_order_model(kind, base.x, base.t_x, base.tenure, prior_sd=None)
    weak = fit_order_model(kind, base.x, base.t_x, base.tenure)

    assert plain.converged
    assert weak.converged
    assert weak.model.a / weak.model.b < 0.01
    assert weak.log_likelihood == pytest.approx(plain.log_likelihood, abs=5.0)


@kinds
def test_base_of_one_time_buyers_is_fitted_without_error(kind):
    fit = fit_order_model(kind, np.zeros(600), np.zeros(600), np.arange(1.0, 601.0))

    assert fit.converged
    assert fit.model.expected_orders(90.0, 0, 0, 300)[0] < 0.01


@pytest.mark.parametrize(
    ("x", "t_x", "tenure"),
    [(1, 40, 30), (0, 5, 30), (2, 0, 30), (1.5, 5, 30), (-1, 0, 30), (0, 0, np.nan)],
)
def test_impossible_history_is_refused(x, t_x, tenure):
    with pytest.raises(ValueError, match="1 histories are impossible, the first in row 1"):
        fit_order_model("bg_nbd", [0, x], [0, t_x], [10, tenure])


def test_empty_base_is_refused():
    with pytest.raises(ValueError, match="There is no customer"):
        fit_order_model("bg_nbd", [], [], [])


def test_parameters_must_be_positive():
    with pytest.raises(ValueError, match="positive and finite"):
        BgNbd(r=0.2, alpha=4.0, a=-0.1, b=2.0)


# ---------- probability of no order


@pytest.mark.parametrize("may_stop_at_once", [True, False])
def test_share_of_silent_customers_is_as_predicted(simulate, may_stop_at_once):
    truth = BgNbd(r=0.55, alpha=16.0, a=0.55, b=3.0, may_stop_at_once=may_stop_at_once)
    base = simulate(100_000, **asdict(truth), seed=7)
    silent = base.days_to_next > 90.0
    predicted = truth.p_no_order(90.0, base.x, base.t_x, base.tenure)

    quiet = base.tenure - base.t_x
    for group in (base.x == 0, (base.x > 0) & (quiet < 60), (base.x > 0) & (quiet >= 60)):
        spread = np.sqrt((predicted[group] * (1 - predicted[group])).sum())
        assert abs(silent[group].sum() - predicted[group].sum()) < 3.0 * spread


@settings(derandomize=True, deadline=None)
@given(model=models, history=histories(), h=st.floats(0.0, 3650.0))
def test_no_order_is_the_ratio_of_two_likelihoods(model, history, h):
    x, t_x, tenure = history
    later = model.log_likelihood(x, t_x, tenure + h)
    ratio = np.exp(later - model.log_likelihood(x, t_x, tenure))

    assert model.p_no_order(h, x, t_x, tenure) == pytest.approx(ratio, rel=1e-6, abs=1e-9)


@settings(derandomize=True, deadline=None)
@given(model=models, history=histories(), h=st.floats(0.0, 3650.0), more=st.floats(0.0, 3650.0))
def test_no_order_is_a_probability_that_falls_with_the_horizon(model, history, h, more):
    silent = model.p_no_order(h, *history)[0]

    assert 0.0 <= silent <= 1.0
    assert model.p_no_order(h + more, *history)[0] <= silent + 1e-15
    assert silent >= 1.0 - model.p_alive(*history)[0] - 1e-15


def test_one_time_buyers_count_as_alive_but_at_risk():
    model = BgNbd(r=0.243, alpha=31.0, a=0.793, b=2.426, may_stop_at_once=False)

    assert model.p_alive(0, 0, 300)[0] == 1.0
    assert replace(model, may_stop_at_once=True).p_alive(0, 0, 300)[0] < 0.7
    assert model.p_no_order(90.0, 0, 0, 300)[0] > 0.9


# ---------- expected orders


def test_expected_orders_agree_with_mpmath_on_stress_points():
    assert len(STRESS_POINTS) >= 60
    for point in STRESS_POINTS:
        tau = np.array([point["t"] / (point["alpha"] + point["T"])])
        shape, beta_b = np.array([point["r"] + point["x"]]), np.array([point["b"] + point["x"]])
        args = (tau, shape, point["a"], beta_b)
        assert orders_while_active(*args)[0] == pytest.approx(point["alive"], rel=1e-9)


@pytest.mark.parametrize("a", [0.05, 0.49, 0.5, 0.999, 1.0, 1.0 + 1e-9, 1.002, 3.0, 40.0])
@pytest.mark.parametrize("b", [0.02, 0.5, 2.4, 300.0])
@pytest.mark.parametrize("x", [0.0, 1.0, 30.0])
def test_expected_orders_agree_with_a_sum_over_orders(a, b, x):
    # While active, the number of chances to order is negative binomial, and the customer is still
    # there for the (j+1)-th with probability E[(1-p)^j]. All terms are positive.
    r, tau = 0.6, 1.7
    j = np.arange(3000.0)
    chances = nbinom.sf(j, r + x, 1.0 / (1.0 + tau))
    still_there = np.cumprod(np.r_[1.0, (b + x + j[:-1]) / (a + b + x + j[:-1])])
    expected = float((chances * still_there).sum())

    orders = orders_while_active(np.array([tau]), np.array([r + x]), a, np.array([b + x]))[0]
    assert orders == pytest.approx(expected, rel=1e-9)


def test_formula_and_integral_agree_where_the_formula_is_used():
    random = np.random.default_rng(11)
    tau, x = random.uniform(0.0, 8.9, 300), np.floor(10.0 ** random.uniform(-1, 3.7, 300))
    for _ in range(20):
        r, a = 10.0 ** random.uniform(-2, 1.3, 2)
        b = 10.0 ** random.uniform(-1, 3)
        orders = orders_while_active(tau, r + x, a, b + x)
        assert orders == pytest.approx(by_integral(tau, r + x, a, b + x), rel=1e-9, abs=1e-9)


@settings(derandomize=True, deadline=None)
@given(model=models, history=histories(), t=st.floats(0.0, 3650.0), more=st.floats(0.0, 3650.0))
def test_expected_orders_are_finite_and_rise_with_time(model, history, t, more):
    sooner = model.expected_orders(t, *history)[0]
    later = model.expected_orders(t + more, *history)[0]

    assert np.isfinite(later)
    assert 0.0 <= sooner <= later + 1e-9 * (1.0 + later)


@settings(derandomize=True, deadline=None)
@given(model=models, history=histories(), t=st.floats(0.0, 3650.0))
def test_expected_orders_are_at_least_the_chance_of_one(model, history, t):
    chance = 1.0 - model.p_no_order(t, *history)[0]

    assert model.expected_orders(t, *history)[0] >= chance - 1e-9


def test_expected_orders_do_not_depend_on_the_company_of_other_customers(cdnow_sample):
    x, t_x, tenure = (values[:50] for values in cdnow_sample[:3])
    together = PUBLISHED.expected_orders(52.0, x, t_x, tenure)
    alone = [PUBLISHED.expected_orders(52.0, *one)[0] for one in zip(x, t_x, tenure, strict=True)]

    assert together == pytest.approx(alone, rel=1e-12)
