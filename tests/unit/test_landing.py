# ruff: noqa: DTZ001 - landed times are UTC without a zone
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from factories import AS_OF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.errors import C360Error
from pipelines.landing import (
    MAX_TEXT,
    RAW,
    ROW,
    RULE,
    FileFacts,
    Landed,
    SeenRows,
    land_rows,
)

FACTS = FileFacts("shop", "orders.csv", AS_OF)
ORDER = {"id": "1", "status": "paid", "currency": "EUR", "total_amount": "9.90",
         "ordered_at": "2026-06-01T10:00:00Z"}  # fmt: skip
REQUIRED: dict[str, dict[str, Any]] = {
    "orders": ORDER,
    "crm_contacts": {"id": "1", "full_name": "Ann"},
    "crm_activities": {"id": "1", "activity_type": "call"},
    "crm_accounts": {"id": "1", "name": "Acme"},
    "order_items": {"id": "1", "order_source_id": "o", "quantity": "1"},
    "refunds": {"id": "1", "order_source_id": "o", "amount": "1", "currency": "EUR"},
    "fx_rates": {"currency": "USD", "base_currency": "EUR", "rate": "1.1", "rate_date": "20260601"},
}  # fmt: skip


def as_raw(frame: pl.DataFrame, first: int = 1) -> pl.DataFrame:
    """A file's frame with the bookkeeping that reading it adds."""
    return frame.with_columns(
        pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias(ROW),
        pl.lit(None, pl.String).alias(RULE),
        pl.lit(None, pl.String).alias(RAW),
    )


@pytest.fixture
def land(catalogue):
    def land_records(table: str, *records: dict[str, Any] | pl.DataFrame) -> Landed:
        frames = [r if isinstance(r, pl.DataFrame) else pl.DataFrame([r]) for r in records]
        raw = as_raw(pl.concat(frames, how="diagonal"))
        return land_rows(raw, catalogue["landing", table], FACTS)

    return land_records


@pytest.fixture
def read(land):
    """What one value becomes in one column, or the rule that it breaks."""

    def read_value(table: str, column: str, value: Any) -> Any:
        series = value if isinstance(value, pl.Series) else pl.Series([value])
        frame = pl.DataFrame(REQUIRED[table] | {column: series})
        landed = land(table, frame)
        if landed.rows.height:
            return landed.rows[column].item()
        return landed.quarantined.select("rule", "column").row(0)

    return read_value


# --- Every row ends in exactly one place -----------------------------------------------------

