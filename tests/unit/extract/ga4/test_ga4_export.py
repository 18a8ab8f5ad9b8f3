# ruff: noqa: DTZ001 - landed times are UTC without a zone
import os
import shutil
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from factories import AS_OF
from ga4_events import SCHEMA, Event, event, write_json, write_parquet
from ga4_nights import Nights
from pydantic import ValidationError

from pipelines.errors import C360Error, SourceDownError
from pipelines.extract.buckets import Folder
from pipelines.extract.ga4.days import DayKey
from pipelines.extract.ga4.nights import check_ga4
from pipelines.extract.parts import find_parts
from pipelines.land import land_new_files
from pipelines.rules.source_types.ga4 import Ga4Source
from pipelines.rules.sources import Sources

DAY = "events_20260630"


@pytest.fixture
def export(tmp_path) -> Path:
    (tmp_path / "export").mkdir()
    return tmp_path / "export"


@pytest.fixture
def nights(export, lake, catalogue) -> Nights:
    return Nights(lake.raw / "web", catalogue, {}, path=str(export))


@pytest.fixture
def put(export) -> Callable[..., Path]:
    clock = iter(range(1_000))

    def put_day(events: Iterable[Event], name: str = f"{DAY}.parquet", **options: Any) -> Path:
        path: Path = export / name
        write = write_parquet if ".parquet" in name or "." not in name else write_json
        write(path, events, **options)
        os.utime(path, (next(clock), 0))
        return path

    return put_day


@pytest.fixture
def read(put, nights) -> Callable[..., dict[str, Any]]:
    """The landing row of one event."""

    def read_event(*args: Any, **given: Any) -> dict[str, Any]:
        put([event(*args, **given)])
        nights.extract()
        [row] = nights.rows()
        return row

    return read_event


# --- What an event becomes -------------------------------------------------------------------

PURCHASE = event(
    500_000,
    "purchase",
    user_id="member-1",
    user_pseudo_id="123.456",
    params={
        "page_location": "https://shop.example/kasse/fertig?email=ann@example.com#top",
        "page_referrer": "https://shop.example/kasse?token=secret",
        "value": 59.9,
        "currency": "eur",
        "transaction_id": "T-1",
        "engagement_time_msec": 1_234,
        "source": "google",
        "medium": "cpc",
    },
    ecommerce={"transaction_id": "T-1", "purchase_revenue": 59.9},
    items=[{"item_id": "SKU2"}, {"item_id": "SKU1"}, {"item_id": "SKU2"}, {"item_id": "(not set)"}],
    collected_traffic_source={"manual_source": "newsletter", "manual_campaign_name": "六月 🎉"},
    privacy_info={"analytics_storage": "Yes", "ads_storage": "No", "uses_transient_token": "No"},
)
PURCHASE_ROW = {
    "source": "web",
    "op": "upsert",
    "grain": "event",
    "event_name": "purchase",
    "event_at": datetime(2026, 6, 30, 0, 0, 0, 500_000),
    "event_count": 1,
    "session_id": "123.456.77",
    "anonymous_id": "123.456",
    "user_id": "member-1",
    "page_path": "/kasse/fertig",
    "search_term": None,
    "referrer": "https://shop.example/kasse",
    "utm_source": "newsletter",
    "utm_medium": "cpc",
    "utm_campaign": "六月 🎉",
    "device_category": "mobile",
    "country": "DE",
    "city": "Berlin",
    "transaction_id": "T-1",
    "value": Decimal("59.9"),
    "currency": "EUR",
    "item_ids": ["SKU1", "SKU2"],
    "engagement_time_ms": 1_234,
    "consent_analytics": True,
    "consent_ads": False,
    "extra": None,
}


