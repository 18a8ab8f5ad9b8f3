"""What releases say of a customer, on releases of a few people."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from small_releases import release_night

from pipelines import history
from pipelines.errors import C360Error
from pipelines.identity.refs import mint_id
from pipelines.lake import write_table
from pipelines.release import roll_back
from pipelines.rules.identity import IdentityRules
from tests.unit.identity.identity_people import (
    KEY,
    company,
    contact,
    day,
    guest,
    resolve,
    signals_of,
)

LI, WANG, ZHAO = contact("li"), contact("wang", "shop", "uk"), company("zhao")
SEEN = [(LI, 0), (WANG, 1), (ZHAO, 2)]
APART = [(LI, "email", "li@example.com"), (WANG, "email", "wang@example.com")]
SHARED = [*APART, (WANG, "email", "li@example.com")]
WHY = {"reason": "Twins", "owner": "Li Na", "date": date(2026, 1, 3)}
NEVER = IdentityRules(cannot_link=[{"a": "crm:li", "b": "shop/uk:wang"} | WHY])
ID = {record: mint_id(record, KEY) for record in (LI, WANG, ZHAO)}


@pytest.fixture
def nights(lake):
    """Three releases: two customers, one, and two again by a steward's decision."""
    apart = resolve(signals_of(SEEN, APART), on=1)
    one = resolve(signals_of(SEEN, SHARED), apart, on=2)
    parted = resolve(signals_of(SEEN, SHARED), one, decisions=NEVER, on=3)
    return [
        release_night(lake, apart, 1, {LI: {"order_count": 2, "city": "Leeds"}}),
        release_night(lake, one, 2, {LI: {"order_count": 5, "city": "Leeds"}}),
        release_night(lake, parted, 3, {LI: {"order_count": 3}, WANG: {"order_count": 2}}),
    ]


def find(release, asked):
    return history.find_customer(release, asked, KEY)


def test_the_release_of_a_day_is_the_newest_that_there_was_by_then(lake, nights):
    asked = [day(1), day(2), day(3), day(4), date.max]
    found = [history.find_release(lake, when) for when in asked]
    assert [release.path.name for release in found] == [
        release.path.name for release in (*nights, nights[-1], nights[-1])
    ]


def test_without_a_day_it_is_what_readers_see(lake, nights):
    assert history.find_release(lake, None).path.resolve() == nights[2].path.resolve()
    roll_back(lake)
    assert history.find_release(lake, None).path.resolve() == nights[1].path.resolve()


def test_of_two_releases_of_one_day_it_is_the_one_that_readers_saw_last(lake, nights):
    again = resolve(signals_of(SEEN, APART), on=3)
    second = release_night(lake, again, 3)
    assert history.find_release(lake, day(3)) == second
    roll_back(lake)
    assert history.find_release(lake, day(3)) == nights[2]


@pytest.mark.parametrize("when", [day(0), date.min])
def test_before_the_first_release_nothing_is_known(lake, nights, when):
    with pytest.raises(C360Error, match=f"Nothing was released by {when}"):
        history.find_release(lake, when)


def test_in_an_empty_home_nothing_is_known(lake):
    for when in (None, day(1)):
        with pytest.raises(C360Error, match="Nothing was released") as told:
            history.find_release(lake, when)
        assert "c360 nightly" in told.value.hint


def test_a_customer_is_found_by_its_id_and_by_each_of_its_records(nights):
    for asked in (ID[LI], "crm:li", "contact=crm:li", "shop/uk:wang"):
        known = find(nights[1], asked)
        assert (known.customer_id, known.asked) == (ID[LI], asked)
    assert find(nights[1], ID[LI]).record == "crm:li"
    assert find(nights[1], "shop/uk:wang").record == "shop/uk:wang"
    assert find(nights[1], "account=crm:zhao").customer_id == ID[ZHAO]


def test_an_id_that_was_merged_away_finds_whom_it_stands_for_on_each_night(nights):
    assert [find(release, ID[WANG]).customer_id for release in nights] == [
        ID[WANG], ID[LI], ID[WANG],
    ]  # fmt: skip
    assert {find(release, ID[WANG]).record for release in nights} == {"shop/uk:wang"}


def test_after_a_rebuild_an_id_of_before_finds_the_customer_of_its_record(lake):
    """The rebuilt release never knew the id: no alias tells of it."""
    rebuilt = release_night(lake, resolve(signals_of(SEEN, SHARED), on=9), 9)
    assert pl.read_parquet(rebuilt.path / "marts" / "customer_aliases.parquet").is_empty()
    known = find(rebuilt, ID[WANG])
    assert (known.customer_id, known.record) == (ID[LI], "shop/uk:wang")


def test_an_id_whose_record_was_erased_finds_who_bears_it_still(lake):
    before = resolve(signals_of(SEEN, SHARED), on=1)
    left = release_night(lake, resolve(signals_of(SEEN[1:], SHARED), before, on=2), 2)
    known = find(left, ID[LI])
    assert (known.customer_id, known.record) == (ID[LI], "shop/uk:wang")


