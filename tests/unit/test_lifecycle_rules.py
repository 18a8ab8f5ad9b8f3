"""The packaged life cycle is the one of the definitions, at every boundary."""

import pytest
import yaml

from pipelines.errors import C360Error
from pipelines.rules import PACKAGED, find_rules, load_rules
from pipelines.rules.lifecycle import Case

OVER = 0.0001  # ratios are rounded to four decimals


@pytest.fixture(scope="module")
def stages():
    return load_rules(find_rules(None)).lifecycle.stages


def stage_of(stages, orders, orders_365d, rhythm, is_vip=False, is_won_back=False):
    case = Case(orders, orders_365d, rhythm, is_vip, is_won_back)
    return next(stage.stage for stage in stages if stage.fits(case))


@pytest.mark.parametrize(
    ("orders", "orders_365d", "rhythm", "stage"),
    [
        (0, 0, 0, "prospect"),
        (1, 1, 0, "first_time"),
        (1, 1, 1.5 + OVER, "first_time"),
        (1, 1, 2, "first_time"),
        (1, 1, 2 + OVER, "at_risk"),
        (1, 1, 2.5, "at_risk"),
        (1, 1, 2.5 + OVER, "dormant"),
        (1, 1, 3, "dormant"),
        (1, 0, 3 + OVER, "churned"),
        (2, 1, 0, "repeat"),
        (3, 3, 1.5, "repeat"),
        (3, 3, 1.5 + OVER, "at_risk"),
        (2, 2, 2, "at_risk"),
        (2, 2, 2 + OVER, "dormant"),
        (2, 2, 3, "dormant"),
        (2, 2, 3 + OVER, "churned"),
        (4, 2, 0, "loyal"),
        (4, 2, 1.5, "loyal"),
        (4, 2, 1.5 + OVER, "at_risk"),
        (4, 1, 1.5, "repeat"),  # four orders, of which two are not of the last year
        (9, 0, 1.5, "repeat"),
        (9, 9, 2 + OVER, "dormant"),
        (9, 9, 3, "dormant"),
        (9, 9, 3 + OVER, "churned"),
    ],
)
def test_every_row_of_the_definitions_begins_and_ends_where_it_says(
    stages, orders, orders_365d, rhythm, stage
):
    assert stage_of(stages, orders, orders_365d, rhythm) == stage


@pytest.mark.parametrize(
    ("orders", "rhythm", "stage"),
    [
        (1, 1.5, "vip"),
        (5, 1.5, "vip"),
        (1, 1.5 + OVER, "first_time"),
        (5, 1.5 + OVER, "at_risk"),
        (5, 2 + OVER, "dormant"),
        (5, 3 + OVER, "churned"),
    ],
)
def test_diamond_and_gold_are_vip_within_one_and_a_half_rhythms(stages, orders, rhythm, stage):
    assert stage_of(stages, orders, orders, rhythm, is_vip=True) == stage


@pytest.mark.parametrize("is_vip", [False, True])
def test_who_came_back_is_won_back_whatever_the_rhythm_says(stages, is_vip):
    for rhythm in (0, 1.5, 3):
        assert stage_of(stages, 2, 2, rhythm, is_vip, is_won_back=True) == "won_back"


def own(tmp_path, change):
    content = yaml.safe_load((PACKAGED / "lifecycle.yml").read_text(encoding="utf-8"))
    change(content)
    text = yaml.safe_dump(content, allow_unicode=True)
    (tmp_path / "lifecycle.yml").write_text(text, encoding="utf-8")
    return load_rules(find_rules(tmp_path))


def test_rules_that_leave_a_customer_without_a_stage_are_refused(tmp_path):
    with pytest.raises(C360Error, match="no stage fits a customer with 2 orders, 0 of them in 365"):
        own(tmp_path, lambda content: content["stages"].pop())


def test_who_has_churned_is_told_by_one_number(tmp_path):
    with pytest.raises(C360Error, match="rhythm_above 3 and churned_above is 4"):
        own(tmp_path, lambda content: content.update(churned_above=4))


def test_rules_with_a_gap_between_two_rhythms_are_refused(tmp_path):
    def leave_a_gap(content):
        for stage in content["stages"]:
            if stage["stage"] in ("loyal", "repeat"):
                stage["rhythm_to"] = 1.4

    with pytest.raises(C360Error, match=r"the last one 1\.4001 rhythms ago"):
        own(tmp_path, leave_a_gap)


@pytest.mark.parametrize("reason", ["{full_name} is here", "a {brace", "{}"])
def test_a_reason_names_only_what_is_known_of_the_rule(tmp_path, reason):
    with pytest.raises(C360Error, match=r"may hold \{word\} only for order_count"):
        own(tmp_path, lambda content: content["stages"][0].update(reason=reason))
