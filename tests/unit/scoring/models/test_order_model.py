import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.scoring.models.order_model import (
    build_order_model,
    discounted_orders,
    fit_order_model,
)

KINDS = ("mbg_nbd", "bg_nbd", "pareto_nbd", "nbd")
NAMES = {
    "mbg_nbd": ("r", "alpha", "a", "b"),
    "bg_nbd": ("r", "alpha", "a", "b"),
    "pareto_nbd": ("r", "alpha", "s", "beta"),
    "nbd": ("r", "alpha"),
}
kinds = pytest.mark.parametrize("kind", KINDS)

# Made by benchmarks/model_oracle.py: parameters 1e-2 to 1e4, x to 5000, T and t to 3650.
with Path(__file__).with_name("stress_mpmath.csv").open() as file:
    STRESS_POINTS = list(csv.DictReader(file))

positive = st.floats(-2.0, 4.0).map(lambda exponent: 10.0**exponent)


@st.composite
def models(draw: st.DrawFn):
    kind = draw(st.sampled_from(KINDS))
    return build_order_model(kind, {name: draw(positive) for name in NAMES[kind]})


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, int, int]:
    x = draw(st.integers(0, 5000))
    tenure = draw(st.integers(0 if x == 0 else 1, 3650))
    return x, 0 if x == 0 else draw(st.integers(1, tenure)), tenure


def parameters(fit) -> tuple[float, ...]:
    return tuple(fit.model.parameters.values())


# ---------- published numbers: CDNOW in weeks, 39 weeks of history and 39 after


@pytest.mark.parametrize(
    ("kind", "log_likelihood", "expected", "tolerance"),
    [
        ("nbd", -9763.65761, (0.384766, 12.072014), 1e-5),
        ("bg_nbd", -9582.429207, (0.24259452, 4.41360202, 0.79292202, 2.42590678), 1e-5),
        ("mbg_nbd", -9582.135716, (0.52484316, 6.18308528, 0.89135939, 1.61400224), 1e-5),
        # The likelihood is flat in beta: the R packages end at 11.664.
        ("pareto_nbd", -9594.976179, (0.55327703, 10.57768377, 0.60624065, 11.66876678), 1e-4),
    ],
)
def test_cdnow_sample(cdnow_sample, kind, log_likelihood, expected, tolerance):
    fit = fit_order_model(kind, *cdnow_sample[:3], prior_sd=None)

    assert fit.converged
    assert fit.customers == 2357
    assert fit.gradient_norm < 1e-9
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-5)
    assert parameters(fit) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        ("bg_nbd", (0.012557, 0.378224, 0.185734, 0.705414)),
        ("pareto_nbd", (0.0476, 0.8427, 0.1873, 6.2105)),
    ],
)
def test_standard_errors_on_the_cdnow_sample(cdnow_sample, kind, errors):
    fit = fit_order_model(kind, *cdnow_sample[:3], prior_sd=None)

    assert fit.standard_errors == pytest.approx(errors, rel=2e-3)


@pytest.mark.parametrize(
    ("kind", "log_likelihood", "expected"),
    [
        ("bg_nbd", -95368.4439, (0.251624, 4.788943, 0.723431, 2.161078)),
        ("mbg_nbd", -95336.9583, (0.637130, 7.310225, 0.807491, 1.228443)),
        ("pareto_nbd", -95415.1186, (0.597406, 11.585454, 0.522330, 8.832897)),
    ],
)
def test_full_cdnow_file(cdnow_master, kind, log_likelihood, expected):
    fit = fit_order_model(kind, *cdnow_master[:3], prior_sd=None)

    assert fit.customers == 23570
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-4)
    # The R packages stop up to 6e-4 before the flat optimum of s and beta.
    assert parameters(fit) == pytest.approx(expected, rel=1e-3 if kind == "pareto_nbd" else 1e-4)


