"""What people read at a terminal about customers: on releases of a few people."""

import json
import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from io import StringIO

import polars as pl
import pytest
import yaml
from factories import rows
from rich.console import Console
from small_releases import release_night

from pipelines import answers, history
from pipelines.lake import write_table
from pipelines.rules.identity import IdentityRules
from pipelines.rules.schemas import ScoringParams
from pipelines.scoring.past.backtest import run_backtest
from pipelines.scoring.past.snapshots import prepare_order_days
from pipelines.segment_answers import tell_moves
from tests.unit.identity.identity_people import KEY, contact, day, guest, ids, resolve, signals_of
from tests.unit.scoring.simulated_orders import AS_OF, simulate_orders

LI, WANG, ODD = contact("li"), contact("wang", "shop"), contact('[red]"li"', "shop")
SEEN = [(LI, 0), (WANG, 1), (ODD, 2)]
CARRIED = [(record, "email", "li@example.com") for record in (LI, WANG)]
FIELD = {"field_group": "address", "rule": "recency", "valued_at": datetime(2026, 1, 1, 9)}  # noqa: DTZ001


@pytest.fixture
def told():
    """Everything that an answer prints."""

    def printed(show, *arguments, **options):
        paper = StringIO()
        show(Console(file=paper, width=240, highlight=False, soft_wrap=True), *arguments, **options)
        return paper.getvalue()

    return printed


@pytest.fixture
def release(lake):
    """Wang was merged into Li on the second night; the third record is a customer of its own."""
    apart = resolve(signals_of(SEEN), on=1)
    one = resolve(signals_of(SEEN, CARRIED), apart, on=2)
    facts = {
        LI: {"kind": "person", "order_count": 5, "net_revenue_amount": Decimal("12.5"),
             "first_order_on": date(2026, 1, 1), "tags": "[b]vip|新", "city": "Leeds [UK]"}
    }  # fmt: skip
    fields = [
        (LI, FIELD | {"field": "city", "value": "Leeds [UK]"}),
        (WANG, FIELD | {"field": "full_name", "value": None}),
    ]
    return release_night(lake, one, 2, facts, fields)


def describe(release, asked):
    known = history.find_customer(release, asked, KEY)
    return known, history.describe_customer(release, known.customer_id)


def lines_with(text, word):
    return [" ".join(line.split()) for line in text.splitlines() if word in line]


def test_a_customer_is_shown_with_its_records_golden_record_and_facts(release, catalogue, told):
    known, description = describe(release, "crm:li")
    text = told(answers.show_customer, catalogue, known, description, whole=True)
    assert f"{known.customer_id} person, as of 2026-01-03 (release {release.path.name})" in (
        " ".join(text.split())
    )
    assert lines_with(text, "crm:li is ") == [f"crm:li is {known.customer_id} in this release."]
    assert "2 records" in text
    assert lines_with(text, "shop:wang")[0] == "shop:wang 2026-01-01 False"
    assert "city Leeds [UK] crm:li recency 2026-01-01" in lines_with(text, "recency")
    assert "full_name (personal) shop:wang recency 2026-01-01" in lines_with(text, "recency")
    described = {c.name: c.description for c in catalogue["models", "customer_360"].columns}
    assert f"order_count 5 {described['order_count']}" in lines_with(text, "order_count")
    assert "[b]vip|新" in text
    assert "gender" not in text


def test_it_is_said_for_whom_it_stands(release, catalogue, told):
    wang = history.find_customer(release, "shop:wang", KEY)
    merged = pl.read_parquet(release.path / "marts" / "customer_aliases.parquet")["alias_id"][0]
    known, description = describe(release, merged)
    text = told(answers.show_customer, catalogue, known, description, whole=True)
    assert f"{merged} is {wang.customer_id} in this release." in text
    assert f"{merged} stands for it since 2026-01-03." in text


def test_a_customer_without_a_golden_record_or_another_record_is_shown_too(
    release, catalogue, told
):
    known, description = describe(release, 'shop:[red]"li"')
    text = told(answers.show_customer, catalogue, known, description, whole=True)
    assert "Golden record" not in text
    assert f'shop:[red]"li" is {known.customer_id} in this release.' in text
    assert "1 record" in text


