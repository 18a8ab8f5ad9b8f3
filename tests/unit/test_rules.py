import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml
from factories import AS_OF, PROJECT

from pipelines.errors import C360Error
from pipelines.rules import FILES, PACKAGED, find_rules, load_rules, rules_sha256
from pipelines.rules.model import PATTERNS
from pipelines.rules.rows import as_frame, rule_rows
from pipelines.rules.schemas import RuleBook, RunFacts
from pipelines.rules.sources import country_of
from pipelines.rules.survivorship import GOLDEN_FIELDS
from pipelines.rules.tiers import Policy

FACTS = RunFacts(as_of=AS_OF, base_currency="EUR", personal_fields={"full_name"})


@pytest.fixture
def own(tmp_path):
    """A company's rules directory with the given files; returns the rules it gives."""

    def load_own(**files: str) -> RuleBook:
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        return load_rules(find_rules(tmp_path))

    return load_own


@pytest.fixture
def told(own):
    """The sentences that a faulty rules file gives."""

    def message(**files: str) -> str:
        with pytest.raises(C360Error) as caught:
            own(**files)
        return caught.value.message

    return message


def packaged(name: str, **changes: object) -> str:
    """A packaged file with some of its keys replaced."""
    content = yaml.safe_load((PACKAGED / f"{name}.yml").read_text(encoding="utf-8"))
    return yaml.safe_dump(content | changes, allow_unicode=True)


def survivorship(**groups: dict[str, object] | None) -> str:
    """The packaged file with some of its groups replaced, added or (None) taken away."""
    content = yaml.safe_load((PACKAGED / "survivorship.yml").read_text(encoding="utf-8"))
    changed = content["groups"] | groups
    return packaged("survivorship", groups={k: v for k, v in changed.items() if v})


@pytest.mark.parametrize("name", FILES)
def test_each_packaged_file_is_valid_and_has_nothing_but_its_keys(name):
    book = load_rules({name: PACKAGED / name for name in FILES})
    content = yaml.safe_load((PACKAGED / name).read_text(encoding="utf-8"))
    assert set(content) <= set(type(getattr(book, Path(name).stem)).model_fields)


def test_every_packaged_file_is_a_rules_file_and_the_other_way_round():
    assert {path.name for path in PACKAGED.iterdir() if path.suffix in (".yml", ".json")} == set(
        FILES
    )


def test_rules_cannot_be_changed_once_read(own):
    with pytest.raises(Exception, match="frozen"):
        own().privacy.minimum_age = 3


# --- Whose file counts ---------------------------------------------------------------------------


def test_a_file_that_the_company_has_not_comes_from_the_package(own, tmp_path):
    book = own(privacy="consent_months: 6\nminimum_age: 21\n")
    assert (book.privacy.consent_months, book.privacy.minimum_age) == (6, 21)
    assert book.tiers == load_rules(find_rules(None)).tiers
    assert find_rules(tmp_path)["privacy.yml"] == tmp_path / "privacy.yml"
    assert find_rules(tmp_path)["tiers.yml"] == PACKAGED / "tiers.yml"


def test_an_unknown_file_is_refused_with_the_names_that_are_known(tmp_path):
    (tmp_path / "tier.yml").touch()
    with pytest.raises(C360Error, match=r"holds tier\.yml, which") as caught:
        find_rules(tmp_path)
    assert "tiers.yml" in caught.value.hint


def test_a_file_with_another_ending_of_yaml_is_not_passed_over(tmp_path):
    (tmp_path / "tiers.yaml").touch()
    with pytest.raises(C360Error, match=r"tiers\.yaml"):
        find_rules(tmp_path)


def test_a_missing_rules_directory_is_told(tmp_path):
    with pytest.raises(C360Error, match=r"gone does not exist"):
        find_rules(tmp_path / "gone")


