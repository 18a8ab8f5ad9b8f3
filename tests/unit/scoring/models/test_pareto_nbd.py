import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import hyp2f1, hyperu

from pipelines.scoring.models.order_model import fit_order_model
from pipelines.scoring.models.pareto_nbd import ParetoNbd
from pipelines.scoring.models.pareto_nbd_likelihood import likelihood_of
from pipelines.scoring.models.stop_first import p_stop_first, stop_first_with_derivatives

PUBLISHED = ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669)  # CDNOW sample, in weeks
YEARLY = np.log(1.15) / 52  # 15 % a year, per week


def test_cdnow_sample_gives_the_published_parameters(cdnow_sample):
    model = fit_order_model("pareto_nbd", *cdnow_sample[:3], prior_sd=None).model

    assert {name: round(v, 3) for name, v in model.parameters.items()} == PUBLISHED.parameters


def test_cumulative_orders_of_the_cdnow_sample_in_78_weeks(cdnow_sample):
    # All 2,357 customers from their first purchase; 4,339 repeat orders were made.
    tenure = cdnow_sample.tenure + 39.0
    model = fit_order_model("pareto_nbd", *cdnow_sample[:3], prior_sd=None).model
    weeks, customers = np.unique(tenure, return_counts=True)
    expected = [model.expected_orders(t, 0, 0, 0)[0] for t in weeks]

    assert (customers * expected).sum() == pytest.approx(4270.0, abs=0.5)


@pytest.mark.parametrize(
    ("history", "orders"),
    [
        ((0, 0), 0.478196),
        ((1, 10), 1.815820),
        ((2, 30.43), 6.500185),
        ((7, 29.43), 16.583586),
    ],
)
def test_discounted_residual_orders_as_btyd_gives_them(history, orders):
    model = ParetoNbd(0.5528, 10.5782, 0.6061, 11.6689)

    assert model.residual_orders(YEARLY, *history, 38.86)[0] == pytest.approx(orders, abs=1e-6)


@pytest.mark.parametrize("rate", [1e-8, 1e-4, YEARLY, 1.0])
@pytest.mark.parametrize("s", [0.2, 0.606, 1.0, 3.5])
def test_discounted_residual_orders_are_those_of_the_paper(rate, s):
    model = ParetoNbd(0.553, 10.578, s, 11.669)
    reach = model.beta + 38.86
    days = reach * (rate * reach) ** (s - 1) * hyperu(s, s, rate * reach)
    expected = model.p_alive(2, 30.43, 38.86)[0] * 2.553 / (10.578 + 38.86) * days

    assert model.residual_orders(rate, 2, 30.43, 38.86)[0] == pytest.approx(expected, rel=1e-11)


def test_no_discount_is_refused():
    with pytest.raises(ValueError, match="discount rate must be positive"):
        PUBLISHED.residual_orders(0.0, 2, 30.43, 38.86)


@pytest.mark.parametrize("s", [0.3, 0.999999, 1.0, 1.000001, 4.0])
def test_expected_orders_are_the_order_rate_times_the_days_still_active(s):
    model = ParetoNbd(0.553, 10.578, s, 11.669)
    days = quad(lambda t: (1 + t / (11.669 + 38.86)) ** -s, 0.0, 39.0)[0]
    expected = model.p_alive(2, 30.43, 38.86)[0] * 2.553 / (10.578 + 38.86) * days

    assert model.expected_orders(39.0, 2, 30.43, 38.86)[0] == pytest.approx(expected, rel=1e-10)


def test_customer_who_ordered_today_is_active():
    assert PUBLISHED.p_alive([1, 7, 500], 30, 30) == pytest.approx(1.0, abs=1e-14)


def test_what_comes_after_is_as_predicted(simulate_lifetimes):
    truth = {"r": 0.9, "alpha": 12.0, "s": 0.8, "beta": 60.0}
    base = simulate_lifetimes(50_000, **truth, seed=9)
    history, model = base[:3], ParetoNbd(**truth)
    silent, alive = model.p_no_order(60.0, *history), model.p_alive(*history)
    expected = model.expected_orders(60.0, *history)

    quiet = base.tenure - base.t_x
    for group in (base.x == 0, (base.x > 0) & (quiet < 30), (base.x > 0) & (quiet >= 30)):
        for chance, came in ((silent, base.orders_in_60_days == 0), (alive, base.is_active)):
            spread = np.sqrt((chance[group] * (1 - chance[group])).sum())
            assert abs(came[group].sum() - chance[group].sum()) < 3.0 * spread
        error = (base.orders_in_60_days - expected)[group]
        assert abs(error.sum()) < 3.0 * error.std() * np.sqrt(group.sum())