def test_who_has_never_ordered_has_no_last_order(lake, catalogue, told):
    resolved = resolve(signals_of(SEEN[:1]), on=1)
    release = release_night(lake, resolved, 1, {LI: {"order_count": 0, "net_revenue_amount": None}})
    known, description = describe(release, "crm:li")
    text = told(answers.show_customer, catalogue, known, description, whole=False)
    assert lines_with(text, "Orders 订单") == ["Orders 订单 0"]


def test_a_golden_record_of_names_alone_shows_none_of_them(lake, catalogue, told):
    resolved = resolve(signals_of(SEEN[:1]), on=1)
    release = release_night(lake, resolved, 1, won=[(LI, FIELD | {"field": "full_name"})])
    known, description = describe(release, "crm:li")
    text = told(answers.show_customer, catalogue, known, description, whole=True)
    assert lines_with(text, "full_name") == ["full_name (personal) crm:li recency 2026-01-01"]


def test_a_fact_that_this_version_does_not_know_any_more_is_shown_without_its_meaning(
    release, catalogue, told
):
    known, description = describe(release, "crm:li")
    description["profile"]["shoe_size"] = 42
    text = told(answers.show_customer, catalogue, known, description, whole=True)
    assert lines_with(text, "shoe_size") == ["shoe_size 42"]


def test_a_program_gets_the_same_as_json(release):
    known, description = describe(release, "shop:wang")
    told = json.loads(answers.as_json(known, description))
    assert told["asked"] == "shop:wang"
    assert told["customer_id"] == known.customer_id
    assert told["profile"]["net_revenue_amount"] == "12.5000"
    assert told["profile"]["first_order_on"] == "2026-01-01"
    assert told["profile"]["tags"] == "[b]vip|新"
    assert [record["record"] for record in told["records"]] == ["crm:li", "shop:wang"]
    assert [field["field"] for field in told["fields"]] == ["city", "full_name"]
    assert told["fields"][1]["value"] is None
    assert told["aliases"][0]["event"] == "merged"


def merge_of(release, a, b):
    return history.explain_merge(release, a, b, KEY)


def test_why_two_are_one_is_told_tie_by_tie(release, told):
    text = told(answers.show_merge, merge_of(release, "crm:li", "shop:wang"))
    customer = history.find_customer(release, "crm:li", KEY).customer_id
    assert f"crm:li and shop:wang are one customer, {customer}." in text
    first, second = (line for line in lines_with(text, "email#") if "since_on" not in line)
    assert re.fullmatch(r"crm:li email email#[a-z2-7]{16} 2026-01-01 priority 1", first)
    assert re.fullmatch(r"email#[a-z2-7]{16} email shop:wang 2026-01-01 priority 1", second)
    assert "li@example.com" not in text


def test_a_steward_a_source_and_a_likeness_are_named_in_words(release, told):
    merge = merge_of(release, "crm:li", "shop:wang")
    ties = ["must_link", "merged_into", "stated_link", "fuzzy"]
    path = pl.DataFrame(
        {"end_a": ["crm:1"] * 4, "end_b": ["crm:2"] * 4, "tie": ties,
         "priority": [None] * 4, "rule": ["She called [Li] (Li Na)", None, None, None],
         "probability": [None, None, None, 0.99712], "weight": [None, None, None, 8.4231],
         "since_on": [date(2026, 1, 2)] * 4},
        schema_overrides={"priority": pl.Int64},
    )  # fmt: skip
    merge = history.Merge(merge.one, merge.other, path, merge.between)
    text = told(answers.show_merge, merge)
    assert lines_with(text, "crm:1") == [
        "crm:1 a steward's must_link crm:2 2026-01-02 She called [Li] (Li Na)",
        "crm:1 the source merged them crm:2 2026-01-02",
        "crm:1 a stated link crm:2 2026-01-02",
        "crm:1 fuzzy crm:2 2026-01-02 8.4 bits, p 0.9971",
    ]
    assert "alike in names, birth date, address, mailbox and phone taken together" in text
    text = told(answers.show_merge, merge_of(release, "crm:li", "shop:wang"))
    assert "alike" not in text