# --- Faults become sentences ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"sources": "time_zon: UTC"}, "time_zon is not a key; did you mean 'time_zone'?"),
        ({"sources": "xyz: 1"}, "xyz is not a key; known keys are base_currency, "),
        (
            {"sources": "sources: [{name: a, type: files, pth: /x}]"},
            "the 1st of sources, a: pth is not a key; did you mean 'path'?",
        ),
        (
            {"scores": "risk_bands: {low_bellow: 0.1}"},
            "risk_bands > low_bellow is not a key; did you mean 'low_below'?",
        ),
        ({"scores": "horizon_days: ninety"}, "horizon_days: must be a whole number, not 'ninety'."),
        (
            {"scores": "usual_month_orders: [1, 2]"},
            "usual_month_orders: must be twelve numbers, January first, not 2.",
        ),
        ({"scores": "prior_sd: .inf"}, "prior_sd: must be a finite number, not inf."),
        ({"privacy": "consent_months: 24"}, "privacy.yml: minimum_age is missing."),
        ({"privacy": ""}, "consent_months is missing."),
        ({"privacy": "- 1"}, "the file: must be keys with their values, not a list."),
        ({"privacy": "consent_months: 24\nminimum_age: -1"},
         "minimum_age: must be at least 0, not -1."),
        ({"sources": "base_currency: eur"},
         "base_currency: must be three capital letters, such as EUR, not 'eur'."),
        ({"sources": "time_zone: Mars/Base"}, "'Mars/Base' is not a time zone; write one such as"),
        ({"sources": "sources: [{name: A b, type: files, path: /x}]"},
         "the 1st of sources, A b: name: must be small letters, digits and _, a letter first, "),
        ({"sources": "sources: [{name: a, type: ftp, path: /x}]"},
         "the 1st of sources, a: type must be files, postgres, mysql, ga4, "),
        ({"sources": "max_quarantined_share: 5"},
         "max_quarantined_share: must be at most 1, not 5."),
        ({"privacy": "consent_months: [24"}, "privacy.yml is not YAML: line 2: "),
        ({"privacy": "minimum_age: 1\nminimum_age: 99"}, ": line 2: minimum_age is there twice."),
        (
            {"identity_rules": "must_link:\n  - {a: crm:1, b: crm:2, date: 2026-06-31}"},
            "identity_rules.yml: line 2: '2026-06-31' cannot be read: day ",
        ),
        ({"privacy": "minimum_age: !!int young"}, "privacy.yml: line 1: 'young' cannot be read: "),
        ({"identity": packaged("identity", signals={"emial": {}})}, "signals > emial"),
        # across fields
        (
            {"sources": "sources:\n" + "- {name: a, type: files, path: /x}\n" * 2},
            "source a is listed twice",
        ),
        (
            {"scores": "risk_bands: {low_below: 0.9, high_above: 0.1}"},
            "low_below must not be greater than high_above.",
        ),
        ({"tiers": packaged("tiers", grades=[])}, "list the grades A, B, C and D, in this order"),
        (
            {"tiers": packaged("tiers", second_tier={"grades": [*"BB"], "min_clv_percentile": 0})},
            "second_tier grade B is listed twice",
        ),
        (
            {"tiers": packaged("tiers", vip_weights=dict.fromkeys(
                ["spend", "frequency", "tenure", "advocacy"], 0))},
            "at least one must be above 0",
        ),
        (
            {"tiers": packaged("tiers", cut_by="net_margin_365d")},
            "with a cut by net_margin_365d every line of grades has min_value, and no min_percent",
        ),
        ({"tiers": packaged("tiers", policy={"review_below": 0.8})},
         "band must not be greater than review_below"),
        ({"tiers": packaged("tiers", policy={"review_months": 5})},
         "review_months: must be 1, 2, 3, 4, 6 or 12, not 5."),
        ({"grade_overrides": "overrides: [{customer: Mr Li, grade: A, reason: x, owner: y, "
          "until: 2026-12-31}]"}, "'Mr Li' is neither a customer id nor a record"),
        ({"grade_overrides": "overrides: [{customer: 'crm:1', reason: x, owner: y, "
          "until: 2026-12-31}]"}, "name a grade, a vip_band, or both"),
        ({"grade_overrides": "overrides: [{customer: 'crm:1', grade: A, owner: y}]"},
         "reason is missing"),
        (
            {"lifecycle": packaged("lifecycle", min_rhythm_days=400)},
            "min_rhythm_days must not be greater than max_rhythm_days",
        ),
        (
            {"lifecycle": packaged("lifecycle", stages=[
                {"stage": "loyal", "min_orders": 2, "max_orders": 1, "label": "X", "label_zh": "X",
                 "reason": "", "reason_zh": ""}])},
            "max_orders must not be less than min_orders",
        ),
        (
            {"lifecycle": packaged("lifecycle", stages=[
                {"stage": "loyal", "rhythm_above": 2, "rhythm_to": 2, "label": "X", "label_zh": "X",
                 "reason": "", "reason_zh": ""}])},
            "rhythm_to must be greater than rhythm_above",
        ),
        ({"rfm": packaged("rfm", groups=[])}, "cells [(1, 1), "),
        ({"rfm": packaged("rfm", kept_days=27)}, "kept_days must not be less than drift_days"),
        (
            {"rfm": packaged("rfm", groups=[
                {"name": "x", "cells": [[6, 1]], "label": "X", "label_zh": "X"}])},
            "the 1st of groups, x: the 1st of cells: the 1st entry: must be at most 5, not 6.",
        ),
        (
            {"engagement": packaged("engagement", weights=[{"kind": "open", "weight": 1}] * 2)},
            "kind open is listed twice",
        ),
        (
            {"preferences": packaged("preferences", contact_channels=["email", "email"])},
            "contact channel email is listed twice",
        ),
        (
            {"preferences": packaged("preferences", interest_weights=[
                {"kind": "viewed", "weight": 1}] * 2)},
            "interest kind viewed is listed twice",
        ),
        ({"demographics": "age_bands: [18, 18]"}, "age_bands must rise"),
        ({"demographics": "age_bands: []"}, "age_bands: must have at least 1 entries"),
        (
            {"demographics": "age_bands: [18]\nhousehold_size_bands: [3, 5]"},
            "household_size_bands must begin with 2",
        ),
        (
            {"demographics": packaged("demographics", labels=[
                {"dimension": "gender", "segment": "male", "label": "M", "label_zh": "男"}] * 2)},
            "label of gender male is listed twice",
        ),
        (
            {"demographics": packaged("demographics", labels=[
                {"dimension": "gender", "segment": "Male", "label": "M", "label_zh": "男"}])},
            "write the segment 'Male' in lower case",
        ),
        (
            {"psychographics": packaged("psychographics", traits=[
                {"trait": "basket_size", "min_evidence": 1, "bands": [
                    {"band": "x", "from_value": 1, "label": "X", "label_zh": "X"}]}])},
            "from_value must begin with 0 and rise",
        ),
        (
            {"survivorship": survivorship(gender={"strategy": "newest"})},
            "groups > gender > strategy: must be recency, frequency, source_priority or ",
        ),
        (
            {"survivorship": survivorship(gender={"strategy": "source_priority"})},
            "list `sources` with the strategy source_priority, and with no other",
        ),
        (
            {"survivorship": survivorship(
                gender={"strategy": "source_priority", "sources": ["crm", "crm"]})},
            "source crm is listed twice",
        ),
        ({"survivorship": survivorship(gender=None)}, "gender is in no group"),
        (
            {"survivorship": survivorship(sex={"fields": ["gender"], "strategy": "recency"})},
            "field gender is listed twice",
        ),
        (
            {"survivorship": survivorship(shoe_size={"strategy": "recency"})},
            "group shoe_size has no fields, and there is no field of that name",
        ),
        (
            {"survivorship": survivorship(
                address={"fields": ["street", "state", "postal_code", "country_code"],
                         "strategy": "recency"},
                city={"strategy": "recency"})},
            "city, country_code, postal_code, state, street belong into one group",
        ),
        (
            {"relations": packaged("relations", relations=[
                {"relation": "friend", "label": "X", "label_zh": "X"}] * 2)},
            "relation friend is listed twice",
        ),
        (
            {"relations": packaged("relations", relations=[
                {"relation": "friend", "label": "X", "label_zh": "X"}])},
            "relation account, colleague, family, household, parent_company, partner, referral is",
        ),
        (
            {"relations": packaged(
                "relations", households={"max_persons": 1, "max_families": 1})},
            "households > max_persons: must be at least 2, not 1.",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_a_sentence_that_names_file_and_key(told, files, sentence):
    message = told(**files)
    assert sentence in message
    assert f"{next(iter(files))}.yml" in message
    assert "Error" not in message


@pytest.mark.parametrize(
    ("file", "changes", "sentence"),
    [
        ("deliveries", {"type": "mailchimp", "audience": "A-1", "lists": {"vip": "a"}},
         "audience: must be small letters and digits, not 'A-1'."),
        ("deliveries", {"type": "hubspot", "source": "crm", "lists": {"vip": "a/b"}},
         "lists > vip: must be one line without / and \\, and no space first, not 'a/b'."),
        ("deliveries", {"type": "zoho_crm", "source": "crm", "lists": {"vip": "9th"}},
         "lists > vip: must be letters, digits and _, a letter first, not '9th'."),
        ("deliveries", {"type": "postgres", "schema": "My", "lists": {"vip": "a"}},
         "schema: must be small letters, digits and _, no digit first, not 'My'."),
        ("deliveries", {"type": "postgres", "secrets_variable": "x", "lists": {"vip": "a"}},
         "secrets_variable: must be capital letters, digits and _, a letter first, not 'x'."),
        ("sources", {"type": "ga4", "property_id": "GA-1"},
         "property_id: must be at most 18 digits, not 'GA-1'."),
        ("serving", {"postgres": {"schema": "BI"}},
         "schema: must be at most 24 small letters, digits and _, a letter first, not 'BI'."),
        ("feedback_topics", {"rivals": ["*"]},
         "the 1st of rivals: must be more than * and spaces, not '*'."),
        ("privacy", {"suppressing_tags": [{"because": "staff", "tags": ["a,b"]}]},
         "the 1st of tags: must be without comma, % and _, and not empty, not 'a,b'."),
    ],
)  # fmt: skip
def test_a_pattern_is_told_in_words(told, file, changes, sentence):
    listed = {"deliveries": "destinations", "sources": "sources"}.get(file)
    changes = {listed: [{"name": "one"} | changes]} if listed else changes
    assert sentence in told(**{file: packaged(file, **changes)})


def test_there_are_words_for_every_pattern_of_a_rules_file():
    def patterns(part: object) -> set[str]:
        if isinstance(part, dict):
            own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
            return own.union(*map(patterns, part.values()))
        return set().union(*map(patterns, part)) if isinstance(part, list) else set()

    assert patterns(RuleBook.model_json_schema()) <= set(PATTERNS)


LIST = yaml.safe_load((PACKAGED / "segments.yml").read_text(encoding="utf-8"))["segments"][2]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"purpose": "servce"},
         "purpose: must be marketing, service or survey, not 'servce'; did you mean 'service'?"),
        # of a value that may be of several kinds, one sentence
        ({"channel": "fax"}, "channel: must be email, sms, phone, wechat or none, not 'fax'."),
        ({"label": 5}, "label: must be a text, not 5; write it in quotes."),
        ({"label": True}, "label: must be a text, not true; write it in quotes."),
        ({"label": None}, "label: must be a text, and is empty."),
        ({"columns": "city"}, "columns: must be a list, such as [a, b], not 'city'."),
        ({"columns": {"city": 1}}, "columns: must be a list, such as [a, b], not keys."),
        ({"limit": 1.5}, "limit: must be a whole number, not 1.5."),
        ({"limit": 0}, "limit: must be at least 1, not 0."),
        ({"order_by": "Spend"}, "order_by: must be a column, or a column and desc, not 'Spend'."),
        ({"holdout_rate": "x" * 60}, "holdout_rate: must be a number."),
        ({"platforms": {"metta": "seg"}},
         "platforms > metta: must be google_customer_match, meta, tiktok, tencent, tencent_md5, "
         "mailchimp_import, hubspot_import or zoho_import, not 'metta'; did you mean 'meta'?"),
        ({"wher": "true"}, "wher is not a key; did you mean 'where'?"),
    ],
)  # fmt: skip
def test_an_entry_of_a_list_is_told_by_its_number_and_name(told, changes, sentence):
    rows = [LIST | {"name": "one"}, LIST | {"name": "two"}, LIST | changes]
    message = told(segments=packaged("segments", segments=rows))
    [fault] = message.splitlines()[1:]
    assert fault.split("segments.yml: ")[1] == f"the 3rd of segments, {LIST['name']}: {sentence}"


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{name: c, type: files}", "the 12th of sources, c: path is missing."),
        ("{name: c}", "the 12th of sources, c: type is missing."),
        ("5", "the 12th of sources: must be keys with their values, not 5."),
    ],
)
def test_an_entry_without_a_name_is_told_by_its_number(told, entry, sentence):
    good = "".join(f"- {{name: s{n}, type: files, path: /x}}\n" for n in range(11))
    [fault] = told(sources=f"sources:\n{good}- {entry}\n").splitlines()[1:]
    assert fault.split("sources.yml: ")[1] == sentence