def test_an_id_that_somebody_else_bears_tonight_is_that_customers(lake):
    """Wang was merged into Li, whose record was erased then: the id is of those who are left."""
    apart = resolve(signals_of(SEEN, APART), on=1)
    one = resolve(signals_of(SEEN, SHARED), apart, on=2)
    left = resolve(signals_of(SEEN[1:], SHARED), one, on=3)
    release = release_night(lake, left, 3)
    assert find(release, ID[LI]).customer_id == find(release, ID[WANG]).customer_id == ID[LI]


@pytest.mark.parametrize(
    "asked",
    ["crm:nobody", "shop:wang", "account=crm:wang", "a" * 16, "Li Na", "", "crm:", ID[LI].upper()],
)
def test_who_stands_for_nobody_is_refused_with_how_to_ask(nights, asked):
    with pytest.raises(C360Error, match="stands for nobody in the release 2026-01-04__") as told:
        find(nights[2], asked)
    assert "source:id" in told.value.hint


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("crm:zhao", "account=crm:zhao"), ("account=crm:li", "crm:li"),
     ("shop:7", "guest_order=shop:7")],
)  # fmt: skip
def test_a_record_of_another_kind_with_the_same_id_is_suggested(lake, asked, meant):
    known = release_night(lake, resolve(signals_of([*SEEN, (guest(7), 3)]), on=1), 1)
    with pytest.raises(C360Error, match="stands for nobody") as told:
        find(known, asked)
    assert told.value.hint == f"Did you mean {meant}?"


def test_an_id_whose_records_are_all_erased_stands_for_nobody(lake):
    before = resolve(signals_of(SEEN, APART), on=1)
    after = release_night(lake, resolve(signals_of(SEEN[:1], APART), before, on=2), 2)
    with pytest.raises(C360Error, match="stands for nobody"):
        find(after, ID[WANG])


def test_a_customer_is_told_with_what_is_known_and_where_from(lake):
    resolved = resolve(signals_of(SEEN, SHARED), resolve(signals_of(SEEN, APART), on=1), on=2)
    won = {"field_group": "contact", "rule": "recency", "value": "Leeds"}
    release = release_night(
        lake, resolved, 2, {LI: {"city": "Leeds"}},
        [(WANG, won | {"field": "state"}), (LI, won | {"field": "city"}), (ZHAO, won)],
    )  # fmt: skip
    told = history.describe_customer(release, ID[LI])
    assert told["release"] == release.path.name
    assert told["profile"]["city"] == "Leeds"
    assert None not in told["profile"].values()
    assert [field["field"] for field in told["fields"]] == ["city", "state"]
    assert told["fields"][0]["source_record_id"] == "li"
    assert [record["record"] for record in told["records"]] == ["crm:li", "shop/uk:wang"]
    assert told["aliases"] == [{"alias_id": ID[WANG], "changed_on": day(2), "event": "merged"}]


def test_an_alias_that_was_restored_stands_for_nobody_else(nights):
    for customer in (LI, WANG):
        assert history.describe_customer(nights[2], ID[customer])["aliases"] == []


def test_a_customer_whose_records_the_sources_deleted_is_found_and_has_no_profile(lake, nights):
    signals = signals_of(SEEN, APART)
    is_li = pl.col("source_record_id") == "li"
    deleted = replace(signals, records=signals.records.with_columns(is_deleted=is_li))
    release = release_night(lake, resolve(deleted, on=4), 4)
    assert find(release, "crm:li").customer_id == ID[LI]
    with pytest.raises(C360Error, match="no profile in the release 2026-01-05__") as told:
        history.describe_customer(release, ID[LI])
    assert told.value.hint == "Ask for an earlier date."
    versions = history.list_versions(lake, ID[LI])
    assert versions.filter(pl.col("as_of") == "2026-01-05").rows() == [
        ("2026-01-05", None, None, None, False)
    ]


def changes(lake, customer):
    rows = history.list_versions(lake, customer).rows()
    return [row[1:4] for row in rows if row[1] in ("order_count", "city", "as_of", "customer_id")]


def test_the_versions_of_a_customer_tell_what_changed_and_when(lake, nights):
    versions = history.list_versions(lake, ID[LI])
    assert versions.columns == ["as_of", "column", "before", "after", "is_measure"]
    assert versions["as_of"].unique().sort().to_list() == ["2026-01-02", "2026-01-03", "2026-01-04"]
    assert changes(lake, ID[LI]) == [
        ("city", None, "Leeds"), ("order_count", None, "2"),
        ("order_count", "2", "5"),
        ("city", "Leeds", None), ("order_count", "5", "3"),
    ]  # fmt: skip