@pytest.mark.parametrize(
    ("kind", "total", "absolute", "root_square", "square_log", "correlation", "alive"),
    [
        ("bg_nbd", 1653.41, 0.785454, 1.607982, 0.234268, 0.6256, 0.81344),
        ("mbg_nbd", 1576.73, 0.764779, 1.607183, 0.231435, 0.6273, 0.44872),
        ("pareto_nbd", 1665.51, 0.754523, 1.602848, 0.237736, 0.6302, 0.44628),
        ("nbd", 2929.82, 1.041020, 1.859523, 0.362245, 0.5834, 1.0),
    ],
)
def test_holdout_forecast(
    cdnow_sample, kind, total, absolute, root_square, square_log, correlation, alive
):
    x, t_x, tenure, _, actual = cdnow_sample
    model = fit_order_model(kind, x, t_x, tenure, prior_sd=None).model
    forecast = model.expected_orders(39.0, x, t_x, tenure)

    assert actual.sum() == 1882
    assert forecast.sum() == pytest.approx(total, abs=0.01)
    error = forecast - actual
    assert np.abs(error).mean() == pytest.approx(absolute, abs=2e-6)
    assert np.sqrt((error**2).mean()) == pytest.approx(root_square, abs=2e-6)
    log_error = np.log1p(forecast) - np.log1p(actual)
    assert (log_error**2).mean() == pytest.approx(square_log, abs=2e-6)
    assert np.corrcoef(forecast, actual)[0, 1] == pytest.approx(correlation, abs=6e-5)
    assert model.p_alive(x, t_x, tenure).mean() == pytest.approx(alive, abs=6e-6)


@pytest.mark.parametrize(
    ("kind", "by_frequency", "no_order"),
    [
        ("bg_nbd", [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157], 0.7382),
        ("pareto_nbd", [0.138, 0.599, 1.196, 1.714, 2.398, 2.907, 3.819, 6.403], 0.7780),
    ],
)
def test_holdout_forecast_by_frequency(cdnow_sample, kind, by_frequency, no_order):
    x, t_x, tenure = cdnow_sample[:3]
    model = fit_order_model(kind, x, t_x, tenure, prior_sd=None).model
    forecast = model.expected_orders(39.0, x, t_x, tenure)

    means = [forecast[np.minimum(x, 7) == count].mean() for count in range(8)]
    assert means == pytest.approx(by_frequency, abs=6e-4)
    silent = model.p_no_order(39.0, x, t_x, tenure)
    assert silent.mean() == pytest.approx(no_order, abs=6e-5)


# ---------- numerics


def test_models_agree_with_mpmath_on_stress_points():
    assert len(STRESS_POINTS) >= 500
    for point in STRESS_POINTS:
        values = {name: float(point[name]) for name in point if name != "kind"}
        kind = point["kind"]
        given = dict(zip(NAMES[kind], (values[f"p{i}"] for i in range(1, 5)), strict=True))
        model = build_order_model(kind, given)
        history, t = (values["x"], values["t_x"], values["T"]), values["t"]
        for name, answer in (
            ("log_likelihood", model.log_likelihood(*history)),
            ("p_alive", model.p_alive(*history)),
            ("expected_orders", model.expected_orders(t, *history)),
            ("p_no_order", model.p_no_order(t, *history)),
        ):
            # Chances below 1e-290 lose digits as all floats do there.
            expected = pytest.approx(values[name], rel=1e-9, abs=1e-290)
            assert answer[0] == expected, (name, point)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(model=models(), history=histories(), h=st.floats(0.0, 3650.0))
def test_no_order_is_the_ratio_of_two_likelihoods(model, history, h):
    x, t_x, tenure = history
    later = model.log_likelihood(x, t_x, tenure + h)
    ratio = np.exp(later - model.log_likelihood(x, t_x, tenure))

    assert model.p_no_order(h, x, t_x, tenure) == pytest.approx(ratio, rel=1e-6, abs=1e-9)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(model=models(), history=histories(), h=st.floats(0.0, 3650.0), more=st.floats(0.0, 3650.0))
def test_chances_are_chances(model, history, h, more):
    silent, alive = model.p_no_order(h, *history)[0], model.p_alive(*history)[0]

    assert 0.0 <= silent <= 1.0
    assert 0.0 <= alive <= 1.0
    assert model.p_no_order(h + more, *history)[0] <= silent + 1e-9
    assert silent >= 1.0 - alive - 1e-9