HOSTILE = st.sampled_from([
    "", " ", "0", "1", "-1", "1.5", "1e308", "-1e400", "9" * 30, "0.1", "NaN", "inf", "１２", "0x1",
    "2026-06-01", "2026-06-01T10:00:00+08:00", "2026-02-30", "01/02/2026", "0001-01-01", "20260601",
    "9999-12-31T23:59:59Z", "2026-06-01 10:00:00+08", "2026-06-01T10:00:00-23:59", "true", "maybe",
    "call", "CALL ", "EUR", "eur", "€", "paid", "a;b", '["a","b"]', '["', "[", "\x00", "\ufffd",
    "x" * (MAX_TEXT + 1), "张三", "\u202eabc", '"', "{}", "\n", "upsert", "erase", "ｙes",
])  # fmt: skip
ANY_TEXT = st.none() | HOSTILE | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def text_tables(draw, schema: list[str], needed: list[str]) -> pl.DataFrame:
    others = draw(st.lists(st.sampled_from([*schema, "id", "Zz", "__v", ""]), max_size=5))
    names = list(dict.fromkeys([*needed, *others]))
    good = dict.fromkeys(names, ANY_TEXT) | {n: ANY_TEXT | st.just(ORDER[n]) for n in needed}
    lines = draw(st.lists(st.fixed_dictionaries(good), max_size=6))
    return pl.DataFrame(lines, schema=dict.fromkeys(names, pl.String))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_row_is_either_landed_or_quarantined_whatever_it_holds(catalogue, data):
    dataset = catalogue["landing", "orders"]
    needed = ["status", "currency", "total_amount", "ordered_at"]
    names = [name for name in dataset.schema if name not in needed]
    raw = as_raw(data.draw(text_tables(names, needed)))

    landed = land_rows(raw, dataset, FACTS)

    assert landed.rows.height + landed.quarantined.height == raw.height
    assert landed.rows.schema == dataset.schema
    assert all(landed.rows[name].null_count() == 0 for name in dataset.required)
    quarantined = landed.quarantined
    assert quarantined.columns == ["rule", "column", "source", "table", "file", "row_number", "raw"]
    assert quarantined.null_count().row(0) == (0,) * 7
    assert quarantined["row_number"].is_unique().all()
    own = [name for name in raw.columns if name not in (ROW, RULE, RAW)]
    for number, text in quarantined.select("row_number", "raw").rows():
        received = raw.filter(pl.col(ROW) == number).select(own).row(0, named=True)
        assert json.loads(text) == received


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), parts=st.integers(1, 4))
def test_order_and_batches_do_not_change_what_is_landed(catalogue, data, parts):
    dataset = catalogue["landing", "orders"]
    needed = ["status", "currency", "total_amount", "ordered_at"]
    table = data.draw(text_tables(["channel"], needed)).drop("id", strict=False)
    whole = land_rows(as_raw(table), dataset, FACTS).rows

    shuffled = table.select(pl.all().shuffle(seed=parts)) if table.width == 1 else table.reverse()
    seen, size = SeenRows(), max(1, -(-table.height // parts))
    batches = [
        land_rows(as_raw(batch, start + 1), dataset, FACTS, seen).rows
        for start, batch in enumerate(shuffled.iter_slices(size))
    ]

    together = pl.concat([whole.clear(), *batches])
    assert together.sort("source_record_id").equals(whole.sort("source_record_id"))


# --- Poison, one kind at a time ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column", "value", "rule"),
    [
        ("orders", "ordered_at", "2026-02-30", "not_a_timestamp"),
        ("orders", "ordered_at", "01/02/2026", "not_a_timestamp"),
        ("orders", "ordered_at", "1767225600", "not_a_timestamp"),
        ("orders", "ordered_at", 1767225600, "not_a_timestamp"),
        ("orders", "ordered_at", "0026-06-01", "out_of_range"),
        ("orders", "ordered_at", date(2226, 6, 1), "out_of_range"),
        ("crm_contacts", "birth_date", "2026-06-01 or so", "not_a_date"),
        ("crm_contacts", "birth_date", "1026-06-01", "out_of_range"),
        ("crm_contacts", "full_name", "Ann\x00", "control_character"),
        ("crm_contacts", "full_name", "M\ufffdller", "bad_encoding"),
        ("crm_contacts", "full_name", "x" * (MAX_TEXT + 1), "text_too_long"),
        ("crm_contacts", "tags", "vip;g\ufffdld", "bad_encoding"),
        ("orders", "currency", "€", "not_a_currency"),
        ("orders", "currency", "EURO", "not_a_currency"),
        ("crm_activities", "activity_type", "smoke signal", "not_in_list"),
        ("orders", "op", "destroy", "not_in_list"),
        ("orders", "is_test", "maybe", "not_a_boolean"),
        ("orders", "is_test", 2, "not_a_boolean"),
        ("order_items", "line_no", "1.5", "not_a_bigint"),
        ("order_items", "line_no", 1.5, "not_a_bigint"),
        ("order_items", "line_no", "9" * 20, "not_a_bigint"),
        ("order_items", "line_no", "１２", "not_a_bigint"),
        ("orders", "total_amount", "NaN", "not_a_decimal"),
        ("orders", "total_amount", float("nan"), "not_a_decimal"),
        ("orders", "total_amount", float("inf"), "not_a_decimal"),
        ("orders", "total_amount", "inf", "not_a_decimal"),
        ("orders", "total_amount", "1e30", "not_a_decimal"),
        ("orders", "total_amount", 1e30, "not_a_decimal"),
        ("orders", "total_amount", "1,000.50", "not_a_decimal"),
        ("orders", "total_amount", "１２", "not_a_decimal"),
        ("orders", "total_amount", True, "not_a_decimal"),
        ("orders", "points_earned", "1e400", "not_a_double"),
        ("orders", "points_earned", float("nan"), "not_a_double"),
        ("orders", "order_number", float("nan"), "not_a_varchar"),
        ("orders", "status", " ", "required_missing"),
        ("orders", "total_amount", None, "required_missing"),
        ("orders", "status", pl.Series([[]], dtype=pl.List(pl.String)), "required_missing"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_a_poisoned_value_quarantines_its_row(read, table, column, value, rule):
    assert read(table, column, value) == (rule, column)


def test_a_refund_without_order_and_customer_is_quarantined(land):
    orphan = {"id": "2", "order_source_id": " ", "amount": "1", "currency": "EUR"}
    landed = land("refunds", REQUIRED["refunds"], orphan)
    assert landed.rows["source_record_id"].to_list() == ["1"]
    assert landed.quarantined.select("rule", "column", "row_number").rows() == [
        ("one_of_missing", "order_source_id or customer_source_id", 2)
    ]


def test_an_unreadable_line_keeps_its_own_text_and_rule(catalogue):
    raw = as_raw(pl.DataFrame([ORDER, dict.fromkeys(ORDER)]))
    raw = raw.with_columns(
        pl.Series(RULE, [None, "wrong_number_of_fields"]), pl.Series(RAW, [None, "1,2"])
    )
    landed = land_rows(raw, catalogue["landing", "orders"], FACTS)
    assert landed.rows.height == 1
    assert landed.quarantined.rows() == [
        ("wrong_number_of_fields", "", "shop", "orders", "orders.csv", 2, "1,2")
    ]


# --- Types ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("order_number", "1234567890123456789", "1234567890123456789"),
        ("order_number", 1234567890123456789, "1234567890123456789"),
        ("order_number", "007", "007"),
        ("order_number", 17850.0, "17850"),
        ("order_number", 1.5, "1.5"),
        ("order_number", Decimal("12"), "12"),
        ("order_number", "", None),
        ("total_amount", "0.1", Decimal("0.1000")),
        ("total_amount", "0.30000000000000004", Decimal("0.3000")),
        ("total_amount", "99999999999999.9999", Decimal("99999999999999.9999")),
        ("total_amount", "-1.99999", Decimal("-2.0000")),
        ("total_amount", "+.5", Decimal("0.5000")),
        ("total_amount", " 5. ", Decimal("5.0000")),
        ("total_amount", "1.25e2", Decimal("125.0000")),
        ("total_amount", 0.1, Decimal("0.1000")),
        ("total_amount", 3, Decimal("3.0000")),
        ("total_amount", Decimal("1.123456789"), Decimal("1.1235")),
        ("points_earned", Decimal("1.5"), 1.5),
        ("currency", " eur ", "EUR"),
        ("op", " Delete", "delete"),
        ("op", "", "upsert"),
        ("is_test", "YES", True),
        ("is_test", "否", False),
        ("is_test", 1, True),
        ("is_test", 0.0, False),
        ("is_test", "", None),
        ("coupon_codes", "a; b|c", ["a", "b", "c"]),
        ("coupon_codes", '["a b", "c,d", "e\\"f"]', ["a b", "c,d", 'e"f']),
        ("coupon_codes", "[]", []),
        ("coupon_codes", "[1, 2]", ["1", "2"]),
        ("coupon_codes", "", []),
        ("coupon_codes", pl.Series([["x", "y"]]), ["x", "y"]),
        ("coupon_codes", pl.Series([None], dtype=pl.List(pl.String)), []),
        ("channel", pl.Series([["x", "y"]]), "x;y"),
        ("channel", pl.Series([None]), None),
    ],
)  # fmt: skip
def test_a_value_is_read_as_the_type_declared(read, column, value, expected):
    landed = read("orders", column, value)
    assert (landed.to_list() if isinstance(landed, pl.Series) else landed) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-06-01", datetime(2026, 6, 1)),
        ("20260601", datetime(2026, 6, 1)),
        ("2026/6/1 09:05", datetime(2026, 6, 1, 9, 5)),
        ("2026-06-01 10:00:00", datetime(2026, 6, 1, 10)),
        ("2026-06-01T10:00:00.123456789Z", datetime(2026, 6, 1, 10, 0, 0, 123456)),
        ("2026-06-01T10:00:00+08:00", datetime(2026, 6, 1, 2)),
        ("2026-06-01 10:00:00.5 -0930", datetime(2026, 6, 1, 19, 30, 0, 500000)),
        ("2026-06-01 10:00:00+08", datetime(2026, 6, 1, 2)),  # as PostgreSQL writes it
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30)),  # before the clocks go back
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30)),  # and after
        (date(2026, 6, 1), datetime(2026, 6, 1)),
        (pl.Series([datetime(2026, 6, 1)], dtype=pl.Datetime("ms")), datetime(2026, 6, 1)),
        (pl.Series([datetime(2026, 6, 1)], dtype=pl.Datetime("ns")), datetime(2026, 6, 1)),
        (
            pl.Series([datetime(2026, 6, 1)]).dt.replace_time_zone("Asia/Shanghai"),
            datetime(2026, 5, 31, 16),
        ),
        (
            pl.Series([datetime(2026, 10, 25, 2, 30)]).dt.replace_time_zone(
                "Europe/Berlin", ambiguous="latest"
            ),
            datetime(2026, 10, 25, 1, 30),
        ),
    ],
)  # fmt: skip
def test_times_land_in_utc_and_without_a_zone_they_are_utc(read, value, expected):
    assert read("orders", "ordered_at", value) == expected


