"""`breakers.yml`: limits for all, what is different for some, and names that there are."""

import pytest
import yaml

from pipelines.configured import configured_rules
from pipelines.errors import C360Error
from pipelines.rules import find_rules, load_rules
from pipelines.rules.breakers import Breakers
from pipelines.settings import load_settings

PACKAGED = load_rules(find_rules(None)).breakers


@pytest.fixture
def own(tmp_path, monkeypatch, home):
    """Writes a breakers.yml of a company with one source, and reads all rules."""
    monkeypatch.setenv("C360_RULES_DIR", str(tmp_path))
    sources = {"sources": [{"name": "shop", "type": "files", "path": "/drop"}]}
    (tmp_path / "sources.yml").write_text(yaml.safe_dump(sources))

    def read(**content):
        (tmp_path / "breakers.yml").write_text(yaml.safe_dump(content))
        return configured_rules(load_settings()).breakers

    return read


def test_the_packaged_limits_are_those_of_the_promises():
    of_orders = PACKAGED.inputs.of("shop.orders")
    assert (PACKAGED.nights, of_orders.least_of_usual, of_orders.most_of_usual) == (14, 0.5, 3)
    assert of_orders.severity == "critical"
    assert PACKAGED.marts.of("customer_grades").max_grade_changes_share == 0.3
    assert PACKAGED.marts.of("customer_segments").severity == "warning"
    assert PACKAGED.lists.of("win_back").max_left_share == 0.5
    assert PACKAGED.lists.of("festival_greeting").max_left_share is None
    assert PACKAGED.lists.of("festival_greeting").max_consent_change == 0.15


def test_a_list_differs_only_where_it_says_so(own):
    told = own(
        lists={"defaults": {"max_left_share": 0.2}, "lists": {"win_back": {"min_nights": 9}}}
    )
    assert told.lists.of("win_back").model_dump(include={"max_left_share", "min_nights"}) == {
        "max_left_share": 0.2, "min_nights": 9,
    }  # fmt: skip
    assert told.lists.of("vip_care").min_nights == 3


def test_an_input_may_be_named_for_all_sources_or_for_one(own):
    told = own(
        inputs={
            "tables": {
                "orders": {"most_of_usual": 9, "min_rows": 5},
                "shop.orders": {"most_of_usual": None},
            }
        }
    )
    assert told.inputs.of("crm.orders").most_of_usual == 9
    assert told.inputs.of("shop.orders").model_dump(include={"most_of_usual", "min_rows"}) == {
        "most_of_usual": None, "min_rows": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"lists": {"lists": {"win_bak": {}}}}, "there is no list win_bak. Did you mean win_back?"),
        ({"marts": {"marts": {"customer_grade": {}}}}, "no watched mart customer_grade. Did you"),
        ({"marts": {"marts": {"list_history": {}}}}, "there is no watched mart list_history"),
        ({"inputs": {"tables": {"shop.order": {}}}}, "no input table shop.order. Did you mean"),
        ({"inputs": {"tables": {"crm.orders": {}}}}, "there is no input table crm.orders"),
        ({"inputs": {"tables": {"a.b.c": {}}}}, "a.b.c: must be source.table or table, in small"),
    ],
)
def test_limits_of_what_there_is_not_are_refused(own, content, told):
    with pytest.raises(C360Error) as refused:
        own(**content)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        {"lists": {"defaults": {"max_left_share": 1.5}}},
        {"lists": {"lists": {"win_back": {"least_of_usual": 1}}}},
        {"lists": {"defaults": {"most_of_usual": 1}}},
        {"marts": {"defaults": {"severity": "fatal"}}},
        {"nights": 1},
    ],
)
def test_limits_that_make_no_sense_are_refused(own, content):
    with pytest.raises(C360Error, match=r"breakers\.yml"):
        own(**content)


def test_a_file_that_says_nothing_has_the_limits_of_the_schema():
    assert Breakers().lists.of("win_back") == PACKAGED.lists.of("win_back")
    assert Breakers().inputs.of("shop.orders") == PACKAGED.inputs.of("shop.orders")
    assert Breakers().marts.defaults == PACKAGED.marts.defaults
