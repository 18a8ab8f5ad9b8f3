"""Previews, faults, doubts and differences of lists, on a few people."""

import pytest

from pipelines.segments.condition import read_conditions
from pipelines.segments.diff import diff_members, diff_rules, moved
from pipelines.segments.lint import find_doubts, find_faults
from pipelines.segments.prepare import NO_EVENTS, prepare_audience
from pipelines.segments.preview import find_members, preview_list
from tests.unit.segments.list_people import AUDIENCE, COLUMNS, audience, segment
from tests.unit.segments.segment_people import AS_OF, events


def looked_at(rules, people, happened=NO_EVENTS):
    conditions = read_conditions(rules, AUDIENCE)
    return conditions, prepare_audience(people, conditions, happened, AS_OF)


# Preview


def test_a_preview_counts_who_matches_who_is_left_out_and_of_which_grade():
    people = audience(
        {"grade": "A", "order_count": 9}, {"grade": "A", "order_count": 3},
        {"grade": "B", "order_count": 5, "suppressed_because": "under_age"},
        {"grade": "B", "order_count": 0},
    )  # fmt: skip
    rules = [segment(), segment("grade = 'A'", name="best"), segment("false", name="none")]
    found = preview_list(rules[0], *looked_at(rules, people))
    assert (found.asked, found.matched, found.suppressed) == (4, 3, 1)
    assert found.by_grade_and_stage.rows() == [("repeat", "A", 2), ("repeat", "B", 1)]
    assert found.examples.rows() == [
        ("c0", "A", "repeat", "9 orders", "9单"), ("c1", "A", "repeat", "3 orders", "3单"),
    ]  # fmt: skip
    assert found.overlaps.rows() == [("best", 2, 0.6667, 1.0)]


def test_a_preview_shows_ten_examples_and_nothing_of_a_person_but_id_grade_and_stage():
    people = audience(*[{"city": "Secretville"} for _ in range(30)])
    found = preview_list(segment(), *looked_at([segment()], people))
    assert found.matched == 30
    assert found.examples.height == 10
    assert found.examples.columns == [
        "customer_id", "grade", "lifecycle_stage", "reason", "reason_zh",
    ]  # fmt: skip


# Lint


def faults(*rules):
    """Faults of lists that show no column of a person."""
    rules = [rule.model_copy(update={"columns": rule.columns[1:]}) for rule in rules]
    return [(f.name, f.severity, f.told) for f in find_faults(rules, COLUMNS)]


def test_lint_tells_all_faults_and_not_only_the_first():
    found = faults(
        segment("grad = 'A'", name="one"),
        segment("order_count > 'x'", name="two"),
        segment(name="three", reason="{spend}"),
        segment(name="four"),
    )
    assert [(name, severity) for name, severity, _ in found] == [
        ("one", "error"), ("two", "error"), ("three", "error"),
    ]  # fmt: skip
    assert "did you mean grade" in found[0][2]
    assert found[2][2] == "spend is not a column of the audience."


def test_lint_tells_a_circle():
    found = faults(segment("on_list('b')", name="a"), segment("on_list('a')", name="b"))
    assert found == [("a", "error", "on_list goes round in a circle: a → b → a.")]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("lifecycle_stage = 'dorment'", "lifecycle_stage is never 'dorment'; did you mean dormant"),
        ("churn_risk_band in ('high', 'extreme')", "churn_risk_band is never 'extreme'"),
    ],
)
def test_lint_knows_the_values_that_a_column_can_have(where, told):
    [(_, severity, said)] = faults(segment(where))
    assert severity == "error"
    assert said.startswith(told)


def test_lint_doubts_columns_that_help_to_tell_who_somebody_is():
    assert faults(segment(columns=("", "birthday_month", "grade"))) == [
        ("a_list", "warning",
         "birthday_month helps to tell who somebody is; leave it out unless it is needed."),
    ]  # fmt: skip


def doubts(rules, people, happened=NO_EVENTS):
    found = find_doubts(rules, *looked_at(rules, people, happened), happened)
    assert {finding.severity for finding in found} <= {"warning"}
    return [f"{finding.name}: {finding.told}" for finding in found]