def test_a_customer_that_was_merged_and_restored_was_not_there_in_between(lake, nights):
    assert changes(lake, ID[WANG]) == [
        ("order_count", None, "1"), ("order_count", "1", "2"),
    ]  # fmt: skip
    versions = history.list_versions(lake, ID[WANG])
    assert versions.filter(pl.col("as_of") == "2026-01-03").rows() == [
        ("2026-01-03", None, None, None, False)
    ]


def test_merges_and_what_undoes_them_are_events_of_both(nights):
    assert history.list_events(nights[2], ID[WANG]).rows() == [
        ("2026-01-03", f"merged into {ID[LI]}", True),
        ("2026-01-04", "restored: a customer of its own again", True),
    ]
    assert history.list_events(nights[2], ID[LI]).rows() == [
        ("2026-01-03", f"{ID[WANG]} merged into it", False),
        ("2026-01-04", f"{ID[WANG]} parted from it", False),
    ]
    assert history.list_events(nights[0], ID[LI]).is_empty()
    assert history.list_events(nights[2], ID[ZHAO]).is_empty()


def test_whose_records_were_all_erased_is_gone(lake):
    before = resolve(signals_of(SEEN, APART), on=1)
    after = release_night(lake, resolve(signals_of(SEEN[:1], APART), before, on=2), 2)
    assert history.list_events(after, ID[WANG]).rows() == [
        ("2026-01-03", "gone: all its records are erased", True)
    ]


def test_of_two_releases_of_one_day_the_versions_tell_the_one_that_readers_saw_last(lake, nights):
    parted = resolve(signals_of(SEEN, APART), on=3)
    release_night(lake, parted, 3, {LI: {"order_count": 9}})
    assert ("order_count", "5", "9") in changes(lake, ID[LI])
    roll_back(lake)
    assert ("order_count", "5", "3") in changes(lake, ID[LI])


def test_nobody_has_no_versions(lake, nights):
    assert history.list_versions(lake, "a" * 16).is_empty()


def test_a_column_that_an_older_version_did_not_have_is_a_change_when_it_comes(lake, nights):
    path = nights[0].path / "marts" / "customer_360.parquet"
    older = pl.read_parquet(path).drop("order_count")
    path.unlink()  # shared with its run as a hard link
    write_table(older, path)
    assert ("order_count", None, "5") in changes(lake, ID[LI])


def test_a_merge_is_told_by_the_ties_that_lead_from_one_record_to_the_other(nights):
    merge = history.explain_merge(nights[1], "shop/uk:wang", ID[LI], KEY)
    (first, value, *_), (again, second, *_) = merge.path.rows()
    assert (first, second) == ("shop/uk:wang", "crm:li")
    assert value == again
    assert value.startswith("email#")
    assert merge.between.is_empty()


def test_who_is_one_record_needs_no_tie(nights):
    merge = history.explain_merge(nights[1], "crm:li", ID[LI], KEY)
    assert merge.one.record == merge.other.record == "crm:li"
    assert merge.path.is_empty()


def test_between_two_customers_stand_the_ties_that_were_dropped(nights):
    for pair in (("crm:li", "shop/uk:wang"), (ID[WANG], ID[LI])):
        merge = history.explain_merge(nights[2], *pair, KEY)
        assert merge.path.is_empty()
        ((end_a, end_b, reason),) = merge.between.rows()
        assert (end_a, reason) == ("shop/uk:wang", "dropped: cannot_link")
        assert end_b.startswith("email#")


def test_between_two_customers_stand_the_pairs_that_somebody_should_look_at(lake):
    order = guest(7)
    carried = [(record, "phone", "13800138001") for record in (LI, order)]
    profiles = {LI: {"full_name": "李娜"}, order: {"full_name": "王伟"}}
    resolved = resolve(signals_of([(LI, 0), (order, 1)], carried, profiles=profiles), on=1)
    merge = history.explain_merge(
        release_night(lake, resolved, 1), "crm:li", "guest_order=shop:7", KEY
    )
    assert merge.between.rows() == [("crm:li", "guest_order=shop:7", "conflict given_name")]


def test_two_that_share_nothing_have_nothing_between_them(nights):
    merge = history.explain_merge(nights[0], "crm:li", "account=crm:zhao", KEY)
    assert merge.path.is_empty()
    assert merge.between.is_empty()


ASKED = {
    "customer_aliases": lambda release: find(release, ID[LI]),
    "customer_fields": lambda release: history.describe_customer(release, ID[LI]),
    "identity_edges": lambda release: history.explain_merge(release, "crm:li", "crm:li", KEY),
}


@pytest.mark.parametrize("mart", ASKED)
def test_a_release_of_an_older_version_says_what_it_lacks(lake, mart):
    older = release_night(lake, resolve(signals_of(SEEN, SHARED), on=1), 1, without=[mart])
    with pytest.raises(C360Error, match=f"has no {mart}") as told:
        ASKED[mart](older)
    assert told.value.hint == "Ask for a date of a later release."
