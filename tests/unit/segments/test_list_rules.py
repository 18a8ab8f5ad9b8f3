"""What `segments.yml` and `festivals.yml` may say of lists."""

import re
from datetime import date

import pytest
from pydantic import ValidationError

from pipelines.rules import find_rules, load_rules
from pipelines.rules.festivals import Festivals
from pipelines.rules.schemas import SuppressingTags
from pipelines.rules.segments import Holdout
from tests.unit.segments.list_people import rules, segment

BOOK = load_rules(find_rules(None))


def festivals(**changes):
    plain = {"name": "x", "label": "X", "label_zh": "节", "days": ["2026-02-17", "2027-02-06"]}
    return Festivals.model_validate({"festivals": [plain | changes]})


def test_a_festival_is_a_row_for_each_day_and_country_or_for_any():
    rows = festivals(countries=["CN", "SG"]).rows()
    assert [(row["celebrated_on"], row["country_code"]) for row in rows] == [
        (date(2026, 2, 17), "CN"), (date(2026, 2, 17), "SG"),
        (date(2027, 2, 6), "CN"), (date(2027, 2, 6), "SG"),
    ]  # fmt: skip
    assert {row["country_code"] for row in festivals().rows()} == {"any"}


@pytest.mark.parametrize(
    "changes", [{"countries": ["China"]}, {"days": []}, {"days": ["2026-02-17", "2026-02-17"]}]
)
def test_a_festival_without_day_or_country_is_refused(changes):
    with pytest.raises(ValidationError):
        festivals(**changes)


def test_the_packaged_festivals_have_a_day_in_each_year_up_to_2028():
    for festival in BOOK.festivals.festivals:
        assert [day.year for day in festival.days] == list(range(2024, 2029)), festival.name


def test_all_lists_of_the_definitions_ship_each_with_a_priority_of_its_own_in_its_channel():
    lists = BOOK.segments.segments
    assert len(lists) == 22
    places = [(rule.channel, rule.priority) for rule in lists if rule.channel != "none"]
    assert len(set(places)) == len(places)


def test_words_for_what_is_missing_come_after_a_colon_so_that_the_sentence_reads_with_them():
    """`last interaction none on record` reads badly, with a colon between it does not."""
    reasons = [rule.reason for rule in BOOK.segments.segments if "|" in rule.reason]
    assert len(reasons) == 6
    assert [reason for reason in reasons if re.search(r"(?<!: )(?<!\(){\w+\|", reason)] == []


def test_no_list_may_be_named_as_all_of_them_are():
    with pytest.raises(ValidationError, match="'programme' stands for all lists together"):
        segment(name="programme")


def test_priority_sorts_and_equals_stay_in_order():
    lists = rules(segment(name="a"), segment(name="b", priority=5), segment(name="c"))
    assert [rule.name for rule in lists.by_priority] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("changes", "rate"),
    [({}, 0.2), ({"purpose": "service"}, 0), ({"holdout_rate": 0.0}, 0),
     ({"purpose": "survey", "holdout_rate": 0.5}, 0.5)],
)  # fmt: skip
def test_marketing_holds_out_by_default(changes, rate):
    rule = segment(**changes)
    assert rules(rule, holdout=Holdout(list_rate=0.2)).holdout_rate(rule) == rate


@pytest.mark.parametrize("tag", ["100%", "a_b", "a, b", ""])
def test_a_tag_that_would_match_others_too_is_refused(tag):
    with pytest.raises(ValidationError):
        SuppressingTags(because="staff", tags=(tag,))
