"""What the gates measure of tonight, and how one that trips stops the night."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from factories import PROJECT, rows

from pipelines.breakers.judge import Reading, judge
from pipelines.catalogue import load_catalogue
from pipelines.errors import C360Error
from pipelines.gate import run_gate
from pipelines.gate_breakers import (
    count_missing,
    find_brought,
    find_stale,
    find_tripped,
    write_gate_breakers,
    write_history,
    write_verdicts,
)
from pipelines.lake import write_json, write_table
from pipelines.release import Release
from pipelines.rules import find_rules, load_rules
from pipelines.rules.breakers import Breakers, MartBreakers, MartLimits
from pipelines.rules.sources import Sources
from pipelines.steps import report_path

DAY = date(2026, 6, 30)
SOURCES = Sources.model_validate(
    {
        "sources": [
            {"name": "shop", "type": "files", "path": "/drop/shop", "when_down": "go_on"},
            {"name": "shop_files", "type": "files", "path": "/drop/more", "part_of": "shop"},
            {"name": "crm", "type": "files", "path": "/drop/crm"},
        ]
    }
)


@pytest.fixture
def run(lake):
    return lake.run(DAY)


@pytest.fixture
def book():
    return load_rules(find_rules(None)).model_copy(update={"sources": SOURCES})


def land(run, *files):
    """What `land` reports: source, table, day and rows of each file."""
    inputs = [
        dict(zip(("source", "table", "date", "rows_in"), file, strict=True)) for file in files
    ]
    write_json({"facts": {"inputs": inputs}}, report_path(run, "land"))


def release(lake, day, history):
    """A release that remembers verdicts."""
    made = Release(lake.published / f"{day}__0a1b2c3d4e5f")
    write_table(history, made.path / "marts" / "breakers.parquet")
    write_json({"date": day.isoformat()}, made.path / "manifest.json")
    return made


def nights(stage, name, value, count, version=None):
    return pl.concat(
        judge([Reading(name, "size", value, version=version)], stage, DAY - timedelta(back))
        for back in range(count, 0, -1)
    )


def told(run, stage):
    verdicts = pl.read_parquet(run.table("pipeline", f"{stage}_breakers"))
    return {
        (row["name"], row["breaker"], row["column"]): row["outcome"]
        for row in verdicts.iter_rows(named=True)
    }


def test_a_source_brings_what_landed_since_the_last_release(run, book):
    land(
        run,
        ("shop", "orders", "2026-06-27", 9000), ("shop", "orders", "2026-06-29", 10),
        ("shop", "orders", "2026-06-30", 20), ("shop", "refunds", "2026-06-27", 5),
        ("crm", "crm_contacts", "2026-06-30", 100), ("gone", "orders", "2026-06-27", 7),
    )  # fmt: skip
    assert list(find_brought(run, "2026-06-28", book)) == [
        ("crm", "crm_contacts", 100, 1),
        ("shop", "orders", 30, 3),
        ("shop", "refunds", 0, 3),
    ]
    assert ("shop", "orders", 20, 1) in list(find_brought(run, None, book))


def test_a_source_that_is_down_is_known_by_the_name_of_its_rows(run, book):
    for name, is_stale in (("shop_files", True), ("crm", False)):
        report = {"step": f"extract {name}", "facts": {"is_stale": is_stale}}
        write_json(report, report_path(run, f"extract {name}"))
    assert find_stale(run, book) == {"shop"}


@pytest.mark.parametrize("is_sorted", [True, False])
def test_missing_values_are_counted_from_the_footer(run, is_sorted):
    frame = pl.DataFrame({"id": range(5), "city": ["a", None, None, "b", None], "n": [0.5] * 5})
    path = run.table("models", "customer_360")
    write_table(frame.sort("id") if is_sorted else frame, path)
    counted = count_missing(run, "models", "customer_360")
    assert (counted.rows, dict(counted.missing)) == (5, {"id": 0, "city": 3, "n": 0})


def test_the_volume_of_a_table_is_held_against_the_last_releases(lake, run, catalogue, book):
    release(lake, DAY - timedelta(1), nights("landing", "shop.orders", 1000, 14))
    land(run, ("shop", "orders", "2026-06-29", 1000), ("shop", "orders", "2026-06-30", 500))
    write_gate_breakers("landing", lake, run, catalogue, book, frozenset())
    assert told(run, "landing") == {("shop.orders", "size", ""): "tripped"}
    accepted = frozenset([("landing", "shop.orders", "size", "", 500.0)])
    write_gate_breakers("landing", lake, run, catalogue, book, accepted)
    assert told(run, "landing") == {("shop.orders", "size", ""): "accepted"}
    land(run, ("shop", "orders", "2026-06-29", 1000), ("shop", "orders", "2026-06-30", 499))
    write_gate_breakers("landing", lake, run, catalogue, book, accepted)
    assert told(run, "landing") == {("shop.orders", "size", ""): "tripped"}


def test_watched_marts_are_measured_by_what_they_are(lake, run, catalogue, book):
    limits = MartLimits(severity="critical", min_rows=1, max_grade_changes_share=0.5, max_drift=0.5,
                        max_shared_rise=0.1)  # fmt: skip
    names = ("customer_360", "customer_grades", "customer_identifiers", "customer_scores")
    rules = Breakers(marts=MartBreakers(defaults=limits, marts=dict.fromkeys(names, MartLimits())))
    release(lake, DAY - timedelta(1), nights("marts", "customer_360", 4, 3))
    write_table(rows("customer_360", {}, {}, group="models"), run.table("models", "customer_360"))
    grades = rows("customer_grades", {"is_grade_changed": True}, {}, group="models")
    write_table(grades, run.table("models", "customer_grades"))
    identifiers = rows("customer_identifiers", {"is_shared": True}, {}, {}, group="pipeline")
    write_table(identifiers, run.table("pipeline", "customer_identifiers"))
    scores = rows("customer_scores", group="pipeline")
    write_table(scores, run.table("pipeline", "customer_scores"))
    drift = rows("model_drift", {"column": "churn_risk", "psi": 0.6}, group="pipeline")
    write_table(drift, run.table("pipeline", "model_drift"))
    watched = book.model_copy(update={"breakers": rules})
    write_gate_breakers("marts", lake, run, catalogue, watched, frozenset())
    verdicts = told(run, "marts")
    assert verdicts["customer_360", "size", ""] == "tripped"
    assert verdicts["customer_grades", "grade_changes", ""] == "tripped"
    assert verdicts["customer_scores", "drift", "churn_risk"] == "tripped"
    assert verdicts["customer_identifiers", "shared_identifiers", ""] == "not_judged"
    found = pl.read_parquet(run.table("pipeline", "marts_breakers"))
    shared = found.filter(pl.col("breaker") == "shared_identifiers")["value"].item()
    assert shared == pytest.approx(1 / 3, abs=1e-6)


def test_gates_without_breakers_write_none(lake, run, catalogue, book):
    for stage in ("profile", "scores", "lists"):
        write_gate_breakers(stage, lake, run, catalogue, book, frozenset())
    assert not list(run.path.glob("pipeline/*"))


def test_the_mart_remembers_as_many_nights_as_are_usual(lake, run, catalogue):
    before = release(lake, DAY - timedelta(1), nights("lists", "win_back", 40, 20, version=1))
    for stage in ("landing", "marts"):
        write_verdicts(judge([], stage, DAY), stage, run, catalogue)
    tonight = [
        Reading("win_back", "size", 41, version=1),
        Reading("win_back", "left", 0.75, high=0.5, version=1),
    ]
    write_verdicts(judge(tonight, "lists", DAY), "lists", run, catalogue)
    write_history(before, run, catalogue, Breakers(nights=14))
    mart = pl.read_parquet(run.table("pipeline", "breakers"))
    assert mart["as_of"].unique().sort().to_list() == [
        DAY - timedelta(back) for back in range(14, -1, -1)
    ]
    assert [(row["name"], row["breaker"]) for row in find_tripped(run)] == [("win_back", "left")]


@pytest.fixture
def project(tmp_path: Path):
    """The expectations of marts, of breakers alone."""
    lines = yaml.safe_load((PROJECT / "expectations" / "marts.yml").read_text())
    only = yaml.safe_dump({"marts_breakers": lines["marts_breakers"]})
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "marts.yml").write_text(only)
    return tmp_path


def test_a_gate_names_what_tripped_and_how_to_accept_it(run, project):
    catalogue = load_catalogue(PROJECT)
    found = [
        Reading("customer_360", "size", 900, 2000, 1600, 3000, 14),
        Reading("customer_network", "size", 9, 500, 400, 750, 14, severity="warning"),
    ]
    write_verdicts(judge(found, "marts", DAY), "marts", run, catalogue)
    with pytest.raises(C360Error) as stopped:
        run_gate("marts", run, catalogue, project)
    assert (
        "customer_360 has 900 rows tonight; usual is 2,000 (14 nights); it trips at 1,600 and at "
        "3,000" in stopped.value.message
    )
    assert "c360 accept customer_360 --run 2026-06-30 --because '…'" in stopped.value.hint
    assert "until:" not in stopped.value.hint
    page = (run.gates / "index.html").read_text()
    assert "customer_network has fewer than 10 rows tonight" in page


def test_a_gate_passes_with_what_was_accepted_and_warns(run, project):
    catalogue = load_catalogue(PROJECT)
    accepted = frozenset([("marts", "customer_360", "size", "", 900.0)])
    found = [
        Reading("customer_360", "size", 900, 2000, 1600, 3000, 14),
        Reading("customer_network", "size", 90, 500, 400, 750, 14, severity="warning"),
    ]
    write_verdicts(judge(found, "marts", DAY, accepted), "marts", run, catalogue)
    [warning] = run_gate("marts", run, catalogue, project).warnings
    assert "customer_network has 90 rows tonight" in warning
