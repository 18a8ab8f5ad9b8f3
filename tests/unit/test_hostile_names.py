"""Names and texts of rules and sources that want to be paths, SQL or templates."""

import json

import polars as pl
import pytest
from factories import AS_OF, PROJECT, rows
from pydantic import ValidationError

from pipelines.errors import C360Error
from pipelines.lake import Lake, sha256_of, with_parent, write_json, write_table
from pipelines.land import committed_files, land_new_files
from pipelines.release import roll_back
from pipelines.rules.deliveries import Deliveries
from pipelines.rules.segments import Segments
from pipelines.rules.sources import Sources
from pipelines.segments.lint import refuse_faults
from pipelines.steps import run_step
from pipelines.transform import run_dbt
from tests.unit.segments.list_people import COLUMNS, segment

PATHS = [
    "../x", "..", ".", "", "/etc/x", "//x", "a/b", "a/../b", "./x", "x/", "~", "~/x", "a\\b",
    "..\\x", "C:\\x", "\\\\host\\x", "a\0b", "\0", "x\n", "\nx", "x\r", "x\t", " x", "x ", "a b",
    "..\u2215x", "a\u2044b", "a\uff0fb", "\u2025/x", "%2e%2e%2fx", "..%2fx", "a" * 300, ".hidden",
    "-rf", "$(touch x)", "`x`", "a;b", "a|b", "*", "x\u202egpj", "con:", "{{ x }}", "名单", "..;/x",
]  # fmt: skip
TEXTS = [
    "'", '"', "''", "';--", "' or '1'='1", "' or 1=1 --", '" or ""="', "'; drop table audience; --",
    "'); drop table audience; --", "1; select 1", "x' union select * from customer_contacts --",
    "\\'; drop table audience; --", "%27 or 1=1", "`id`", "$$ || '", "E'\\x27'", "/* */", "--", ";",
    "read_csv('/etc/passwd')", "(select read_text('/etc/passwd'))", "copy audience to '/tmp/x'",
    "attach '/tmp/x' as y", "install httpfs", "load httpfs", "pragma database_list",
    "set enable_external_access=true", "getenv('HOME')", "* exclude (grade)", "columns('.*')",
    "order_count; drop table x", "order_count, customer_id", "order_count desc nulls first",
    "order_count desc, (select 1)", "order_count desc; --", "1 desc", "rowid", "sleep(9)",
    "{{ env_var('HOME') }}", "{{ 1/0 }}", "{% raw %}", "{% do run_query('select 1') %}", "{# x #}",
    "{{ config(materialized='table') }}", "{{ ref('customer_contacts') }}", "{{ self }}", "}}",
    "{%", "{full_name}", "{contact_value}", "{__class__}", "{order_count.__class__}", "{0}",
    "{order_count!r}", "{order_count:>9999999}", "{{order_count}}", "{", "}", "${HOME}", "$(id)",
]  # fmt: skip
BRACES = [text for text in TEXTS if {"{", "}"} & set(text)]

by_code = {"ids": lambda text: text[:30].encode("unicode_escape").decode()}


def plain(**changes):
    """A list as segments.yml tells it."""
    return segment().model_dump(mode="json") | changes


