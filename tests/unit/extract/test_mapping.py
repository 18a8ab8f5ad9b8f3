from datetime import UTC, datetime

import pytest

from pipelines.extract.mapping import Mapping, as_text, from_epoch, parse_time, value_at
from pipelines.extract.systems import SYSTEMS

MAPPING = Mapping(
    tables=("crm_contacts",),
    fields={"full_name": "Name", "owner_id": "Owner.id"},
    constants={"kind": "person"},
    also=("id",),
)


def test_a_record_becomes_mapped_columns_constants_and_what_is_left():
    record = {"id": "1", "Name": "王芳", "Owner": {"id": "9", "name": "Li"}, "Shoe": 38, "Hat": ""}
    assert MAPPING.row(record) == {
        "kind": "person", "full_name": "王芳", "owner_id": "9", "extra": {"Shoe": 38},
    }  # fmt: skip


def test_a_companys_own_fields_go_before_the_connectors_and_before_constants():
    own = {"full_name": "Legal", "kind": "Kind"}
    record = {"Name": "a", "Legal": "b", "Kind": "company"}
    assert MAPPING.row(record, own) == {
        "kind": "company", "full_name": "b", "extra": {"Name": "a"},
    }  # fmt: skip
    assert MAPPING.source_fields(own) == ["Kind", "Legal", "Owner", "id"]


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ({"a": {"b": {"c": 1}}}, 1),
        ({"a": {"b": "bare"}}, "bare"),
        ({"a": None}, None),
        ({}, None),
    ],
)
def test_a_path_leads_to_a_value_to_the_bare_lookup_or_to_nothing(record, value):
    assert value_at(record, "a.b.c") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1751284800000, "2025-06-30T12:00:00+00:00"),
        ("1751284800000", "2025-06-30T12:00:00+00:00"),
        (-1, "1969-12-31T23:59:59.999000+00:00"),
        ("soon", "soon"),
        ("9" * 30, "9" * 30),
        ("", None),
        (None, None),
    ],
)
def test_an_epoch_becomes_iso_8601_and_nonsense_is_left_for_land_to_judge(value, text):
    assert from_epoch(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), ("1.10", "1.10"), (True, "true"), (False, "false"), (3, "3"), (["a"], '["a"]')],
)
def test_values_are_told_as_land_reads_them(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-06-30T20:00:00+08:00", datetime(2026, 6, 30, 12, tzinfo=UTC)),
        ("2026-06-30T12:00:00Z", datetime(2026, 6, 30, 12, tzinfo=UTC)),
        ("2026-06-30T12:00:00", datetime(2026, 6, 30, 12, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times_are_instants(text, moment):
    assert parse_time(text) == moment


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_stream_becomes_tables_of_the_contract_with_columns_it_has(system, catalogue):
    module = SYSTEMS[system]
    for name, stream in module.STREAMS.items():
        assert stream.name == name
        assert all(("landing", table) in catalogue.datasets for table in stream.tables)
    for name, mapping in module.MAPPINGS.items():
        declared = set(catalogue["landing", mapping.tables[0]].schema)
        assert set(mapping.fields) | set(mapping.constants) <= declared, name
