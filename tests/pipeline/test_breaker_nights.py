"""Nights on which a list trips, is kept, delivered, accepted; and sources that bring too little.

A small company of its own: a CRM that sends all of its contacts each night.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from pipelines import cli
from pipelines.audit import read_acts, verify_acts
from pipelines.lake import Lake, read_json
from pipelines.release import Release, current_release, previous_release
from pipelines.steps import run_step
from tests.pipeline.nights import open_line, run_night

pytestmark = pytest.mark.slow
FIRST = date(2026, 6, 28)
SECOND, THIRD, FOURTH = (FIRST + timedelta(days=days) for days in (1, 2, 3))
PERSONS = 200
YORK, MOVERS = range(60, 120), range(120, 200)  # who moves to Leeds on the second day
WITHDREW, FORGOTTEN = 3, 5
SOURCES = {"base_currency": "GBP", "sources": [{"name": "crm", "type": "files"}]}
LIMITS = {
    "nights": 14,
    "inputs": {"defaults": {"min_nights": 3}},
    "marts": {"marts": {"customer_360": {"severity": "critical", "min_nights": 2}}},
    "lists": {"defaults": {"min_nights": 1}},
}


def segment(name: str, where: str) -> dict[str, Any]:
    return {
        "name": name, "label": name, "label_zh": "名单", "owner": "CRM", "purpose": "marketing",
        "channel": "email", "where": where, "order_by": "first_seen_on", "reason": "of {city}",
        "reason_zh": "{city}", "columns": ["city"], "holdout_rate": 0.0,
    }  # fmt: skip


def drop(company: Path, night: int, persons: int = PERSONS) -> None:
    """What the CRM sends on a night."""
    day = FIRST + timedelta(days=night)
    contacts = [
        {"id": f"c{n}", "email": f"person{n}@example.org", "full_name": f"Person {n}",
         "city": "York" if n in YORK else "Leeds" if night or n not in MOVERS else "Ripon",
         "updated_at": f"{day}T08:00:00Z"}
        for n in range(persons)
    ]  # fmt: skip
    said = [(n, "granted") for n in range(PERSONS)] if not night else []
    said += [(WITHDREW, "withdrawn")] if night == 1 else []
    consents = [
        {"id": f"k{n}-{night}", "subject_key_type": "contact_id", "subject_key": f"c{n}",
         "purpose": "marketing", "channel": "email", "status": status,
         "effective_at": f"{day}T09:00:00Z"}
        for n, status in said
    ]  # fmt: skip
    asked = [
        {"id": "e1", "subject_key_type": "contact_id", "subject_key": f"c{FORGOTTEN}",
         "requested_at": f"{day}T09:00:00Z"}
    ] if night == 1 else []  # fmt: skip
    orders = [
        {"id": f"o{n}-{number}", "customer_source_id": f"c{n}", "currency": "GBP",
         "total_amount": f"{20 + n}.00", "status": "paid",
         "ordered_at": f"{FIRST - timedelta(days=20 * number + n % 20)}T10:00:00Z"}
        for n in range(0, PERSONS, 2) for number in range(1, 4)
    ] if not night else []  # fmt: skip
    for table, rows in (
        ("crm_contacts", contacts), ("consents", consents), ("erasure_requests", asked),
        ("orders", orders),
    ):  # fmt: skip
        if rows:
            with (company / f"{table}-{night}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


def write_rules(root: Path) -> Path:
    rules, box = root / "rules", root / "box"
    rules.mkdir()
    sources = {**SOURCES, "sources": [{**SOURCES["sources"][0], "path": str(root / "company")}]}
    content = {
        "sources": sources,
        "breakers": LIMITS,
        "segments": {
            "holdout": {"global_rate": 0.0},
            "segments": [segment("leeds", "city = 'Leeds'"), segment("york", "city = 'York'")],
        },
        "deliveries": {
            "destinations": [
                {"name": "box", "type": "folder", "path": str(box),
                 "lists": {"leeds": "l", "york": "y"}}
            ]
        },
    }  # fmt: skip
    for name, told in content.items():
        (rules / f"{name}.yml").write_text(yaml.safe_dump(told, allow_unicode=True))
    return rules


@dataclass(frozen=True)
class Nights:
    """Two nights, on the second of which `leeds` tripped; and what was seen on the way.

    tripped: the release of the second night; accepted: the one after it was let through.
    """

    home: Path
    rules: Path
    company: Path
    first: Release
    tripped: Release
    accepted: Release
    delivered: dict[str, dict[str, int]]
    said: dict[str, str]


Call = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """The command line in this process; gives exit code and all that was said."""
    with pytest.MonkeyPatch.context() as patch:
        out = tmp_path_factory.mktemp("said") / "out"

        def run(home: Path, rules: Path, *words: str) -> tuple[int, str]:
            patch.setenv("C360_HOME", str(home))
            patch.setenv("C360_RULES_DIR", str(rules))
            patch.setenv("C360_AUDIT_KEY", "a key of the tests")
            patch.setattr(sys, "argv", ["c360", *words])
            # Not by the console's own `file`: to put that back would bind it to today's stream.
            with out.open("w") as file, redirect_stdout(file), redirect_stderr(file):
                try:
                    cli.main()
                except SystemExit as stop:
                    code = int(stop.code or 0)
                else:
                    code = 0
            return code, out.read_text()

        yield run


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, call: Call) -> Nights:
    root = tmp_path_factory.mktemp("breakers")
    home, company = root / "home", root / "company"
    company.mkdir()
    rules = write_rules(root)
    delivered, said = {}, {}

    def results(day: date) -> dict[str, int]:
        path = home / "deliveries" / "box" / "results" / f"leeds_{day}.csv"
        told = pl.read_csv(path, schema_overrides={"operation": pl.String})
        return dict(told["operation"].value_counts().iter_rows())

    lake, releases = Lake(home), {}
    drop(company, 0)
    run_night(home, rules, FIRST)
    releases["first"] = current_release(lake)
    said["first delivery"] = call(home, rules, "deliver", "--date", str(FIRST))[1]
    delivered["first"] = results(FIRST)
    drop(company, 1)
    run_night(home, rules, SECOND)
    releases["tripped"] = current_release(lake)
    said["status"] = call(home, rules, "status", "--date", str(SECOND))[1]
    said["why"] = call(home, rules, "why", "crm:c150", "--list", "leeds")[1]
    said["why on"] = call(home, rules, "why", "crm:c7", "--list", "leeds")[1]
    said["kept delivery"] = call(home, rules, "deliver", "--date", str(SECOND))[1]
    delivered["tripped"] = results(SECOND)
    said["accept"] = call(
        home, rules, "accept", "leeds", "--run", str(SECOND), "--because", "they moved house",
        "--by", "Ana Li",
    )[1]  # fmt: skip
    said["again"] = call(home, rules, "nightly", "--date", str(SECOND), "--from", "publish")[1]
    releases["accepted"] = current_release(lake)
    said["delivery"] = call(home, rules, "deliver", "--date", str(SECOND))[1]
    delivered["accepted"] = results(SECOND)
    return Nights(home, rules, company, **releases, delivered=delivered, said=said)


def people(release: Release, name: str) -> set[int]:
    """The numbers of the persons on a list."""
    rows = pl.read_parquet(release.path / "lists" / f"{name}.parquet")
    return {int(contact[len("person") : -len("@example.org")]) for contact in rows["contact"]}


def entry(release: Release, name: str) -> dict[str, Any]:
    return next(told for told in release.manifest["lists"] if told["name"] == name)


BEFORE = set(range(60))
KEPT = BEFORE - {WITHDREW, FORGOTTEN}


def test_the_list_that_tripped_is_yesterdays_less_who_withdrew_or_asked_to_be_forgotten(nights):
    assert people(nights.first, "leeds") == BEFORE
    assert people(nights.tripped, "leeds") == KEPT
    told = entry(nights.tripped, "leeds")
    assert (told["kept_from"], told["rows"]) == (str(FIRST), len(KEPT))
    assert sum(told["taken_off"].values()) == 2
    for form in ("csv", "xlsx"):
        assert (nights.tripped.path / "lists" / f"leeds.{form}").exists()
    sent = (nights.tripped.path / "lists" / "leeds.csv").read_text()
    assert not any(f"person{n}@" in sent for n in (WITHDREW, FORGOTTEN, *MOVERS))


def test_the_rest_goes_out_as_it_is_tonight(nights):
    assert people(nights.tripped, "york") == set(YORK)
    assert "kept_from" not in entry(nights.tripped, "york")
    assert nights.tripped.as_of == str(SECOND)


def test_it_is_told_in_the_manifest_the_summary_the_page_and_the_report_of_the_step(nights):
    assert {told["outcome"] for told in nights.tripped.manifest["breakers"]} == {"tripped"}
    note = next(n for n in nights.tripped.manifest["notes"] if n.startswith("List leeds"))
    assert f"is that of {FIRST}, less 2 (" in note
    assert f"c360 accept leeds --run {SECOND} --because" in note
    assert f"leeds (of {FIRST})" in nights.said["status"]
    status = " ".join(nights.said["status"].split())  # long results go on in the next line
    assert "1 held back, the last released stay" in status
    page = (nights.tripped.path / "report.html").read_text()
    assert "Circuit breakers" in page
    assert "% of leeds were not on it last night" in page
    assert "lists_breakers" in (nights.tripped.path / "gates.html").read_text()


def test_why_says_that_tonights_was_held_back(nights):
    assert "Not on the list: tonight's list was held back" in nights.said["why"]
    assert f"On the list as it was released on {FIRST}" in nights.said["why on"]


def test_the_gates_judge_the_list_that_is_kept(nights):
    gate = nights.tripped.manifest["gates"]["lists"]
    assert gate["failed_count"] == 0
    history = pl.read_parquet(nights.tripped.path / "marts" / "list_history.parquet")
    open_now = history.filter((pl.col("list") == "leeds") & pl.col("valid_to_on").is_null())
    assert open_now.height == len(KEPT)
    assert open_now["valid_from_on"].unique().to_list() == [FIRST]


def test_deliveries_of_the_list_that_tripped_only_take_away(nights):
    assert nights.delivered["first"] == {"add": 60}
    assert nights.delivered["tripped"] == {"remove": 2}
    assert "leeds (held back)" in nights.said["kept delivery"]
    assert nights.delivered["accepted"] == {"add": len(MOVERS), "remove": 2}


def test_what_was_accepted_goes_out_when_the_step_is_repeated(nights):
    assert f"next: c360 nightly --date {SECOND} --from 'publish'" in nights.said["accept"]
    assert people(nights.accepted, "leeds") == KEPT | set(MOVERS)
    assert "kept_from" not in entry(nights.accepted, "leeds")
    told = {row["outcome"] for row in nights.accepted.manifest["breakers"]}
    assert told == {"accepted"}
    lake = Lake(nights.home)
    assert verify_acts(lake, b"a key of the tests") >= 1
    [act] = [act for act in read_acts(lake) if act["action"] == "accept"]
    assert (act["actor"], act["because"]) == ("Ana Li", "they moved house")
    assert previous_release(lake, THIRD) == nights.accepted
    history = pl.read_parquet(nights.accepted.path / "marts" / "list_history.parquet")
    movers = history.filter((pl.col("list") == "leeds") & (pl.col("valid_from_on") == SECOND))
    assert movers.height == len(MOVERS)


@pytest.fixture(scope="module")
def third(nights: Nights) -> Release:
    """The night after, on which nothing changes."""
    drop(nights.company, 2)
    run_night(nights.home, nights.rules, THIRD)
    release = current_release(Lake(nights.home))
    assert release is not None
    return release


def test_the_next_night_is_as_any_other(third):
    assert third.as_of == str(THIRD)
    assert third.manifest["breakers"] == []
    assert people(third, "leeds") == KEPT | set(MOVERS)
    mart = pl.read_parquet(third.path / "marts" / "breakers.parquet")
    assert mart["as_of"].unique().sort().to_list() == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(("persons", "trips"), [(100, True), (101, False)])
def test_a_source_that_brings_half_stops_the_night_until_it_is_accepted(
    nights, third, call, tmp_path, persons, trips
):
    """`third` has been: three nights of 200 contacts each are known."""
    path = nights.company / "crm_contacts-3.csv"
    drop(nights.company, 3, persons=persons)
    try:
        line = open_line(nights.home, nights.rules, FOURTH)
        for step in ("extract crm", "land"):
            run_step(line.run, step, partial(line.work, step))
        words = ("gate", "landing", "--date", str(FOURTH))
        code, said = call(nights.home, nights.rules, *words)
        assert code == int(trips), said
        if trips:
            assert "crm.crm_contacts has 100 rows tonight; usual is 200 (3 nights)" in said
            assert f"c360 accept crm.crm_contacts --run {FOURTH}" in said
            accept = ("accept", "crm.crm_contacts", "--run", str(FOURTH), "--because", "moved")
            code, said = call(nights.home, nights.rules, *accept)
            assert (code, "--from 'gate landing'" in said) == (0, True)
            assert call(nights.home, nights.rules, *words)[0] == 0
        assert current_release(Lake(nights.home)) == third
        verdicts = read_json(line.run.gates / "landing.json")
        assert json.dumps(verdicts).count("person") == 0
    finally:
        path.unlink()