@pytest.mark.parametrize(
    "value", ["1990-05-17", "1990/5/17", "19900517", "1990-05-17T00:00:00.000Z",
              "1990-05-17 23:30:00-05:00", datetime(1990, 5, 17, 23), date(1990, 5, 17)],
)  # fmt: skip
def test_a_date_is_the_day_as_written(read, value):
    assert read("crm_contacts", "birth_date", value) == date(1990, 5, 17)


def test_an_exchange_rate_keeps_its_eight_places(read):
    for value in (0.13781234, "0.13781234", Decimal("0.13781234")):
        assert read("fx_rates", "rate", value) == Decimal("0.13781234")


def test_an_empty_optional_value_breaks_no_rule(land):
    blank = REQUIRED["crm_accounts"] | dict.fromkeys(
        ["kind", "currency", "employees", "annual_revenue", "tags", "created_at"], " "
    )
    landed = land("crm_accounts", blank)
    assert landed.quarantined.is_empty()
    kept = landed.rows.select("kind", "currency", "employees", "annual_revenue", "tags").row(0)
    assert kept == (None, None, None, None, [])


@pytest.mark.parametrize("table", REQUIRED)
def test_only_its_own_columns_are_needed_the_envelope_is_filled_in(land, table):
    landed = land(table, {k: v for k, v in REQUIRED[table].items() if k != "id"})
    row = landed.rows.row(0, named=True)
    assert row["source"] == "shop"
    assert row["source_account_id"] == ""
    assert row["op"] == "upsert"
    assert row["extracted_at"] == datetime(2026, 6, 30)
    assert row["schema_version"] == 1
    assert row["extra"] is None
    assert len(row["record_hash"]) == 16


