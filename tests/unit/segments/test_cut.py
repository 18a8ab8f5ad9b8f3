from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import C360Error
from pipelines.rules import find_rules, load_rules
from pipelines.segments.check import check_segment
from pipelines.segments.condition import read_condition
from pipelines.segments.cut import cut_list, needs_scores
from pipelines.segments.judgements import PROFILING, SCORES
from pipelines.segments.reasons import guard_formulas
from tests.unit.segments.list_people import AUDIENCE, audience, segment

PACKAGED = load_rules(find_rules(None)).segments.segments


def on_list(people, where, **changes):
    return cut_list(people, segment(where, **changes)).rows["customer_id"].to_list()


# Conditions


@pytest.mark.parametrize(
    ("where", "who"),
    [
        ("grade = 'A'", ["c0"]),
        ("grade <> 'A'", ["c1"]),
        ("grade != 'A'", ["c1"]),
        ("not grade = 'A'", ["c1"]),
        ("grade in ('A', 'B')", ["c0", "c1"]),
        ("grade not in ('A')", ["c1"]),
        ("grade in ('A', null)", ["c0"]),
        ("grade not in ('A', null)", []),
        ("grade is null", ["c2"]),
        ("grade is not null", ["c0", "c1"]),
        ("grade = null", []),
        ("grade <> null", []),
        ("null = null", []),
        ("order_count between 2 and 3", ["c1", "c2"]),
        ("not order_count between 2 and 3", ["c0"]),
        ("nps_score between 0 and 10", ["c1"]),
        ("not nps_score between 0 and 5", ["c1"]),
        ("nps_score > 0 or nps_score <= 0", ["c1"]),
        ("coalesce(nps_score, 10) > 9", ["c0", "c2"]),
        ("is_guest", ["c2"]),
        ("not is_guest", ["c0", "c1"]),
        ("is_guest = true", ["c2"]),
        ("is_guest is false", ["c0", "c1"]),
        ("order_count = 1 and grade = 'A' or is_guest", ["c0", "c2"]),
        ("order_count = 1 and (grade = 'B' or is_guest)", []),
        ("net_margin_amount >= 0.1", ["c0"]),
        ("net_margin_amount < -0.5", ["c1"]),
        ("first_order_on < date '2026-01-01'", ["c0"]),
        ("first_order_on between date '2026-01-01' and date '2026-12-31'", ["c1"]),
        ("\"grade\" = 'A'", ["c0"]),
        ("city = 'it''s; -- drop table audience'", ["c1"]),
        ("city = '伦敦'", ["c0"]),
        ("true", ["c0", "c1", "c2"]),
        ("false", []),
    ],
)
def test_a_condition_selects_whom_sql_would_and_never_a_missing_value(where, who):
    people = audience(
        {"grade": "A", "order_count": 1, "net_margin_amount": Decimal("0.1"), "city": "伦敦",
         "first_order_on": date(2025, 12, 31)},
        {"grade": "B", "order_count": 2, "net_margin_amount": Decimal(-1), "nps_score": 6.0,
         "city": "it's; -- drop table audience", "first_order_on": date(2026, 1, 1)},
        {"grade": None, "order_count": 3, "is_guest": True},
    )  # fmt: skip
    check_segment(segment(where), AUDIENCE)
    assert sorted(on_list(people, where)) == who