@settings(derandomize=True, deadline=None, max_examples=200)
@given(model=models(), history=histories(), t=st.floats(0.0, 3650.0), more=st.floats(0.0, 3650.0))
def test_expected_orders_are_finite_rise_and_are_at_least_the_chance_of_one(
    model, history, t, more
):
    sooner = model.expected_orders(t, *history)[0]
    later = model.expected_orders(t + more, *history)[0]

    assert np.isfinite(later)
    assert 0.0 <= sooner <= later + 1e-9 * (1.0 + later)
    assert sooner >= 1.0 - model.p_no_order(t, *history)[0] - 1e-9


@kinds
def test_answers_do_not_depend_on_the_company_of_other_customers(cdnow_sample, kind):
    x, t_x, tenure = (values[:50] for values in cdnow_sample[:3])
    model = fit_order_model(kind, *cdnow_sample[:3]).model
    together = model.expected_orders(52.0, x, t_x, tenure)
    alone = [model.expected_orders(52.0, *one)[0] for one in zip(x, t_x, tenure, strict=True)]

    assert together == pytest.approx(alone, rel=1e-12)


@kinds
def test_whole_days_and_fractions_give_the_same_answers(kind):
    # Whole numbers are looked up in tables, others are sorted.
    x, t_x, tenure = (
        np.array([0.0, 3, 3, 9]),
        np.array([0.0, 40, 2, 90]),
        np.array([60.0, 60, 5, 90]),
    )
    given = dict.fromkeys(NAMES[kind], 1.5)
    days, weeks = build_order_model(kind, given), {**given, "alpha": 1.5 / 7}
    weeks = build_order_model(kind, weeks | ({"beta": 1.5 / 7} if "beta" in given else {}))

    in_days = days.expected_orders(30.0, x, t_x, tenure)
    assert weeks.expected_orders(30.0 / 7, x, t_x / 7, tenure / 7) == pytest.approx(in_days)


# ---------- the fit


@kinds
def test_likelihood_of_a_base_is_the_sum_over_its_customers(cdnow_sample, kind):
    fit = fit_order_model(kind, *cdnow_sample[:3])

    each = fit.model.log_likelihood(*cdnow_sample[:3])
    assert each.sum() == pytest.approx(fit.log_likelihood, abs=1e-8)


@kinds
def test_days_and_weeks_give_the_same_fit(cdnow_sample, kind):
    x, t_x, tenure = cdnow_sample[:3]
    weeks = fit_order_model(kind, x, t_x, tenure).model.parameters
    days = fit_order_model(kind, x, np.round(7 * t_x), np.round(7 * tenure)).model.parameters

    times = {name: 7.0 * value for name, value in weeks.items() if name in ("alpha", "beta")}
    assert days == pytest.approx(weeks | times, rel=1e-6)


@kinds
def test_warm_start_ends_at_the_same_parameters_sooner(cdnow_master, kind):
    cold = fit_order_model(kind, *cdnow_master[:3])
    warm = fit_order_model(kind, *cdnow_master[:3], start=cold.model)

    assert warm.converged
    assert warm.iterations < cold.iterations
    assert parameters(warm) == pytest.approx(parameters(cold), rel=1e-6)


@kinds
def test_prior_fades_as_customers_are_added(cdnow_sample, kind):
    def distance(times: int) -> float:
        base = [np.tile(column, times) for column in cdnow_sample[:3]]
        with_prior = parameters(fit_order_model(kind, *base))
        without = parameters(fit_order_model(kind, *base, prior_sd=None))
        return max(abs(np.log(a / b)) for a, b in zip(with_prior, without, strict=True))

    assert distance(10) < 0.15 * distance(1)


def test_start_of_another_kind_is_refused(cdnow_sample):
    nbd = fit_order_model("nbd", *cdnow_sample[:3]).model
    with pytest.raises(ValueError, match="The search for a bg_nbd cannot start at a nbd"):
        fit_order_model("bg_nbd", *cdnow_sample[:3], start=nbd)


@kinds
@pytest.mark.parametrize(
    ("x", "t_x", "tenure"),
    [(1, 40, 30), (0, 5, 30), (2, 0, 30), (1.5, 5, 30), (-1, 0, 30), (0, 0, np.nan), (1e9, 9, 30)],
)
def test_impossible_history_is_refused(kind, x, t_x, tenure):
    with pytest.raises(ValueError, match="1 histories are impossible, the first in row 1"):
        fit_order_model(kind, [0, x], [0, t_x], [10, tenure])


