import csv
import hashlib
import shutil
from datetime import timedelta

import duckdb
import openpyxl
import polars as pl
import pytest
from factories import AS_OF, rows

from pipelines.errors import C360Error
from pipelines.lake import write_json, write_table
from pipelines.lists import EVENT_DAYS
from pipelines.publish import KEPT_RULES, MARTS, STATE, publish
from pipelines.release import Release
from pipelines.rules import find_rules, load_rules
from pipelines.rules.breakers import Breakers, ListBreakers, ListLimits
from pipelines.rules.segments import Holdout, Segments
from tests.unit.small_run import (
    NO_HOLDOUT,
    SEGMENTS,
    allocate,
    lists_of,
    make_run,
    people,
    say_present,
    segment,
)

LISTED = ["customer_id", "full_name", "contact", "channel", "reason", "reason_zh", "grade", "city"]


@pytest.fixture
def book():
    rules = load_rules(find_rules(None))
    return rules.model_copy(update={"segments": lists_of(SEGMENTS)})


@pytest.fixture
def run(lake):
    return make_run(lake)


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def of_list(run, name):
    return pl.read_parquet(run.release / "lists" / f"{name}.parquet")


def summary(run):
    path = run.table("pipeline", "list_summary")
    return {row["list"]: row for row in pl.read_parquet(path).iter_rows(named=True)}


def test_a_release_holds_marts_lists_and_the_ids_for_the_next_night(run, catalogue, book):
    publish(run, catalogue, book)
    lists = [
        f"lists/{rule.name}.{kind}" for rule in SEGMENTS for kind in ("csv", "parquet", "xlsx")
    ]
    marts = [f"marts/{name}.parquet" for name in MARTS]
    assert sorted(digests(run.release)) == sorted(
        [
            *lists,
            *marts,
            "marts.duckdb",
            *(f"state/{name}.parquet" for name in (*STATE, EVENT_DAYS)),
            *(f"rules/{name}" for name in KEPT_RULES),
        ]
    )


def test_a_release_keeps_the_rules_it_used_and_none_that_hold_secrets_or_people(
    run, catalogue, book
):
    publish(run, catalogue, book)
    kept = {path.name for path in (run.release / "rules").iterdir()}
    assert {"segments.yml", "tiers.yml", "lifecycle.yml"} <= kept
    assert not {"sources.yml", "identity_rules.yml", "grade_overrides.yml"} & kept
    told = (run.release / "rules" / "segments.yml").read_text()
    assert told == "# segments.yml as the night read it\n"


def test_lists_count_events_and_name_one_another(run, catalogue, book):
    rules = (
        segment("regulars", "on_list('buyers') and events('order', 30, 'Tea') = 1"),
        segment("buyers", "events('order', 30) >= 2"),
        segment("viewers", "events('view', 30) = 0"),
    )
    lists = book.model_copy(update={"segments": Segments(segments=rules, holdout=NO_HOLDOUT)})
    publish(run, catalogue, lists)
    kept = pl.read_parquet(run.table("pipeline", "list_decisions"))
    found = kept.group_by("list").agg(pl.col("customer_id").sort())
    assert dict(found.sort("list").rows()) == {"buyers": ["a"], "regulars": ["a"]}


def test_marts_are_the_models_sorted_by_their_key_in_the_catalogues_types(run, catalogue, book):
    publish(run, catalogue, book)
    for name, group in MARTS.items():
        mart = pl.read_parquet(run.release / "marts" / f"{name}.parquet")
        assert mart.equals(mart.sort(catalogue[group, name].key))
        assert mart.schema == catalogue[group, name].schema


def test_a_mart_holds_no_personal_column_that_names_a_person(run, catalogue, book):
    publish(run, catalogue, book)
    for name, group in MARTS.items():
        direct = [c.name for c in catalogue[group, name].columns if c.pii == "direct"]
        assert direct == []


def test_a_list_holds_those_with_consent_their_contact_and_the_reason(run, catalogue, book):
    done = publish(run, catalogue, book)
    assert of_list(run, "everybody").rows() == [
        ("a", "@a", "a@x.com", "email", "3 orders in =HYPERLINK(1)", "=HYPERLINK(1)，共3单", "A",
         "=HYPERLINK(1)"),
        ("b", "@b", "b@x.com", "email", "2 orders in 伦敦", "伦敦，共2单", "B", "伦敦"),
    ]  # fmt: skip
    assert of_list(run, "buyers")["customer_id"].to_list() == ["b"]
    assert of_list(run, "nobody").columns == LISTED
    assert done.customers == 4
    assert {name: cut.rows.height for name, cut in done.lists.items()} == {
        "everybody": 2, "buyers": 1, "at_risk": 0, "perhaps_at_risk": 0, "nobody": 0,
    }  # fmt: skip


