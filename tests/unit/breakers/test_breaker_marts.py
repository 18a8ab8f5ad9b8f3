import polars as pl
import pytest

from pipelines.breakers.judge import Memory
from pipelines.breakers.marts import Counted, read_drift, read_grade_changes, read_mart, read_shared
from pipelines.rules.breakers import MartLimits
from tests.unit.breakers.past_nights import outcomes, remember

LIMITS = MartLimits(severity="critical", min_rows=100)


def test_size_is_held_against_the_usual_one():
    memory = remember("marts", size__customer_360=[1000] * 3)
    for rows, outcome in ((800, "tripped"), (801, "passed"), (1499, "passed"), (1500, "tripped")):
        found = read_mart("customer_360", Counted(rows, {}), LIMITS, memory)
        assert outcomes(found, "marts") == {"size": outcome}


def test_a_mart_that_is_emptied_trips_and_a_small_one_is_not_judged():
    for usual, outcome in ((99, "not_judged"), (100, "tripped")):
        memory = remember("marts", size__customer_360=[usual] * 3)
        found = read_mart("customer_360", Counted(0, {}), LIMITS, memory)
        assert outcomes(found, "marts") == {"size": outcome}


@pytest.mark.parametrize(("missing", "outcome"), [(399, "passed"), (400, "tripped")])
def test_missing_values_trip_by_their_rise(missing, outcome):
    memory = remember("marts", nulls__customer_360__city=[0.1] * 3, size__customer_360=[1000] * 3)
    found = read_mart("customer_360", Counted(1000, {"city": missing}), LIMITS, memory)
    assert outcomes(found, "marts")["nulls city"] == outcome


@pytest.mark.parametrize(("shared", "outcome"), [(119, "passed"), (120, "tripped")])
def test_identifiers_of_several_customers_trip_by_their_rise(shared, outcome):
    limits = LIMITS.model_copy(update={"max_shared_rise": 0.1})
    memory = remember("marts", shared_identifiers__customer_identifiers=[0.02] * 3)
    found = read_shared("customer_identifiers", shared, Counted(1000, {}), limits, memory)
    assert outcomes([found], "marts") == {"shared_identifiers": outcome}


@pytest.mark.parametrize(
    ("changed", "rows", "outcome"),
    [(299, 1000, "passed"), (300, 1000, "tripped"), (99, 99, "not_judged"), (0, 0, "not_judged")],
)
def test_grades_that_change_trip_by_their_share(changed, rows, outcome):
    limits = LIMITS.model_copy(update={"max_grade_changes_share": 0.3})
    found = read_grade_changes("customer_grades", changed, rows, limits)
    assert outcomes([found], "marts") == {"grade_changes": outcome}


def test_scores_that_move_trip_and_inputs_of_them_do_not():
    limits = LIMITS.model_copy(update={"max_drift": 0.5})
    drift = pl.DataFrame(
        {"column": ["churn_risk", "clv_365d_amount", "p_alive"], "psi": [0.5, 0.49, 9.0]}
    )
    told = outcomes(read_drift("customer_scores", drift, limits), "marts")
    assert told == {"drift churn_risk": "tripped", "drift clv_365d_amount": "passed"}


def test_by_default_a_mart_warns():
    memory = remember("marts", size__customer_segments=[1000] * 3)
    found = read_mart("customer_segments", Counted(1, {}), MartLimits(), memory)
    assert outcomes(found, "marts") == {"size": "warning"}
    first = read_mart("customer_segments", Counted(1, {}), MartLimits(), Memory(None, "marts", 14))
    assert outcomes(first, "marts") == {"size": "not_judged"}
