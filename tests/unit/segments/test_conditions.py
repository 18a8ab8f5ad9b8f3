"""What conditions say: SQL's three values, and only true is in."""

import re
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import polars as pl
import pytest
from factories import PROJECT
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import C360Error
from pipelines.segments import language as words
from pipelines.segments.condition import read_conditions
from pipelines.segments.evaluate import as_expression
from pipelines.segments.language import EVENTS, walk, write_condition
from pipelines.segments.parse import parse_condition
from tests.unit.segments.list_people import AUDIENCE, audience, segment
from tests.unit.segments.segment_people import AS_OF, answers, events, on_list

T, F, U = True, False, None


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("grade = 'A'", [T, F, U]),
        ("grade <> 'A'", [F, T, U]),
        ("grade != 'A'", [F, T, U]),
        ("not grade = 'A'", [F, T, U]),
        ("not not grade = 'A'", [T, F, U]),
        ("GRADE_is_no_column is null or true", None),
        ("grade in ('A', 'B')", [T, T, U]),
        ("grade not in ('A')", [F, T, U]),
        ("grade is null", [F, F, T]),
        ("grade is not null", [T, T, F]),
        ("grade is distinct from 'A'", [F, T, T]),
        ("grade is not distinct from 'A'", [T, F, F]),
        ("(grade = 'A') is true", [T, F, F]),
        ("(grade = 'A') is not true", [F, T, T]),
        ("(grade = 'A') is false", [F, T, F]),
        ("(grade = 'A') is not false", [T, F, T]),
        ("grade = 'A' or true", [T, T, T]),
        ("grade = 'A' and false", [F, F, F]),
        ("grade = 'A' or false", [T, F, U]),
        ("grade = 'A' and true", [T, F, U]),
        ("nps_score > 5 or grade = 'A'", [T, T, U]),
        ("nps_score > 5 and grade = 'A'", [U, F, U]),
        ("nps_score > 6", [U, F, U]),
        ("nps_score >= 6", [U, T, U]),
        ("nps_score < 6", [U, F, U]),
        ("nps_score <= 6", [U, T, U]),
        ("nps_score between 6 and 6", [U, T, U]),
        ("nps_score not between 0 and 5", [U, T, U]),
        ("nps_score > 0 or nps_score <= 0", [U, T, U]),
        ("coalesce(nps_score, 10) > 9", [T, F, T]),
        ("order_count between 2 and 3", [F, T, T]),
        ("2 <= order_count", [F, T, T]),
        ("order_count > -1", [T, T, T]),
        ("order_count > 1.5", [F, T, T]),
        ("order_count >= 2.00000000", [F, T, T]),
        ("order_count in (1, 3.0)", [T, F, T]),
        ("net_margin_amount >= 0.1", [T, F, U]),
        ("net_margin_amount > 0.1", [F, F, U]),
        ("net_margin_amount > 0.09999999", [T, F, U]),
        ("net_margin_amount < order_count", [T, T, U]),
        ("churn_risk = 0.1", [T, F, U]),
        ("is_guest", [F, F, T]),
        ("not is_guest", [T, T, F]),
        ("is_guest = true", [F, F, T]),
        ("is_guest <> true", [T, T, F]),
        ("is_guest is false", [T, T, F]),
        ("is_company_contact", [T, F, U]),
        ("coalesce(is_company_contact, is_guest)", [T, F, T]),
        ("coalesce(is_company_contact, false) or grade = 'B'", [T, T, U]),
        ("order_count = 1 and grade = 'A' or is_guest", [T, F, T]),
        ("order_count = 1 and (grade = 'B' or is_guest)", [F, F, F]),
        ("first_order_on < date '2026-01-01'", [T, F, U]),
        ("first_order_on between date '2026-01-01' and date '2026-12-31'", [F, T, U]),
        ("first_order_on >= as_of - interval 180 days", [F, T, U]),
        ("first_order_on = as_of - interval 180 day", [F, T, U]),
        ("first_order_on + interval 1 day = date '2026-01-01'", [T, F, U]),
        ("as_of = date '2026-06-30'", [T, T, T]),
        ("city = 'it''s; -- drop table audience'", [F, T, U]),
        ("city = '伦敦'", [T, F, U]),
        ("city = 'LONDON' or city = ' 伦敦'", [F, F, U]),
        ("grade = 'A' AND Not (order_count > 1)", [T, F, F]),
        ("true", [T, T, T]),
        ("false", [F, F, F]),
    ],
)
def test_a_condition_is_true_false_or_unknown_as_in_sql(where, told):
    people = audience(
        {"grade": "A", "order_count": 1, "net_margin_amount": Decimal("0.1"), "city": "伦敦",
         "first_order_on": date(2025, 12, 31), "churn_risk": 0.1, "is_company_contact": True},
        {"grade": "B", "order_count": 2, "net_margin_amount": Decimal(-1), "nps_score": 6.0,
         "city": "it's; -- drop table audience", "first_order_on": date(2026, 1, 1),
         "churn_risk": 0.1 + 1e-12, "is_company_contact": False},
        {"grade": None, "order_count": 3, "is_guest": True},
    )  # fmt: skip
    if told is None:
        with pytest.raises(C360Error):
            answers(where, people)
    else:
        assert answers(where, people) == told


