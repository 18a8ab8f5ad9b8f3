from datetime import date

import numpy as np
import pytest

from pipelines.scoring.models.kinds import Base, build_kind, find_rates, fit_kind
from pipelines.scoring.models.periodic import count_chances, fit_contracts, fit_periodic

BASE = Base(date(2026, 6, 30), period_days=30)
BG_BB = {"alpha": 1.2, "beta": 0.75, "gamma": 0.66, "delta": 2.78}
SBG = {"alpha": 0.7, "beta": 1.2}


def simulate_periods(customers, seed, *, contract):
    """Draw histories in days: orders within some days of each chance, seen for 24 months."""
    random = np.random.default_rng(seed)
    if contract:
        leave = random.beta(SBG["alpha"], SBG["beta"], customers)
        take = np.ones(customers)
    else:
        take = random.beta(BG_BB["alpha"], BG_BB["beta"], customers)
        leave = random.beta(BG_BB["gamma"], BG_BB["delta"], customers)
    tenure = 30.0 * random.integers(3, 25, customers) + 14.0
    x, t_x = np.zeros(customers), np.zeros(customers)
    stays = np.ones(customers, dtype=bool)
    for chance in range(1, 25):
        stays &= random.random(customers) >= leave
        day = 30.0 * chance + random.integers(-5, 6, customers)
        taken = stays & (random.random(customers) < take) & (30 * chance < tenure)
        x += taken
        t_x = np.where(taken, day, t_x)
    return x, t_x, tenure


def test_orders_belong_to_the_nearest_chance_and_one_is_missed_once_its_time_is_over():
    x, t_x = np.array([0.0, 0, 1, 2, 5, 1]), np.array([0.0, 0, 33, 58, 62, 3])
    tenure = np.array([29.0, 45, 70, 58, 90, 3])
    past = count_chances(30, x, t_x, tenure)
    assert past.so_far.tolist() == [0, 1, 2, 2, 3, 1]
    assert past.over.tolist() == [0, 1, 2, 1, 3, 0]
    assert count_chances(30, x, t_x, tenure, grace=0.5).over.tolist() == [0, 1, 1, 1, 2, 0]
    assert past.last.tolist() == [0, 0, 1, 2, 2, 1]
    assert past.taken.tolist() == [0, 0, 1, 2, 2, 1]  # five orders of two periods are two


def test_parameters_of_periodic_orders_are_found_again():
    histories = simulate_periods(20_000, 1, contract=False)
    fit = fit_periodic(*histories, period_days=30)
    for name, error in zip(BG_BB, fit.standard_errors, strict=True):
        assert abs(fit.model.parameters[name] - BG_BB[name]) < 4 * error, name


def test_parameters_of_contracts_are_found_again():
    histories = simulate_periods(20_000, 2, contract=True)
    fit = fit_contracts(*histories, period_days=30)
    for name, error in zip(SBG, fit.standard_errors, strict=True):
        assert abs(fit.model.parameters[name] - SBG[name]) < 4 * error, name


@pytest.mark.parametrize(("kind", "given"), [("bg_bb", BG_BB), ("sbg", SBG)])
def test_no_order_and_expected_orders_say_the_same_of_one_chance(kind, given):
    model = build_kind(kind, given, BASE)
    x, t_x, tenure = simulate_periods(500, 3, contract=kind == "sbg")
    now = tenure - 14.0 + 1.0  # the day after a chance: with 29 more days there is one ahead
    seen = t_x <= now
    x, t_x, now = x[seen], t_x[seen], now[seen]
    late = t_x < now - 20.0
    late &= kind == "sbg"
    silent, expected = (f(29.0, x, t_x, now) for f in (model.p_no_order, model.expected_orders))
    # With the one that is late there may be two.
    assert silent[~late] == pytest.approx(1.0 - expected[~late], abs=1e-9)
    assert ((silent >= 0) & (silent <= 1)).all()
    assert (model.p_alive(x, t_x, now) <= 1).all()
    assert np.isfinite(model.log_likelihood(x, t_x, now)).all()
    if_alive = model.orders_if_alive(90.0, x, now)
    assert (if_alive >= -1e-12).all()
    assert (if_alive <= 4).all()
    shape, mean = find_rates(model, x, t_x, now)
    assert (shape > 0).all()
    assert (mean <= 1 / 30).all()


def test_who_has_let_a_renewal_pass_is_gone():
    model = build_kind("sbg", SBG, BASE)
    gone, late, early = (2.0, 60.0, 106.0), (2.0, 60.0, 100.0), (2.0, 60.0, 70.0)
    x, t_x, tenure = (np.array(column) for column in zip(gone, late, early, strict=True))
    assert model.p_alive(x, t_x, tenure).tolist() == [0, 1, 1]
    stays = (SBG["beta"] + 2) / (SBG["alpha"] + SBG["beta"] + 2)
    assert model.p_no_order(30.0, x, t_x, tenure) == pytest.approx([1, 1 - stays, 1 - stays])
    assert model.p_no_order(10.0, x, t_x, tenure) == pytest.approx([1, 1 - stays, 1])
    assert model.expected_orders(10.0, x, t_x, tenure) == pytest.approx([0, stays, 0])


def test_the_search_goes_on_from_the_last_release_and_a_period_is_needed():
    histories = simulate_periods(3_000, 4, contract=False)
    cold = fit_kind("bg_bb", histories, BASE)
    warm = fit_kind("bg_bb", histories, BASE, start=cold.model)
    assert warm.iterations < cold.iterations
    with pytest.raises(ValueError, match="how many days a period has"):
        fit_kind("sbg", histories, Base(BASE.as_of))
    with pytest.raises(ValueError, match="not the parameters of a sbg"):
        build_kind("sbg", BG_BB, BASE)