def test_who_wrote_only_the_line_to_change_is_told_to_copy_the_file(own):
    with pytest.raises(C360Error) as caught:
        own(identity="fuzzy: {is_on: false}")
    assert "replaces the packaged one as a whole" in caught.value.hint
    assert f"copy {PACKAGED / 'identity.yml'}, and change" in caught.value.hint
    whole = packaged("identity").replace("is_on: true", "is_on: false")
    assert not own(identity=whole).identity.fuzzy.is_on


@pytest.mark.parametrize(
    "files",
    [
        {"privacy": "consent_months: x\nminimum_age: 1"},
        {"sources": "sources: [{name: a, type: files}]"},
    ],
)
def test_nobody_else_is_told_to_copy_a_file(own, files):
    with pytest.raises(C360Error) as caught:
        own(**files)
    assert "copy" not in caught.value.hint


def test_grades_must_fall_to_zero(told):
    grades = yaml.safe_load((PACKAGED / "tiers.yml").read_text(encoding="utf-8"))["grades"]
    grades[3]["min_percentile"] = 0.1
    assert "down to D, which starts at 0" in told(tiers=packaged("tiers", grades=grades))


def test_bands_are_listed_from_the_highest_down(told):
    bands = yaml.safe_load((PACKAGED / "tiers.yml").read_text(encoding="utf-8"))["vip_bands"]
    assert "list the VIP bands from the highest" in told(
        tiers=packaged("tiers", vip_bands=bands[::-1])
    )


