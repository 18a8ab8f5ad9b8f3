"""What every connector must survive, whatever the vendor: one suite, run for each system."""

import json
import os
from email.utils import format_datetime
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import AccessRefusedError, C360Error, QuotaSpentError, SourceDownError
from pipelines.extract import parts
from pipelines.extract.connector import Page
from pipelines.fakes.fake import Fault

HTML = b"<!doctype html><title>502 Bad Gateway</title>"


def at(rig, nth: int = 1, **fault) -> Fault:
    """A fault at the nth call of the main stream's list."""
    return Fault(path=rig.path, nth=nth, **fault)


# -- paging ------------------------------------------------------------------------------------


def test_an_empty_source_is_no_fault_and_what_comes_later_is_found(nights, rig):
    assert sum(nights.extract().values()) == 0
    assert nights.current() == {}
    nights.next()
    ids = rig.add(3)
    nights.extract()
    assert set(nights.current()) == set(ids)


@pytest.mark.parametrize("pages", [0.5, 1, 2, 2.01], ids=["less", "one", "two", "a little more"])
def test_every_record_arrives_once_whatever_the_number_of_pages(nights, rig, pages):
    ids = rig.add(int(rig.page_size * pages) or 1)
    nights.extract()
    rows = nights.landed()
    assert sorted(rows["source_record_id"]) == sorted(ids)
    assert nights.quarantined().is_empty()


def test_pages_that_come_twice_are_stored_once(nights, rig):
    ids = rig.add(2 * rig.page_size + 1)
    connector = nights.connector()
    once = connector.pages

    def twice(stream, ask):
        for page in once(stream, ask):
            yield from (Page(list(page.records), page.resume), page)

    connector.pages = twice
    nights.extract(connector)
    assert sorted(nights.landed()["source_record_id"]) == sorted(ids)


def test_records_that_change_while_pages_are_read_hide_no_other(nights, rig):
    ids = rig.add(3 * rig.page_size)
    rig.tick()
    calls = []

    def change_early_ones(path):
        if rig.path in path:
            calls.append(path)
            if len(calls) == 2:
                rig.change(ids[:5])

    rig.fake.before_call = change_early_ones
    nights.extract()
    assert set(nights.current()) == set(ids)
    nights.next()
    nights.extract()
    assert {nights.current()[id][rig.text_column] for id in ids[:5]} == {"changed"}


def test_records_that_are_deleted_while_pages_are_read_hide_no_other(nights, rig):
    ids = rig.add(3 * rig.page_size)
    calls = []

    def delete_early_ones(path):
        if rig.path in path:
            calls.append(path)
            if len(calls) == 2:
                rig.remove(ids[:5])

    rig.fake.before_call = delete_early_ones
    nights.extract()
    assert set(ids[5:]) <= set(nights.current())


# -- changes from night to night ---------------------------------------------------------------


def test_the_next_night_brings_only_what_changed(nights, rig):
    ids = rig.add(rig.page_size + 20)
    nights.extract()
    nights.next()
    rig.tick(hours=12)
    rig.change(ids[3:6])
    new = rig.add(2)
    brought = nights.extract()
    assert brought[rig.stream] == 5
    current = nights.current()
    assert set(current) == {*ids, *new}
    assert current[ids[3]][rig.text_column] == "changed"


def test_the_same_night_again_stores_nothing(nights, rig):
    rig.add(rig.page_size + 20)
    nights.extract()
    before = nights.part_count()
    assert sum(nights.extract().values()) == 0
    assert nights.part_count() == before


def test_equal_times_on_both_sides_of_the_cursor_lose_nothing(nights, rig):
    first = rig.add(rig.page_size + 7)
    nights.extract()
    second = rig.add(rig.page_size + 7)  # in the same instant as the first
    nights.night += 1
    nights.extract()
    assert set(nights.current()) == {*first, *second}


def test_deleted_records_vanish_and_come_back_when_they_are_restored(nights, rig):
    if not rig.knows_deletes:
        pytest.skip(f"{rig.system} does not tell deletions")
    ids = rig.add(10)
    nights.extract()
    nights.next()
    rig.remove(ids[:2])
    nights.extract()
    assert set(nights.current()) == set(ids[2:])
    nights.next()
    rig.restore(ids[:1])
    nights.extract()
    assert set(nights.current()) == {ids[0], *ids[2:]}


