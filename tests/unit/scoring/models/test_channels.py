import numpy as np
import pytest

from pipelines.scoring.models.channels import (
    Channels,
    build_channels,
    fit_channels,
    of_channels,
    of_rows,
)
from pipelines.scoring.models.order_model import fit_order_model
from pipelines.scoring.models.parted import split_models


@pytest.fixture(scope="module")
def base(simulate):
    """800 won in the store who order often, 600 on the web who do not, 40 of whom nothing is known.

    They stand mixed up, as customers do.
    """
    parts = [
        simulate(800, r=1.5, alpha=20.0, a=0.6, b=3.0, seed=1),
        simulate(600, r=0.5, alpha=90.0, a=0.6, b=3.0, seed=2),
        simulate(40, r=0.5, alpha=90.0, a=0.6, b=3.0, seed=3),
    ]
    mixed = np.random.default_rng(4).permutation(1_440)
    histories = tuple(np.concatenate([part[i] for part in parts])[mixed] for i in range(3))
    places = np.repeat(np.array([0, 1, -1], dtype=np.int32), [800, 600, 40])[mixed]
    return histories, Channels(("store", "web"), places)


@pytest.fixture(scope="module")
def model(base):
    histories, channels = base
    return fit_channels("mbg_nbd", histories, channels, min_customers=500).model


def test_a_large_channel_has_its_own_fit_and_who_came_by_none_that_of_all(base, model):
    histories, channels = base
    store, unknown = channels.are("store"), channels.places == -1
    assert sorted(model.by_channel) == ["store", "web"]
    alone = fit_order_model("mbg_nbd", *(column[store] for column in histories)).model
    assert model.by_channel["store"].parameters == pytest.approx(alone.parameters, rel=1e-5)
    ahead = model.expected_orders(90, *histories)
    assert ahead[store] == pytest.approx(
        alone.expected_orders(90, *(column[store] for column in histories)), rel=1e-4
    )
    pooled = model.pooled.expected_orders(90, *(column[unknown] for column in histories))
    assert ahead[unknown] == pytest.approx(pooled)


def test_a_small_channel_is_scored_as_all(base):
    histories, channels = base
    fit = fit_channels("nbd", histories, channels, min_customers=700)
    assert [*fit.model.by_channel] == ["store"]
    assert [*fit.model.parameters] == ["r", "alpha", "r_store", "alpha_store"]
    assert fit.customers == 1_440


@pytest.mark.parametrize("name", ["p_alive", "log_likelihood", "p_no_order", "orders_if_alive"])
def test_each_customer_is_asked_of_the_own_channel(base, model, name):
    x, t_x, tenure = base[0]
    given = {"p_no_order": (90.0, x, t_x, tenure), "orders_if_alive": (90.0, x, tenure)}
    columns = given.get(name, (x, t_x, tenure))
    told = getattr(model, name)(*columns)
    for part, rows in split_models(model, tenure):
        own = [c if isinstance(c, float) else c[rows] for c in columns]
        assert told[rows] == pytest.approx(getattr(part, name)(*own))


def test_some_customers_are_told_what_they_are_told_among_all(base, model):
    histories, _ = base
    everybody = model.silence(*histories)(90.0)
    for rows in (np.array([3, 700, 1_200]), slice(100, 400)):
        some = of_rows(model, rows)
        assert (some.silence(*(c[rows] for c in histories))(90.0) == everybody[rows]).all()
    with pytest.raises(ValueError, match="1440 customers are known"):
        model.p_alive(*(column[:5] for column in histories))


def test_the_models_go_to_other_customers_and_over_a_release(base, model):
    histories, channels = base
    kept = build_channels("mbg_nbd", model.parameters, Channels(("web",), channels.places))
    again = of_channels(kept, channels)
    assert (again.p_alive(*histories) == model.p_alive(*histories)).all()
    warm = fit_channels("mbg_nbd", histories, channels, min_customers=500, start=kept)
    assert warm.model.parameters == pytest.approx(model.parameters, rel=1e-4)
    plain = model.pooled
    assert of_channels(plain, channels) is plain
    assert of_rows(plain, slice(0, 2)) is plain