@pytest.mark.parametrize("other", ["shop:wang", 'shop:[red]"li"'])
def test_the_line_that_parts_them_can_be_pasted_into_the_rules_and_parts_them(lake, told, other):
    seen, carried = [(LI, 0), (WANG, 1), (ODD, 2)], [*CARRIED, (ODD, "email", "li@example.com")]
    one = resolve(signals_of(seen, carried), on=1)
    text = told(answers.show_merge, merge_of(release_night(lake, one, 1), "crm:li", other))
    (line,) = (line for line in text.splitlines() if line.startswith("  - {a:"))
    written = line.replace("YYYY-MM-DD", "2026-01-02")
    rules = IdentityRules.model_validate(yaml.safe_load(f"cannot_link:\n{written}"))
    parted = ids(resolve(signals_of(seen, carried), one, decisions=rules, on=2))
    assert parted[LI] != parted[WANG if other == "shop:wang" else ODD]


def test_two_names_of_one_record_are_said_to_be_one_record(release, told):
    customer = history.find_customer(release, "crm:li", KEY).customer_id
    assert "Both are the record crm:li." in told(
        answers.show_merge, merge_of(release, "crm:li", customer)
    )


def test_two_customers_are_told_with_what_is_between_them(lake, release, told):
    text = told(answers.show_merge, merge_of(release, "crm:li", 'shop:[red]"li"'))
    assert "two customers." in text
    assert "Nothing ties them." in text
    why = {"reason": "Twins", "owner": "Li Na", "date": day(1)}
    never = IdentityRules(cannot_link=[{"a": "crm:li", "b": "shop:wang"} | why])
    parted = release_night(lake, resolve(signals_of(SEEN, CARRIED), decisions=never, on=3), 3)
    text = told(answers.show_merge, merge_of(parted, "crm:li", "shop:wang"))
    (line,) = lines_with(text, "dropped: cannot_link")
    assert re.fullmatch(r"shop:wang email#[a-z2-7]{16} dropped: cannot_link", line)


def history_of(lake, told, asked, release, whole=True):
    known = history.find_customer(release, asked, KEY)
    moves = tell_moves(history.list_moves(release, known.customer_id))
    events = history.list_events(release, known.customer_id)
    versions = history.list_versions(lake, known.customer_id)
    return told(answers.show_versions, known, events, versions, moves, whole=whole)


def test_changes_are_shown_release_by_release_and_nobodys_in_a_sentence(lake, release, told):
    text = history_of(lake, told, "crm:li", release)
    assert "2026-01-03 order_count · 5" in lines_with(text, "order_count")
    nobody = history.Known("a" * 16, "crm:x", "a" * 16)
    events, versions = (f.clear() for f in (history.list_events(release, "a" * 16),
                                            history.list_versions(lake, "a" * 16)))  # fmt: skip
    moves = tell_moves(history.list_moves(release, "a" * 16))
    text = told(answers.show_versions, nobody, events, versions, moves, whole=True)
    assert text == f"No release has a profile of {nobody.customer_id}.\n"


def test_a_merge_and_its_end_are_a_line_each_and_while_merged_it_is_said_whose_history_it_is(
    lake, told
):
    never = IdentityRules(
        cannot_link=[{"a": "crm:li", "b": "shop:wang"}
                     | {"reason": "Twins", "owner": "Li Na", "date": day(1)}]
    )  # fmt: skip
    apart = resolve(signals_of(SEEN), on=1)
    one = resolve(signals_of(SEEN, CARRIED), apart, on=2)
    parted = resolve(signals_of(SEEN, CARRIED), one, decisions=never, on=3)
    release_night(lake, apart, 1, {WANG: {"order_count": 2, "city": "Leeds"}})
    merged = release_night(lake, one, 2)
    li, wang = ids(apart)[LI], ids(apart)[WANG]
    text = history_of(lake, told, wang, merged)
    assert f"{wang} is {li} in the current release; this is the history of {li}." in text
    assert lines_with(text, "merged") == [f"2026-01-03 {wang} merged into it"]
    last = release_night(lake, parted, 3, {WANG: {"order_count": 3, "city": "Leeds"}})
    text = history_of(lake, told, wang, last)
    assert "this is the history" not in text
    assert lines_with(text, "2026-01-03") == [f"2026-01-03 merged into {li}"]
    assert lines_with(text, "2026-01-04") == [
        "2026-01-04 restored: a customer of its own again", "2026-01-04 order_count 2 3",
    ]  # fmt: skip