@pytest.mark.parametrize(
    "name",
    [f"{DAY}.parquet", DAY, f"{DAY}_000000000000.json", f"{DAY}-1.jsonl.gz", f"{DAY}.NDJSON"],
)
def test_an_event_lands_as_the_contract_has_it(put, nights, name):
    put([PURCHASE], name)
    nights.extract()
    [row] = nights.rows()
    assert {column: row[column] for column in PURCHASE_ROW} == PURCHASE_ROW
    assert row["source_updated_at"] == datetime(2026, 7, 1, 3)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://shop.example", None),
        ("https://shop.example/", "/"),
        ("https://shop.example/a/b?q=1#c", "/a/b"),
        ("https://shop.example?q=ann@example.com", None),
        ("HTTPS://shop.example:8443/Ä/商品", "/Ä/商品"),
        ("android-app://com.example/a", "/a"),
        ("/only/a/path?x", "/only/a/path"),
        ("(not set)", None),
    ],
)
def test_of_an_address_only_the_path_is_kept(read, address, path):
    assert read(params={"page_location": address})["page_path"] == path


def test_what_was_searched_for_is_read_of_searches_only(put, nights):
    put([event(1, "view_search_results", params={"search_term": "鞋"}),
         event(2, "view_search_results", params={"search_term": 2026}),
         event(3, "page_view", params={"search_term": "from an address"})])  # fmt: skip
    nights.extract()
    assert [row["search_term"] for row in nights.rows()] == ["鞋", "2026", None]