def test_every_column_of_the_audience_may_be_named():
    people = audience({})
    for name in AUDIENCE:
        assert on_list(f"{name} is null or {name} is not null", people) == ["c0"], name


# Events


def test_a_window_of_days_ends_with_the_run_date_and_includes_it():
    people = audience({}, {}, {}, {})
    happened = events(
        ("c0", "order", None, date(2026, 6, 30), 1),
        ("c1", "order", None, date(2026, 6, 24), 2),
        ("c2", "order", None, date(2026, 6, 23), 4),
        ("c0", "order", None, date(2026, 7, 1), 100),
        ("c1", "view", None, date(2026, 6, 30), 100),
        ("c1", "order", "Shoes", date(2026, 6, 24), 1),
        ("nobody", "order", None, date(2026, 6, 30), 1),
    )
    assert on_list("events('order', 7) = 1", people, happened) == ["c0"]
    assert on_list("events('order', 7) = 2", people, happened) == ["c1"]
    assert on_list("events('order', 8) = 4", people, happened) == ["c2"]
    assert on_list("events('order', 1) = 1", people, happened) == ["c0"]
    assert on_list("events('order', 7) = 0", people, happened) == ["c2", "c3"]
    assert on_list("events('order', 7, 'Shoes') = 1", people, happened) == ["c1"]
    assert on_list("events('order', 7, 'shoes') = 1", people, happened) == []
    assert on_list("days_since_event('order') = 6", people, happened) == ["c1"]
    assert on_list("days_since_event('order') is null", people, happened) == ["c3"]
    assert on_list("days_since_event('order', 'Shoes') = 6", people, happened) == ["c1"]


def test_of_a_kind_that_no_source_tells_of_nothing_is_known_and_nobody_is_on_the_list():
    people = audience({}, {})
    happened = events(("c0", "order", None, AS_OF, 1), known=("order",))
    assert answers("events('view', 7) = 0", people, happened) == [None, None]
    assert answers("events('view', 7) is null", people, happened) == [True, True]
    assert answers("not events('view', 7) > 0", people, happened) == [None, None]
    assert answers("events('order', 7) = 0", people, happened) == [False, True]
    assert answers("events('order', 7) = 0", people) == [None, None]
    assert answers("days_since_event('view') > 3", people, happened) == [None, None]


def test_events_are_counted_as_the_order_of_rows_would_not_change_them():
    people = audience(*[{} for _ in range(50)])
    days = [
        (f"c{n % 50}", "order", None, AS_OF - timedelta(n % 9), n % 4) for n in range(400)
    ]  # fmt: skip
    once = answers("events('order', 5) > 6", people, events(*days))
    assert once == answers("events('order', 5) > 6", people, events(*reversed(days)))
    assert {True, False} == set(once)


# Lists


