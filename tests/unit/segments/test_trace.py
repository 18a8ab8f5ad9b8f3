"""Why a condition is true of somebody or not: every predicate with the value it used."""

from datetime import date
from decimal import Decimal

import pytest

from pipelines.segments.condition import read_conditions
from pipelines.segments.prepare import NO_EVENTS, prepare_audience
from pipelines.segments.trace import failing, say, trace_condition, weigh_parts
from tests.unit.segments.list_people import AUDIENCE, audience, segment
from tests.unit.segments.segment_people import AS_OF, events


def prepared(where, people, happened=NO_EVENTS):
    conditions = read_conditions([segment(where), segment("is_guest", name="guests")], AUDIENCE)
    return conditions["a_list"].tree, prepare_audience(people, conditions, happened, AS_OF)


def traced(where, person, happened=NO_EVENTS):
    tree, people = prepared(where, audience(person), happened)
    return trace_condition(tree, people)[0]


def missed(where, person, happened=NO_EVENTS):
    return [say(step) for step in failing(traced(where, person, happened))]


@pytest.mark.parametrize(
    ("where", "person", "told"),
    [
        ("grade = 'A'", {"grade": "A"}, []),
        ("grade = 'A'", {"grade": "B"}, ["grade = 'A' is false (B)"]),
        ("grade = 'A'", {"grade": None}, ["grade = 'A' is unknown (unknown)"]),
        ("not grade = 'A'", {"grade": "A"}, ["not grade = 'A' is false (A)"]),
        ("grade not in ('A', 'B')", {"grade": "B"}, ["grade not in ('A', 'B') is false (B)"]),
        ("grade = 'A' and order_count > 3 and is_guest", {"grade": "A", "order_count": 3},
         ["order_count > 3 is false (3)", "is_guest is false (false)"]),
        ("grade = 'A' or order_count > 3", {"grade": "B", "order_count": 1},
         ["grade = 'A' is false (B)", "order_count > 3 is false (1)"]),
        ("(grade = 'A' or order_count > 3) and not is_guest", {"grade": "B", "order_count": 4}, []),
        ("not (grade = 'A' or order_count > 3)", {"grade": "B", "order_count": 4},
         ["not (grade = 'A' or order_count > 3) is false (grade: B, order_count: 4)"]),
        ("order_count_90d >= order_count_previous_90d",
         {"order_count_90d": 1, "order_count_previous_90d": 2},
         ["order_count_90d >= order_count_previous_90d is false "
          "(order_count_90d: 1, order_count_previous_90d: 2)"]),
        ("coalesce(nps_score, 9) >= 9", {"nps_score": 6.5},
         ["coalesce(nps_score, 9) >= 9 is false (6.5)"]),
        ("net_margin_amount > 20", {"net_margin_amount": Decimal("12.5000")},
         ["net_margin_amount > 20 is false (12.5)"]),
        ("first_order_on >= as_of - interval 30 days", {"first_order_on": date(2026, 5, 30)},
         ["first_order_on >= as_of - interval 30 days is false "
          "(first_order_on: 2026-05-30, as_of: 2026-06-30)"]),
        ("(grade = 'A') is true", {"grade": None}, ["(grade = 'A') is true is false (unknown)"]),
        ("not on_list('guests')", {"is_guest": True},
         ["not on_list('guests') is false (true)"]),
        ("false", {}, ["false is false"]),
        ("true", {}, []),
    ],
)  # fmt: skip
def test_what_keeps_somebody_off_is_told_with_the_value_used(where, person, told):
    assert missed(where, person) == told


def test_counts_of_events_are_told_as_they_were_counted():
    happened = events(("c0", "order", None, AS_OF, 2))
    assert missed("events('order', 90) = 0", {}, happened) == [
        "events('order', 90) = 0 is false (2)"
    ]
    assert missed("events('share', 90) = 0", {}, happened) == [
        "events('share', 90) = 0 is unknown (unknown)"
    ]


def test_a_trace_has_the_shape_of_the_condition():
    step = traced("grade = 'A' and (is_guest or not (order_count = 1 and city is null))", {})
    assert step.as_dict() == {
        "text": "grade = 'A' and (is_guest or not (order_count = 1 and city is null))",
        "answer": "false",
        "joined": "and",
        "parts": [
            {"text": "grade = 'A'", "answer": "false", "values": {"grade": "C"}},
            {
                "text": "is_guest or not (order_count = 1 and city is null)",
                "answer": "false",
                "joined": "or",
                "parts": [
                    {"text": "is_guest", "answer": "false", "values": {"is_guest": False}},
                    {
                        "text": "not (order_count = 1 and city is null)",
                        "answer": "false",
                        "joined": "not",
                        "parts": [
                            {
                                "text": "order_count = 1 and city is null",
                                "answer": "true",
                                "joined": "and",
                                "parts": [
                                    {"text": "order_count = 1", "answer": "true",
                                     "values": {"order_count": 1}},
                                    {"text": "city is null", "answer": "true",
                                     "values": {"city": None}},
                                ],
                            }
                        ],
                    },
                ],
            },
        ],
    }  # fmt: skip


def test_each_of_several_customers_has_a_trace_of_its_own():
    tree, people = prepared("grade = 'A'", audience({"grade": "A"}, {"grade": "B"}, {}))
    assert [step.answer for step in trace_condition(tree, people)] == [True, False, False]


def test_the_parts_of_a_condition_are_weighed_by_whom_each_stops_alone():
    people = audience(
        {"grade": "A", "order_count": 5}, {"grade": "A", "order_count": 1},
        {"grade": "B", "order_count": 5}, {"grade": None, "order_count": 5},
        {"grade": "B", "order_count": 1},
    )  # fmt: skip
    tree, ready = prepared("grade = 'A' and order_count > 3 and not is_guest", people)
    assert weigh_parts(tree, ready).rows() == [
        ("grade = 'A'", 2, 2, 1, 2),
        ("order_count > 3", 3, 2, 0, 1),
        ("not is_guest", 5, 0, 0, 0),
    ]
    tree, ready = prepared("grade = 'A' or is_guest", people)
    assert weigh_parts(tree, ready).rows() == [("grade = 'A' or is_guest", 2, 2, 1, 3)]
