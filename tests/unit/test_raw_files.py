import gzip
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from factories import AS_OF

from pipelines import raw_files
from pipelines.errors import C360Error
from pipelines.landing import RAW, ROW, RULE, FileFacts, land_rows
from pipelines.raw_files import detect_encoding, read_raw

PEOPLE = "id,full_name,city\n1,张三,北京\n2,李四,上海\n"


@pytest.fixture
def read(tmp_path):
    """All batches of a file as one frame, in the order of its rows."""

    def read_bytes(name: str, content: bytes | str) -> pl.DataFrame:
        path = tmp_path / f"0123456789abcdef__{name}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return pl.concat(read_raw(path, name), how="diagonal").sort(ROW)

    return read_bytes


@pytest.fixture
def read_table(tmp_path):
    def read_parquet(table: pa.Table, name: str = "crm_contacts.parquet") -> pl.DataFrame:
        pa.parquet.write_table(table, tmp_path / name)
        return pl.concat(read_raw(tmp_path / name, name))

    return read_parquet


def own(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop(ROW, RULE, RAW)


def parquet_bytes(**columns: list) -> bytes:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


# --- What can be read ---------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_csv_is_read_in_its_own_encoding_and_delimiter(read, delimiter, encoding, packed):
    content = PEOPLE.replace(",", delimiter).encode(encoding)
    name = "crm_contacts.CSV.GZ" if packed else "crm_contacts.csv"
    frame = read(name, gzip.compress(content) if packed else content)
    assert own(frame).rows() == [("1", "张三", "北京"), ("2", "李四", "上海")]
    assert frame.columns[:3] == ["id", "full_name", "city"]
    assert frame[ROW].to_list() == [1, 2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_are_read_in_their_own_encoding(read, encoding, packed):
    content = '{"id": 1, "full_name": "张三"}\r\n\r\n{"id": 2, "city": "北京"}'.encode(encoding)
    name = "crm_contacts.jsonl.gz" if packed else "crm_contacts.jsonl"
    frame = read(name, gzip.compress(content) if packed else content)
    assert own(frame).rows() == [("1", "张三", None), ("2", None, "北京")]
    assert frame[ROW].to_list() == [1, 3]


@pytest.mark.parametrize("packed", [False, True])
def test_parquet_is_read_with_its_types(read, packed):
    content = parquet_bytes(id=[1, 2], full_name=["张三", None], born=[date(1990, 1, 1), None])
    name = "crm_contacts.parquet.gz" if packed else "crm_contacts.parquet"
    frame = read(name, gzip.compress(content) if packed else content)
    assert own(frame).rows() == [(1, "张三", date(1990, 1, 1)), (2, None, None)]
    assert frame[ROW].to_list() == [1, 2]


def test_texts_stay_as_written(read):
    frame = read("orders.csv", 'id,note,n\n007,"a, ""b""\nc",1.50\nNULL,NA,\n')
    assert own(frame).rows() == [("007", 'a, "b"\nc', "1.50"), ("NULL", "NA", "")]


def test_numbers_in_json_keep_every_digit(read):
    line = '{"id": 1234567890123456789012, "amount": 1.10, "on": true, "tags": ["a"], "no": null}'
    frame = read("orders.jsonl", line)
    assert own(frame).row(0) == ("1234567890123456789012", "1.10", "true", '["a"]', None)


def test_a_key_that_only_a_late_line_has_is_a_column_of_every_batch(read, monkeypatch):
    monkeypatch.setattr(raw_files, "BATCH_ROWS", 2)
    monkeypatch.setattr(raw_files, "CHUNK_LINES", 2)
    frame = read("orders.jsonl", '{"a":1}\n{"a":2}\nx\n{"a":3}\n{"a":4}\n{"a":5,"late":6}\n')
    assert frame["a"].to_list() == ["1", "2", None, "3", "4", "5"]
    assert frame["late"].to_list() == [None] * 5 + ["6"]
    assert frame[ROW].to_list() == [1, 2, 3, 4, 5, 6]


def test_names_in_a_header_may_be_quoted_blank_or_broken_over_lines(read):
    frame = read("orders.csv", '"a\nb",,"c,d"\n1,2,3\n')
    assert own(frame).rows(named=True) == [{"a\nb": "1", "column_2": "2", "c,d": "3"}]


@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz"])
@pytest.mark.parametrize("content", ["id,status", "id,status\n", "id,status\r\n\r\n"])
def test_a_csv_with_only_a_header_has_no_rows(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())
    assert sum(frame.height for frame in read_raw(path, name)) == 0


def test_a_parquet_without_rows_still_has_its_columns(read):
    frame = read("orders.parquet", parquet_bytes(id=pa.array([], pa.int64())))
    assert (frame.height, own(frame).columns) == (0, ["id"])


# --- Rows that cannot be read -------------------------------------------------------------------


@pytest.mark.parametrize("block", [20, 40, 1 << 20])
def test_ragged_rows_are_told_by_their_number_wherever_they_stand(read, monkeypatch, block):
    monkeypatch.setattr(raw_files, "BLOCK_BYTES", block)
    lines = ["id,note", "short", '2,"line\nbreak"', "3,c", "4,too,many", "5,e", "", "6,f", "last"]
    frame = read("orders.csv", "\n".join(lines) + "\n")
    ragged = frame.filter(pl.col(RULE).is_not_null())
    assert ragged.select(ROW, RULE, RAW).rows() == [
        (1, "wrong_number_of_fields", "short"),
        (4, "wrong_number_of_fields", "4,too,many"),
        (7, "wrong_number_of_fields", "last"),
    ]
    whole = frame.filter(pl.col(RULE).is_null())
    assert whole.select(ROW, "id").rows() == [(2, "2"), (3, "3"), (5, "5"), (6, "6")]


def test_row_numbers_hold_over_many_blocks(read, monkeypatch):
    monkeypatch.setattr(raw_files, "BLOCK_BYTES", 256)
    lines = ["short" if n % 7 == 0 else f'{n},"a\nb"' for n in range(1, 1000)]
    frame = read("orders.csv", "id,note\n" + "\n".join(lines))
    assert frame[ROW].to_list() == list(range(1, 1000))
    whole = frame.filter(pl.col(RULE).is_null())
    assert whole["id"].cast(pl.Int64).equals(whole[ROW], check_names=False)


def test_lines_that_are_no_json_object_are_rows_too(read):
    deep = "[" * 100_000
    lines = ['{"id": 1}', "[2]", '"three"', '{"id": 4', r'{"id": "\ud800"}', deep, '{"id": 7}']
    frame = read("orders.jsonl", "\n".join(lines))
    assert frame[ROW].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert frame["id"].to_list() == ["1", None, None, None, None, None, "7"]
    assert frame[RAW].to_list() == [None, *lines[1:6], None]


# --- Encodings ----------------------------------------------------------------------------------


def test_two_broken_bytes_do_not_make_a_utf8_file_chinese(read, catalogue):
    lines = [f"{n},Müller {n},Köln" for n in range(200)]
    content = ("id,full_name,city\n" + "\n".join(lines)).encode()
    content = content.replace("Müller 50,".encode(), b"M\xfcller 50,")
    content = content.replace("Müller 90,".encode(), b"M\xfcller 90,")
    raw = read("crm_contacts.csv", content)
    facts = FileFacts("crm", "crm_contacts.csv", AS_OF)
    landed = land_rows(raw, catalogue["landing", "crm_contacts"], facts)
    assert landed.quarantined.select("row_number", "rule", "column").rows() == [
        (51, "bad_encoding", "full_name"),
        (91, "bad_encoding", "full_name"),
    ]
    assert landed.rows["full_name"][0] == "Müller 0"


def test_a_character_cut_off_at_the_end_is_not_lost(read):
    frame = read("orders.csv", "id,city\n1,Köln\n2,Málaga é".encode()[:-1])
    assert frame["city"].to_list() == ["Köln", "Málaga \ufffd"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"id,name\n1,ann\n", "utf-8"),
        ("姓名\n张三丰\n".encode("gb18030"), "gb18030"),
        ("id,name\n1,张\n2,李\n3,王\n".encode("gb18030"), "gb18030"),
        ("name\nMüller\nJosé\nFrançois\nBjörk\n".encode("latin-1"), "utf-8"),
        ("naïve café\nMüllerstraße\n".encode("cp1252"), "utf-8"),
    ],
)
def test_western_files_are_not_read_as_chinese(tmp_path, content, encoding):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert detect_encoding(path) == encoding