@pytest.mark.parametrize(
    ("value", "landed"),
    [
        (12, 12),
        (12.5, 12.5),
        ({"float_value": 0.25}, 0.25),
        ("3.5", 3.5),
        ("many", None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        ("nan", None),
        (-4.2, -4.2),
    ],
)
def test_a_value_is_read_however_it_was_sent(read, value, landed):
    wanted = None if landed is None else Decimal(str(landed))
    assert read(params={"value": value, "currency": "EUR"})["value"] == wanted


@pytest.mark.parametrize(
    ("told", "landed"), [(1500, 1500), ("1500", 1500), (1e300, None), ("long", None)]
)
def test_a_time_that_is_none_is_left_out(read, told, landed):
    assert read(params={"engagement_time_msec": told})["engagement_time_ms"] == landed


@pytest.mark.parametrize(
    ("currency", "landed"),
    [("EUR", "EUR"), ("usd", "USD"), ("(not set)", None), ("Euro", None), ("€", None), (1, None)],
)
def test_a_currency_that_is_none_is_left_out(read, currency, landed):
    assert read(params={"currency": currency, "value": 1.0})["currency"] == landed


@pytest.mark.parametrize(
    ("params", "ecommerce", "landed"),
    [
        ({"transaction_id": 4_876_876_000_000_000_001}, None, "4876876000000000001"),
        ({"transaction_id": "A"}, {"transaction_id": "(not set)"}, "A"),
        ({"transaction_id": "A"}, {"transaction_id": "B"}, "B"),
        ({}, {"transaction_id": ""}, None),
    ],
)
def test_an_order_is_named_as_the_shop_names_it(read, params, ecommerce, landed):
    assert read(params=params, ecommerce=ecommerce)["transaction_id"] == landed


@pytest.mark.parametrize(
    ("told", "landed"), [("Yes", True), ("No", False), ("Unset", None), (None, None), ("1", None)]
)
def test_consent_is_what_was_said_and_no_more(read, told, landed):
    row = read(privacy_info={"analytics_storage": told, "ads_storage": told})
    assert (row["consent_analytics"], row["consent_ads"]) == (landed, landed)


@pytest.mark.parametrize(
    ("country", "code"),
    [("China", "CN"), ("Hong Kong", "HK"), ("Türkiye", "TR"), ("Côte d’Ivoire", "CI"),
     ("Myanmar (Burma)", "MM"), ("(not set)", None), ("", None), ("O'Hara's Land", None)],
)  # fmt: skip
def test_countries_are_codes(read, country, code):
    assert read(geo={"country": country})["country"] == code


def test_who_has_no_cookie_has_no_session(read):
    row = read(user_pseudo_id="", user_id="", geo=None, device=None, privacy_info=None)
    empty = ("session_id", "anonymous_id", "user_id", "country", "city", "device_category")
    assert [row[name] for name in empty] == [None] * len(empty)


def test_a_parameter_that_comes_twice_is_read_once(put, nights):
    twice = event()
    twice["event_params"] += event(params={"page_location": "https://x/second"})["event_params"]
    put([twice])
    nights.extract()
    assert [row["page_path"] for row in nights.rows()] == ["/"]


# --- Which event is which --------------------------------------------------------------------


def test_events_have_ids_that_another_export_of_the_day_gives_again(put, nights, export):
    events = [event(number) for number in range(50)] + [event(7), event(7), PURCHASE]
    put(events)
    assert nights.extract().records == 53
    (export / f"{DAY}.parquet").unlink()
    put(reversed(events[:20]), f"{DAY}_1.json.gz")
    put(events[20:], f"{DAY}_0.parquet", compression="zstd", row_group_size=7)
    nights.next()
    assert nights.extract().records == 0
    assert len(nights.rows()) == 53


def test_events_that_are_alike_in_all_that_names_them_stay_apart(put, nights):
    put([event(1), event(1), event(1, user_id="other"), event(2)])
    nights.extract()
    ids = sorted(row["source_record_id"] for row in nights.rows())
    assert len({id.split("-")[0] for id in ids}) == 2
    assert sorted(id[24:] for id in ids) == ["", "", "-2", "-3"]
    put([event(1), event(2)])
    nights.next()
    assert nights.extract().records in (2, 3)  # two tombstones; the one left may be the other one
    assert len(nights.rows()) == 2


@pytest.mark.parametrize(
    "other",
    [{"stream_id": "2"}, {"user_pseudo_id": "x"}, {"event_timestamp": 1}, {"event_name": "x"},
     {"batch_page_id": 3}, {"batch_ordering_id": 3}, {"batch_event_index": None}],
)  # fmt: skip
def test_all_that_names_an_event_counts(put, nights, other):
    put([event(1), event(1, **other)])
    nights.extract()
    assert not [row for row in nights.rows() if "-" in row["source_record_id"]]


def test_the_same_event_in_two_days_is_two(put, nights):
    put([event(1)])
    put([event(1)], "events_20260629.parquet")
    assert nights.extract().records == 2
    assert len(nights.rows()) == 2


# --- A day that changes ----------------------------------------------------------------------


def test_a_day_that_changed_replaces_what_was_known_of_it(put, nights):
    put([event(n) for n in range(10)])
    nights.extract()
    put([event(n, user_id="late" if n == 3 else None) for n in range(10) if n != 5]
        + [event(11)])  # fmt: skip
    nights.next()
    assert nights.extract().records == 3  # one changed, one gone, one new
    assert [row["user_id"] for row in nights.rows()].count("late") == 1
    assert len(nights.rows()) == 10
    put([event(n) for n in range(10)])  # as it was at first
    nights.next()
    assert nights.extract().records == 3
    assert [row["user_id"] for row in nights.rows()] == [None] * 10
    assert len(find_parts(nights.raw)) == 3


def test_a_change_is_newer_than_what_it_changes_whatever_the_clock_says(put, nights):
    for user in ("a", "b", "c"):
        put([event(user_id=user)])
        nights.extract()
        nights.now -= timedelta(hours=1)
    assert [row["user_id"] for row in nights.rows()] == ["c"]


def test_a_day_that_is_as_it_was_is_not_fetched(put, nights, monkeypatch):
    put([event()])
    nights.extract()
    monkeypatch.setattr(Folder, "fetch", None)
    nights.next()
    assert nights.extract().parts == []


def test_a_file_that_only_looks_new_is_fetched_once_and_not_mapped(put, nights, monkeypatch):
    put([event()])
    nights.extract()
    put([event()])
    monkeypatch.setattr("pipelines.extract.ga4.export._map_day", None)
    nights.next()
    [part] = nights.extract().parts
    assert len(nights.landed()) == 1
    monkeypatch.setattr(Folder, "fetch", None)
    assert nights.extract().parts == []
    assert part.parent.name == "2026-07-01"


def test_a_place_that_tells_no_times_is_read_and_nothing_is_stored_twice(put, nights, monkeypatch):
    put([event()])
    monkeypatch.setattr("pipelines.extract.buckets.CLOCKS", ())
    assert len(nights.extract().parts) == 1
    assert nights.extract().parts == []
    put([event(user_id="x")])
    assert nights.extract().records == 1


@pytest.mark.parametrize(
    ("first_read", "read_again", "left"),
    [(0, 1, 2), (3, 4, 2), (3, 30, 2), (4, 5, 3), (30, 31, 3)],
    ids=lambda nights: f"{nights} nights",
)
def test_what_is_gone_is_buried_if_the_day_could_still_change_when_it_was_read(
    put, nights, first_read, read_again, left
):
    put([event(1), event(2), event(3)])
    nights.next(first_read)
    nights.extract()
    put([event(2), event(3, user_id="changed")])
    nights.next(read_again - first_read)
    nights.extract()
    assert len(nights.rows()) == left
    assert "changed" in [row["user_id"] for row in nights.rows()]


def test_a_day_whose_files_are_gone_stays(put, nights):
    put([event(1)])
    put([event(2)], "events_20260629.parquet")
    nights.extract()
    shutil.rmtree(nights.source.path)
    Path(nights.source.path).mkdir()
    nights.next()
    assert nights.extract().parts == []
    assert len(nights.rows()) == 2


def test_a_day_that_lost_most_of_its_events_at_once_is_not_believed(put, nights):
    put([event(n) for n in range(60)])
    nights.extract()
    put([event(n) for n in range(20)])
    nights.next()
    with pytest.raises(C360Error, match="40 of 60 events of 2026-06-30 are gone at once"):
        nights.extract()
    assert len(nights.rows()) == 60
    nights.source = nights.source.model_copy(update={"max_vanished_share": 1.0})
    assert nights.extract().records == 40
    assert len(nights.rows()) == 20


# --- Which files are read --------------------------------------------------------------------


def test_only_daily_exports_are_read(put, nights, export):
    put([event(1)], f"{DAY}_000000000000.parquet")
    put([event(2)], f"{DAY}_000000000001.parquet")
    for name in ("events_intraday_20260701.parquet", "pseudonymous_users_20260630.parquet",
                 "events_20260630.parquet.part", ".events_20260630.parquet", "events_20260630.avro",
                 "events_20261399.parquet", "events_202606301.parquet", "_SUCCESS"):  # fmt: skip
        (export / name).write_bytes(b"not to be read")
    (export / "events_20260629").mkdir()
    assert nights.extract().records == 2
    [part] = find_parts(nights.raw)
    key = part.progress.key
    assert key["day"] == "2026-06-30"
    assert sorted(key["files"]) == [f"{DAY}_00000000000{n}.parquet" for n in (0, 1)]
    assert set(key["files"][f"{DAY}_000000000000.parquet"]) == {"size", "stamp", "sha256"}
    assert part.progress.complete
    assert DayKey(date(2026, 6, 30)) == DayKey(AS_OF)


def test_days_before_the_history_are_not_read(put, nights):
    for day in range(21, 31):
        put([event(day)], f"events_202606{day}.parquet")
    nights.source = nights.source.model_copy(update={"history_days": 4})
    assert nights.extract().records == 4
    nights.source = nights.source.model_copy(update={"history_days": 400})
    assert nights.extract().records == 6


def test_an_older_export_has_fewer_fields(put, nights):
    names = ["event_timestamp", "event_name", "event_params", "user_pseudo_id", "geo"]
    schema = pa.schema(
        [SCHEMA.field(name) if name != "geo" else ("geo", pa.struct([("city", pa.string())]))
         for name in names]
    )  # fmt: skip
    put([event(params={"source": "google"})], schema=schema)
    put([event(2)], f"{DAY}_2.parquet")
    nights.extract()
    old, new = nights.rows()
    assert (old["city"], old["country"], old["utm_source"]) == ("Berlin", None, "google")
    assert (new["country"], new["consent_analytics"]) == ("DE", True)


@pytest.mark.parametrize("names", [(), ("notes.txt", "events_intraday_20260701.parquet")])
def test_a_folder_without_an_export_is_told_in_a_sentence(nights, export, names):
    for name in names:
        (export / name).touch()
    with pytest.raises(C360Error, match=r"holds no file events_YYYYMMDD\*"):
        nights.extract()


def test_a_missing_folder_is_told_in_a_sentence(nights, export):
    export.rmdir()
    with pytest.raises(SourceDownError, match="does not exist"):
        nights.extract()


def test_an_export_that_is_empty_is_passed_over(put, nights, export):
    put([event(1), event(2)])
    nights.extract()
    (export / f"{DAY}.parquet").write_bytes(b"")
    nights.next()
    assert nights.extract().parts == []
    assert nights.told[-1] == "2026-06-30: the export is empty, and is passed over"
    put([event(1), event(2)], f"{DAY}_0.json")
    (export / f"{DAY}.parquet").rename(export / f"{DAY}_1.json")  # as `bq extract` ends a list
    assert nights.extract().records == 0
    assert len(nights.rows()) == 2


# --- What goes wrong -------------------------------------------------------------------------


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (f"{DAY}.parquet", _cut),
        (f"{DAY}.parquet", lambda content: content[:4] + content[14:]),
        (f"{DAY}.json", _cut),
        (f"{DAY}.json.gz", _cut),
        (f"{DAY}.json.gz", lambda content: b"\x1f\x8b" + content[20:]),
        (f"{DAY}.json", lambda content: b'{"event_timestamp": "soon", "event_name": "x"}\n'),
        (f"{DAY}.json", lambda content: b"<html>secret</html>"),
        (f"{DAY}.json", lambda content: b"\xff\xfe\x00"),
    ],
)
def test_a_file_that_is_not_whole_is_told_in_a_sentence_without_its_content(
    put, nights, name, damage
):
    put([event(1)], "events_20260629.parquet")
    path = put([event(number) for number in range(500)], name)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SourceDownError, match="the export of 2026-06-30 cannot be read") as caught:
        nights.extract()
    assert "secret" not in str(caught.value)
    assert "soon" not in str(caught.value)
    assert len(nights.rows()) == 1  # the day before is kept
    put([event(number) for number in range(500)], name)
    nights.extract()
    assert len(nights.rows()) == 501
    assert not [path for path in nights.raw.rglob("*") if path.name.startswith(".ga4")]