# --- Columns ----------------------------------------------------------------------------------


def test_unknown_columns_are_kept_as_json_and_reported(land):
    known = ORDER | {"shoe size": "44", "__v": "", "extra": "e"}
    landed = land("orders", known, ORDER | {"id": "2"})
    assert landed.unknown_columns == ("shoe size", "__v", "extra")
    assert [text and json.loads(text) for text in landed.rows["extra"]] == [
        {"shoe size": "44", "extra": "e"},
        None,
    ]


def test_aliases_and_ways_of_writing_a_name_are_known(land):
    record = {" ID ": "7", "Created_At": "2026-01-01", "UPDATED_AT": "2026-01-02", "E-Mail": "x"}
    landed = land("crm_contacts", record | {"Email": "a@b.example"})
    row = landed.rows.row(0, named=True)
    assert (row["source_record_id"], row["email"]) == ("7", "a@b.example")
    assert row["source_created_at"] == datetime(2026, 1, 1)
    assert row["source_updated_at"] == datetime(2026, 1, 2)
    assert landed.unknown_columns == ("E-Mail",)


def test_the_full_name_of_a_column_goes_before_its_alias(land):
    landed = land("crm_contacts", {"id": "crm-7", "source_record_id": "7"})
    assert landed.rows["source_record_id"].to_list() == ["7"]
    assert json.loads(landed.rows["extra"].item()) == {"id": "crm-7"}


