"""The dbt project: its unit tests, its stages, and how its joins grow."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from dbt.cli.main import dbtRunner

from pipelines.lake import read_json
from pipelines.transform import STAGES, run_dbt
from tests.factories import PROJECT
from tests.pipeline.conftest import Night

pytestmark = pytest.mark.slow
ZONE = "Asia/Shanghai"
MODELS = sorted((PROJECT / "dbt_project" / "models").rglob("*.sql"))
SOURCES = (
    ("inputs", "landing", "*"),
    ("rules", "rules", "*.parquet"),
    ("pipeline", "pipeline", "*.parquet"),
)
WARNINGS_ARE_ERRORS = {"error": "all", "silence": ["UnsupportedConstraintMaterialization"]}


@pytest.fixture
def dbt_list(
    night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., list[str]]:
    """Names of what a dbt selection holds."""
    monkeypatch.setenv("C360_RUN", str(night.run.path))
    monkeypatch.setenv("C360_RUN_TIME_ZONE", ZONE)
    folder = str(PROJECT / "dbt_project")

    def names(*arguments: str) -> list[str]:
        outcome = dbtRunner().invoke(
            ["--quiet", "--log-level", "none", "--log-path", str(tmp_path), "list", *arguments,
             "--project-dir", folder, "--profiles-dir", folder, "--target-path", str(tmp_path),
             "--output", "json", "--output-keys", "name"]
        )  # fmt: skip
        assert outcome.success, outcome.exception
        return [json.loads(line)["name"] for line in outcome.result]

    return names


def test_every_rule_of_the_sql_holds_on_a_few_rows(night: Night, tmp_path: Path) -> None:
    results = run_dbt(["test", "--select", "test_type:unit"], night.run, tmp_path, PROJECT, ZONE)
    passed = [r for r in results if r.node.resource_type == "unit_test" and r.status == "pass"]
    assert len(passed) >= 60


def test_the_project_parses_without_a_warning(night: Night, tmp_path: Path) -> None:
    strict = ["--warn-error-options", json.dumps(WARNINGS_ARE_ERRORS)]
    run_dbt(["parse", "--no-partial-parse", *strict], night.run, tmp_path, PROJECT, ZONE)


def test_every_model_and_data_test_runs_in_exactly_one_stage(
    dbt_list: Callable[..., list[str]],
) -> None:
    kinds = ["--resource-type", "model", "--resource-type", "test"]
    stages = [name for stage in STAGES for name in dbt_list("--selector", stage, *kinds)]
    assert Counter(stages) == Counter(dbt_list(*kinds))


def test_the_night_ran_its_data_tests_and_no_unit_test(night: Night) -> None:
    summaries = {
        stage: read_json(night.run.steps / f"transform_{stage}.json")["summary"] for stage in STAGES
    }
    folders = {stage: PROJECT / "dbt_project" / "tests" / stage for stage in STAGES}
    tests = {stage: len(list(folder.glob("*.sql"))) for stage, folder in folders.items()}
    assert all(summaries[stage].endswith(f"models, {tests[stage]} tests") for stage in STAGES)


# What the churn model is told of tonight, and the column of customer_360 that says the same.
SAME_AS_IN_THE_MART = {
    "engagement_score": "engagement_score", "engagement_change_rate": "engagement_change_30d_rate",
    "case_90d_count": "case_count_90d", "complaint_90d_count": "complaint_count_90d",
    "open_complaint_count": "open_complaint_count", "visit_30d_count": "web_visit_count_30d",
    "visit_90d_count": "web_visit_count_90d", "open_90d_count": "campaign_open_count_90d",
    "click_90d_count": "campaign_click_count_90d", "nps_score": "nps_score",
    "campaign_response_rate": "campaign_open_rate_365d", "csat_score": "csat_score",
}  # fmt: skip


def test_what_models_learn_from_is_tonight_what_the_mart_says(night: Night) -> None:
    models = night.run.path / "models"
    facts = pl.read_parquet(models / "int_facts_joined_to_feature_days.parquet")
    assert facts.select("customer_id", "feature_on").is_unique().all()
    assert facts["feature_on"].n_unique() == 7
    mart = pl.read_parquet(models / "customer_360.parquet")
    both = facts.filter(feature_on=night.as_of).join(mart, on="customer_id", suffix="_of_mart")
    assert both.height == facts.filter(feature_on=night.as_of).height > 0
    for fact, column in SAME_AS_IN_THE_MART.items():
        name = f"{column}_of_mart" if fact == column else column
        same = both[fact].cast(pl.Float64).eq_missing(both[name].cast(pl.Float64))
        assert same.all(), fact


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_no_outer_join_compares_every_row_with_every_other(night: Night, model: Path) -> None:
    """One with a condition on its left side alone does: hours, with a million customers."""
    compiled = night.run.path / "dbt" / "target" / "compiled" / "customer_360"
    sql = (compiled / model.relative_to(PROJECT / "dbt_project")).read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        for path in (night.run.path / "models").glob("*.parquet"):
            connection.read_parquet(str(path)).create_view(path.stem)
        for folder, source, files_of in SOURCES:
            connection.execute(f"create schema {source}")
            for path in (night.run.path / folder).glob(files_of):
                files = path / "*.parquet" if path.is_dir() else path
                parts = f"read_parquet('{files}', union_by_name = true)"
                connection.execute(f"create view {source}.{path.stem} as from {parts}")
        plan = connection.execute(f"explain (format json) {sql}").fetchall()[0][1]
    joins = [step for step in _steps(json.loads(plan)) if step["name"] == "BLOCKWISE_NL_JOIN"]
    assert {join["extra_info"]["Join Type"] for join in joins} <= {"INNER"}


def _steps(plan: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in plan:
        yield step
        yield from _steps(step["children"])