@pytest.mark.parametrize("lost", ["event_name", "event_timestamp", "event_params"])
def test_a_table_that_is_no_export_is_told_in_a_sentence(put, nights, lost):
    put([event()], schema=SCHEMA.remove(SCHEMA.get_field_index(lost)))
    with pytest.raises(SourceDownError, match="cannot be read"):
        nights.extract()


def test_a_field_of_another_kind_is_told_in_a_sentence(put, nights):
    schema = SCHEMA.set(3, pa.field("event_params", pa.string()))
    put([event() | {"event_params": "{}"}], schema=schema)
    with pytest.raises(SourceDownError, match="cannot be read"):
        nights.extract()


def test_a_try_that_dies_in_the_middle_leaves_no_part(put, nights, monkeypatch):
    put([event()])
    monkeypatch.setattr("pipelines.extract.parts.sync", _die)
    with pytest.raises(OSError, match="power cut"):
        nights.extract()
    assert find_parts(nights.raw) == []
    monkeypatch.undo()
    assert nights.extract().records == 1


def _die(path: Path) -> None:
    raise OSError("power cut")


# --- The source ------------------------------------------------------------------------------


def test_what_was_extracted_is_landed_by_the_line(put, nights, lake, catalogue):
    put([event(1), event(2)])
    nights.extract()
    put([event(2)])
    nights.next()
    nights.extract()
    put([event(2)])
    nights.next()
    nights.extract()  # an empty part
    count = land_new_files(lake, catalogue, Sources(), nights.as_of, lambda told: None)
    assert count == 3
    assert len(list(lake.landing.glob("web_events/source=web/date=*/*.json"))) == 3
    assert not lake.quarantine.exists()


def test_an_export_can_be_tried_without_a_night(put, nights):
    assert check_ga4(nights.source, nights.secrets, nights.now) == "an export of 0 days"
    put([event()])
    told = check_ga4(nights.source, nights.secrets, nights.now)
    assert told == "an export of 1 day, the newest of 2026-06-30"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({}, "either a path or a property_id"),
        ({"path": "x", "property_id": "1"}, "either a path or a property_id"),
        ({"property_id": "../1"}, "property_id"),
        ({"path": "x", "history_days": 3}, "history_days"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(entry, told):
    with pytest.raises(ValidationError, match=told):
        Ga4Source(name="web", type="ga4", **entry)


def test_a_property_may_be_written_as_a_number():
    assert Ga4Source(name="web", type="ga4", property_id=123).property_id == "123"