def test_the_csv_says_what_the_parquet_says_and_runs_no_formula(run, catalogue, book):
    publish(run, catalogue, book)
    with (run.release / "lists" / "everybody.csv").open(encoding="utf-8", newline="") as file:
        header, first, second = csv.reader(file)
    assert header == LISTED
    assert first == [
        "a", "'@a", "a@x.com", "email", "3 orders in =HYPERLINK(1)", "'=HYPERLINK(1)，共3单", "A",
        "'=HYPERLINK(1)",
    ]  # fmt: skip
    assert second[-1] == "伦敦"
    sms = (run.release / "lists" / "buyers.csv").read_text(encoding="utf-8")
    assert ",+8613800138001," in sms


def test_without_any_consents_lists_hold_ids_only_and_a_note_says_so(run, catalogue, book):
    say_present(run, "consents")
    run.table("models", "customer_contacts").unlink()
    done = publish(run, catalogue, book)
    assert of_list(run, "everybody").columns == [
        name for name in LISTED if name not in ("full_name", "contact")
    ]
    assert of_list(run, "everybody")["customer_id"].to_list() == ["a", "b", "d"]
    assert done.notes[0] == "No source states any consent: the lists hold customer ids only."
    assert summary(run)["everybody"]["contact_count"] == 0
    assert summary(run)["everybody"]["without_consent_count"] == 0


def test_who_refused_on_record_is_off_the_list_even_when_nobody_is_asked_for_a_grant(
    run, catalogue, book
):
    say_present(run, "consents")
    statement = {"customer_id": ["a"], "channel": ["any"], "purpose": ["marketing"]}
    said = pl.DataFrame(statement | {"status": ["withdrawn"]})
    write_table(said, run.table("models", "int_consent_statements"))
    permission = {"customer_id": ["b"], "channel": ["email"], "purpose": ["marketing"]}
    not_allowed = pl.DataFrame(permission | {"status": ["denied"]})
    write_table(not_allowed, run.table("models", "int_contact_permissions"))
    listed = publish(run, catalogue, book).lists["everybody"].rows["customer_id"].to_list()
    assert listed == ["d"]


def test_the_notes_count_places_without_consent_and_name_what_is_missing(run, catalogue, book):
    say_present(run, "web_events", "cases")
    assert publish(run, catalogue, book).notes == (
        "3 places on lists were not filled for want of consent.",
        "No rows tonight: web_events, cases. Their facts are null, not zero.",
        "Without scores these lists are empty: at_risk.",
    )


def test_the_notes_say_which_costs_are_no_customers_and_why(run, catalogue, book):
    allocate(
        run, ("a", "shared", 1), (None, "nobody_to_share", 2), (None, "grade_unknown", 4),
        (None, "grade_unknown", 8), (None, "customer_unknown", 16),
    )  # fmt: skip
    assert publish(run, catalogue, book).notes[1] == (
        "Costs that are no customer's: 16.00 of somebody unknown, "
        "12.00 of one grade, and grades are given after costs, 2.00 with nobody to share it."
    )


def test_with_scores_there_is_no_word_of_empty_lists(run, catalogue, book):
    scored = rows("audience", *people(churn_risk=0.9, order_count=2), group="models")
    write_table(scored, run.table("models", "audience"))
    assert publish(run, catalogue, book).notes == (
        "4 places on lists were not filled for want of consent.",
    )


def test_without_lists_that_need_scores_there_is_no_note_of_them(run, catalogue, book):
    few = book.model_copy(update={"segments": lists_of(SEGMENTS[:1])})
    assert not any("scores" in note for note in publish(run, catalogue, few).notes)


def test_the_summary_counts_the_rows_of_every_list(run, catalogue, book):
    done = publish(run, catalogue, book)
    counts = summary(run)
    assert list(counts) == [rule.name for rule in SEGMENTS]
    for name, row in counts.items():
        listed = of_list(run, name)
        assert row == {
            "list": name, "row_count": listed.height, "contact_count": listed.height,
            "distinct_customer_count": listed["customer_id"].n_unique(),
            "without_consent_count": 0, "suppressed_count": 0, "held_out_count": 0,
            "twice_contacted_count": 0, "entered_rate": None, "left_rate": None,
        }  # fmt: skip
        cut = done.lists[name]
        assert cut.matched == listed.height + sum(cut.left_out.values())