# -- logins and limits -------------------------------------------------------------------------


def test_a_token_that_dies_on_the_way_is_renewed(nights, rig):
    if not rig.has_login:
        pytest.skip(f"{rig.system} has a fixed key")
    ids = rig.add(5 * rig.page_size)
    rig.fake.token_calls = 2
    nights.extract()
    assert set(nights.current()) == set(ids)
    assert nights.sleeps == []


def test_a_refused_login_is_told_at_once_and_names_what_to_mend(nights, rig):
    rig.add(3)
    rig.fake.refuses_login = True
    with pytest.raises(AccessRefusedError, match="crm") as refused:
        nights.extract()
    assert "C360_SOURCE_CRM" in refused.value.hint
    assert not refused.value.heals
    assert (nights.sleeps, nights.part_count()) == ([], 0)


def test_a_wait_in_seconds_is_kept(nights, rig):
    ids = rig.add(3)
    rig.fake.faults = [at(rig, status=429, headers={"Retry-After": "7"})]
    nights.extract()
    assert nights.sleeps == [7.0]
    assert set(nights.current()) == set(ids)


def test_a_wait_until_a_date_is_kept_by_the_vendors_own_clock(nights, rig):
    rig.add(3)
    now = rig.fake.now
    told = {"Date": format_datetime(now, usegmt=True)}
    told["Retry-After"] = format_datetime(now.replace(second=now.second + 9), usegmt=True)
    rig.fake.faults = [at(rig, status=429, headers=told)]
    nights.extract()
    assert nights.sleeps == [9.0]


def test_without_a_word_on_waiting_the_waits_grow(nights, rig):
    ids = rig.add(3)
    rig.fake.faults = [at(rig, status=429, times=3)]
    nights.extract()
    assert len(nights.sleeps) == 3
    assert nights.sleeps[2] > nights.sleeps[0] > 0
    assert set(nights.current()) == set(ids)


def test_a_spent_quota_ends_the_night_for_the_source_at_once(nights, rig):
    rig.add(3)
    rig.fake.faults = [rig.quota_fault()]
    with pytest.raises(QuotaSpentError) as spent:
        nights.extract()
    assert not spent.value.heals
    assert nights.sleeps == []


# -- broken answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503, "body": HTML},
        {"status": 200, "body": HTML},
        {"status": 200, "body": b""},
        {"cut": 40},
    ],
    ids=["500", "503 with a page", "a page as 200", "nothing as 200", "cut off"],
)
def test_a_broken_answer_is_asked_for_again(nights, rig, fault):
    ids = rig.add(rig.page_size + 3)
    rig.fake.faults = [at(rig, nth=2, times=2, **fault)]
    nights.extract()
    assert sorted(nights.landed()["source_record_id"]) == sorted(ids)
    assert nights.sleeps


def test_half_a_source_is_not_landed_and_the_next_try_asks_only_for_the_rest(nights, rig):
    ids = rig.add(7 * rig.page_size)
    rig.fake.faults = [at(rig, nth=5, status=500, times=None)]
    with pytest.raises(SourceDownError, match="after 6 tries"):
        nights.extract()
    assert nights.land() == 0
    rig.fake.faults.clear()
    rig.fake.calls.clear()
    nights.extract()
    asked_again = sum(rig.path in path for path in rig.fake.calls)
    assert asked_again <= 5  # pages 5 to 7, the one that failed and one that says it is the last
    assert sorted(nights.landed()["source_record_id"]) == sorted(ids)


def test_a_pass_that_broke_off_last_night_is_ended_and_todays_changes_follow(nights, rig):
    ids = rig.add(4 * rig.page_size)
    rig.fake.faults = [at(rig, nth=3, status=500, times=None)]
    with pytest.raises(SourceDownError):
        nights.extract()
    rig.fake.faults.clear()
    nights.next()
    rig.tick(hours=12)
    rig.change(ids[-3:])
    nights.extract()
    current = nights.current()
    assert set(current) == set(ids)
    assert {current[id][rig.text_column] for id in ids[-3:]} == {"changed"}


# -- records -----------------------------------------------------------------------------------