@kinds
def test_empty_base_is_refused(kind):
    with pytest.raises(ValueError, match="There is no customer"):
        fit_order_model(kind, [], [], [])


def test_parameters_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="not the parameters of a nbd"):
        build_order_model("nbd", {"r": 1.0, "alpha": 2.0, "a": 1.0, "b": 1.0})
    with pytest.raises(ValueError, match="positive and finite"):
        build_order_model("pareto_nbd", {"r": 1.0, "alpha": 2.0, "s": 0.0, "beta": 1.0})


# ---------- where other packages do not converge


@kinds
@pytest.mark.parametrize("prior_sd", [2.0, None])
def test_base_in_which_nobody_stops_ends_at_the_nbd(simulate, kind, prior_sd):
    # Like UCI Online Retail after nine months: the likelihood rises along a ridge for ever.
    base = simulate(2_000, r=0.72, alpha=66.0, a=1e-6, b=10.0, seed=4)[:3]
    fit = fit_order_model(kind, *base, prior_sd=prior_sd)
    nbd = fit_order_model("nbd", *base, prior_sd=None)

    assert fit.converged
    assert fit.log_likelihood == pytest.approx(nbd.log_likelihood, abs=5.0 if prior_sd else 1e-3)
    assert fit.model.p_alive(*base).mean() > 0.97


@kinds
def test_dense_base_of_many_orders_is_fitted(simulate_lifetimes, kind):
    # Up to 500 orders each: another package's search ends 269 nats below the optimum.
    base = simulate_lifetimes(1_500, r=1.49, alpha=3.7, s=0.25, beta=130.0, seed=5)[:3]
    fit = fit_order_model(kind, *base)

    assert base[0].max() > 400
    assert fit.converged
    assert fit.standard_errors is not None
    if kind == "pareto_nbd":
        errors = np.array(parameters(fit)) - (1.49, 3.7, 0.25, 130.0)
        assert (np.abs(errors) < 3.0 * np.array(fit.standard_errors)).all()


@kinds
@pytest.mark.parametrize("prior_sd", [2.0, None])
def test_small_base_of_forty_weeks_is_fitted(simulate, kind, prior_sd):
    # Like 600 customers of an apparel shop after 40 weeks, where one in a hundred has stopped.
    base = simulate(600, r=1.4, alpha=340.0, a=0.1, b=40.0, seed=6)
    seen = np.minimum(base.tenure, 280.0)
    kept = base.t_x <= seen
    fit = fit_order_model(kind, base.x[kept], base.t_x[kept], seen[kept], prior_sd=prior_sd)

    assert fit.converged
    assert np.isfinite(fit.log_likelihood)


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
def test_base_of_one_time_buyers_is_fitted_without_error(kind):
    fit = fit_order_model(kind, np.zeros(600), np.zeros(600), np.arange(1.0, 601.0))

    assert fit.converged
    assert fit.model.expected_orders(90.0, 0, 0, 300)[0] < 0.01


# ---------- present value


@kinds
def test_discounted_orders_without_interest_are_the_expected_orders(kind):
    model = build_order_model(kind, dict.fromkeys(NAMES[kind], 3.0))
    history = ([0, 4, 9], [0, 200, 30], [100, 250, 31])

    undiscounted = discounted_orders(model, 365.0, 0.0, *history)
    assert undiscounted == pytest.approx(model.expected_orders(365.0, *history), rel=1e-12)


@kinds
def test_discounted_orders_are_near_those_of_short_steps(kind):
    model = build_order_model(kind, {n: 40.0 if "a" in n[1:] else 2.0 for n in NAMES[kind]})
    history = ([0, 4, 9], [0, 200, 30], [100, 250, 31])
    exact = discounted_orders(model, 400.0, 0.10, *history, step_days=2.0)

    assert discounted_orders(model, 400.0, 0.10, *history) == pytest.approx(exact, rel=5e-4)
    whole = model.expected_orders(400.0, *history)
    assert (exact < whole).all()
    assert (exact > whole * 1.10 ** (-400 / 365)).all()
