from datetime import date, timedelta

import numpy as np
import pytest

from pipelines.scoring.models.cohorts import (
    START,
    build_cohorts,
    find_cohorts,
    fit_cohorts,
)
from pipelines.scoring.models.order_model import fit_order_model
from pipelines.scoring.models.parted import split_models

AS_OF = date(2026, 6, 30)


def tenure_of(day: date) -> int:
    return (AS_OF - day).days


@pytest.fixture(scope="module")
def three_years(simulate):
    """800 won in 2024 who order often, 600 won in 2025 who do not, 40 won in 2026."""
    parts = [
        simulate(800, r=1.5, alpha=20.0, a=0.6, b=3.0, seed=1),
        simulate(600, r=0.5, alpha=90.0, a=0.6, b=3.0, seed=2),
        simulate(40, r=0.5, alpha=90.0, a=0.6, b=3.0, seed=3),
    ]
    firsts = [date(2024, 3, 1), date(2025, 3, 1), date(2026, 3, 1)]
    x, t_x = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    x, t_x = x.copy(), t_x.copy()
    tenure = np.concatenate(
        [np.full(len(p.x), float(tenure_of(d))) for p, d in zip(parts, firsts, strict=True)]
    )
    late = t_x > tenure
    x[late], t_x[late] = 0.0, 0.0
    return x, t_x, tenure


def test_large_cohorts_have_their_own_fit_and_small_ones_that_of_all(three_years):
    x, t_x, tenure = three_years
    fit = fit_cohorts("mbg_nbd", x, t_x, tenure, as_of=AS_OF, min_customers=500)
    assert sorted(fit.model.by_cohort) == [2024, 2025]
    old = fit_order_model("mbg_nbd", x[:800], t_x[:800], tenure[:800])
    assert fit.model.by_cohort[2024].parameters == pytest.approx(old.model.parameters, rel=1e-5)
    all_of_them = fit_order_model("mbg_nbd", x, t_x, tenure).model
    ahead = fit.model.expected_orders(90, x, t_x, tenure)
    expected = all_of_them.expected_orders(90, x[1400:], t_x[1400:], tenure[1400:])
    assert ahead[1400:] == pytest.approx(expected, rel=1e-6)
    assert ahead[:800] == pytest.approx(
        old.model.expected_orders(90, x[:800], t_x[:800], tenure[:800]), rel=1e-4
    )


@pytest.mark.parametrize("name", ["p_alive", "log_likelihood", "p_no_order", "orders_if_alive"])
def test_each_customer_is_asked_of_the_own_cohort(three_years, name):
    x, t_x, tenure = three_years
    model = fit_cohorts("mbg_nbd", x, t_x, tenure, as_of=AS_OF, min_customers=500).model
    given = {"p_no_order": (90.0, x, t_x, tenure), "orders_if_alive": (90.0, x, tenure)}
    columns = given.get(name, (x, t_x, tenure))
    told = getattr(model, name)(*columns)
    for part, rows in split_models(model, tenure):
        own = [c if isinstance(c, float) else c[rows] for c in columns]
        assert told[rows] == pytest.approx(getattr(part, name)(*own))


def test_the_year_of_the_first_order_follows_from_the_day():
    days = [date(2024, 12, 31), date(2025, 1, 1), date(2026, 6, 30)]
    assert find_cohorts(AS_OF, np.array([float(tenure_of(day)) for day in days])).tolist() == [
        2024, 2025, 2026,
    ]  # fmt: skip
    tomorrow = find_cohorts(AS_OF + timedelta(days=1), np.array([tenure_of(days[0]) + 1.0]))
    assert tomorrow.tolist() == [2024]


def test_who_ordered_in_the_first_days_is_a_cohort_of_its_own(three_years):
    x, t_x, tenure = three_years
    known_by = date(2024, 3, 1)
    told = fit_cohorts(
        "mbg_nbd", x, t_x, tenure, as_of=AS_OF, min_customers=500, known_by=known_by
    ).model
    assert sorted(told.by_cohort) == [START, 2025]
    first = tenure == tenure_of(known_by)
    alone = fit_order_model("mbg_nbd", x[first], t_x[first], tenure[first]).model
    assert told.by_cohort[START].parameters == pytest.approx(alone.parameters, rel=1e-5)
    kept = build_cohorts("mbg_nbd", told.parameters, AS_OF, known_by)
    assert (kept.p_alive(x, t_x, tenure) == told.p_alive(x, t_x, tenure)).all()
    before = [float(tenure_of(known_by)), float(tenure_of(known_by) - 1)]
    assert find_cohorts(AS_OF, np.array(before), known_by).tolist() == [START, 2024]


def test_order_of_rows_does_not_change_the_models(three_years):
    mixed = np.random.default_rng(6).permutation(len(three_years[0]))
    shuffled = fit_cohorts(
        "nbd", *(column[mixed] for column in three_years), as_of=AS_OF, min_customers=500
    )
    fit = fit_cohorts("nbd", *three_years, as_of=AS_OF, min_customers=500)
    assert list(shuffled.model.parameters) == list(fit.model.parameters)
    assert shuffled.model.parameters == pytest.approx(fit.model.parameters, rel=1e-9)


def test_models_of_the_last_release_are_where_the_search_begins(three_years):
    cold = fit_cohorts("mbg_nbd", *three_years, as_of=AS_OF, min_customers=500)
    kept = build_cohorts("mbg_nbd", cold.model.parameters, AS_OF + timedelta(days=1))
    assert kept.parameters == cold.model.parameters
    warm = fit_cohorts("mbg_nbd", *three_years, as_of=AS_OF, min_customers=500, start=kept)
    assert warm.iterations < cold.iterations
    assert warm.model.parameters == pytest.approx(cold.model.parameters, rel=1e-4)


def test_parameters_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="are not the parameters of a mbg_nbd"):
        build_cohorts("mbg_nbd", {"r": 1.0, "alpha": 2.0, "a": 1.0, "b": 1.0, "s_2025": 1.0}, AS_OF)