PEOPLE = audience({"grade": "A", "order_count": 9}, {"grade": "B"}, {"grade": "C"}, {})


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("order_count > 1", []),
        ("order_count > 99", ["nobody is on it tonight.", "`order_count > 99` is true for nobody"]),
        ("order_count > 0", ["everybody is on it tonight."]),
        ("order_count > 1 and is_guest = false", ["`is_guest = false` is true for everybody"]),
        ("order_count > 1 and grade <> 'B'", ["`grade <> 'B'` keeps nobody off"]),
        ("nps_score > 1", ["nobody is on it", "`nps_score > 1` is unknown for everybody tonight."]),
        ("events('view', 7) >= 0",
         ["nobody is on it", "`events('view', 7) >= 0` is unknown for everybody",
          "`events('view', 7)` is unknown: no source tells of view tonight."]),
    ],
)  # fmt: skip
def test_lint_doubts_what_decides_nothing(where, told):
    said = doubts([segment(where)], PEOPLE, events(known=("order",)))
    assert len(said) == len(told)
    for line, beginning in zip(said, told, strict=True):
        assert line.removeprefix("a_list: ").startswith(beginning)


def test_lint_tells_the_nearest_category():
    happened = events(("c0", "view", "Shoes", AS_OF, 1), ("c1", "view", None, AS_OF, 1))
    said = doubts([segment("events('view', 7, 'Shoe') >= 1 or order_count > 1")], PEOPLE, happened)
    assert said == ["a_list: no view has the category 'Shoe'; did you mean Shoes?"]


def test_lint_doubts_two_lists_of_one_channel_that_are_one():
    people = audience(*[{"order_count": n} for n in range(40)])
    rules = [
        segment("order_count > 2"),
        segment("order_count > 3", name="twin"),
        segment("order_count > 3", name="by_phone", channel="phone"),
        segment("order_count > 20", name="half"),
    ]
    assert doubts(rules, people) == ["a_list: 36 of 37 people are on twin, too: is that one list?"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"where": "grade = 'C' or order_count > 5"}, []),
        ({"where": "grade = 'C' or order_count > 5", "purpose": "service"},
         ["refuse profiling and are left out of a list for service, because its condition reads "
          "grade."]),
        ({"columns": ("grade",)},
         ["refuse profiling and are left out, only because the list shows or is sorted by grade."]),
    ],
)  # fmt: skip
def test_lint_tells_who_is_left_out_for_refusing_profiling_though_need_not_be(changes, told):
    people = audience({"is_profiling_refused": True, "order_count": 9}, {"order_count": 6}, {})
    rule = segment(**({"where": "order_count > 5", "columns": ()} | changes))
    said = doubts([rule], people)
    assert [line for line in said if "profiling" in line] == [
        f"a_list: 1 of {2 if 'where' not in changes else 3} customers {end}" for end in told
    ]


# Diff


def members(rules, people):
    return find_members(*looked_at(rules, people))


def test_a_diff_tells_who_enters_and_leaves_and_of_lists_that_are_new_or_gone():
    people = audience({"order_count": 1}, {"order_count": 2}, {"order_count": 3})
    before = [segment("order_count <= 2"), segment("true", name="gone")]
    after = [segment("order_count >= 2", limit=9), segment("order_count = 1", name="new")]
    one, other = members(before, people), members(after, people)
    assert diff_members(one, other).rows() == [
        ("a_list", 2, 2, 1, 1), ("new", 0, 1, 1, 0), ("gone", 3, 0, 0, 3),
    ]  # fmt: skip
    assert moved(one, other, "a_list") == (["c2"], ["c0"])
    assert moved(one, other, "gone") == ([], ["c0", "c1", "c2"])
    assert [(c.name, c.key, c.before, c.after) for c in diff_rules(before, after)] == [
        ("a_list", "where", "order_count <= 2", "order_count >= 2"),
        ("a_list", "limit", None, "9"),
        ("new", "list", None, "order_count = 1"),
        ("gone", "list", "true", None),
    ]  # fmt: skip


def test_without_a_change_a_diff_is_empty():
    assert diff_rules([segment()], [segment()]) == []
    one = members([segment()], audience({}, {"order_count": 0}))
    assert diff_members(one, one).rows() == [("a_list", 1, 1, 0, 0)]