def test_a_list_may_name_others_whatever_the_order_they_are_written_in():
    people = audience({"grade": "A", "order_count": 9}, {"grade": "A"}, {"grade": None})
    others = [
        segment("on_list('graded') and order_count > 5", name="best"),
        segment("grade = 'A'", name="graded"),
    ]
    assert on_list("on_list('best')", people, others=others) == ["c0"]
    assert on_list("not on_list('best')", people, others=others) == ["c1", "c2"]
    assert on_list("on_list('graded') and not on_list('best')", people, others=others) == ["c1"]
    assert answers("on_list('graded')", people, others=others) == [True, True, False]


def test_a_list_reads_what_the_lists_that_it_names_read():
    rules = [
        segment("on_list('b') and city = 'London'", name="a"),
        segment("on_list('c') or events('view', 7) > 1", name="b"),
        segment("churn_risk > 0.5 and events('order', 9) = 0", name="c"),
        segment("is_guest", name="d"),
    ]
    conditions = read_conditions(rules, AUDIENCE)
    assert list(conditions) == ["c", "b", "a", "d"]
    assert conditions["a"].columns == {"city", "churn_risk"}
    assert [write_condition(event) for event in conditions["a"].events] == [
        "events('view', 7)", "events('order', 9)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wheres", "way"),
    [
        ({"a": "on_list('a')"}, "a → a"),
        ({"a": "on_list('b')", "b": "is_guest or not on_list('a')"}, "a → b → a"),
        ({"x": "on_list('a')", "a": "on_list('b')", "b": "on_list('c')", "c": "on_list('a')"},
         "a → b → c → a"),
    ],
)  # fmt: skip
def test_lists_that_name_one_another_in_a_circle_are_refused_with_the_way(wheres, way):
    rules = [segment(where, name=name) for name, where in wheres.items()]
    with pytest.raises(C360Error, match=rf"goes round in a circle: {way}\."):
        read_conditions(rules, AUDIENCE)


def test_a_list_that_there_is_not_is_refused_with_the_nearest():
    rules = [segment("on_list('win_bak')"), segment("true", name="win_back")]
    with pytest.raises(C360Error, match=r"no such list; did you mean win_back\."):
        read_conditions(rules, AUDIENCE)


# Any condition

KINDS = {
    "order_count": "number", "nps_score": "number", "net_margin_amount": "number",
    "grade": "text", "city": "text", "is_guest": "yes_no", "is_company_contact": "yes_no",
    "first_order_on": "date", "as_of": "date",
}  # fmt: skip
VALUES = {
    "number": st.one_of(st.integers(-3, 3), st.sampled_from([Decimal("0.5"), Decimal("-1.25")])),
    "text": st.sampled_from(["A", "B", "it's", "伦敦", ""]),
    "yes_no": st.booleans(),
    "date": st.dates(date(2026, 6, 28), date(2026, 7, 2)),
}


def values(kind):
    return VALUES[kind].map(lambda value: words.Value(value, kind))


def columns(kind):
    names = sorted(name for name, its in KINDS.items() if its == kind)
    return st.sampled_from(names).map(lambda name: words.Column(name, kind))


@st.composite
def operands(draw, kind):
    one = draw(columns(kind))
    if kind == "date" and draw(st.booleans()):
        return words.Later(one, draw(st.integers(-3, 3)))
    if draw(st.integers(0, 3)) == 0:
        return words.FirstKnown((one, draw(st.one_of(columns(kind), values(kind)))), kind)
    return one


