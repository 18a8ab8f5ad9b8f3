"""A part under a key: its place in the stream stays readable, what the source said does not."""

from datetime import UTC, datetime

import polars as pl
import pytest

from pipelines.extract.parts import PROGRESS_KEY, SCHEMA, Progress, commit_part, find_parts
from pipelines.forgetting import EDITS
from pipelines.lake import read_table
from pipelines.raw_files import read_raw
from pipelines.raw_parts import read_part
from pipelines.raw_scrub import is_emptied, keep_place_only, scrub_part
from tests.unit.encryption_keys import OLD, readable_columns

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BODIES = [b'{"id":"1","properties":{"email":"canary@example.com"}}', b'{"id":"77"}']
PROGRESS = Progress(
    part=1, first_part=1, since=None, until=NOON, high_water=NOON, resume="next", complete=True
)


def commit(folder, rows: pl.DataFrame, stream: str, system: str):
    def write(path, note):
        rows.write_parquet(path, metadata={PROGRESS_KEY: note.decode()})

    return commit_part(folder / "2026-06-01", stream, system, PROGRESS, write)


@pytest.fixture
def records() -> pl.DataFrame:
    told = {"id": ["1", "77"], "op": "upsert", "record": BODIES, "digest": [b"1", b"2"]}
    return pl.DataFrame(told | {"modified": NOON}, schema=SCHEMA)


@pytest.fixture
def with_key(monkeypatch):
    monkeypatch.setenv("C360_ENCRYPTION_KEYS", OLD)


def test_a_part_has_the_same_name_under_any_key_or_none(records, tmp_path, monkeypatch):
    monkeypatch.delenv("C360_ENCRYPTION_KEYS", raising=False)
    plain = commit(tmp_path / "plain", records, "contacts", "hubspot")
    monkeypatch.setenv("C360_ENCRYPTION_KEYS", OLD)
    assert commit(tmp_path / "secret", records, "contacts", "hubspot").name == plain.name


def test_without_the_key_it_is_known_where_a_stream_goes_on_and_nothing_of_anybody(
    records, tmp_path, with_key, monkeypatch
):
    path = commit(tmp_path, records, "contacts", "hubspot")
    monkeypatch.delenv("C360_ENCRYPTION_KEYS")
    (part,) = find_parts(tmp_path)
    assert part.progress == PROGRESS
    assert [name for name, is_open in readable_columns(path).items() if not is_open] == ["record"]
    assert b"canary" not in path.read_bytes()


def test_with_the_key_its_records_land_and_can_be_taken_out(records, tmp_path, with_key):
    path = commit(tmp_path, records, "contacts", "hubspot")
    (part,) = find_parts(tmp_path)
    found = [frame for _, frame, _ in read_part(part, "crm", {})]
    assert found[0]["email"].to_list() == ["canary@example.com", None]
    scrub_part(path, pl.DataFrame([(1, None, None)], schema=EDITS, orient="row"))
    assert read_table(path)["record"].to_list() == BODIES[1:]
    assert not readable_columns(path)["record"]
    keep_place_only(path)
    assert is_emptied(path)
    assert read_table(path)["record"].to_list() == [b""]
    assert part.progress == PROGRESS


def test_rows_of_a_database_are_read_as_any_file_is(tmp_path, with_key):
    rows = pl.DataFrame(
        {"source_record_id": ["1"], "op": ["upsert"], "customer_email": ["canary@example.com"]}
    )
    path = commit(tmp_path, rows, "orders", "postgres")
    assert not readable_columns(path)["customer_email"]
    (frame,) = read_raw(path, path.name[18:])
    assert frame["customer_email"].to_list() == ["canary@example.com"]
