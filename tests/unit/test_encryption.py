"""What is encrypted is read with its key, not without, and not after a byte of it was changed."""

import io
from datetime import date
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.encryption import (
    encrypt_columns,
    keep_received,
    key_of_file,
    key_of_table,
    load_keyring,
    make_key,
    open_parquet,
    open_received,
    read_arrow,
)
from pipelines.errors import C360Error
from pipelines.lake import read_table, scan_table, write_table
from tests.unit.encryption_keys import NEW, OLD, entry, readable_columns

KEYS = "C360_ENCRYPTION_KEYS"
ROWS = pl.DataFrame(
    {
        "id": ["1", "2", "3"],
        "email": ["canary@example.com", None, ""],
        "tags": [["canary"], [], None],
        "amount": [Decimal("1.5000"), None, Decimal("-2.0000")],
        "at": [date(2026, 6, 30), None, date(2026, 7, 1)],
    },
    schema_overrides={"amount": pl.Decimal(18, 4), "at": pl.Datetime("us")},
)
SECRET = {"email", "tags", "no such column"}
CONTENT = b"id,email\n1,canary@example.com\n" * 100_000  # more than one block


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv(KEYS, OLD)
    path = tmp_path / "rows.parquet"
    assert write_table(ROWS, path, SECRET) == 3
    return path


@pytest.fixture
def received(tmp_path, monkeypatch):
    monkeypatch.setenv(KEYS, OLD)
    path = tmp_path / "orders.csv"
    keep_received(io.BytesIO(CONTENT), path)
    return path


def test_a_table_is_read_back_as_it_was_written(table):
    assert read_table(table).equals(ROWS)
    assert read_table(table).schema == ROWS.schema
    assert read_table(table, ["amount", "email"]).equals(ROWS.select("amount", "email"))
    assert scan_table(table).filter(pl.col("email") != "").collect()["id"].to_list() == ["1"]


def test_without_a_key_secret_columns_are_closed_to_all_readers_and_all_others_open(
    table, monkeypatch
):
    monkeypatch.delenv(KEYS)
    assert b"canary" not in table.read_bytes()
    told = readable_columns(table)
    assert {name for name, is_readable in told.items() if not is_readable} == {"email", "tags"}
    with duckdb.connect() as connection:
        rows = connection.read_parquet(str(table))
        assert rows.sum("amount").fetchall() == [(Decimal("-0.5000"),)]
        with pytest.raises(duckdb.Error):
            rows.select("email").fetchall()
    with pytest.raises(OSError, match="decrypt"):
        pq.read_table(table, columns=["email"])
    assert pq.read_metadata(table).num_rows == 3
    with pytest.raises(C360Error, match="needs the encryption key k1"):
        read_table(table)


def test_another_key_of_the_same_name_is_told_apart(table, received, monkeypatch):
    monkeypatch.setenv(KEYS, entry("k1", 9))
    with pytest.raises(C360Error, match="another key of the name k1"):
        read_table(table)
    with pytest.raises(C360Error, match="another key of the same name"):
        open_received(received)


def test_without_a_key_a_table_is_the_same_to_the_byte_as_if_nothing_were_secret(
    tmp_path, monkeypatch
):
    monkeypatch.delenv(KEYS, raising=False)
    write_table(ROWS, tmp_path / "a.parquet", SECRET)
    write_table(ROWS, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_table_written_anew_keeps_its_rows_its_mode_and_what_is_noted_in_it(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(KEYS, f"{NEW},{OLD}")
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"record": [b"canary"] * 250_000}, metadata={"place": "7"}), path)
    path.chmod(0o640)
    encrypt_columns(path, {"record"})
    monkeypatch.setenv(KEYS, NEW)
    assert key_of_table(path) == "k2"
    assert read_arrow(path).schema.metadata == {b"place": b"7"}
    assert pl.read_parquet_metadata(path)["place"] == "7"
    assert path.stat().st_mode & 0o777 == 0o640
    with open_parquet(path) as file:
        assert sum(batch.num_rows for batch in file.iter_batches(10_000)) == 250_000