HOSTILE = [
    "", " ", ";", "--", "/* */", "(", "grade =", "grade = 'A", "where grade = 'A'", "grade 'A'",
    "grade = 'A'; drop table audience", "grade = 'A'; grade = 'B'", "; grade = 'A'",
    "grade = 'A' -- and not is_guest", "grade = 'A' /* and */ or true", "grade = 'A' # x",
    "select 1", "select * from audience", "drop table audience",
    "copy audience to '/tmp/c360_hostile'",
    "attach '/tmp/c360_hostile' as x", "install httpfs", "pragma database_list", "set x = 1",
    "order_count in (select order_count from audience)", "exists (select 1)", "(select 1) = 1",
    "order_count = (select max(order_count) from audience)", "order_count > all (select 1)",
    "city in (select * from read_csv('/etc/passwd'))", "read_csv('/etc/passwd') is not null",
    "read_text('/etc/passwd') = ''", "city in (table '/etc/passwd')", "'/etc/passwd' = any(city)",
    "upper(city) = 'LONDON'", "length(city) > 3", "city || 'x' = 'x'", "city like 'L%'",
    "city ilike 'l%'", "city similar to 'L.*'", "regexp_matches(city, '(a+)+$')", "city ~ 'L'",
    "getenv('C360_PSEUDONYM_KEY') = ''", "current_setting('home_directory') = ''",
    "version() = ''",
    "now() > first_order_on", "current_date > first_order_on", "random() < 0.5",
    "current_user = 'x'",
    "count(*) > 1", "row_number() over () < 9", "order_count + 1 > 2", "order_count % 2 = 0",
    "order_count::varchar = '1'", "cast(order_count as varchar) = '1'",
    "date 'now' = first_order_on",
    "cast(city as date) = first_order_on", "try_cast('x' as date) = first_order_on",
    "date '2026-02-30' = first_order_on", "timestamp '2026-01-01 00:00:00' > first_order_on",
    "audience.grade = 'A'", "main.audience.grade = 'A'", "customer_contacts.full_name = 'Li'",
    "full_name = 'Li'", "rowid = 1", "*", "* = 1", "columns(*) = 1", "Grade = 'A'", "gradе = 'A'",
    '"grade; drop table audience" = 1', '"grade" "x" = 1', '"no""such" = 1', "[grade] = 'A'",
    "`grade` = 'A'", "grade = \"A\"", "{{ env_var('X') }}", "grade = '{{ x }}' or {{ true }}",
    "{% if true %} true {% endif %}", "${grade} = 'A'", "$1 = 'A'", "? = 'A'", ":x = 'A'",
    "@x = 'A'",
    "$$A$$ = grade", "E'A' = grade", "x'41' = grade", "case when true then true end",
    "if(true, true, false)",
    "lambda x: x", "x -> x", "list_filter([1], x -> true) = [1]", "struct_pack(a := 1) = {'a': 1}",
    "(grade, city) = ('A', 'B')", "grade in ()", "grade in city", "grade is 'A'", "1 is 1",
    "order_count between symmetric 3 and 1", "grade is distinct from 'A'",
    "grade = 'A' collate nocase",
    "grade = any(['A'])", "grade[1] = 'A'", "order_count is not distinct from 1", "not", "and",
    "or true",
    "true and", "coalesce() = 1", "grade = 'A' limit 1", "grade = 'A' union select 1",
    "1 = 1 order by 1",
    "(" * 900 + "true" + ")" * 900, "not " * 400 + "true", "- " * 900 + "1 = 1", "(" * 5000,
    "true" + " or true" * 1000, "grade = '" + "A" * 3000 + "'", "grade = 'A'\0; drop table x",
    "ｇｒａｄｅ = 'A'",
]  # fmt: skip


@pytest.mark.parametrize(
    "where", HOSTILE, ids=lambda text: text[:40].encode("unicode_escape").decode()
)
def test_whatever_is_more_than_a_condition_over_the_audience_is_refused(where):
    with pytest.raises(C360Error) as refused:
        read_condition(segment(where), AUDIENCE.names())
    assert refused.value.message.startswith("Segment a_list: ")
    assert len(refused.value.message) < 600
    assert refused.value.hint.endswith(".") or refused.value.hint.endswith("_marts.yml.")


@pytest.mark.parametrize(
    "where",
    ["grade", "1", "null", "'x'", "grade > 5", "order_count in ('1')", "first_order_on > 'May'",
     "coalesce(grade)", "coalesce(grade, 1) = 1", "grade and true"],
)  # fmt: skip
def test_a_condition_whose_kinds_of_values_do_not_fit_is_refused_before_the_night(where):
    with pytest.raises(C360Error, match=r"^Segment a_list: .* is not a condition: "):
        check_segment(segment(where), AUDIENCE)
    with pytest.raises(C360Error, match=r"^Segment a_list: .* is not a condition: "):
        cut_list(audience({"city": "Secretville"}), segment(where))