def test_the_summary_finds_a_funnel_that_let_the_wrong_people_in(run, catalogue, book, monkeypatch):
    from pipelines import lists as module

    decide_lists = module.decide_lists

    def careless(night, rules, keep):
        rows = decide_lists(night, rules).with_columns(is_on_list=True, decision=pl.lit("on_list"))
        return rows.filter(pl.col("list").is_in(["everybody", "perhaps_at_risk"]))

    monkeypatch.setattr(module, "decide_lists", careless)
    strict = book.model_copy(
        update={"segments": Segments(segments=SEGMENTS, holdout=Holdout(list_rate=1))}
    )
    publish(run, catalogue, strict)
    row = summary(run)["everybody"]
    assert (row["row_count"], row["suppressed_count"]) == (3, 1)  # d has no address to be put in
    assert row["held_out_count"] == 3
    assert row["twice_contacted_count"] == 3


def test_a_list_is_written_for_each_platform_that_it_names(run, catalogue, book):
    named = {"meta": "seg_017", "mailchimp_import": "autumn"}
    rules = (segment("everybody", "true", platforms=named),)
    lists = book.model_copy(update={"segments": Segments(segments=rules, holdout=NO_HOLDOUT)})
    publish(run, catalogue, lists)
    made = {path.name: path.read_text() for path in (run.release / "lists" / "platforms").iterdir()}
    assert set(made) == {"seg_017_meta.csv", "autumn_mailchimp_import.csv"}
    listed = pl.read_csv(run.release / "lists" / "everybody.csv")
    assert all(contact in made["autumn_mailchimp_import.csv"] for contact in listed["contact"])
    assert len(made["seg_017_meta.csv"].splitlines()) == 1  # nobody granted it


def test_the_people_s_file_is_the_list_with_a_header_in_both_languages(run, catalogue, book):
    publish(run, catalogue, book)
    listed = pl.read_csv(run.release / "lists" / "everybody.csv", infer_schema=False)
    sheet = openpyxl.load_workbook(run.release / "lists" / "everybody.xlsx").active
    header, *cells = sheet.iter_rows(values_only=True)
    assert header[0] == "Customer\n客户编号"
    assert [row[0] for row in cells] == listed["customer_id"].to_list()


def test_a_company_may_have_no_lists_at_all(run, catalogue, book):
    none = book.model_copy(update={"segments": lists_of(())})
    assert publish(run, catalogue, none).lists == {}
    assert summary(run) == {}
    assert catalogue["pipeline", "list_summary"].schema == pl.read_parquet_schema(
        run.table("pipeline", "list_summary")
    )


def test_the_database_has_the_same_rows_and_describes_every_column(run, catalogue, book):
    publish(run, catalogue, book)
    with duckdb.connect(run.release / "marts.duckdb", read_only=True) as database:
        for name, group in MARTS.items():
            mart = run.release / "marts" / f"{name}.parquet"
            assert database.table(name).pl().equals(pl.read_parquet(mart))
            dataset = catalogue[group, name]
            told = database.execute(
                "select column_name, comment from duckdb_columns() where table_name = ?", [name]
            ).fetchall()
            assert dict(told) == {c.name: c.description for c in dataset.columns}
        tables = database.execute("select table_name, comment from duckdb_tables()").fetchall()
        assert dict(tables) == {n: catalogue[g, n].description for n, g in MARTS.items()}
        with pytest.raises(duckdb.Error, match="read-only"):
            database.execute("drop table audience")


def test_the_database_is_whole_without_a_log_beside_it_and_nobody_may_write_it(
    run, catalogue, book
):
    publish(run, catalogue, book)
    assert [path.name for path in run.release.glob("marts.duckdb*")] == ["marts.duckdb"]
    assert (run.release / "marts.duckdb").stat().st_mode & 0o777 == 0o440


def test_the_same_run_published_again_gives_the_same_bytes(run, catalogue, book):
    publish(run, catalogue, book)
    first = digests(run.release) | {"summary": run.table("pipeline", "list_summary").read_bytes()}
    publish(run, catalogue, book)
    again = digests(run.release) | {"summary": run.table("pipeline", "list_summary").read_bytes()}
    # DuckDB writes equal tables as different bytes: its file is no part of a release's name.
    first.pop("marts.duckdb")
    again.pop("marts.duckdb")
    assert again == first


def next_night(run, lake, book):
    """The night after a published one, with the same inputs; and the first as it was released."""
    first = Release(run.path / f"{AS_OF}__first")
    run.release.rename(first.path)
    lists = [
        {"name": rule.name, "version": rule.version, "refreshed_on": AS_OF.isoformat()}
        for rule in book.segments.segments
    ]
    write_json({"lists": lists}, first.path / "manifest.json")
    later = lake.run(AS_OF + timedelta(days=1))
    for folder in ("models", "pipeline", "rules"):
        shutil.copytree(run.path / folder, later.path / folder)
    return later, first


def mart_of(run, name):
    return pl.read_parquet(run.release / "marts" / f"{name}.parquet")


