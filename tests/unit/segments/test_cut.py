from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import C360Error
from pipelines.rules import find_rules, load_rules
from pipelines.segments.check import check_columns
from pipelines.segments.condition import read_conditions
from pipelines.segments.cut import needs_scores, write_rows
from pipelines.segments.funnel import Night, decide_lists
from pipelines.segments.judgements import PROFILING, SCORES
from pipelines.segments.lint import refuse_faults
from pipelines.segments.prepare import NO_EVENTS, prepare_audience
from pipelines.segments.reasons import guard_formulas
from tests.unit.segments.list_people import AUDIENCE, COLUMNS, asked, audience, rules, segment

PACKAGED = load_rules(find_rules(None)).segments.segments


def condition_of(rule):
    return read_conditions([rule], AUDIENCE)[rule.name]


def cut(people, *asked_for):
    """The rows of the last list of a night on which no source states any consent."""
    nobody = pl.DataFrame(schema=dict.fromkeys(["customer_id", "channel", "detail"], pl.String))
    night = Night(date(2026, 6, 30), people, None, asked(), nobody)
    listed = decide_lists(night, rules(*asked_for)).filter("is_on_list")
    rule = asked_for[-1]
    mine = listed.filter(pl.col("list") == rule.name).select("customer_id")
    return write_rows(people, rule, mine, None)


def on_list(people, where, **changes):
    return cut(people, segment(where, **changes))["customer_id"].to_list()


def test_every_packaged_segment_passes_its_own_check():
    assert len(PACKAGED) == 22
    refuse_faults(PACKAGED, COLUMNS)
    conditions = read_conditions(PACKAGED, AUDIENCE)
    assert list(conditions) == [rule.name for rule in PACKAGED]
    people = prepare_audience(audience({}), conditions, NO_EVENTS, date(2026, 6, 30))
    for rule in PACKAGED:
        assert write_rows(people, rule, people.select("customer_id"), None).columns == [
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
        {"reason": "{spend|none}"},
        {"reason": "{city|a|b}"},
        {"reason_zh": "{city.x}客户"},
        {"reason_zh": "{姓名}"},
        {"reason_zh": "{order_count 单}"},
        {"reason": "{account_manager_id none yet}"},
        {"reason": "{city customers}"},
        {"reason": "{discounted_order_rate orders}"},
        {"reason": "{best_weekday days}"},
        {"reason": "{points_balance points}"},
    ],
)
def test_order_columns_and_reasons_may_only_name_columns_of_the_audience(changes):
    with pytest.raises(C360Error, match=r"^Segment a_list: "):
        check_columns(segment(**changes), AUDIENCE)


def test_what_judges_a_person_is_a_column_of_the_audience():
    assert SCORES <= PROFILING <= set(AUDIENCE)


def test_only_lists_that_read_a_score_need_one():
    assert needs_scores(condition_of(segment("churn_risk > 0.5 and city = 'London'")))
    assert not needs_scores(condition_of(segment("grade = 'A'")))


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
        {"order_by": "engagement_score desc"},
        {"columns": ("churn_risk",)},
        {"columns": ("preferred_order_channel",)},
        {"columns": ("best_marketing_channel",)},
        {"columns": ("rhythm_days",)},
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
    rows = cut(people, segment(reason=told, reason_zh="城市{city}，共{order_count}单"))
    assert rows["reason"].to_list() == [
        "3|12.35|0.13|30|2026-06-01|London {grade}|false",
        "2|unknown|unknown|unknown|unknown|unknown|false",
    ]
    assert rows["reason_zh"].to_list() == ["城市London {grade}，共3单", "城市未知，共2单"]


def test_a_reason_says_in_its_own_words_that_nothing_is_known():
    people = audience({"account_manager_id": "emp007"}, {})
    asked_for = segment(
        reason="manager {account_manager_id|none yet}", reason_zh="经理{account_manager_id|未指定}"
    )
    rows = cut(people, asked_for)
    assert rows["reason"].to_list() == ["manager emp007", "manager none yet"]
    assert rows["reason_zh"].to_list() == ["经理emp007", "经理未指定"]


def test_a_number_is_told_with_what_it_counts():
    people = audience({"order_count": 2, "days_since_last_survey": 1}, {"order_count": 1})
    asked_for = segment(
        reason="{order_count orders}, asked {days_since_last_survey days|never} ago",
        reason_zh="{order_count}单",
    )
    rows = cut(people, asked_for)
    assert rows["reason"].to_list() == ["2 orders, asked 1 day ago", "1 order, asked never ago"]
    assert rows["reason_zh"].to_list() == ["2单", "1单"]


def test_a_weekday_is_told_by_its_name():
    people = audience({"best_weekday": 1}, {"best_weekday": 7}, {})
    rows = cut(people, segment(reason="{best_weekday}", reason_zh="{best_weekday}"))
    assert rows["reason"].to_list() == ["Monday", "Sunday", "unknown"]
    assert rows["reason_zh"].to_list() == ["星期一", "星期日", "未知"]


def test_a_share_reads_as_a_percentage():
    people = audience({"discounted_order_rate": 0.5}, {"discounted_order_rate": 2 / 3}, {})
    rows = cut(people, segment(reason="{discounted_order_rate}"))
    assert sorted(rows["reason"]) == ["50%", "67%", "unknown"]


@pytest.mark.parametrize("template", ["Everybody", "", "100% 客户", "{city}"])
def test_a_reason_need_not_name_a_column(template):
    people = audience({"city": template}, {"city": template})
    rows = cut(people, segment(reason=template))
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
