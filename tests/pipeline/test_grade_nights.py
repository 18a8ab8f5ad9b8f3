"""Grades over two nights of the demo company: state is carried, reviewed and told."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines.lake import Lake
from pipelines.line import Line
from pipelines.rules import PACKAGED
from pipelines.simulate import simulate_tiers
from tests.pipeline.nights import DAY, make_company, run_night

pytestmark = pytest.mark.slow
REVIEW = DAY + timedelta(1)  # the first night of a quarter


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, dict[str, pl.DataFrame]]:
    """The night of a review, and the marts of the one before it."""
    root = tmp_path_factory.mktemp("grades")
    rules = make_company(root / "company", until=REVIEW)
    run_night(root / "home", rules, DAY)
    before = {
        path.stem: pl.read_parquet(path)
        for path in (Lake(root / "home").current / "marts").glob("*.parquet")
    }
    return run_night(root / "home", rules, REVIEW), before


def test_a_night_goes_on_from_the_grades_of_the_last_release(
    second: tuple[Line, dict[str, pl.DataFrame]],
) -> None:
    line, before = second
    marts = line.lake.current / "marts"
    grades = pl.read_parquet(marts / "customer_grades.parquet")
    both = before["customer_grades"].join(grades, on="customer_id", suffix="_now")
    stayed = both.filter(pl.col("grade") == pl.col("grade_now"))
    assert stayed.height > 0.9 * both.height
    assert stayed["grade_since_on_now"].eq(DAY).all()
    fell = both.filter(pl.col("grade_now") > pl.col("grade"))
    assert set(fell["grade_reason_now"]) <= {"no_order", "refund_undid"}
    movements = pl.read_parquet(marts / "grade_movements.parquet").filter(ladder="grade")
    moved = both.filter(pl.col("grade") != pl.col("grade_now"))
    assert set(movements["customer_id"]) == set(moved["customer_id"])
    history = pl.read_parquet(marts / "grade_history.parquet").filter(ladder="grade")
    assert history.filter(ended_because="changed").height == moved.height
    migration = pl.read_parquet(marts / "grade_migration.parquet")
    known = migration.filter(pl.col("from_grade") != "none")["customer_count"].sum()
    assert known >= both.height


def test_a_review_takes_the_edges_anew_and_warns_whoever_is_below(
    second: tuple[Line, dict[str, pl.DataFrame]],
) -> None:
    line, _ = second
    edges = pl.read_parquet(line.lake.current / "state" / "grade_edges.parquet")
    assert set(edges["taken_on"]) == {REVIEW}
    warned = pl.read_parquet(line.lake.current / "marts" / "grade_warnings.parquet")
    assert set(warned["because"]) <= {"review", "refund"}
    assert (warned["until_on"] == REVIEW + timedelta(30)).all()
    assert (warned["missing_score"] > 0).all()


def test_other_rules_are_tried_on_what_the_releases_kept(
    second: tuple[Line, dict[str, pl.DataFrame]], tmp_path: Path
) -> None:
    line, _ = second
    rules = yaml.safe_load((PACKAGED / "tiers.yml").read_text(encoding="utf-8"))
    rules["grades"][0]["min_percentile"] = 0.9
    other = tmp_path / "wider.yml"
    other.write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    told = simulate_tiers(line.lake, line.settings.rules_dir, line._rules(), other, None, None)
    assert (told.nights, told.first_on, told.last_on) == (2, DAY, REVIEW)
    grades = pl.read_parquet(line.lake.current / "marts" / "customer_grades.parquet")
    as_it_is = dict(told.grades.filter(rules="as it is").select("grade", "customer_count").rows())
    assert as_it_is == dict(grades.group_by("grade").len().rows())
    assert told.customers.height > 0
