from pipelines.page.figure import Text
from pipelines.page.lists import compare_effects, count_lists, describe_lists, make_lists
from pipelines.rules.segments import Segment
from tests.unit.page.page_frames import a_list, effects, manifest


def segment(**columns):
    return Segment.model_validate(
        {
            "name": "win_back", "label": "Win back", "label_zh": "流失挽回", "owner": "CRM",
            "purpose": "marketing", "channel": "email", "where": "grade = 'A'\n  and tenure > 2",
            "order_by": "value_score desc", "reason": "{order_count} orders",
            "reason_zh": "{order_count}单", "columns": [],
        } | columns
    )  # fmt: skip


def test_a_list_tells_how_many_are_on_it_and_why_others_are_not():
    told = count_lists([a_list()], [segment()], []).to_dicts()[0]
    assert told["on_list"] == 40
    assert (told["suppressed"], told["no_consent"], told["over_limit"]) == (20, 30, 10)
    assert told["change"] is None
    assert told["owner"] == "CRM"
    assert (told["channel"], told["channel_zh"]) == ("e-mail", "邮件")
    assert told["file"] == "lists/win_back.csv"


def test_reasons_that_kept_nobody_off_have_no_column():
    told = count_lists([a_list(matched=40, suppressed=0, without_consent=0)], [], [])
    assert not {"suppressed", "no_consent", "over_limit"} & set(told.columns)


def test_decisions_are_told_by_their_name():
    told = count_lists([a_list(left_out={"holdout": 12, "no_consent": 30})], [], [])
    assert told.select("on_list", "no_consent", "holdout").row(0) == (40, 30, 12)


def test_the_change_is_since_the_last_release():
    assert count_lists([a_list(rows=40)], [], [a_list(rows=52)])["change"].item() == -12
    assert count_lists([a_list(rows=40)], [], [a_list(rows=4)])["change"].item() is None


def test_few_are_hidden_with_what_would_give_them_away():
    told = count_lists(
        [a_list(rows=6, matched=100, suppressed=64, without_consent=20)], [], [a_list(rows=30)]
    )
    assert told.select("on_list", "suppressed", "no_consent", "over_limit", "change").row(0) == (
        None, 64, 20, None, None,
    )  # fmt: skip


def test_a_list_that_was_held_back_says_of_which_night_it_is():
    told = [a_list(kept_from="2026-06-29"), a_list(name="vip_care")]
    assert count_lists(told, [], [])["kept_from"].to_list() == ["2026-06-29", None]
    for lists, is_told in ((told, True), (told[1:], False)):
        [figure, *_] = make_lists({}, manifest(lists=lists), [segment()], []).figures
        assert ("kept_from" in [column.name for column in figure.columns]) is is_told


def test_a_definition_is_the_rule_and_the_reason():
    told = describe_lists([segment(limit=50)]).to_dicts()[0]
    assert told["where"] == "grade = 'A' and tenure > 2"
    assert (told["reason_zh"], told["limit"]) == ("{order_count}单", 50)


def test_effects_name_the_list_and_tell_the_difference():
    told = compare_effects(effects(), {"win_back": Text("Win back", "流失挽回")})
    assert told.drop("list_zh").row(0) == ("Win back", 30, 1000, 500, 0.2, 0.1, 0.1, 0.05, 0.15)
    assert compare_effects(effects(status="too_few_customers"), {}).height == 0


def test_where_few_ordered_the_rates_are_hidden_and_the_difference_is_not():
    told = compare_effects(effects(holdout_conversion_rate=0.01), {})
    assert told.select("treated_rate", "held_out_rate", "lift").row(0) == (None, None, 0.1)


def test_a_company_without_lists_has_no_section():
    assert make_lists({}, manifest(lists=[]), [], []) is None
    section = make_lists({"list_effectiveness": effects()}, manifest(), [segment()], [])
    assert [figure.name for figure in section.figures] == ["lists", "effects", "definitions"]
