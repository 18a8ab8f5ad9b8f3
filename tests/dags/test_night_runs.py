"""The night, really run by Airflow, with a stand-in for the pipeline behind the commands."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

# Airflow imports Starlette's test client, which announces a change of its own; ours stay errors.
pytestmark = pytest.mark.filterwarnings("ignore:Using .httpx. with .starlette.testclient.")

DAY = "2026-06-30"
LINE = [
    "extract crm",
    "extract shop",
    "land",
    "gate landing",
    "transform signals",
    "resolve",
    "transform profile",
    "gate profile",
    "score",
    "gate scores",
    "transform marts",
    "gate marts",
    "publish",
    "gate lists",
    "release",
]
REPORT = {
    "step": "gate profile",
    "status": "failed",
    "reason": "orders: 0 rows, the median of 14 nights is 1,204",
    "hint": "ask the owner of shop",
    "log": "/lake/runs/2026-06-30/logs/gate_profile.log",
    "seconds": 0.1,
}

# Writes down what it is asked and does nothing, but for the one step it is told to fail at.
STAND_IN = """#!/bin/sh
echo "$*" >> "$C360_HOME/calls"
if [ "$*" = "extract --list" ]; then
    echo '["crm", "shop"]'
    echo 'a warning that comes last' >&2
elif [ "$*" = "$FAIL_AT --date 2026-06-30" ]; then
    mkdir -p "$C360_HOME/runs/2026-06-30/steps"
    echo "$REPORT" > "$C360_HOME/runs/2026-06-30/steps/$(echo "$FAIL_AT" | tr ' ' '_').json"
    exit 99
fi
"""


@pytest.fixture(scope="session")
def airflow_database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def lake(tmp_path, monkeypatch):
    """An empty lake, and a `c360` on the path that only writes down its arguments."""
    stand_in = tmp_path / "bin" / "c360"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    home = tmp_path / "lake"
    home.mkdir()
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("C360_HOME", str(home))
    monkeypatch.setenv("FAIL_AT", "")
    monkeypatch.setenv("REPORT", json.dumps(REPORT))
    return home


def calls(lake):
    first, *rest = (lake / "calls").read_text().splitlines()
    assert first == "extract --list"
    # Sources are read side by side, in any order; then the line begins.
    return sorted(rest[:2]) + rest[2:]


def task_of(step, day=DAY, start_date=None, **task):
    """What the failure callback is given."""
    ti = SimpleNamespace(
        task=SimpleNamespace(**task), task_id=step, log_url="http://log", start_date=start_date
    )
    now = datetime.fromisoformat("2026-07-01T02:00:00+00:00")
    dag_run = SimpleNamespace(logical_date=None, run_after=now)
    return {"ti": ti, "dag_run": dag_run, "params": {"date": day}}


def test_a_night_runs_each_command_once_in_order_for_its_day(night, lake, airflow_database):
    run = night.test(logical_date=datetime(2026, 6, 30, tzinfo=UTC))

    assert run.state == "success"
    assert calls(lake) == [f"{step} --date {DAY}" for step in LINE]


def test_a_failing_gate_stops_the_line_and_says_why(
    night, lake, steps, airflow_database, monkeypatch
):
    alert = lake / "alert"
    monkeypatch.setenv("FAIL_AT", "gate profile")
    monkeypatch.setenv("C360_ALERT_COMMAND", f"tee {alert}")

    run = night.test(logical_date=None, run_conf={"date": DAY})

    assert run.state == "failed"
    assert calls(lake) == [f"{step} --date {DAY}" for step in LINE[: LINE.index("score")]]
    said = alert.read_text().splitlines()
    assert said[0] == "customer 360 of 2026-06-30 stopped at: gate profile"
    assert said[1] == f"reason: {REPORT['reason']}"
    assert said[2] == f"to do: {REPORT['hint']}"
    assert said[3] == f"log: {REPORT['log']}"
    assert "/tasks/gate_profile" in said[4]


def test_the_failure_of_one_source_is_told_by_its_name(steps, lake):
    report = lake / "runs" / DAY / "steps" / "extract_shop.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"reason": "shop does not answer"}))

    said = steps.failure_message(
        task_of("extract", bash_command='c360 extract shop --date "$BUSINESS_DAY"')
    )

    assert "stopped at: extract shop\nreason: shop does not answer" in said


@pytest.mark.parametrize(
    "left", [None, "", "{", "[]", '{"status": "ok", "reason": null}', "an earlier attempt"]
)
def test_a_step_that_left_no_report_of_its_failure_is_said_to_have_left_none(steps, lake, left):
    report = lake / "runs" / DAY / "steps" / "score.json"
    report.parent.mkdir(parents=True)
    began = datetime.now(UTC)
    if left == "an earlier attempt":
        report.write_text(json.dumps(REPORT))
        began += timedelta(hours=1)
    elif left is not None:
        report.write_text(left)

    said = steps.failure_message(task_of("score", start_date=began))

    assert f"reason: unknown: the step left no report of a failure at {report}" in said
    assert "http://log" in said


@pytest.mark.parametrize("command", ["false", "/no/such/program", "'unclosed"])
def test_an_alert_that_cannot_be_sent_does_not_hide_the_failure(
    steps, lake, monkeypatch, caplog, command
):
    monkeypatch.setenv("C360_ALERT_COMMAND", command)

    steps.report_failure(task_of("score"))

    assert "stopped at: score" in caplog.text
    assert "The alert was not delivered" in caplog.text


def test_relative_folders_mean_the_same_to_a_task_as_in_the_project_folder(night, monkeypatch):
    import _step

    monkeypatch.setenv("C360_HOME", "somewhere/lake")
    assert Path(night.get_task("land").cwd) == _step.PROJECT
    assert _step._home() == _step.PROJECT / "somewhere/lake"
