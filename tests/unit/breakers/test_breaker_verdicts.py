from datetime import timedelta

import pytest

from pipelines.breakers.judge import Memory, Reading, bound_share, bound_size, judge
from tests.unit.breakers.past_nights import AS_OF, outcomes, remember


@pytest.mark.parametrize(
    ("value", "outcome"),
    [(50, "tripped"), (51, "passed"), (100, "passed"), (199, "passed"), (200, "tripped")],
)
def test_a_breaker_trips_where_a_number_reaches_its_limit(value, outcome):
    assert outcomes([Reading("a", "size", value, low=50, high=200)]) == {"size": outcome}


def test_what_is_not_critical_is_told_and_let_through():
    [verdict] = judge(
        [Reading("a", "size", 9000, high=200, severity="warning")], "marts", AS_OF
    ).to_dicts()
    assert verdict["outcome"] == "warning"
    assert verdict["told"] == "a has 9,000 rows tonight; it trips at 200"


@pytest.mark.parametrize("limits", [{}, {"value": None, "low": 1, "high": 2}])
def test_without_a_limit_or_a_number_nothing_is_judged(limits):
    assert outcomes([Reading("a", "size", **({"value": 5} | limits))]) == {"size": "not_judged"}


def test_exactly_the_number_that_was_accepted_passes():
    accepted = frozenset([("lists", "a", "left", "", 0.75)])
    for value, outcome in ((0.75, "accepted"), (0.750001, "tripped"), (0.74, "tripped")):
        found = [Reading("a", "left", value, high=0.5)]
        assert outcomes(found, accepted=accepted) == {"left": outcome}
    assert outcomes([Reading("b", "left", 0.75, high=0.5)], accepted=accepted)["left"] == "tripped"
    other_stage = outcomes([Reading("a", "left", 0.75, high=0.5)], "marts", accepted)
    assert other_stage["left"] == "tripped"


def test_usual_is_the_median_of_the_last_nights():
    memory = remember("lists", size__a=[900, 100, 102, 104], nights=3)
    usual = memory.usual("a", "size", version=1)
    assert (usual.median, usual.nights) == (102, 3)


def test_a_night_that_tripped_counts_with_what_was_usual_then():
    memory = remember("lists", size__a=[100, 100, 5000, 5000, 5000], tripped=(1, 2, 3))
    assert memory.usual("a", "size", version=1).median == 100


def test_another_version_of_a_list_is_compared_with_nothing():
    memory = remember("lists", size__a=[100, 100])
    assert memory.usual("a", "size", version=2) is None
    assert Memory(None, "lists", 14).usual("a", "size", version=1) is None


def test_nothing_is_usual_before_enough_nights_or_of_nothing():
    usual = remember("marts", size__a=[100, 100]).usual("a", "size")
    assert bound_size(usual, 0.5, 2, min_nights=3) == (None, None)
    assert bound_size(usual, 0.5, 2, min_nights=2) == (50, 200)
    assert bound_size(usual, None, None, min_nights=2) == (None, None)
    assert bound_size(remember("marts", size__a=[0, 0]).usual("a", "size"), 0.5, 2, 1) == (
        None, None,
    )  # fmt: skip
    share = remember("marts", nulls__a__b=[0.25, 0.25]).usual("a", "nulls", "b")
    assert bound_share(share, 0.2, min_nights=2) == 0.45
    assert bound_share(share, -0.2, min_nights=2) == pytest.approx(0.05)
    assert bound_share(share, 0.2, min_nights=3) is None


def test_a_sentence_says_number_usual_and_limit_and_hides_a_handful_of_persons():
    usual = remember("lists", size__a=[60] * 3).usual("a", "size", version=1)
    found = Reading("a", "size", 4, usual.median, 30, 120, usual.nights)
    assert judge([found], "lists", AS_OF)["told"].item() == (
        "a has fewer than 10 customers tonight; usual is 60 (3 nights); it trips at 30 and at 120"
    )


def test_verdicts_are_sorted_and_of_one_night():
    told = judge([Reading("b", "left", 0.1), Reading("a", "size", 5)], "lists", AS_OF)
    assert told["name"].to_list() == ["a", "b"]
    assert told["as_of"].unique().to_list() == [AS_OF]
    assert judge([], "lists", AS_OF - timedelta(1)).is_empty()