@st.composite
def predicates(draw):
    kind = draw(st.sampled_from(sorted(VALUES)))
    one = draw(operands(kind))
    other = draw(st.one_of(operands(kind), values(kind)))
    what = draw(st.integers(0, 4))
    if what == 0:
        return words.IsNull(one)
    if what == 1:
        return words.Differs(one, other)
    if what == 2:
        return words.In(one, tuple(draw(st.lists(values(kind), min_size=1, max_size=3))))
    if kind in ("number", "date"):
        if what == 3:
            low, high = sorted((draw(VALUES[kind]), draw(VALUES[kind])))
            return words.Between(one, words.Value(low, kind), words.Value(high, kind))
        return words.Compare(draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="])), one, other)
    if kind == "yes_no" and what == 3:
        return words.Holds(one)
    return words.Compare(draw(st.sampled_from(["=", "<>"])), one, other)


def joined(parts):
    def flat(kind, nodes):
        return kind(tuple(p for n in nodes for p in (n.parts if isinstance(n, kind) else (n,))))

    several = st.lists(parts, min_size=2, max_size=3)
    return st.one_of(
        several.map(lambda nodes: flat(words.And, nodes)),
        several.map(lambda nodes: flat(words.Or, nodes)),
        parts.map(words.Not),
        st.builds(words.IsTruth, parts, st.booleans()),
    )


TREES = st.recursive(predicates(), joined, max_leaves=8)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {name: st.one_of(st.none(), VALUES[kind]) for name, kind in KINDS.items()}
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def typed(people):
    rows = [
        person
        | {
            "order_count": person["order_count"] and int(person["order_count"]),
            "nps_score": person["nps_score"] and float(person["nps_score"]),
            "net_margin_amount": person["net_margin_amount"]
            and Decimal(person["net_margin_amount"]),
        }
        for person in people
    ]
    return pl.DataFrame(rows, {name: AUDIENCE[name] for name in KINDS})


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=300, deadline=None)
@given(tree=TREES, people=PEOPLE)
def test_every_condition_says_what_duckdb_says_of_its_text(engine, tree, people):
    rows = typed(people)
    ours = rows.with_columns(as_expression(tree).alias("told"))["told"].to_list()
    engine.register("rows", rows.to_arrow())
    told = engine.execute(f"select ({write_condition(tree)}) from rows").fetchall()  # noqa: S608
    assert ours == [answer for (answer,) in told]


@settings(max_examples=300, deadline=None)
@given(tree=TREES)
def test_a_condition_reads_back_from_its_own_text(tree):
    assert parse_condition("Segment a", write_condition(tree), AUDIENCE) == tree


@settings(max_examples=100, deadline=None)
@given(
    days=st.lists(
        st.tuples(
            st.sampled_from(["c0", "c1", "c2"]), st.sampled_from(["order", "view", "click"]),
            st.sampled_from([None, "Shoes", "Tea"]),
            st.dates(date(2026, 6, 20), date(2026, 7, 2)), st.integers(1, 3),
        ),
        unique_by=lambda day: day[:4],
    ),
    kind=st.sampled_from(["order", "view", "search"]),
    category=st.sampled_from([None, "Shoes"]),
    window=st.integers(1, 11),
    known=st.sets(st.sampled_from(["order", "view", "search"])),
)  # fmt: skip
def test_events_are_counted_as_a_loop_would(days, kind, category, window, known):
    if category and not EVENTS[kind]:
        category = None
    people = audience({}, {}, {})
    call = f"events('{kind}', {window}{f', {category!r}' if category else ''})"
    happened = events(*days, known=known)
    wanted = [
        sum(
            count
            for who, what, of, day, count in days
            if who == customer and what == kind and of == category
            and AS_OF - timedelta(window) < day <= AS_OF
        )
        for customer in people["customer_id"]
    ]  # fmt: skip
    for count in {*wanted, 0, 1}:
        answer = answers(f"{call} = {count}", people, happened)
        assert answer == [n == count if kind in known else None for n in wanted]


def test_a_long_condition_is_read_and_answered():
    people = audience({"order_count": 159}, {"order_count": 160})
    long = " or ".join(f"order_count={n}" for n in range(0, 160, 2)) + " or order_count = 159"
    assert len(long) < 2000
    assert on_list(long, people) == ["c0"]
    many = ", ".join(map(str, range(400)))
    assert on_list(f"order_count in ({many})", people) == ["c0", "c1"]


def test_the_kinds_of_events_are_those_that_the_model_knows():
    folder = PROJECT / "dbt_project" / "models" / "intermediate" / "profile"
    model = (folder / "int_event_kinds.sql").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\('(\w+)', '\w+'\)", model)) == sorted(EVENTS)


def test_walking_a_tree_meets_every_node_once():
    tree = parse_condition("x", "not (grade in ('A') or coalesce(city, 'B') = 'C')", AUDIENCE)
    met = [type(node).__name__ for node in walk(tree)]
    assert met == [
        "Not", "Or", "In", "Column", "Value", "Compare", "FirstKnown", "Column", "Value", "Value",
    ]  # fmt: skip