def test_a_night_without_a_profile_and_without_a_merge_is_one_line(lake, told):
    release_night(lake, resolve(signals_of(SEEN), on=1), 1)
    signals = signals_of(SEEN)
    deleted = replace(signals, records=signals.records.with_columns(is_deleted=True))
    release = release_night(lake, resolve(deleted, resolve(signals, on=1), on=2), 2)
    text = history_of(lake, told, "crm:li", release)
    assert lines_with(text, "2026-01-03") == [
        "2026-01-03 no profile: its sources deleted its records"
    ]


def listed(release, who, *intervals):
    """What a release remembers of a customer's lists: each interval of it as columns."""
    another = {"customer_id": "somebody else", "list": "vip_care"}
    mine = ({"customer_id": who} | one for one in intervals)
    table = rows("list_history", *mine, another, group="pipeline")
    write_table(table, release.path / "marts" / "list_history.parquet")


WARNED = {"list": "churn_warning", "role": "treated", "entered_because": "condition"}
MOVES = (
    WARNED | {"valid_from_on": day(1), "valid_to_on": day(2), "ended_because": "no_longer_matches"},
    WARNED | {"valid_from_on": day(4), "valid_to_on": day(5), "ended_because": "changed",
              "entered_because": "no_longer_lower_priority"},
    WARNED | {"role": "holdout", "valid_from_on": day(5), "valid_to_on": day(6),
              "ended_because": "capped:3 in 7 days"},
    {"list": "old_list", "role": "global_holdout", "valid_from_on": day(1),
     "entered_because": "list_began"},
)  # fmt: skip


def test_a_history_tells_when_and_why_a_customer_came_onto_lists_and_left_them(lake, told):
    resolved = resolve(signals_of(SEEN[:1]), on=1)
    labels = [{"name": "churn_warning", "label": "Churn [warning]", "label_zh": "流失预警"}]
    release = release_night(lake, resolved, 1, told={"lists": labels})
    who = ids(resolved)[LI]
    listed(release, who, *MOVES)
    text = history_of(lake, told, "crm:li", release, whole=False)
    off, on, held = "off the list 不在名单上", "on the list 在名单上", "held out of it 对照组"
    warned = "list Churn [warning] 流失预警"
    assert lines_with(text, " list ") == [
        f"2026-01-02 {warned} {off} {on}: its condition became true",
        f"2026-01-02 list old_list {off} held out of all marketing 整体对照组: "
        "the list began, or this version of it",
        f"2026-01-03 {warned} {on} {off}: its condition is true no more",
        f"2026-01-05 {warned} {off} {on}: until then on a list of higher priority 让位于优先名单",
        f"2026-01-06 {warned} {on} {held}: its version or holdout changed",
        f"2026-01-07 {warned} {held} {off}: written to often enough already 频次已满 (3 in 7 days)",
    ]


def test_a_program_gets_the_moves_of_lists_as_the_marts_name_them(lake):
    resolved = resolve(signals_of(SEEN[:1]), on=1)
    release = release_night(lake, resolved, 1)
    who = ids(resolved)[LI]
    listed(release, who, *MOVES[:1])
    known = history.find_customer(release, "crm:li", KEY)
    frames = (history.list_events(release, who), history.list_versions(lake, who))
    text = answers.versions_as_json(known, *frames, history.list_moves(release, who))
    unnamed = {"list": "churn_warning", "label": None, "label_zh": None}
    assert json.loads(text)["lists"] == [
        {"as_of": "2026-01-02", **unnamed, "before": None, "after": "treated",
         "because": "condition"},
        {"as_of": "2026-01-03", **unnamed, "before": "treated", "after": None,
         "because": "no_longer_matches"},
    ]  # fmt: skip