@pytest.mark.parametrize(
    ("months", "day", "begun", "following"),
    [(3, date(2026, 6, 30), date(2026, 4, 1), date(2026, 7, 1)),
     (3, date(2026, 12, 31), date(2026, 10, 1), date(2027, 1, 1)),
     (12, date(2026, 1, 1), date(2026, 1, 1), date(2027, 1, 1)),
     (1, date(2024, 2, 29), date(2024, 2, 1), date(2024, 3, 1))],
)  # fmt: skip
def test_reviews_are_on_the_first_day_of_calendar_periods(months, day, begun, following):
    policy = Policy(review_months=months)
    assert (policy.period_of(day), policy.next_review(day)) == (begun, following)


def test_two_segments_of_one_name_are_refused(told):
    segments = yaml.safe_load((PACKAGED / "segments.yml").read_text(encoding="utf-8"))["segments"]
    assert "segment vip_care is listed twice" in told(
        segments=packaged("segments", segments=segments[:1] * 2)
    )


def test_all_faults_of_all_files_are_told_at_once(told):
    message = told(privacy="minimum_age: x", sources="time_zon: UTC")
    assert len(message.splitlines()) == 4


def test_a_file_that_is_not_text_is_told(told, tmp_path):
    (tmp_path / "privacy.yml").write_bytes(b"\xff\xfe\x00")
    assert "privacy.yml is not YAML" in told()


