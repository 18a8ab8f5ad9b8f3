from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
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


def as_tuple(model: BgNbd) -> tuple[float, float, float, float]:
    return model.r, model.alpha, model.a, model.b


# ---------- published numbers


def test_cdnow_sample_gives_the_published_parameters(cdnow_sample):
    fit = fit_order_model("bg_nbd", *cdnow_sample[:3], prior_sd=None)

    assert tuple(round(v, 3) for v in as_tuple(fit.model)) == as_tuple(PUBLISHED)


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


@pytest.mark.parametrize("may_stop_at_once", [True, False])
def test_fit_recovers_the_parameters_of_a_simulation(simulate, may_stop_at_once):
    truth = BgNbd(r=0.55, alpha=16.0, a=0.55, b=3.0, may_stop_at_once=may_stop_at_once)
    base = simulate(30_000, **asdict(truth), seed=20)
    fit = fit_order_model(truth.kind, base.x, base.t_x, base.tenure)

    assert fit.standard_errors is not None
    errors = np.array(as_tuple(fit.model)) - np.array(as_tuple(truth))
    assert np.abs(errors / np.array(fit.standard_errors)).max() < 3.0


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
