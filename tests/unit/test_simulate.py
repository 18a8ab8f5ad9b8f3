"""`c360 simulate` at a terminal: counts and money, ids only where they are asked for."""

import json
from datetime import timedelta

import pytest
from factories import AS_OF, rows

from pipelines.lake import write_table
from pipelines.release import release_run, write_manifest
from pipelines.rules import PACKAGED
from tests.unit.tiers.people import hundred


@pytest.fixture
def released(lake):
    """Two releases of a hundred buyers."""
    for number in range(2):
        run = lake.run(AS_OF + timedelta(number))
        people = [row | {"tenure_days": 10 + number} for row in hundred()]
        marts = {"customer_360": rows("customer_360", *people, group="models")}
        for name in ("customer_scores", "customer_aliases"):
            marts[name] = rows(name, group="pipeline").clear()
        for name, frame in marts.items():
            write_table(frame, run.release / "marts" / f"{name}.parquet")
        keys = rows("customer_keys", group="pipeline").clear()
        write_table(keys, run.release / "state" / "customer_keys.parquet")
        release_run(lake, run, write_manifest(run.release, {"date": run.as_of.isoformat()}))


@pytest.fixture
def other(tmp_path):
    """Rules that put the best tenth into grade A."""
    path = tmp_path / "wider.yml"
    packaged = (PACKAGED / "tiers.yml").read_text(encoding="utf-8")
    path.write_text(packaged.replace("min_percentile: 0.95", "min_percentile: 0.90"), "utf-8")
    return path


def test_it_counts_who_would_stand_elsewhere_and_names_nobody(c360, released, other):
    code, said = c360("simulate", "--tiers", str(other))
    assert code == 0
    assert "2 nights from 2026-06-30 to 2026-07-01" in said
    assert ["grade", "B", "A", "5"] in [line.split() for line in said.splitlines()]
    assert "p09" not in said
    assert "How often grades and bands change in 1 day" in said
    assert "Per customer-year is told of 28 days or more" in said
    assert "changes_per_customer_year" not in said


def test_ids_are_told_to_programs_that_ask(c360, released, other):
    code, said = c360("simulate", "--tiers", str(other), "--csv", "--to", "2026-06-30")
    assert code == 0
    assert "p095,grade,B,A" in said.splitlines()
    _, told = c360("simulate", "--tiers", str(other), "--json")
    answer = json.loads(told)
    assert answer["nights"] == 2
    assert len([row for row in answer["customers"] if row["ladder"] == "grade"]) == 5


def test_equal_rules_move_nobody(c360, released):
    code, said = c360("simulate", "--tiers", str(PACKAGED / "tiers.yml"))
    assert code == 0
    assert "Nobody would stand elsewhere" in said


def test_days_without_a_release_and_rules_with_faults_are_told(c360, released, other):
    code, said = c360("simulate", "--tiers", str(other), "--from", "2027-01-01")
    assert code == 1
    assert "There is no release from 2027-01-01 to the last" in said
    other.write_text("weights: {}", encoding="utf-8")
    code, said = c360("simulate", "--tiers", str(other))
    assert code == 1
    assert f"{other}: grades is missing." in said
