"""Questions about lists at the command line, on releases of a few people."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml
from factories import rows

from pipelines.lake import read_json, write_json, write_table, write_text
from pipelines.publish import EVENT_DAYS
from pipelines.release import current_release, release_run, write_manifest
from pipelines.segment_releases import lists_of
from tests.unit.segments.list_people import audience, segment

BEFORE, AFTER = date(2026, 6, 29), date(2026, 6, 30)
RULES = (
    segment("order_count >= 3", name="regulars"),
    segment("grade = 'A' and events('order', 7) >= 1", name="best", limit=1),
    segment("not on_list('regulars') and order_count > 0", name="others"),
)
PEOPLE = (
    {"grade": "A", "order_count": 9},
    {"grade": "A", "order_count": 3},
    {"grade": "B", "order_count": 4, "suppressed_because": "under_age"},
    {"grade": "B", "order_count": 1},
)


def write_rules(folder: Path, segments):
    content = {"segments": [rule.model_dump(mode="json") for rule in segments]}
    write_text(yaml.safe_dump(content, allow_unicode=True), folder / "segments.yml")


def release(lake, day, people, segments=RULES, decisions=None, kept_from=None):
    """Release a night; without segments or decisions it is one of an older version.

    kept_from: the night that its lists were last refreshed on, if it was another one.
    """
    run = lake.run(day)
    listed = audience(*people).with_columns(as_of=pl.lit(day))
    write_table(listed, run.release / "marts" / "audience.parquet")
    keys = [{"customer_id": who} for who in listed["customer_id"]]
    write_table(
        rows("customer_keys", *keys, group="pipeline"),
        run.release / "state" / "customer_keys.parquet",
    )
    write_table(
        rows("customer_aliases", group="pipeline").head(0),
        run.release / "marts" / "customer_aliases.parquet",
    )
    went_out = pl.DataFrame(
        {"customer_id": ["c0"], "full_name": ["Li Secret"], "contact": ["li@example.com"],
         "reason": ["9 orders"], "reason_zh": ["9单"]}
    )  # fmt: skip
    for rule in RULES:
        write_table(went_out, run.release / "lists" / f"{rule.name}.parquet")
    if segments is not None:
        write_rules(run.release / "rules", segments)
        days = pl.DataFrame(
            [("c0", "order", None, day, 1), ("c1", "order", None, date(2026, 6, 1), 1)],
            {"customer_id": pl.String, "kind": pl.String, "category": pl.String,
             "occurred_on": pl.Date, "event_count": pl.Int64},
            orient="row",
        )  # fmt: skip
        kinds = pl.DataFrame({"kind": ["order", "view"], "is_known": [True, False]})
        write_table(days, run.release / "state" / f"{EVENT_DAYS}.parquet")
        write_table(kinds, run.release / "state" / "int_event_kinds.parquet")
    if decisions is not None:
        names = ["list", "customer_id", "decision", "detail"]
        frame = pl.DataFrame(decisions, dict.fromkeys(names, pl.String), orient="row")
        night = pl.when(pl.col("decision") != "on_list").then(pl.lit(kept_from or day))
        frame = frame.with_columns(decided_on=night.otherwise(pl.lit(day)))
        write_table(frame, run.release / "marts" / "list_decisions.parquet")
    lists = [{"name": rule.name, "label": "A list", "label_zh": "名单"} for rule in RULES]
    if kept_from is not None:
        lists = [told | {"refreshed_on": kept_from.isoformat()} for told in lists]
    facts = {"date": day.isoformat(), "lists": lists}
    return release_run(lake, run, write_manifest(run.release, facts))[0]


@pytest.fixture
def rules_dir(tmp_path, monkeypatch, home):
    folder = tmp_path / "rules"
    write_rules(folder, RULES)
    monkeypatch.setenv("C360_RULES_DIR", str(folder))
    return folder


@pytest.fixture
def nights(lake, rules_dir):
    """Two nights: on the second c1 has become a regular."""
    release(lake, BEFORE, [*PEOPLE[:1], PEOPLE[1] | {"order_count": 2}, *PEOPLE[2:]])
    decided = [
        ("regulars", "c0", "on_list", None), ("regulars", "c1", "lower_priority", "best"),
        ("regulars", "c2", "suppressed", "under_age"),
    ]  # fmt: skip
    release(lake, AFTER, PEOPLE, decisions=decided)


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_preview_tells_how_many_what_each_part_does_and_what_changed(c360, nights):
    code, text = c360("segment", "preview", "regulars")
    said = lines(text)
    assert code == 0
    assert said[0].startswith(
        "regulars A list 名单: 3 of 4 customers (75.0%), release 2026-06-30__"
    )
    assert "Since 2026-06-29: 1 came, 0 went." in said
    assert "1 of them are suppressed and left out, as below." in said
    assert "order_count >= 3 3 1 0 1" in said
    assert "repeat 2 1 3" in said
    assert "best 1 33% 100%" in said
    assert "1 on a list of higher priority 让位于优先名单" in said
    assert "c0 A repeat 9 orders" in said


def test_a_list_that_there_is_not_is_told_with_what_is_probably_meant(c360, nights):
    code, text = c360("segment", "preview", "regular")
    assert (code, "There is no list 'regular'; did you mean regulars?\n" in text) == (1, True)
    code, text = c360("segment", "preview", "xyz")
    assert (code, "There is no list 'xyz'.\n" in text) == (1, True)


def test_a_preview_tries_another_condition_without_touching_the_rules(c360, nights, rules_dir):
    before = (rules_dir / "segments.yml").read_bytes()
    code, text = c360("segment", "preview", "best", "--where", "grade = 'A'", "--json")
    told = json.loads(text)
    assert code == 0
    assert (told["matched"], told["where"], told["is_as_released"]) == (2, "grade = 'A'", False)
    assert (rules_dir / "segments.yml").read_bytes() == before
    code, text = c360("segment", "preview", "best", "--where", "grade >= 'A'")
    assert code == 1
    assert "texts have no order" in text
    code, text = c360("segment", "preview", "regulars", "--where", "order_count > 1")
    assert "What the night of 2026-06-30 decided, by the rule as it was then" in text


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (None, "2 of them are suppressed and left out, as below."),
        ("order_count >= 2",
         "2 of them are suppressed and left out; who else said no to email for marketing,"),
        ("order_count >= 4",
         "1 of them are suppressed and left out; who else said no to email for marketing,"),
    ],
)  # fmt: skip
def test_a_preview_tells_one_number_of_suppressed_people(c360, lake, rules_dir, where, told):
    decided = [
        ("regulars", "c0", "on_list", None), ("regulars", "c1", "suppressed", "withdrawn"),
        ("regulars", "c2", "suppressed", "under_age"),
    ]  # fmt: skip
    release(lake, AFTER, PEOPLE, decisions=decided)
    tried = ["--where", where] if where else []
    text = " ".join(c360("segment", "preview", "regulars", *tried)[1].split())
    assert told in text
    assert "c1 A repeat" not in text
    found = json.loads(c360("segment", "preview", "regulars", *tried, "--json")[1])
    assert f"{found['suppressed']} of them" in told


@pytest.fixture
def kept_night(lake, rules_dir):
    """A Tuesday whose weekly lists were refreshed on Monday; c1 has become a regular since."""
    weekly = [rule.model_copy(update={"refresh": "weekly"}) for rule in RULES]
    write_rules(rules_dir, weekly)
    monday = [("regulars", "c0", "on_list", None), ("regulars", "c2", "suppressed", "under_age"),
              ("regulars", "c3", "no_consent", None)]  # fmt: skip
    release(lake, AFTER, PEOPLE, weekly, monday, kept_from=BEFORE)


@pytest.mark.parametrize(
    ("who", "told"),
    [
        ("c0", "On the list."),
        ("c1",
         "Not on the list yet, though the condition is true tonight: the list is kept from the "
         "release of 2026-06-29, refreshed on Mondays or the first night after one; that night "
         "the condition was not true."),
        ("c2",
         "never written to 禁止联系 (under_age). That is kept from the release of 2026-06-29,"),
        ("c3", "after one. Tonight order_count >= 3 is false (1)."),
    ],
)  # fmt: skip
def test_why_answers_from_the_last_refresh_of_a_list(c360, kept_night, who, told):
    code, text = c360("why", who, "--list", "regulars")
    assert (code, told in " ".join(text.split())) == (0, True)


def test_why_tells_of_the_breaker_that_kept_a_list(c360, lake, rules_dir):
    decided = [("regulars", "c0", "on_list", None), ("regulars", "c3", "no_consent", None)]
    told = release(lake, AFTER, PEOPLE, RULES, decided, kept_from=BEFORE)
    manifest = read_json(told.path / "manifest.json")
    for entry in manifest["lists"]:
        entry["kept_from"] = BEFORE.isoformat()
    write_json(manifest, told.path / "manifest.json")
    text = " ".join(c360("why", "c3", "--list", "regulars")[1].split())
    assert "That is of the release of 2026-06-29, for a circuit breaker held back the list" in text
    text = " ".join(c360("why", "c0", "--list", "regulars")[1].split())
    assert "On the list as it was released on 2026-06-29: a circuit breaker held back" in text


def test_a_preview_says_from_when_a_list_is_kept(c360, kept_night):
    text = c360("segment", "preview", "regulars")[1]
    assert "The list itself is kept from the release of 2026-06-29, refreshed on Mon" in text
    assert "1 no consent for its purpose and channel 未授权 (kept from 2026-06-29)" in lines(text)
    assert "1 on the list 在名单上" in lines(text)


def test_a_preview_of_an_earlier_night_and_its_limit(c360, nights):
    code, text = c360("segment", "preview", "regulars", "--date", "2026-06-29")
    assert code == 0
    assert "2 of 4 customers" in text
    assert "There is no earlier release to compare with." in text
    code, text = c360("segment", "preview", "best", "--where", "grade = 'A'")
    assert "The list takes the first 1 of them." in text


def test_a_preview_says_that_no_customer_has_a_value(c360, nights):
    code, text = c360("segment", "preview", "best", "--where", "grade = 'E'")
    assert code == 0
    assert any(line.startswith("look ") and "'E'" in line for line in lines(text))


def test_no_answer_shows_a_name_or_a_contact(c360, nights):
    for words in (
        ("segment", "preview", "regulars"),
        ("segment", "preview", "regulars", "--json"),
        ("why", "c0", "--list", "regulars"),
        ("why", "c0", "--list", "regulars", "--json"),
        ("segment", "diff", "--from", "2026-06-29", "--to", "2026-06-30", "--json"),
        ("segment", "lint"),
    ):
        code, text = c360(*words)
        assert code == 0
        assert "Secret" not in text
        assert "example.com" not in text


@pytest.mark.parametrize("words", [("segment", "preview", "no_list"), ("why", "c0", "--list", "x")])
def test_a_list_that_there_is_not_is_refused_with_those_that_there_are(c360, nights, words):
    code, text = c360(*words)
    assert code == 1
    assert "Lists are: regulars, best, others." in text


def test_before_the_first_release_there_is_nothing_to_look_at(c360, rules_dir):
    code, text = c360("segment", "preview", "regulars")
    assert code == 1
    assert "Nothing was released" in text
    code, text = c360("segment", "lint")
    assert code == 0
    assert "no customers were asked" in text


def test_lint_ends_with_1_if_there_is_a_fault_and_with_0_if_there_are_doubts(
    c360, nights, rules_dir
):
    code, text = c360("segment", "lint")
    assert code == 0
    assert "3 lists: 0 faults, 5 doubts; by the customers of 2026-06-30__" in text
    write_rules(rules_dir, [*RULES, segment("grade = 'a'", name="bad")])
    code, text = c360("segment", "lint")
    assert code == 1
    assert "error bad: grade is never 'a'" in " ".join(text.split())
    code, text = c360("segment", "lint", "--json")
    assert code == 1
    assert json.loads(text)["findings"][-1]["list"] == "bad"


def test_a_diff_tells_what_edited_rules_would_do(c360, nights, rules_dir):
    code, text = c360("segment", "diff")
    assert (code, "No rule of a list has changed." in text) == (0, True)
    write_rules(rules_dir, [segment("order_count >= 4", name="regulars"), *RULES[1:]])
    code, text = c360("segment", "diff")
    said = lines(text)
    assert code == 0
    assert "- order_count >= 3" in said
    assert "+ order_count >= 4" in said
    assert "regulars 3 2 0 1" in said
    assert "others 1 2 1 0" in said
    assert "1 other list stays as it is." in said


def test_a_diff_of_two_nights_names_everybody_in_json(c360, nights):
    code, text = c360("segment", "diff", "--from", "2026-06-29", "--to", "2026-06-30", "--json")
    told = json.loads(text)
    assert (code, told["rules"]) == (0, [])
    assert {row["list"]: (row["entered"], row["left"]) for row in told["lists"]} == {
        "regulars": (["c1"], []), "best": ([], []), "others": ([], ["c1"]),
    }  # fmt: skip
    code, text = c360("segment", "diff", "--from", "2026-06-29")
    assert (code, "takes two dates or none" in text) == (1, True)


@pytest.mark.parametrize(
    ("who", "on", "told"),
    [
        ("c0", "regulars", "On the list."),
        ("c1", "regulars", "Not on the list: on a list of higher priority 让位于优先名单 (best)."),
        ("c2", "regulars", "Not on the list: never written to 禁止联系 (under_age)."),
        ("c3", "regulars", "Nearly on the list: only order_count >= 3 is false (1)."),
        ("c1", "best", "Nearly on the list: only events('order', 7) >= 1 is false (0)."),
        ("c3", "best",
         "Not on the list: grade = 'A' is false (B); events('order', 7) >= 1 is false (0)."),
        ("c2", "others", "Nearly on the list: only not on_list('regulars') is false (true)."),
        ("c3", "others", "Not on the list, though the condition is true: consent or the limit"),
        ("c0", "others",
         "On the list until it is refreshed, though tonight not on_list('regulars') is false"),
    ],
)  # fmt: skip
def test_why_says_what_put_somebody_on_a_list_or_kept_them_off(c360, nights, who, on, told):
    code, text = c360("why", who, "--list", on)
    assert code == 0
    assert told in text


def test_why_reads_the_rules_of_the_night_it_is_asked_about(c360, nights, rules_dir):
    write_rules(rules_dir, [segment("grade = 'D'", name="regulars"), *RULES[1:]])
    code, text = c360("why", "c1", "--list", "regulars", "--date", "2026-06-29", "--json")
    told = json.loads(text)
    assert code == 0
    assert told["where"] == "order_count >= 3"
    assert told["failing"] == [
        {"text": "order_count >= 3", "answer": "false", "values": {"order_count": 2}}
    ]


def test_a_release_of_an_older_version_is_asked_by_the_rules_of_now(c360, lake, rules_dir):
    release(lake, AFTER, PEOPLE, segments=None)
    code, text = c360("why", "c2", "--list", "regulars")
    assert code == 0
    assert "as they stand now, for the release keeps none" in text
    assert "though the condition is true: never written to" in text
    code, text = c360("why", "c0", "--list", "best", "--json")
    assert json.loads(text)["condition"]["answer"] == "unknown"
    code, text = c360("segment", "diff")
    assert (code, "keeps no rules" in text) == (1, True)


def test_a_release_with_rules_of_another_version_is_asked_by_the_rules_of_now(
    c360, lake, rules_dir
):
    run = lake.run(AFTER)
    write_text("segments: [{name: regulars, colour: red}]", run.release / "rules" / "segments.yml")
    release(lake, AFTER, PEOPLE, segments=None)
    code, text = c360("why", "c0", "--list", "regulars")
    assert (code, "as they stand now" in text) == (0, True)
    code, text = c360("segment", "diff")
    assert (code, "are those of another version" in text) == (1, True)
    assert "red" not in text


def test_the_lists_that_a_customer_is_on_are_told_with_the_reason(lake, nights):
    current = current_release(lake)
    assert lists_of(current, "c0") == [
        {"name": rule.name, "label": "A list", "label_zh": "名单", "reason": "9 orders",
         "reason_zh": "9单"}
        for rule in RULES
    ]  # fmt: skip
    assert lists_of(current, "c3") == []


def test_a_rule_is_compared_with_a_night_that_cannot_be_asked_the_same(c360, lake, rules_dir):
    older = lake.run(BEFORE)
    slim = audience(*PEOPLE).drop("city")
    write_table(slim, older.release / "marts" / "audience.parquet")
    release_run(lake, older, write_manifest(older.release, {"date": BEFORE.isoformat()}))
    release(lake, AFTER, PEOPLE)
    write_rules(rules_dir, [segment("city is null", name="regulars"), *RULES[1:]])
    code, text = c360("segment", "preview", "regulars")
    assert code == 0
    assert "cannot be asked the same." in text