def test_a_night_goes_on_from_the_lists_of_the_last_release(run, catalogue, book, lake):
    publish(run, catalogue, book)
    later, first = next_night(run, lake, book)
    without_b = rows("audience", *[p for p in people() if p["customer_id"] != "b"], group="models")
    write_table(without_b, later.table("models", "audience"))
    publish(later, catalogue, book, first)
    on_everybody = mart_of(later, "list_history").filter(pl.col("list") == "everybody")
    assert on_everybody.select("customer_id", "valid_from_on", "valid_to_on").rows() == [
        ("a", AS_OF, None)
    ]  # b is gone with all that was known, as an erased customer is
    assert summary(later)["everybody"]["left_rate"] == 0.5
    assert summary(later)["everybody"]["entered_rate"] == 0


def test_nothing_is_kept_of_who_asked_to_be_forgotten_nor_of_ids_that_stand_for_them(
    run, catalogue, book, lake
):
    publish(run, catalogue, book)
    later, first = next_night(run, lake, book)
    asked, _, *others = people()
    listed = [asked | {"suppressed_because": "erasure_requested"}, *others]
    write_table(rows("audience", *listed, group="models"), later.table("models", "audience"))
    facts = [{"customer_id": who["customer_id"], "is_erasure_requested": who is asked}
             for who in (asked, *others)]  # fmt: skip
    write_table(rows("customer_360", *facts, group="models"), later.table("models", "customer_360"))
    merged = {"alias_id": "b", "customer_id": "a", "event": "merged", "changed_on": later.as_of}
    write_table(
        rows("customer_aliases", merged, group="pipeline"),
        later.table("pipeline", "customer_aliases"),
    )
    publish(later, catalogue, book, first)
    assert not {"a", "b"} & set(mart_of(later, "list_history")["customer_id"])


@pytest.fixture
def weekly(book):
    rules = [rule.model_copy(update={"refresh": "weekly"}) for rule in SEGMENTS]
    return book.model_copy(update={"segments": lists_of(rules)})


def test_a_list_that_is_not_refreshed_tells_its_decisions_all_the_same(
    run, catalogue, weekly, lake
):
    publish(run, catalogue, weekly)
    before = mart_of(run, "list_decisions")
    later, first = next_night(run, lake, weekly)
    done = publish(later, catalogue, weekly, first)
    kept = mart_of(later, "list_decisions")
    assert kept.drop("decided_on").equals(before.drop("decided_on"))
    on_list = pl.col("decision") == "on_list"
    assert set(kept.filter(on_list)["decided_on"]) == {later.as_of}
    assert set(kept.filter(~on_list)["decided_on"]) == {AS_OF}
    assert {cut.refreshed_on for cut in done.lists.values()} == {AS_OF}
    assert any("were not filled for want of consent" in note for note in done.notes)
    assert not any(note.startswith("0 places") for note in done.notes)


def test_on_a_first_night_a_list_that_trips_stays_empty_and_a_note_says_so(run, catalogue, book):
    contacts = pl.read_parquet(run.table("models", "customer_contacts"))
    shared = contacts.with_columns(contact_value=pl.lit("desk@x.com"))
    write_table(shared, run.table("models", "customer_contacts"))
    limits = ListBreakers(defaults=ListLimits(min_customers=2))
    done = publish(run, catalogue, book.model_copy(update={"breakers": Breakers(lists=limits)}))
    assert of_list(run, "everybody").is_empty()
    assert of_list(run, "buyers").height == 1
    assert done.notes[0] == (
        "List everybody stays empty: 100.0% of everybody share a contact point with others; it "
        "trips at 10.0%. If tonight's is right: c360 accept everybody --run 2026-06-30 "
        "--because '…'."
    )
    accepted = frozenset([("lists", "everybody", "repeated_contacts", "", 1.0)])
    publish(
        run, catalogue, book.model_copy(update={"breakers": Breakers(lists=limits)}),
        accepted=accepted,
    )  # fmt: skip
    assert of_list(run, "everybody").height == 2


def test_nothing_of_a_former_publish_is_left(run, catalogue, book):
    (run.release / "lists").mkdir(parents=True)
    (run.release / "lists" / "list_of_yesterday.csv").write_text("x")
    publish(run, catalogue, book)
    assert not (run.release / "lists" / "list_of_yesterday.csv").exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("models", "audience"),
        ("models", "customer_contacts"),
        ("models", "customer_households"),
        ("models", "int_sources_present"),
        ("pipeline", "customer_keys"),
    ],
)
def test_a_missing_table_is_named_with_the_way_to_make_it(run, catalogue, book, folder, name):
    run.table(folder, name).unlink()
    with pytest.raises(C360Error, match=f"publish needs {name}, and this run has none") as failed:
        publish(run, catalogue, book)
    assert "c360 nightly --date 2026-06-30" in failed.value.hint