def test_a_refusal_never_quotes_what_the_customers_rows_hold():
    people = audience({"city": "Secretville"})
    with pytest.raises(C360Error) as refused:
        cut_list(people, segment("not city"))
    assert "Secretville" not in str(refused.value)


def test_every_column_of_the_audience_may_be_named_in_a_condition():
    people = audience({})
    for name in AUDIENCE:
        check_segment(segment(f"{name} is null or {name} is not null"), AUDIENCE)
        assert on_list(people, f"{name} is null or {name} is not null") == ["c0"], name


def test_every_packaged_segment_passes_its_own_check():
    assert len(PACKAGED) == 22
    for rule in PACKAGED:
        check_segment(rule, AUDIENCE)
        assert cut_list(audience({}), rule).rows.columns == [
            "customer_id", "channel", "reason", "reason_zh", *rule.columns
        ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"order_by": "spend"},
        {"order_by": "full_name desc"},
        {"columns": ("city", "phone")},
        {"columns": ("city", "city")},
        {"columns": ("customer_id",)},
        {"reason": "{spend}"},
        {"reason": "{}"},
        {"reason": "{city!r}"},
        {"reason": "{city"},
        {"reason_zh": "{city.x}客户"},
        {"reason_zh": "{姓名}"},
    ],
)
def test_order_columns_and_reasons_may_only_name_columns_of_the_audience(changes):
    with pytest.raises(C360Error, match=r"^Segment a_list: "):
        check_segment(segment(**changes), AUDIENCE)


def test_what_judges_a_person_is_a_column_of_the_audience():
    assert SCORES <= PROFILING <= set(AUDIENCE)


def test_only_lists_that_read_a_score_need_one():
    assert needs_scores(segment("churn_risk > 0.5 and city = 'London'"), AUDIENCE)
    assert not needs_scores(segment("grade = 'A'"), AUDIENCE)


# Who is on a list


@pytest.mark.parametrize(
    ("person", "purpose", "where", "there"),
    [
        ({"suppressed_because": "erased"}, "marketing", "order_count > 0", False),
        ({"suppressed_because": "erased"}, "service", "order_count > 0", False),
        ({"suppressed_because": "under_age"}, "survey", "order_count > 0", False),
        ({"has_open_complaint": True}, "marketing", "order_count > 0", False),
        ({"has_open_complaint": True}, "service", "order_count > 0", True),
        ({"has_open_complaint": True}, "survey", "order_count > 0", True),
        ({"is_profiling_refused": True}, "marketing", "order_count > 0", True),
        ({"is_profiling_refused": True}, "marketing", "grade = 'C'", False),
        ({"is_profiling_refused": True}, "service", "grade = 'C'", False),
        ({"is_profiling_refused": True}, "marketing", "grade_label is null", False),
        ({"is_profiling_refused": True}, "marketing", "order_count > 0 or churn_risk > 1", False),
        ({"has_open_complaint": None}, "marketing", "order_count > 0", False),
        ({"is_profiling_refused": None}, "marketing", "grade = 'C'", False),
    ],
)
def test_who_may_not_be_written_to_is_not_on_the_list(person, purpose, where, there):
    assert on_list(audience(person), where, purpose=purpose) == (["c0"] if there else [])


@pytest.mark.parametrize(
    "changes",
    [
        {"order_by": "value_score desc", "limit": 1},
        {"columns": ("churn_risk",)},
        {"reason": "Grade {grade}"},
        {"reason_zh": "{lifecycle_stage_label_zh}"},
    ],
)
def test_who_refused_profiling_is_on_no_list_that_sorts_or_tells_by_a_profile(changes):
    refused = audience({"is_profiling_refused": True, "value_score": 99.0}, {})
    assert on_list(refused, "order_count > 0", **changes) == ["c1"]


def test_the_best_come_first_equals_by_id_and_missing_values_last():
    people = audience(
        {"customer_id": "d", "nps_score": 5.0}, {"customer_id": "b"},
        {"customer_id": "c", "nps_score": 5.0}, {"customer_id": "a", "nps_score": 9.0},
    )  # fmt: skip
    for shuffled in (people, people.reverse(), people.sample(fraction=1, shuffle=True, seed=3)):
        assert on_list(shuffled, "true", order_by="nps_score desc") == ["a", "c", "d", "b"]
        assert on_list(shuffled, "true", order_by="nps_score") == ["c", "d", "a", "b"]
        assert on_list(shuffled, "true", order_by="customer_id desc") == ["d", "c", "b", "a"]
        assert on_list(shuffled, "true", order_by="nps_score desc", limit=2) == ["a", "c"]