def test_a_guest_is_shown_by_the_kind_of_its_record(lake, catalogue, told):
    release = release_night(lake, resolve(signals_of([(guest(7), 0)]), on=1), 1)
    known, description = describe(release, "guest_order=shop:7")
    assert "guest_order=shop:7" in told(
        answers.show_customer, catalogue, known, description, whole=True
    )


NARROW = "1234567890" * 4


def test_no_reference_is_cut_off_where_there_is_no_room(lake, catalogue):
    records = [contact(NARROW), contact(NARROW, "shop")]
    shared = [(record, "email", "li@example.com") for record in records]
    one = resolve(signals_of([(record, 0) for record in records], shared), on=1)
    release = release_night(lake, one, 1)
    paper = StringIO()
    narrow = Console(file=paper, width=40, highlight=False)
    answers.show_merge(narrow, merge_of(release, f"crm:{NARROW}", f"shop:{NARROW}"))
    known, description = describe(release, f"crm:{NARROW}")
    answers.show_customer(narrow, catalogue, known, description | {"fields": []}, whole=True)
    versions = history.list_versions(lake, known.customer_id)
    events = history.list_events(release, known.customer_id)
    moves = tell_moves(history.list_moves(release, known.customer_id))
    answers.show_versions(narrow, known, events, versions, moves, whole=True)
    assert "…" not in paper.getvalue().replace('"…"', "")


def test_a_backtest_tells_each_model_the_chosen_one_and_why(told):
    orders = prepare_order_days(simulate_orders(900))
    params = ScoringParams(order_models=("mbg_nbd",), min_customers=300)
    text = told(answers.show_backtest, run_backtest(orders, AS_OF, params, cuts=2))
    assert "churn, from 2026-01-01, 2026-04-01" in text
    row = next(line.split() for line in text.splitlines() if line.startswith("logistic"))
    assert 0.5 < float(row[1]) < 1
    assert sum(line.rstrip().endswith("chosen") for line in text.splitlines()) == 3
    assert re.search(r"orders  grade [AB]: .* loss .* of own_rate", text)
    refused = told(answers.show_backtest, run_backtest(orders.clear(), AS_OF, params))
    assert "0 customers have an order; 300 are needed" in refused


def test_what_is_told_of_a_customer_has_grade_scores_reasons_and_warnings(lake, catalogue, told):
    resolved = resolve(signals_of(SEEN[:1]), on=1)
    release = release_night(lake, resolved, 1)
    who = {"customer_id": ids(resolved)[LI]}
    for name, group, columns in (
        ("audience", "models", {"grade": "B", "churn_risk": 0.71, "order_count": 3}),
        ("churn_reasons", "pipeline", {"text_en": "Last order 90 days ago", "text_zh": "已90天"}),
        ("customer_warnings", "models", {"label": "Complaint is open", "severity": "high"}),
    ):
        others = {"customer_id": "somebody else", "reason_rank": 2} if group == "pipeline" else {}
        table = rows(name, who | columns, *([others] if others else []), group=group)
        write_table(table, release.path / "marts" / f"{name}.parquet")
    known, description = describe(release, "crm:li")
    text = told(answers.show_customer, catalogue, known, description, whole=True)
    assert lines_with(text, "churn_risk")[0].startswith("churn_risk 0.71 Probability of no order")
    assert [line.split()[0] for line in text.splitlines() if "Last order 90" in line] == ["Last"]
    assert lines_with(text, "Complaint")[0].startswith("Warning 预警 Complaint is open")
    # What the profile tells is told once.
    assert "order_count" not in description["standing"]


