import gzip
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.extract.parts import PROGRESS_KEY, SCHEMA
from pipelines.forgetting import EDITS
from pipelines.landing import RAW, ROW, RULE
from pipelines.raw_files import read_raw
from pipelines.raw_scrub import scrub_file, scrub_part

CSV = 'id;name;referrer_source_id\n1;"a\nb";77\n2;c\n77;"x;y";\n3;张三;5\n'
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=6)


def edits(*told: tuple[int, str | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(told, schema=EDITS, orient="row")


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"0123456789abcdef__{name}"
    path.write_bytes(content)
    return path


def read(path: Path) -> pl.DataFrame:
    """The rows of a file, whatever their numbers."""
    return pl.concat(read_raw(path, path.name[18:]), how="diagonal").drop(ROW)


def test_a_row_leaves_a_csv_file_and_a_mention_its_cell(tmp_path):
    path = put(tmp_path, "crm_contacts.csv", CSV.encode("gb18030"))
    before = read(path)
    scrub_file(path, "crm_contacts.csv", edits((3, None, None), (1, "referrer_source_id", "77")))
    after = read(path)
    assert after["id"].to_list() == ["1", "3", None]
    assert after["name"].to_list() == ["a\nb", "张三", None]
    assert after["referrer_source_id"].to_list() == ["", "5", None]
    assert after.filter(pl.col(RULE).is_not_null())[RAW].to_list() == ["2;c"]
    assert before.height == 4
    assert b"77" not in path.read_bytes()
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    table=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6),
    gone=st.sets(st.integers(1, 6)),
)
@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz", "orders.jsonl", "orders.parquet"])
def test_all_other_rows_are_read_as_before(tmp_path, name, table, gone):
    path = tmp_path / f"0123456789abcdef__{name}"
    frame = pl.DataFrame(table, schema={"id": pl.String, "note": pl.String}, orient="row")
    if name.endswith("parquet"):
        frame.write_parquet(path)
    elif name.endswith("jsonl"):
        frame.write_ndjson(path)
    else:
        content = frame.write_csv(quote_style="always").encode()
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    before = pl.concat(read_raw(path, name))
    scrub_file(path, name, edits(*((row, None, None) for row in gone)))
    frames = list(read_raw(path, name))
    after = pl.concat(frames) if frames else before.clear()
    kept = before.filter(~pl.col(ROW).is_in(list(gone)))
    assert after.select("id", "note").equals(kept.select("id", "note"))


def test_other_lines_of_json_stay_to_the_byte(tmp_path):
    lines = [b'{"id": 1, "amount": 1.10}\n', b'{"id":77}\n', b'{"id":3,"referrer_source_id":77}\n']
    path = put(tmp_path, "crm_contacts.jsonl", b"".join(lines))
    scrub_file(path, "crm_contacts.jsonl", edits((2, None, None), (3, "referrer_source_id", "77")))
    assert path.read_bytes() == b"\n" + lines[0] + b'{"id": "3"}\n'


def test_a_part_keeps_its_other_records_and_where_to_go_on(tmp_path):
    path = tmp_path / "0123456789abcdef__contacts-000001-end.hubspot.parquet"
    bodies = [b'{"id":"1","by":{"id":77}}', b'{"id":"77"}', b'{"id":"3"}']
    told = {"id": ["1", "77", "3"], "op": "upsert", "record": bodies, "digest": bodies}
    frame = pl.DataFrame(told | {"modified": None}, schema=SCHEMA)
    frame.write_parquet(path, metadata={PROGRESS_KEY: '{"part":1}'})
    scrub_part(path, edits((2, None, None), (1, "referrer_source_id", "77")))
    after = pl.read_parquet(path)
    assert after["id"].to_list() == ["1", "3"]
    assert after["record"].to_list() == [b'{"id":"1","by":{"id":null}}', bodies[2]]
    assert after.schema == frame.schema
    assert pl.read_parquet_metadata(path)[PROGRESS_KEY] == '{"part":1}'
    assert pq.read_metadata(path).num_rows == 2
