import numpy as np
import polars as pl
import pytest

from pipelines.scoring.models.cohorts import fit_by_cohort
from pipelines.scoring.models.order_model import fit_order_model


@pytest.fixture(scope="module")
def two_channels(simulate):
    """800 customers of the shop who order often, 300 of the web who do not, 40 of a fair."""
    parts = [
        simulate(800, r=1.5, alpha=20.0, a=0.6, b=3.0, seed=1),
        simulate(300, r=0.5, alpha=90.0, a=0.6, b=3.0, seed=2),
        simulate(40, r=0.5, alpha=90.0, a=0.6, b=3.0, seed=3),
    ]
    columns = [np.concatenate(column) for column in zip(*(p[:3] for p in parts), strict=True)]
    return pl.Series(["shop"] * 800 + ["web"] * 300 + ["fair"] * 30 + [None] * 10), *columns


def test_large_cohorts_have_their_own_fit(two_channels):
    cohort, x, t_x, tenure = two_channels
    fits = fit_by_cohort("mbg_nbd", cohort, x, t_x, tenure, min_customers=300)

    assert set(fits.by_cohort) == {"shop", "web"}
    alone = fit_order_model("mbg_nbd", x[:800], t_x[:800], tenure[:800])
    assert fits.fit_for("shop").model.parameters == pytest.approx(alone.model.parameters, rel=1e-5)
    assert fits.fit_for("shop").customers == 800
    late = [fits.fit_for(name).model.expected_orders(90, 0, 0, 0)[0] for name in ("shop", "web")]
    assert late[0] > 2.0 * late[1]


def test_small_and_unknown_cohorts_are_pooled(two_channels):
    fits = fit_by_cohort("nbd", *two_channels, min_customers=300)

    assert fits.fit_for("fair") is fits.fit_for(None) is fits.fit_for("new") is fits.pooled
    assert fits.pooled.customers == 1140


def test_order_of_rows_does_not_change_which_fits_there_are(two_channels):
    cohort, *columns = two_channels
    mixed = np.random.default_rng(6).permutation(len(cohort))
    shuffled = fit_by_cohort(
        "nbd", cohort[mixed], *(column[mixed] for column in columns), min_customers=300
    )
    fits = fit_by_cohort("nbd", cohort, *columns, min_customers=300)

    assert list(shuffled.by_cohort) == list(fits.by_cohort) == ["shop", "web"]
    for name in ("shop", "web", None):
        expected = fits.fit_for(name).model.parameters
        assert shuffled.fit_for(name).model.parameters == pytest.approx(expected, rel=1e-9)


def test_fits_of_the_last_release_are_where_the_search_begins(two_channels):
    cold = fit_by_cohort("mbg_nbd", *two_channels, min_customers=300)
    warm = fit_by_cohort("mbg_nbd", *two_channels, min_customers=300, start=cold)

    assert warm.fit_for("web").iterations < cold.fit_for("web").iterations