def everything_below(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_there_are_thirty_paths_and_sixty_texts():
    assert len(set(PATHS)) == len(PATHS) >= 30
    assert len(set(TEXTS)) == len(TEXTS) >= 60


@pytest.mark.parametrize("name", PATHS, **by_code)
def test_a_path_is_no_name_of_anything_that_becomes_a_file_or_folder(name):
    to = {"name": "far", "type": "folder", "path": "/out"}
    refused = [
        (Segments, {"segments": [plain(name=name)]}),
        (Segments, {"segments": [plain(platforms={"meta": name})]}),
        (Sources, {"sources": [{"name": name, "type": "files", "path": "/in"}]}),
        (Sources, {"time_zone": name}),
        (Deliveries, {"destinations": [to | {"name": name, "lists": {"a": "b1"}}]}),
        (Deliveries, {"destinations": [to | {"lists": {name: "b1"}}]}),
        (Deliveries, {"destinations": [to | {"lists": {"a": name}}]}),
    ]
    for schema, content in refused:
        with pytest.raises(ValidationError):
            schema.model_validate(content)


@pytest.mark.parametrize("name", PATHS, **by_code)
def test_a_path_is_no_step_and_no_release_and_nothing_is_written(tmp_path, name):
    lake = Lake(tmp_path / "home")
    release = lake.published / "2026-06-29__0123456789ab"
    write_json({"files": [], "gates": {}, "notes": []}, release / "manifest.json")
    lake.current.symlink_to(release.name)
    (lake.published / ".lock").touch()
    before = everything_below(tmp_path)
    with pytest.raises(C360Error, match="There is no step"):
        run_step(lake.run(AS_OF), f"extract {name}", lambda: pytest.fail("it ran"))
    with pytest.raises(C360Error, match="There is no release"):
        roll_back(lake, name)
    assert everything_below(tmp_path) == before


def test_a_home_whose_path_would_be_a_template_or_end_a_text_is_a_path_to_dbt(tmp_path):
    run = Lake(tmp_path / "{{ 1/0 }} it's {name}").run(AS_OF)
    bands = rows("age_bands", {}, {}, group="rules")
    write_table(bands, run.table("rules", "age_bands"))
    run_dbt(["build", "--select", "stg_rules__age_bands"], run, tmp_path, PROJECT, "UTC")
    built = pl.read_parquet(run.table("models", "stg_rules__age_bands"), glob=False)
    assert built.height == 2


@pytest.mark.parametrize("text", TEXTS, **by_code)
def test_a_list_is_sorted_by_and_shows_columns_of_the_audience_and_nothing_else(text):
    with pytest.raises((ValidationError, C360Error)):
        refuse_faults([segment(order_by=text)], COLUMNS)
    with pytest.raises(C360Error):
        refuse_faults([segment(columns=(text,))], COLUMNS)
    with pytest.raises(C360Error):
        refuse_faults([segment(where=text)], COLUMNS)


@pytest.mark.parametrize("text", BRACES, **by_code)
def test_a_reason_takes_columns_of_the_audience_by_name_and_nothing_else(text):
    for field in ("reason", "reason_zh"):
        with pytest.raises(C360Error):
            refuse_faults([segment(**{field: text})], COLUMNS)


@pytest.mark.parametrize("is_header", [True, False], ids=["header", "value"])
def test_hostile_headers_and_values_of_a_source_land_as_text_and_change_no_count(
    lake, catalogue, is_header
):
    texts = [text for text in TEXTS if "\n" not in text]
    amounts = {"status": "paid", "currency": "EUR", "total_amount": "1", "ordered_at": "2026-06-01"}
    told = [
        {"id": str(number), **amounts, **({text: "x"} if is_header else {"coupon": text})}
        for number, text in enumerate(texts)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in told)
    scratch = with_parent(lake.home / "scratch")
    scratch.write_text(lines, encoding="utf-8")
    raw = lake.raw / "shop" / str(AS_OF) / f"{sha256_of(scratch)[:16]}__orders.jsonl"
    scratch.rename(with_parent(raw))
    land_new_files(lake, catalogue, Sources(), AS_OF, lambda line: None)
    [file] = committed_files(lake, AS_OF)
    assert (file["rows_in"], file["landed"], file["quarantined"]) == (len(texts), len(texts), 0)
    rows = pl.concat(
        pl.read_parquet(part, hive_partitioning=False)
        for part in lake.landing.glob("orders/*/*/*.parquet")
    )
    assert rows.schema == catalogue["landing", "orders"].schema
    kept = {row["source_record_id"]: json.loads(row["extra"]) for row in rows.iter_rows(named=True)}
    wanted = [{text: "x"} if is_header else {"coupon": text} for text in texts]
    assert [kept[str(number)] for number in range(len(texts))] == wanted