GRADED = {
    "peer_group": "person", "grade": "A", "grade_reason": "override", "grade_since_on": day(1),
    "grade_score": 71.5, "grade_cut_score": 87.0, "grade_review_on": day(30),
    "grade_override_until_on": date(2026, 12, 31), "vip_band_reason": "outside_grades",
}  # fmt: skip
STANDS = {
    "grade": "A", "grade_label": "Grade A", "grade_label_zh": "A级客户",
    "lifecycle_stage": "vip", "lifecycle_stage_label": "VIP", "lifecycle_stage_label_zh": "VIP客户",
    "lifecycle_stage_since_on": day(1), "lifecycle_reason": "Gold band", "churn_risk": 0.71,
    "lifecycle_reason_zh": "金牌客户", "churn_risk_band": "high", "clv_365d_amount": Decimal(1200),
}  # fmt: skip
BY_HAND = {"grade": "A", "until_on": date(2026, 12, 31), "reason": "Opens [in] May"}


def stand(release, who, **changes):
    """Add to a release where a customer stands, by a grade that was set by hand."""
    for folder, name, group, columns in (
        ("marts", "audience", "models", STANDS | changes),
        ("marts", "customer_grades", "models", GRADED),
        ("state", "grade_overrides", "pipeline", BY_HAND | {"owner": "Li Na"}),
    ):
        table = rows(name, {"customer_id": who} | columns, group=group)
        write_table(table, release.path / folder / f"{name}.parquet")


def test_the_first_screen_says_where_a_customer_stands_and_why(lake, catalogue, told):
    records = [LI, *(guest(n) for n in range(6))]
    shared = [(record, "email", "li@example.com") for record in records]
    resolved = resolve(signals_of([(record, 0) for record in records], shared), on=1)
    facts = {"order_count": 3, "last_order_on": day(0), "base_currency": "GBP",
             "net_revenue_amount": Decimal("1500.5")}  # fmt: skip
    release = release_night(lake, resolved, 1, {LI: facts})
    stand(release, ids(resolved)[LI])
    known, description = describe(release, "crm:li")
    text = told(answers.show_customer, catalogue, known, description, whole=False)
    said = [" ".join(line.split()) for line in text.splitlines()]
    assert said[2:10] == [
        "Grade 等级 Grade A A级客户, since 2026-01-02: Set by hand 人工设定 (score 71.50, A begins "
        "at 87.00; next review 2026-01-31)",
        "set by hand until 2026-12-31 by Li Na: Opens [in] May",
        "Stage 生命周期 VIP VIP客户, since 2026-01-02",
        "Gold band",
        "金牌客户",
        "Orders 订单 3, last on 2026-01-01, 1,500.50 GBP net",
        "Value 预测价值 1,200.00 GBP expected in the next 365 days",
        "Churn risk 流失风险 0.71 high",
    ]
    assert "7 records, the first 5" in text
    assert "grade_override_until_on" not in text
    assert len(said) < 24
    assert json.loads(answers.as_json(known, description))["overrides"][0]["owner"] == "Li Na"


def test_a_short_history_has_standing_and_facts_and_counts_measures(lake, told):
    resolved = resolve(signals_of(SEEN[:1]), on=1)
    who = ids(resolved)[LI]
    nights = [{"order_count": 3, "tags": "new"}, {"order_count": 4, "tags": "vip"}]
    names = [("At risk", "流失预警"), ("VIP", "VIP客户")]
    for on, (facts, (en, zh)) in enumerate(zip(nights, names, strict=True), 1):
        release = release_night(lake, resolved, on, {LI: facts})
        stand(release, who, lifecycle_stage_label=en, lifecycle_stage_label_zh=zh)
    text = history_of(lake, told, "crm:li", release, whole=False)
    assert lines_with(text, "2026-01-03") == [
        "2026-01-03 lifecycle_stage At risk 流失预警 VIP VIP客户", "2026-01-03 tags new vip",
        "2026-01-03 1 measure changed",
    ]  # fmt: skip
    assert lines_with(text, "first known")[0].startswith("2026-01-02 first known, by ")
    assert "order_count" not in text
    whole = history_of(lake, told, "crm:li", release)
    assert "2026-01-03 order_count 3 4" in lines_with(whole, "order_count")
    known = history.find_customer(release, "crm:li", KEY)
    versions = history.list_versions(lake, who)
    events = history.list_events(release, who)
    moves = history.list_moves(release, who)
    changes = json.loads(answers.versions_as_json(known, events, versions, moves))["changes"]
    assert len(changes) == versions.height
