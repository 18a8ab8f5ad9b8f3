"""The night, really run by Airflow, with a stand-in for the pipeline behind the commands."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

# Airflow imports Starlette's test client, which announces a change of its own; ours stay errors.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Using .httpx. with .starlette.testclient.",
    # Airflow keeps each version of a DAG, and at times looks for a run's as if there were one only.
    "ignore:Multiple rows returned with uselist=False for lazily-loaded attribute .DagRun",
)

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
    "deliver",
]
REPORT = {
    "step": "gate profile",
    "status": "failed",
    "reason": "orders: 0 rows, the median of 14 nights is 1,204",
    "hint": "ask the owner of shop",
    "log": "/lake/runs/2026-06-30/logs/gate_profile.log",
    "seconds": 0.1,
}


def calls(lake):
    first, *rest = (lake / "calls").read_text().splitlines()
    assert first == "extract --list"
    # Sources are read side by side, in any order; then the line begins.
    return sorted(rest[:2]) + rest[2:]


def task_of(step, day=DAY, start_date=None, **task):
    """What the failure callback is given."""
    ti = SimpleNamespace(
        dag_id="nightly_customer_360",
        task=SimpleNamespace(**task),
        task_id=step,
        log_url="http://log",
        start_date=start_date,
    )
    now = datetime.fromisoformat("2026-07-01T02:00:00+00:00")
    dag_run = SimpleNamespace(logical_date=None, run_after=now)
    return {"ti": ti, "dag_run": dag_run, "params": {"date": day}}


@pytest.fixture
def alert(lake, monkeypatch):
    """What the operator is told, one message after the other."""
    monkeypatch.setenv("C360_ALERT_COMMAND", f"tee -a {lake / 'alert'}")
    return lake / "alert"


def test_a_night_runs_each_command_once_in_order_for_its_day(night, lake):
    run = night.test(logical_date=datetime(2026, 6, 30, tzinfo=UTC))

    assert run.state == "success"
    told = calls(lake)
    told.remove(f"serve postgres --date {DAY}")  # before the delivery or after it
    assert told == [f"{step} --date {DAY}" for step in LINE]


def test_a_failing_gate_stops_the_line_and_says_why(night, lake, alert, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "gate profile")
    monkeypatch.setenv("REPORT", json.dumps(REPORT))

    run = night.test(logical_date=None, run_conf={"date": DAY})

    assert run.state == "failed"
    assert calls(lake) == [f"{step} --date {DAY}" for step in LINE[: LINE.index("score")]]
    said = alert.read_text().splitlines()
    assert said[0] == "customer 360 of 2026-06-30 stopped at: gate profile"
    assert said[1] == f"reason: {REPORT['reason']}"
    assert said[2] == f"to do: {REPORT['hint']}"
    assert said[3] == f"log: {REPORT['log']}"
    assert "/tasks/gate_profile" in said[4]


@pytest.mark.parametrize(
    ("report", "tries"),
    [
        pytest.param({"reason": "the login of shop was refused", "retry": False}, 1, id="hopeless"),
        pytest.param({"reason": "shop does not answer", "retry": True}, 3, id="may heal"),
        pytest.param({"reason": "shop does not answer"}, 3, id="does not say"),
        pytest.param(None, 3, id="no report"),
    ],
)
def test_a_source_is_tried_again_unless_it_says_that_waiting_heals_nothing(
    night_of, lake, alert, monkeypatch, report, tries
):
    night = night_of("sources: [{name: shop, type: files}]")
    night.get_task("extract_shop").retry_delay = timedelta(0)
    monkeypatch.setenv("LISTED", '["shop"]')
    monkeypatch.setenv("FAIL_AT", "extract shop")
    monkeypatch.setenv("REPORT", json.dumps(report) if report else "")

    run = night.test(logical_date=None, run_conf={"date": DAY})

    assert run.state == "failed"
    assert calls(lake) == [f"extract shop --date {DAY}"] * tries
    said = alert.read_text()
    assert said.count("stopped at: extract shop") == 1
    assert (report["reason"] if report else "reason: unknown") in said


def report_of_publish(lake, *lists, notes=()):
    path = lake / "runs" / DAY / "steps" / "publish.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": {"lists": list(lists)}, "notes": list(notes)}))


def test_a_list_that_was_held_back_is_told_though_the_night_is_released(night, lake, alert):
    report_of_publish(
        lake,
        {"name": "win_back", "kept_from": "2026-06-29"}, {"name": "vip_care"},
        notes=["List win_back is that of 2026-06-29, less 2.", "No rows tonight: cases."],
    )  # fmt: skip

    run = night.test(logical_date=None, run_conf={"date": DAY})

    assert run.state == "success"
    assert alert.read_text().splitlines() == [
        "customer 360 of 2026-06-30 is released; held back: win_back",
        "List win_back is that of 2026-06-29, less 2.",
    ]


def test_a_night_that_held_nothing_back_says_nothing(steps, lake, alert):
    steps.report_kept(task_of("release"))
    report_of_publish(lake, {"name": "vip_care"})
    steps.report_kept(task_of("release"))
    assert not alert.exists()


def test_the_word_of_an_earlier_attempt_does_not_count(steps, lake):
    report = lake / "runs" / DAY / "steps" / "extract_shop.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"reason": "refused", "retry": False}))
    line = 'c360 extract shop --date "$BUSINESS_DAY"'

    def decided(**task):
        context = task_of("extract_shop", bash_command=line, **task)
        return steps.RetryIfItHeals().evaluate(RuntimeError(), 1, 2, context).action.value

    assert decided() == "fail"
    assert decided(start_date=datetime.now(UTC) + timedelta(hours=1)) == "default"


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


@pytest.mark.parametrize(
    ("sources", "listed", "told"),
    [
        pytest.param(
            "sources: [", None, "is not YAML, see line 1", id="c360 and Airflow refuse it"
        ),
        pytest.param(
            "sources: [{name: crm, type: hubspto}]", None, "cannot be used", id="c360 refuses it"
        ),
        pytest.param(
            "sources: []", '["crm"]', "names no source", id="Airflow reads it otherwise than c360"
        ),
        pytest.param(
            "sources: [{name: crm, type: hubspot}]",
            '["crm", "shop", "web"]',
            "this run has no extract_shop, extract_web",
            id="more sources since the run was made",
        ),
    ],
)
def test_a_night_does_not_begin_unless_each_source_of_a_sound_file_has_its_task(
    night_of, lake, alert, monkeypatch, sources, listed, told
):
    night = night_of(sources)
    monkeypatch.setenv("FAIL_AT", "nothing" if listed else "extract --list")
    monkeypatch.setenv("LISTED", listed or "")

    run = night.test(logical_date=None, run_conf={"date": DAY})

    assert run.state == "failed"
    assert calls(lake) == []
    said = alert.read_text()
    assert "stopped at: check sources" in said
    assert told in said


def test_relative_folders_mean_the_same_to_a_task_as_in_the_project_folder(night, monkeypatch):
    import _step

    monkeypatch.setenv("C360_HOME", "somewhere/lake")
    assert Path(night.get_task("land").cwd) == _step.PROJECT
    assert _step.home_dir() == _step.PROJECT / "somewhere/lake"