def test_a_reason_tells_the_customers_own_values_in_both_languages():
    people = audience(
        {"order_count": 3, "net_margin_amount": Decimal("12.3460"), "churn_risk": 0.126,
         "rhythm_days": 30.0, "last_order_on": date(2026, 6, 1), "city": "London {grade}"},
        {"order_count": 2},
    )  # fmt: skip
    told = "{order_count}|{net_margin_amount}|{churn_risk}|{rhythm_days}|{last_order_on}|"
    told += "{city}|{is_guest}"
    rows = cut_list(people, segment(reason=told, reason_zh="城市{city}，共{order_count}单")).rows
    assert rows["reason"].to_list() == [
        "3|12.35|0.13|30|2026-06-01|London {grade}|false",
        "2|-|-|-|-|-|false",
    ]
    assert rows["reason_zh"].to_list() == ["城市London {grade}，共3单", "城市-，共2单"]


@pytest.mark.parametrize("template", ["Everybody", "", "100% 客户", "{city}"])
def test_a_reason_need_not_name_a_column(template):
    people = audience({"city": template}, {"city": template})
    rows = cut_list(people, segment(reason=template)).rows
    assert rows["reason"].to_list() == [template, template]


# Spreadsheets

COMMANDS = ["cmd|' /C calc'!A0", "1+1", "SUM(A1:A9)", 'HYPERLINK("http://x","y")', "A1"]
FORMULAS = [
    *[sign + command for sign in "=+-@＝＋－＠" for command in COMMANDS],
    "|cmd", "%0A=1", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u3000=1", "\ufeff=1",
    "\ufeff \ufeff=1",
    "\u200b=1", "\u200e=1", "\u2060+1", "\u00ad@x", "\x00=1", "\x0b-1", "\x1f=1", "\ttext",
    "\rtext",
    "--1", "+-1", "=", "-", "+", "+86 138 0013 8001", "+8613800138001+1", "+8613800138001\n=1",
    "+123",
    "-2+3+cmd|' /C calc'!D2", "@SUM(1)", "+1234567890123456",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS, ids=lambda text: text.encode("unicode_escape").decode())
def test_text_that_a_spreadsheet_would_run_is_written_as_text(text):
    rows = pl.DataFrame({"full_name": [text, "Li Wei"], "n": [-1, 2]})
    guarded = guard_formulas(rows)
    assert guarded["full_name"].to_list() == ["'" + text, "Li Wei"]
    assert guarded["n"].to_list() == [-1, 2]


@pytest.mark.parametrize(
    "text",
    ["+8613800138001", "+442079460958", "li@example.com", "Li Wei", "李伟", "a=b", "1-2", "'=1",
     "", None,
     "5 > 3", "O'Brien", "3|4"],
)  # fmt: skip
def test_phones_addresses_and_names_stay_as_they_are(text):
    rows = pl.DataFrame({"contact": [text]}, schema={"contact": pl.String})
    assert guard_formulas(rows).equals(rows)


def test_a_full_width_number_is_no_phone_of_ours_and_is_written_as_text():
    assert guard_formulas(pl.DataFrame({"x": ["+１３８００１３８００１"]}))["x"][0].startswith("'")


@settings(deadline=None)
@given(st.text(max_size=12))
def test_guarded_text_never_begins_like_a_formula(text):
    (guarded,) = guard_formulas(pl.DataFrame({"x": [text]}))["x"]
    assert guarded in (text, "'" + text)
    visible = guarded.lstrip("".join(map(chr, range(33))) + "\u00a0\u3000\ufeff\u200b\u2060")
    assert visible[:1] not in set("=@＝＠") or guarded.startswith("'")
    if visible[:1] in ("+", "-"):
        assert guarded[1:].isdecimal()