def test_two_columns_of_one_name_are_refused(land):
    with pytest.raises(C360Error, match="has the column email twice"):
        land("crm_contacts", {"id": "1", "email": "a@b.example", "Email ": "c@d.example"})


def test_a_missing_required_column_stops_the_file_and_is_named(land):
    with pytest.raises(C360Error, match=r"orders\.csv of source shop has no column total_amount"):
        land("orders", {k: v for k, v in ORDER.items() if k != "total_amount"})


def test_a_file_without_header_is_refused_and_its_first_person_not_told(land):
    with pytest.raises(C360Error, match="none of the columns of crm_contacts") as caught:
        land("crm_contacts", {"Ann Smith": "Bob Jones", "ann@x.example": "bob@x.example"})
    assert "Ann" not in str(caught.value)


def test_a_retyped_column_stops_the_file(land):
    lines = [ORDER | {"id": str(n), "total_amount": "nine euros"} for n in range(30)]
    with pytest.raises(C360Error, match="30 of 30 values of total_amount are not a decimal"):
        land("orders", *lines)


def test_a_few_unreadable_values_do_not_stop_the_file(land):
    lines = [ORDER | {"id": str(n), "total_amount": "nine" if n < 27 else "9"} for n in range(30)]
    landed = land("orders", *lines)
    assert (landed.rows.height, landed.quarantined.height) == (3, 27)


# --- Ids and hashes ---------------------------------------------------------------------------

NAMELESS = {k: v for k, v in ORDER.items() if k != "id"}


def test_rows_without_ids_keep_their_names_when_delivered_again_and_shuffled(land):
    lines = [NAMELESS | {"order_number": str(n % 4)} for n in range(6)]
    first, again = land("orders", *lines).rows, land("orders", *reversed(lines)).rows
    assert first["source_record_id"].n_unique() == 6
    assert set(first["source_record_id"]) == set(again["source_record_id"])
    assert set(first["record_hash"]) == set(again["record_hash"])


def test_two_equal_lines_stay_two_also_in_different_batches(catalogue):
    dataset, seen, ids = catalogue["landing", "orders"], SeenRows(), []
    for _ in range(3):
        batch = as_raw(pl.DataFrame([NAMELESS, NAMELESS]))
        ids += land_rows(batch, dataset, FACTS, seen).rows["source_record_id"].to_list()
    assert len(set(ids)) == 6
    whole = land_rows(as_raw(pl.DataFrame([NAMELESS] * 6)), dataset, FACTS).rows
    assert set(whole["source_record_id"]) == set(ids)


def test_a_name_depends_on_the_values_given_not_on_the_columns_beside_them(land):
    plain = land("orders", NAMELESS).rows
    wide = land("orders", NAMELESS | {"channel": "", "zz": None, "extracted_at": "x"}).rows
    assert plain.select("source_record_id", "record_hash").equals(
        wide.select("source_record_id", "record_hash")
    )
    moved = land("orders", NAMELESS | {"store_id": "x"}).rows
    other = land("orders", NAMELESS | {"channel": "x"}).rows
    assert moved["source_record_id"].item() != other["source_record_id"].item()


def test_a_blank_id_is_quarantined_where_the_file_has_ids(land):
    landed = land("orders", ORDER, ORDER | {"id": ""})
    assert landed.quarantined["rule"].to_list() == ["required_missing"]


def test_the_record_hash_tells_a_change_from_a_repetition(land):
    hashes = land("orders", ORDER, ORDER, ORDER | {"status": "void"}, ORDER | {"zz": "1"}).rows[
        "record_hash"
    ]
    assert hashes[0] == hashes[1]
    assert hashes.n_unique() == 3


def test_what_land_says_itself_is_not_taken_from_the_file(land):
    claims = {"source": "bank", "extracted_at": "1999-01-01", "schema_version": "9",
              "record_hash": "x"}  # fmt: skip
    row = land("orders", ORDER | claims).rows.row(0, named=True)
    assert (row["source"], row["schema_version"]) == ("shop", 1)
    assert row["extracted_at"] == datetime(2026, 6, 30)
    assert row["record_hash"] == land("orders", ORDER).rows["record_hash"].item()