# --- The digest and the rows ----------------------------------------------------------------------


def test_the_digest_is_stable_and_sees_every_byte_and_name(tmp_path):
    files = list(find_rules(None).values())
    digest = rules_sha256(files)
    assert digest == rules_sha256(reversed(files))
    copies = [Path(tmp_path / path.name) for path in files]
    for path, copy in zip(files, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    assert rules_sha256(copies) == digest
    copies[0].write_bytes(copies[0].read_bytes() + b"\n")
    assert rules_sha256(copies) != digest
    copies[0].write_bytes(files[0].read_bytes())
    renamed = copies[0].rename(tmp_path / "zzz.yml")
    assert rules_sha256([renamed, *copies[1:]]) != digest


def test_the_rows_are_those_of_the_catalogue(catalogue, own):
    rows = rule_rows(own(), FACTS)
    assert set(rows) == set(catalogue.group("rules"))
    for name, dataset in catalogue.group("rules").items():
        frame = dataset.conform(as_frame(rows[name], dataset.schema)).collect()
        assert frame.schema == dataset.schema
        assert frame.height > 0
        assert all(frame[column].null_count() == 0 for column in dataset.required)
        if dataset.grain == "one row":
            assert frame.height == 1


def test_every_number_of_the_run_is_the_one_of_its_file(own):
    [run] = rule_rows(own(sources="time_zone: Asia/Shanghai"), FACTS)["run"]
    assert (run["as_of"], run["base_currency"], run["time_zone"]) == (
        AS_OF, "EUR", "Asia/Shanghai",
    )  # fmt: skip
    book = own()
    assert run["horizon_days"] == book.scores.horizon_days
    assert run["min_clv_percentile"] == book.tiers.second_tier.min_clv_percentile


def test_the_order_in_a_file_is_the_priority_of_its_rows(own):
    book = own()
    stages = rule_rows(book, FACTS)["lifecycle_stages"]
    assert [row["priority"] for row in stages] == list(range(1, len(stages) + 1))
    assert [row["stage"] for row in stages] == [stage.stage for stage in book.lifecycle.stages]
    channels = rule_rows(book, FACTS)["contact_channels"]
    assert [row["priority"] for row in channels] == list(range(1, len(channels) + 1))
    assert tuple(row["channel"] for row in channels) == book.preferences.contact_channels
    cells = pl.DataFrame(rule_rows(book, FACTS)["rfm_groups"]).filter(~pl.col("single_order_only"))
    assert cells.select("recency_score", "fm_score").is_unique().sum() == 25


def test_every_field_has_a_row_of_its_group_and_says_whether_it_is_personal(own):
    text = survivorship(gender={"strategy": "source_priority", "sources": ["crm", "shop"]})
    rows = {row["field"]: row for row in rule_rows(own(survivorship=text), FACTS)["survivorship"]}
    assert set(rows) == set(GOLDEN_FIELDS)
    assert [rows[f]["position"] for f in ("full_name", "first_name", "last_name")] == [1, 2, 3]
    assert rows["city"]["field_group"] == "address"
    assert rows["gender"]["sources"] == ["crm", "shop"]
    assert [field for field, row in rows.items() if row["is_personal"]] == ["full_name"]


def test_the_fields_of_the_rules_are_those_that_are_read_from_records():
    models = PROJECT / "dbt_project" / "models" / "intermediate" / "profile"
    sql = (models / "int_fields_written.sql").read_text(encoding="utf-8")
    [listed] = re.findall(r"value for field in \(([^)]*)\)", sql)
    assert {name.strip() for name in listed.split(",")} == set(GOLDEN_FIELDS)


def test_every_age_is_in_exactly_one_band(own):
    bands = rule_rows(own(demographics="age_bands: [18, 25]"), FACTS)["age_bands"]
    assert bands == [
        {"age_band": "under 18", "min_age": 0, "max_age": 17},
        {"age_band": "18-24", "min_age": 18, "max_age": 24},
        {"age_band": "25+", "min_age": 25, "max_age": None},
    ]


def test_every_household_is_in_exactly_one_band(own):
    text = "age_bands: [18]\nhousehold_size_bands: [2, 3, 5]"
    assert rule_rows(own(demographics=text), FACTS)["household_size_bands"] == [
        {"household_size_band": "2", "min_size": 2, "max_size": 2},
        {"household_size_band": "3-4", "min_size": 3, "max_size": 4},
        {"household_size_band": "5+", "min_size": 5, "max_size": None},
    ]


def test_a_band_of_a_trait_ends_where_the_next_one_begins(own):
    rows = rule_rows(own(), FACTS)["trait_bands"]
    bands = [(r["from_value"], r["to_value"]) for r in rows if r["trait"] == "price_sensitivity"]
    assert bands == [(0, 0.25), (0.25, 0.5), (0.5, None)]


def test_order_statuses_are_compared_in_lower_case_and_once(own):
    book = own(
        orders="not_completed: [Void, void, 已取消]\nrefund_not_paid: [OPEN]\ncancelled: [Void]\n"
    )
    assert rule_rows(book, FACTS)["order_statuses"] == [
        {"meaning": "not_completed", "status": "void"},
        {"meaning": "not_completed", "status": "已取消"},
        {"meaning": "refund_not_paid", "status": "open"},
        {"meaning": "cancelled", "status": "void"},
    ]


def test_the_packaged_rules_travel_with_the_package():
    assert PROJECT / "pipelines" / "rules" == PACKAGED


@pytest.mark.parametrize(
    ("zone", "country"), [("Europe/London", "GB"), ("Asia/Shanghai", "CN"), ("UTC", None)]
)
def test_a_time_zone_tells_the_country_of_numbers_that_name_none(zone, country):
    assert country_of(zone) == country