def test_a_file_as_received_is_read_back_to_the_byte(received, tmp_path):
    assert key_of_file(received) == "k1"
    assert b"canary" not in received.read_bytes()
    with open_received(received) as file:
        assert file.read() == CONTENT
        assert file.seek(0) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["orders.csv"]
    again = tmp_path / "again.csv"
    keep_received(io.BytesIO(CONTENT), again)
    assert again.read_bytes() != received.read_bytes()


def test_a_files_bytes_are_on_disk_before_it_takes_its_place_and_its_name_after(
    tmp_path, monkeypatch
):
    synced = []
    monkeypatch.setattr(
        "pipelines.encryption.sync",
        lambda path: synced.append((path.name, [file.name for file in tmp_path.iterdir()])),
    )
    keep_received(io.BytesIO(CONTENT), tmp_path / "orders.csv")
    scratch = ".orders.csv.part"
    assert synced == [(scratch, [scratch]), (tmp_path.name, ["orders.csv"])]
    (tmp_path / "orders.csv").unlink()
    pq.write_table(pa.table({"record": [b"canary"]}), tmp_path / "part.parquet")
    encrypt_columns(tmp_path / "part.parquet", {"record"})
    assert [name for name, _ in synced[2:]] == [".part.parquet.part", tmp_path.name]
    assert synced[-1][1] == ["part.parquet"]


def test_a_file_in_clear_is_read_and_kept_as_it_is(tmp_path, monkeypatch):
    monkeypatch.delenv(KEYS, raising=False)
    keep_received(io.BytesIO(CONTENT), tmp_path / "orders.csv")
    assert (tmp_path / "orders.csv").read_bytes() == CONTENT
    monkeypatch.setenv(KEYS, OLD)
    with open_received(tmp_path / "orders.csv") as file:
        assert file.read() == CONTENT
    keep_received(io.BytesIO(b""), tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_bytes() == b""


def test_no_byte_of_a_file_can_be_changed_or_cut_off_unseen(tmp_path, monkeypatch):
    monkeypatch.setenv(KEYS, OLD)
    path = tmp_path / "orders.csv"
    keep_received(io.BytesIO(b"1,canary"), path)
    whole = path.read_bytes()
    start = len(b"C360ENC1\x02k1")  # another name is another key, which is not there
    for place in range(start, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(C360Error, match="was damaged"):
            open_received(path)
    for length in range(start + 12, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(C360Error, match="was damaged"):
            open_received(path)


def test_the_first_key_is_the_current_one_and_any_other_opens_what_is_its_own(
    received, monkeypatch
):
    monkeypatch.setenv(KEYS, f"{NEW}, {OLD}")
    assert load_keyring().current == "k2"
    with open_received(received) as file:
        assert file.read(9) == b"id,email\n"
    monkeypatch.setenv(KEYS, NEW)
    with pytest.raises(C360Error, match="needs the encryption key k1"):
        open_received(received)


@pytest.mark.parametrize(
    "written",
    [
        "secretsecret", "k1:", "k1:c2VjcmV0", ":" + OLD.partition(":")[2], f"{OLD},{OLD}",
        "a key:" + OLD.partition(":")[2], OLD[:-1], OLD.replace("A", "!"),
    ],
)  # fmt: skip
def test_a_fault_in_the_keys_is_told_without_telling_a_key(written, monkeypatch):
    monkeypatch.setenv(KEYS, written)
    with pytest.raises(C360Error, match="is no key of its own name") as fault:
        load_keyring()
    assert "secret" not in str(fault.value)
    assert OLD.partition(":")[2] not in str(fault.value)


def test_a_new_key_is_another_each_time_and_can_be_used_as_it_is_printed(c360, monkeypatch):
    assert make_key() != make_key()
    code, said = c360("keys", "new", "k2026")
    assert code == 0
    monkeypatch.setenv(KEYS, said.strip())
    assert load_keyring().current == "k2026"
    code, said = c360("keys", "new", "k2026")
    assert code == 1
    assert "Take another one" in said