def test_fit_recovers_the_parameters_of_a_simulation(simulate_lifetimes):
    truth = {"r": 0.55, "alpha": 20.0, "s": 0.6, "beta": 80.0}
    fit = fit_order_model("pareto_nbd", *simulate_lifetimes(20_000, **truth, seed=21)[:3])

    errors = np.array(list(fit.model.parameters.values())) - list(truth.values())
    assert np.abs(errors / np.array(fit.standard_errors)).max() < 3.0


@pytest.mark.parametrize(
    "point", [(0.4, 6.0, 1.3, 3.0), (1.5, 3.0, 0.2, 300.0), (9, 200, 40, 9), (0.04, 5, 0.03, 9)]
)
def test_gradient_and_hessian_are_the_derivatives_of_the_likelihood(cdnow_sample, point):
    likelihood = likelihood_of(*cdnow_sample[:3])
    centre, step = np.log(point), 1e-5
    _, gradient, hessian = likelihood(centre)

    for k, move in enumerate(step * np.eye(4)):
        ahead, behind = (likelihood(centre + s * move) for s in (1, -1))
        assert gradient[k] == pytest.approx((ahead[0] - behind[0]) / (2 * step), rel=1e-5, abs=1e-3)
        numeric = (ahead[1] - behind[1]) / (2 * step)
        assert hessian[k] == pytest.approx(numeric, rel=1e-6, abs=1e-3)


# ---------- who stops first


@pytest.mark.parametrize("m", [0.3, 1.0, 2.5, 40.0])
@pytest.mark.parametrize("s", [0.2, 1.0, 7.0])
@pytest.mark.parametrize("ratio", [0.6, 1.0, 1.9])
def test_stop_comes_first_as_often_as_the_hypergeometric_function_says(m, s, ratio):
    q, complement = p_stop_first(np.array([m]), s, np.array([ratio]))

    expected = ratio * s / (m + s) * hyp2f1(1.0, s + 1.0, s + m + 1.0, 1.0 - ratio)
    assert q[0] == pytest.approx(expected, rel=1e-12)
    assert complement[0] == pytest.approx(1.0 - expected, rel=1e-12)


@pytest.mark.parametrize("m", [1e-9, 1e-4, 0.049999])
@pytest.mark.parametrize("s", [1e-9, 1e-3, 2.0])
def test_hardly_any_orders_or_stops_are_no_harder(m, s):
    q, complement = p_stop_first(np.array([m, m]), s, np.array([0.2, 1.7]))

    expected = [
        0.2 * s / (m + s) * hyp2f1(1.0, s + 1.0, s + m + 1.0, 0.8),
        s / (m + s) * hyp2f1(1.0, m, s + m + 1.0, 1.0 - 1.0 / 1.7),
    ]
    assert q == pytest.approx(expected, rel=1e-11)
    assert complement == pytest.approx(
        p_stop_first(np.array([s, s]), m, 1 / np.array([0.2, 1.7]))[0]
    )


def test_exchanged_rates_exchange_the_chances():
    m, s, ratio = 3.0, 0.7, np.array([1e-6, 0.01, 1.0, 50.0, 1e6])
    q, complement = p_stop_first(np.full(5, m), s, ratio)
    other_q, other_complement = p_stop_first(np.full(5, s), m, 1.0 / ratio)

    assert q == pytest.approx(other_complement, rel=1e-13)
    assert complement == pytest.approx(other_q, rel=1e-13)


def test_rows_may_come_in_any_order():
    m, ratio = np.array([2.0, 0.5, 2.0, 9.5, 0.5]), np.array([1.0, 2.0, 3.0, 0.1, 0.7])
    together = stop_first_with_derivatives(m, 0.8, ratio)
    alone = [stop_first_with_derivatives(m[i : i + 1], 0.8, ratio[i : i + 1]) for i in range(5)]

    for name in ("q", "complement", "first", "second"):
        rows = np.concatenate([getattr(one, name) for one in alone])
        assert getattr(together, name) == pytest.approx(rows, rel=1e-12)