def test_gb18030_survives_any_cut_into_blocks(read, monkeypatch):
    monkeypatch.setattr(raw_files, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(raw_files, "CHUNK_BYTES", 7)
    frame = read("crm_contacts.csv", ("id,name\n" + "1,欧阳娜娜\n" * 500).encode("gb18030"))
    assert frame["name"].unique().to_list() == ["欧阳娜娜"]
    assert frame.height == 500


# --- Files that cannot be read ------------------------------------------------------------------

HTML = b"<html><body>Ann Smith, please log in</body></html>"


def truncated(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def scrambled(content: bytes) -> bytes:
    return content[:40] + b"\xff\x00" * 20 + content[80:]


PACKED = gzip.compress(
    "".join(f"{n},Ann Smith {n * 7919}\n" for n in range(9999)).encode(), mtime=0
)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("orders.csv", b"", "it is empty (0 bytes)"),
        ("orders.parquet", b"", "it is empty (0 bytes)"),
        ("orders.jsonl.gz", gzip.compress(b"", mtime=0), "none of its lines is a JSON object"),
        ("orders.csv.gz", gzip.compress(b"", mtime=0), "its first line has no column names"),
        ("orders.csv", b"\n\n1,2\n", "its first line has no column names"),
        ("orders.csv", b",,\n1,2,3\n", "its first line has no column names"),
        ("orders.csv", b"Ann Smith,b,Ann Smith\n1,2,3\n", "its columns 1 and 3 have the same name"),
        ("orders.csv", b"a," * 3000, "more than 2000 columns"),
        ("orders.jsonl", b"".join(b'{"%d": 1}\n' % n for n in range(2001)), "different keys"),
        ("orders.jsonl", HTML, "none of its lines is a JSON object"),
        ("orders.jsonl", b"{}\n{}\n", "none of its lines is a JSON object with keys"),
        ("orders.parquet", HTML, "not a parquet file"),
        ("orders.parquet", truncated(parquet_bytes(id=list(range(9999)))), "cannot be read"),
        ("orders.parquet", scrambled(parquet_bytes(id=list(range(9999)))), "cannot be read"),
        ("orders.parquet.gz", b"PAR1", "cannot be read"),
        ("orders.csv.gz", HTML, "truncated or not what its name says"),
        ("orders.csv.gz", truncated(PACKED), "truncated or not what its name says"),
        ("orders.csv.gz", scrambled(PACKED), "truncated or not what its name says"),
        ("orders.jsonl.gz", truncated(PACKED), "truncated or not what its name says"),
        ("orders.parquet", parquet_bytes(), "column"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_is_not_what_it_seems_is_refused_in_a_sentence(read, name, content, told):
    with pytest.raises(C360Error) as caught:
        read(name, content)
    assert caught.value.message.startswith(f"{name} cannot be read: ")
    assert told in caught.value.message
    assert "\n" not in str(caught.value)
    assert "Ann" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None


def test_an_error_page_in_place_of_a_csv_is_refused(read, catalogue):
    raw = read("crm_contacts.csv", HTML + b"\nAnn Smith\n")
    facts = FileFacts("crm", "crm_contacts.csv", AS_OF)
    with pytest.raises(C360Error, match="has none of the columns of crm_contacts") as caught:
        land_rows(raw, catalogue["landing", "crm_contacts"], facts)
    assert "Ann" not in str(caught.value)


# --- Every type that Parquet has ----------------------------------------------------------------


def strange_columns() -> dict[str, pa.Array]:
    moment = datetime(2026, 6, 1, 10)  # noqa: DTZ001
    return {
        "null": pa.nulls(2),
        "half": pa.array([1.5, None], pa.float16()),
        "category": pa.array(["a", None]).dictionary_encode(),
        "bytes": pa.array([b"\xffab", b"cd"], pa.binary()),
        "four": pa.array([b"abcd", None], pa.binary(4)),
        "wide": pa.array([Decimal("1.5"), None], pa.decimal256(60, 4)),
        "time": pa.array([time(10, 30), None], pa.time64("us")),
        "wait": pa.array([timedelta(hours=1), None], pa.duration("us")),
        "struct": pa.array([{"a": 1, "b": b"\xff", "c": moment}, None]),
        "structs": pa.array([[{"a": 1}], []]),
        "numbers": pa.array([[1, 2], None], pa.list_(pa.int64())),
        "pair": pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "day": pa.array([date(2026, 6, 1), None], pa.date64()),
        "nanos": pa.array([moment, None], pa.timestamp("ns")),
        "texts": pa.array([["a", None], None], pa.list_(pa.string())),
        "large": pa.array(["x", None], pa.large_string()),
        "unsigned": pa.array([2**64 - 1, None], pa.uint64()),
    }


@pytest.mark.parametrize("kind", strange_columns())
@pytest.mark.parametrize("column", ["full_name", "tags", "birth_date", "last_activity_at",
                                    "is_converted", "country_code", "op", "shoe_size"])  # fmt: skip
def test_no_type_of_parquet_column_breaks_the_landing(read_table, catalogue, kind, column):
    table = pa.table({"id": ["1", "2"], column: strange_columns()[kind]})
    raw = read_table(table)
    dataset = catalogue["landing", "crm_contacts"]
    landed = land_rows(raw, dataset, FileFacts("crm", "f", AS_OF))
    assert landed.rows.schema == dataset.schema
    assert landed.rows.height + landed.quarantined.height == 2


def test_nested_values_and_bytes_come_as_text(read_table):
    frame = own(read_table(pa.table(strange_columns())))
    assert frame.row(0, named=True) | {"large": "x"} == {
        "null": None,
        "half": 1.5,
        "category": "a",
        "bytes": "\ufffdab",
        "four": "abcd",
        "wide": "1.5000",
        "time": "10:30:00",
        "wait": "1:00:00",
        "struct": '{"a": 1, "b": "b\'\\\\xff\'", "c": "2026-06-01 10:00:00"}',
        "structs": '[{"a": 1}]',
        "numbers": "[1, 2]",
        "pair": "[1, 2]",
        "map": '[["k", 1]]',
        "day": frame["day"][0],
        "nanos": frame["nanos"][0],
        "texts": ["a", None],
        "large": "x",
        "unsigned": 2**64 - 1,
    }


def test_equal_column_names_in_parquet_are_refused(tmp_path):
    path = Path(tmp_path / "orders.parquet")
    pa.parquet.write_table(pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"]), path)
    with pytest.raises(C360Error, match="columns 1 and 2 have the same name"):
        list(read_raw(path, path.name))