def test_a_new_field_is_kept_and_told(nights, rig):
    ids = rig.add(2)
    rig.add_field(ids, "Brand_New", "x")
    nights.extract()
    assert all("Brand_New" in json.loads(row["extra"]) for row in nights.current().values())
    told = [name for manifest in nights.manifests() for name in manifest["unknown_columns"]]
    assert "Brand_New" in told


@pytest.mark.parametrize("value", [12345, 1.5, True, {"first": "x"}, ["x", "y"]], ids=repr)
def test_a_field_of_another_type_loses_no_record(nights, rig, value):
    ids = rig.add(5)
    rig.change(ids[:2], value)
    nights.extract()
    rows = nights.landed()["source_record_id"].to_list()
    kept = nights.quarantined()
    assert len(rows) + kept.height == 5
    assert set(ids[2:]) <= set(rows)


def test_a_field_that_every_record_must_have_and_none_has_stops_before_landing(nights, rig):
    rig.add(25)
    rig.drop_field()
    nights.extract()
    with pytest.raises(C360Error, match=r"Source crm: none of 25 records"):
        nights.land()
    assert not list(nights.lake.landing.rglob("*.parquet"))


@pytest.mark.parametrize("text", ["王芳 😀", 'Zoë O’Neil\t\\ "x" <b>', "=cmd|' /C calc'!A0"])
def test_text_arrives_as_it_is(nights, rig, text):
    id = rig.add_one(text)
    nights.extract()
    assert nights.current()[id][rig.text_column] == text


def test_a_nul_byte_is_quarantined_with_its_row_and_nothing_else(nights, rig):
    good = rig.add(2)
    rig.add_one("王\0芳")
    nights.extract()
    assert set(nights.current()) == set(good)
    [row] = nights.quarantined().rows(named=True)
    assert (row["rule"], row["column"]) == ("control_character", rig.text_column)


def test_ids_stay_text_and_times_are_utc(nights, rig):
    [id] = rig.add(1)
    nights.extract()
    row = nights.current()[id]
    assert row["source_record_id"] == id
    if rig.knows_changes:
        now = rig.fake.now.replace(tzinfo=None)
        assert abs((row["source_updated_at"] - now).total_seconds()) < 1


def test_no_secret_is_in_the_log_the_parts_or_the_landing(nights, rig):
    rig.add(rig.page_size + 1)
    nights.extract()
    nights.land()
    written = b"".join(path.read_bytes() for path in nights.lake.home.rglob("*.*"))
    told = json.dumps(nights.log).encode() + written
    secrets = [value for name, value in rig.secrets.items() if not name.endswith("_id")]
    for secret in [*secrets, "token-1"]:
        assert str(secret).encode() not in told
    assert nights.log


# -- crashes -----------------------------------------------------------------------------------


class Killed(BaseException):
    """What a kill looks like from inside: nothing runs after it."""


@pytest.mark.parametrize("moment", ["before the rename", "after the rename"])
@pytest.mark.parametrize("which", [1, 2, 3])
def test_a_crash_around_the_commit_of_a_part_leaves_no_gap(
    nights, rig, monkeypatch, tmp_path, moment, which
):
    ids = rig.add(5 * rig.page_size)
    count = 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal count
        dies = ".part" in self.name and f".{rig.system}." in self.name
        count += dies
        if dies and count == which and moment == "before the rename":
            raise Killed
        os.replace(self, target)  # noqa: PTH105 - Path.replace is what is replaced
        if dies and count == which:
            raise Killed
        return Path(target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(Killed):
            nights.extract()
    nights.extract()
    assert sorted(nights.landed()["source_record_id"]) == sorted(ids)


def test_a_kill_after_any_page_changes_nothing_in_the_end(nights, rig, monkeypatch):
    ids = rig.add(6 * rig.page_size)
    monkeypatch.setattr(parts, "PART_RECORDS", rig.page_size)
    for page in range(1, 8):
        connector = nights.connector()
        whole = connector.pages

        def dying(stream, ask, whole=whole, page=page):
            for number, part in enumerate(whole(stream, ask), start=1):
                yield part
                if number == page % 3 + 1:
                    raise Killed

        connector.pages = dying
        try:
            nights.extract(connector)
        except Killed:
            continue
    nights.extract()
    rows = nights.landed()
    assert sorted(rows.filter(pl.col("op") == "upsert")["source_record_id"]) == sorted(ids)
