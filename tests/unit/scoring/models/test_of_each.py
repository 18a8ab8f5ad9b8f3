"""A number of days of each customer is asked of every kind of model as one for all is."""

from datetime import date, timedelta

import numpy as np
import pytest

from pipelines.scoring.models.channels import Channels
from pipelines.scoring.models.kinds import Base, build_kind

AS_OF = date(2026, 6, 30)
BASE = Base(
    AS_OF,
    period_days=30,
    known_by=AS_OF - timedelta(days=700),
    channels=Channels(("store", "web"), np.array([0, 1, -1, 1], dtype=np.int32)),
)
BG, PARETO = {"r": 0.8, "alpha": 40.0, "a": 0.6, "b": 3.0}, {"r": 0.8, "alpha": 40.0}
GIVEN = {
    "mbg_nbd": BG,
    "bg_nbd": BG,
    "nbd": PARETO,
    "pareto_nbd": PARETO | {"s": 0.6, "beta": 80.0},
    "mbg_nbd_cohorts": BG | {f"{name}_start": 2.0 * value for name, value in BG.items()},
    "mbg_nbd_channels": BG | {f"{name}_web": 0.5 * value for name, value in BG.items()},
    "bg_bb": {"alpha": 1.2, "beta": 0.75, "gamma": 0.66, "delta": 2.8},
    "sbg": {"alpha": 0.7, "beta": 1.2},
}
X, T_X, TENURE = np.array([[0, 1, 5, 12], [0, 60, 300, 690], [90, 95, 420, 720]], dtype=float)


@pytest.mark.parametrize("kind", GIVEN)
def test_days_of_each_customer_are_as_good_as_days_of_all(kind):
    model = build_kind(kind, GIVEN[kind], BASE)
    ahead = np.array([30.0, 90.0, 365.0, 365.0])
    told = {
        "expected_orders": lambda t: model.expected_orders(t, X, T_X, TENURE),
        "orders_if_alive": lambda t: model.orders_if_alive(t, X, TENURE),
        "p_no_order": lambda t: model.p_no_order(t, X, T_X, TENURE),
        "silence": model.silence(X, T_X, TENURE),
    }
    for name, ask in told.items():
        of_each, by_day = ask(ahead), np.array([ask(t) for t in ahead.tolist()])
        assert of_each == pytest.approx(by_day.diagonal(), rel=1e-12), name
    assert (told["silence"](ahead) == told["p_no_order"](ahead)).all()
