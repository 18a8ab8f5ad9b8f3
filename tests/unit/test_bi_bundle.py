"""Superset's bundle: linked throughout, over columns of marts that name nobody, read-only.

Superset cannot live beside our libraries, so it is not started here; see docs/decisions.md.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from factories import PROJECT

from pipelines.page.small_cells import FEW
from pipelines.publish import MARTS

BI = PROJECT / "bi"
ASSETS = BI / "assets"
SAVED = {p: yaml.safe_load(p.read_text(encoding="utf-8")) for p in sorted(ASSETS.rglob("*.yaml"))}
COLUMN = re.compile(r"\b(?:sum|max|min|avg)\((\w+)\)")


def kept(kind):
    return {path.stem: saved for path, saved in SAVED.items() if kind in path.parts}


DATASETS, CHARTS = kept("datasets"), kept("charts")
[DATABASE] = kept("databases").values()
[DASHBOARD] = kept("dashboards").values()
TABLES = {saved["uuid"]: saved for saved in DATASETS.values()}

every_chart = pytest.mark.parametrize("name", sorted(CHARTS))


def query_of(name):
    [query] = json.loads(CHARTS[name]["query_context"])["queries"]
    return query


def test_everything_has_an_id_of_its_own_and_is_of_the_form_that_superset_loads():
    ids = [saved["uuid"] for saved in SAVED.values() if "uuid" in saved]
    assert len(ids) == len(set(ids)) == len(SAVED) - 1
    assert {saved["version"] for saved in SAVED.values()} == {"1.0.0"}
    assert SAVED[ASSETS / "metadata.yaml"]["type"] == "assets"


def test_the_marts_are_opened_read_only_without_a_way_to_other_files():
    assert DATABASE["sqlalchemy_uri"] == "duckdb:////lake/published/current/marts.duckdb"
    told = DATABASE["extra"]["engine_params"]["connect_args"]
    assert told["read_only"] is True
    assert told["config"]["enable_external_access"] is False
    assert told["config"]["lock_configuration"] is True
    for right in ("allow_dml", "allow_ctas", "allow_cvas", "allow_file_upload"):
        assert DATABASE[right] is False


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_dataset_is_a_mart_and_its_columns_are_there_and_name_nobody(name, catalogue):
    saved = DATASETS[name]
    assert saved["table_name"] == name
    assert saved["database_uuid"] == DATABASE["uuid"]
    columns = {column.name: column for column in catalogue[MARTS[name], name].columns}
    for told in saved["columns"]:
        assert columns[told["column_name"]].pii is None
        assert told["is_dttm"] == (str(columns[told["column_name"]].dtype) == "Date")


@every_chart
def test_a_chart_asks_for_columns_of_its_dataset_and_for_what_its_query_says(name):
    saved, query = CHARTS[name], query_of(name)
    columns = {column["column_name"] for column in TABLES[saved["dataset_uuid"]]["columns"]}
    metrics = " ".join(metric["sqlExpression"] for metric in query["metrics"])
    assert {*COLUMN.findall(metrics)} | set(query["columns"]) <= columns
    params = saved["params"]
    shown = [params.get("x_axis"), *params.get("groupby", ())]
    shown += [*params.get("groupbyRows", ()), *params.get("groupbyColumns", ())]
    assert [column for column in shown if column] == query["columns"]
    assert params.get("metrics", [params.get("metric")]) == query["metrics"]


@every_chart
def test_no_group_of_few_customers_is_shown_and_no_total_gives_one_away(name):
    saved, query = CHARTS[name], query_of(name)
    if name == "key_figures":
        return  # of all customers, whatever is chosen in another chart
    [least] = {f["sqlExpression"] for f in saved["params"]["adhoc_filters"]}
    assert least in {f"count(*) >= {FEW}", f"sum(customer_count) >= {FEW}"}
    assert query["extras"]["having"] == f"({least})"
    assert not any(saved["params"].get(totals) for totals in ("rowTotals", "colTotals"))


def test_the_dashboard_shows_every_chart_once():
    places = [part for part in DASHBOARD["position"].values() if isinstance(part, dict)]
    shown = [part["meta"]["uuid"] for part in places if part.get("type") == "CHART"]
    assert sorted(shown) == sorted(saved["uuid"] for saved in CHARTS.values())
    for row in (part for part in places if part.get("type") == "ROW"):
        widths = [DASHBOARD["position"][child]["meta"]["width"] for child in row["children"]]
        assert sum(widths) <= 12


def test_its_engine_reads_what_ours_writes_and_every_package_is_pinned_by_hash():
    lock = (BI / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", lock, re.MULTILINE)
    assert lock.count("--hash=sha256:") >= len(pins) > 100
    wanted = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    [ours] = [line for line in wanted if re.match(r"duckdb[>=]", line)]
    assert f">={dict(pins)['duckdb']}," in ours


def test_the_image_is_built_of_files_that_are_there():
    lines = (BI / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert {Path(word).name for word in copied} == {
        "requirements.lock", "superset_config.py", "prepare.py", "start.sh", "assets",
    }  # fmt: skip
    assert all((BI / word).exists() for word in copied)
    assert (BI / "start.sh").stat().st_mode & 0o111
    assert "USER 50000:50000" in lines
