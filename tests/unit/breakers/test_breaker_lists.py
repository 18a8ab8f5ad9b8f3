import polars as pl
import pytest

from pipelines.breakers.judge import Memory
from pipelines.breakers.lists import find_audience, read_list
from pipelines.rules.breakers import ListLimits
from tests.unit.breakers.past_nights import outcomes, remember
from tests.unit.segments.list_people import segment

LIMITS = ListLimits(min_customers=10)
NO_MEMORY = Memory(None, "lists", 14)


def people(count, missing=0, repeated=0):
    """Rows of a list: so many without a city, so many with one and the same address."""
    return pl.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(count)],
            "contact": ["same" if n < repeated else f"p{n}" for n in range(count)],
            "city": [None if n < missing else "Leeds" for n in range(count)],
        },
        {"customer_id": pl.String, "contact": pl.String, "city": pl.String},
    )


def judged(rows=None, size=None, memory=NO_MEMORY, limits=LIMITS, **shares):
    rows = people(20) if rows is None else rows
    size = rows.height if size is None else size
    return outcomes(read_list(rows, size, shares, segment(), limits, memory))


@pytest.mark.parametrize(
    ("size", "outcome"),
    [(0, "tripped"), (10, "tripped"), (11, "passed"), (39, "passed"), (40, "tripped")],
)
def test_size_is_held_against_the_usual_one(size, outcome):
    memory = remember("lists", size__a_list=[20, 20, 20])
    assert judged(people(size), memory=memory)["size"] == outcome


def test_size_counts_whom_another_list_or_a_cap_takes_for_the_night():
    memory = remember("lists", size__a_list=[20, 20, 20])
    assert judged(people(1), size=18, memory=memory)["size"] == "passed"
    decided = pl.DataFrame(
        {
            "customer_id": list("abcdefgh"),
            "decision": [
                "suppressed", "no_consent", "lower_priority", "capped", "over_limit", "list_kept",
                "holdout", "on_list",
            ],
        }
    )  # fmt: skip
    assert find_audience(decided)["customer_id"].to_list() == ["c", "d", "g", "h"]


def test_an_explosion_of_a_small_list_trips_and_one_that_is_small_still_does_not():
    memory = remember("lists", size__a_list=[2, 2, 2])
    assert judged(people(9), memory=memory)["size"] == "not_judged"
    assert judged(people(10), memory=memory)["size"] == "tripped"


@pytest.mark.parametrize("breaker", ["entered", "left"])
@pytest.mark.parametrize(
    ("part", "whole", "outcome"),
    [(9, 20, "passed"), (10, 20, "tripped"), (9, 9, "not_judged"), (0, 0, "not_judged")],
)
def test_change_trips_by_its_share_and_is_not_judged_of_few(breaker, part, whole, outcome):
    assert judged(**{breaker: (part, whole)})[breaker] == outcome


def test_on_a_first_night_nothing_is_told_of_change():
    assert not {"entered", "left"} & judged().keys()


@pytest.mark.parametrize(
    ("consenting", "outcome"),
    [(25, "tripped"), (26, "passed"), (54, "passed"), (55, "tripped")],
)
def test_consent_trips_in_both_directions(consenting, outcome):
    memory = remember("lists", consent__a_list=[0.4, 0.4, 0.4])
    assert judged(consent=(consenting, 100), memory=memory)["consent"] == outcome


def test_consent_is_not_asked_where_no_source_states_any():
    assert "consent" not in judged()


@pytest.mark.parametrize(("missing", "outcome"), [(5, "passed"), (6, "tripped")])
def test_missing_values_trip_by_their_rise(missing, outcome):
    memory = remember("lists", nulls__a_list__city=[0.1, 0.1, 0.1])
    told = judged(people(20, missing=missing), memory=memory)
    assert told["nulls city"] == outcome
    assert told["nulls contact"] == "not_judged"


@pytest.mark.parametrize(("repeated", "outcome"), [(0, "passed"), (3, "passed"), (4, "tripped")])
def test_contact_points_of_several_customers_trip_by_their_share(repeated, outcome):
    limits = LIMITS.model_copy(update={"max_repeated_contacts_share": 0.2})
    told = judged(people(20, repeated=repeated), limits=limits)
    assert told["repeated_contacts"] == outcome


def test_a_limit_that_is_null_is_off():
    off = dict.fromkeys(
        ("least_of_usual", "most_of_usual", "max_entered_share", "max_left_share",
         "max_consent_change", "max_null_rise", "max_repeated_contacts_share")
    )  # fmt: skip
    memory = remember(
        "lists", size__a_list=[1000] * 3, consent__a_list=[1] * 3, nulls__a_list__city=[0] * 3
    )
    told = judged(
        people(20, missing=20, repeated=20), entered=(20, 20), left=(20, 20), consent=(0, 20),
        memory=memory, limits=ListLimits(min_customers=1, **off),
    )  # fmt: skip
    assert set(told.values()) == {"not_judged"}
