import numpy as np
import pytest
from scipy.special import betaln

from pipelines.scoring.models.bg_bb import BgBb, fit_bg_bb

# Donors of a public radio station by years given, last year given, years (Fader, Hardie, Shang
# 2010, table 2), and how many they are.
DONATIONS = np.array([
    (0, 0, 6, 3464), (1, 1, 6, 1091), (1, 2, 6, 277), (1, 3, 6, 129), (1, 4, 6, 78),
    (1, 5, 6, 119), (1, 6, 6, 129), (2, 2, 6, 613), (2, 3, 6, 255), (2, 4, 6, 155),
    (2, 5, 6, 173), (2, 6, 6, 234), (3, 3, 6, 322), (3, 4, 6, 181), (3, 5, 6, 225),
    (3, 6, 6, 357), (4, 4, 6, 240), (4, 5, 6, 284), (4, 6, 6, 512), (5, 5, 6, 335),
    (5, 6, 6, 728), (6, 6, 6, 1203),
], dtype=float).T  # fmt: skip
X, T_X, N, DONORS = DONATIONS
PUBLISHED = BgBb(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783)


def test_donations_give_the_published_parameters():
    fit = fit_bg_bb(X, T_X, N, DONORS, prior_sd=None)

    assert fit.converged
    assert fit.customers == 11_104
    assert fit.log_likelihood == pytest.approx(-33225.581274, abs=1e-5)
    expected = (1.20351986, 0.74971546, 0.65671889, 2.78344817)
    assert tuple(fit.model.parameters.values()) == pytest.approx(expected, rel=1e-5)
    rounded = {name: round(value, 3) for name, value in fit.model.parameters.items()}
    assert rounded == pytest.approx(PUBLISHED.parameters, abs=1.1e-3)


def test_donations_of_the_five_years_after_are_forecast_as_published():
    model = fit_bg_bb(X, T_X, N, DONORS, prior_sd=None).model
    forecast = (DONORS * model.expected_orders(5, X, T_X, N)).sum()

    assert forecast == pytest.approx(12_884.2, abs=0.1)


@pytest.mark.parametrize(("x", "t_x", "alive"), [(0, 0, 0.108), (2, 4, 0.590), (6, 6, 0.930)])
def test_chance_to_be_active_as_published(x, t_x, alive):
    assert PUBLISHED.p_alive(x, t_x, 6)[0] == pytest.approx(alive, abs=6e-4)


@pytest.mark.parametrize(("x", "t_x", "orders"), [(6, 6, 5.9087), (3, 4, 1.6287), (0, 0, 0.11465)])
def test_discounted_orders_as_published(x, t_x, orders):
    assert PUBLISHED.discounted_orders(0.1, x, t_x, 6)[0] == pytest.approx(orders, abs=6e-5)


def test_likelihoods_of_all_histories_add_up_to_one():
    # Of n chances, x taken with the last at t_x: C(t_x - 1, x - 1) orders of events each.
    from math import comb

    histories = [(x, t_x) for t_x in range(1, 7) for x in range(1, t_x + 1)]
    ways = np.array([1.0] + [comb(t_x - 1, x - 1) for x, t_x in histories])
    x, t_x = np.array([(0, 0), *histories], dtype=float).T

    assert (ways * np.exp(PUBLISHED.log_likelihood(x, t_x, 6))).sum() == pytest.approx(1.0)


def test_likelihood_is_the_sum_of_the_paper():
    a, b, c, d = PUBLISHED.parameters.values()
    x, t_x, n = 2, 3, 6

    def part(missed: int, stopped: int, stayed: int) -> float:
        buying = betaln(a + x, b + missed) - betaln(a, b)
        return float(np.exp(buying + betaln(c + stopped, d + stayed) - betaln(c, d)))

    total = part(n - x, 0, n) + sum(part(i - x, 1, i) for i in range(t_x, n))
    assert np.exp(PUBLISHED.log_likelihood(x, t_x, n)[0]) == pytest.approx(total, rel=1e-12)


def test_no_discount_is_refused_and_a_small_one_is_near_the_plain_sum():
    with pytest.raises(ValueError, match="discount rate must be positive"):
        PUBLISHED.discounted_orders(0.0, 2, 3, 6)
    plain = PUBLISHED.expected_orders(10, 2, 3, 6)

    assert PUBLISHED.discounted_orders(0.5, 2, 3, 6) < plain


def test_fit_recovers_the_parameters_of_a_simulation():
    random, customers, years = np.random.default_rng(3), 30_000, 10
    gives = random.random((customers, years)) < random.beta(1.2, 0.8, customers)[:, None]
    stops = random.geometric(random.beta(0.7, 2.8, customers))[:, None]
    gives &= np.arange(1, years + 1) < stops
    last = np.where(gives.any(axis=1), years - np.argmax(gives[:, ::-1], axis=1), 0)
    fit = fit_bg_bb(gives.sum(axis=1), last, years)

    errors = np.array(list(fit.model.parameters.values())) - (1.2, 0.8, 0.7, 2.8)
    assert (np.abs(errors) < 3.0 * np.array(fit.standard_errors)).all()


def test_base_in_which_nobody_stops_is_fitted_without_error():
    fit = fit_bg_bb([8, 7, 8, 6], [8, 8, 8, 8], 8, [50, 30, 40, 20])

    assert fit.converged
    assert fit.model.p_alive(8, 8, 8)[0] > 0.9


@pytest.mark.parametrize(("x", "t_x"), [(1.5, 3), (4, 3), (2, 7), (0, 2), (2, 0)])
def test_impossible_history_is_refused(x, t_x):
    with pytest.raises(ValueError, match="0 <= x <= t_x <= n"):
        fit_bg_bb([0, x], [0, t_x], 6)


def test_empty_base_is_refused():
    with pytest.raises(ValueError, match="There is no customer"):
        fit_bg_bb([], [], [])
