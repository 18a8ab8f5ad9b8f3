"""The policies every DAG keeps, and the straight line of the night."""

import ast
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"
OWNERS = {"data-engineering"}
TAGS = {"customer-360", "schedule/nightly", "impact/tier_1", "impact/tier_2"}
CHECK = "check_sources"
EXTRACTS = ["extract_crm", "extract_shop"]
LINE = [
    "land",
    "gate_landing",
    "transform_signals",
    "resolve",
    "transform_profile",
    "gate_profile",
    "score",
    "gate_scores",
    "transform_marts",
    "gate_marts",
    "publish",
    "gate_lists",
    "release",
    "deliver",
]
GATES = [name for name in LINE if name.startswith("gate_")]
SERVE = "serve_postgres"  # beside the delivery
STEPS = [*EXTRACTS, *(name for name in LINE if name not in GATES), SERVE]


def run(logical_date=None, run_after="2026-07-01T02:00:00+00:00"):
    """What a task knows of its run."""
    return SimpleNamespace(
        logical_date=datetime.fromisoformat(logical_date) if logical_date else None,
        run_after=datetime.fromisoformat(run_after),
    )


def kind_of(name):
    """How the tables for people call a task."""
    return "extract_<name>" if name in EXTRACTS else name


def rendered_day(dag, dag_run, chosen=None):
    """The environment of a task, rendered as Airflow renders it."""
    task = dag.get_task("land")
    context = {"params": {"date": chosen}, "dag_run": dag_run}
    return task.render_template(task.env, context, dag.get_template_env())["BUSINESS_DAY"]


def test_every_file_imports(dag_bag):
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == {"nightly_customer_360", "privacy_requests"}


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda path: path.name)
def test_a_dag_file_imports_only_airflow_and_the_standard_library(path):
    # Airflow itself reads YAML with the same library.
    allowed = {"airflow", "yaml", "_step", "_sources", "_login", "_deliveries", "_serving"} | set(
        sys.stdlib_module_names
    )
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import does not work in a DAG file"
            imported.add(node.module.split(".")[0])
    assert imported <= allowed


def test_every_dag_has_an_owner_and_tags_from_the_closed_list(dag_bag):
    for dag in dag_bag.dags.values():
        assert dag.tags
        assert set(dag.tags) <= TAGS
        assert {task.owner for task in dag.tasks} <= OWNERS


def test_every_dag_explains_what_to_do_when_each_task_stops(dag_bag):
    for dag in dag_bag.dags.values():
        rows = [line for line in dag.doc_md.splitlines() if line.startswith("| `")]
        assert {row.split("`")[1] for row in rows} == {kind_of(name) for name in dag.task_ids}


def test_the_operator_manual_names_each_task(night):
    manual = (DAGS.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [n for n in night.task_ids if f"`{kind_of(n)}`" not in manual] == []


def test_the_night_is_one_straight_line_but_for_the_sources_side_by_side(night):
    assert sorted(night.task_ids) == sorted([CHECK, *EXTRACTS, *LINE, SERVE])
    assert night.get_task(SERVE).upstream_task_ids == {"release"}
    assert night.get_task(CHECK).upstream_task_ids == set()
    for name in EXTRACTS:
        assert night.get_task(name).upstream_task_ids == {CHECK}
    assert night.get_task("land").upstream_task_ids == set(EXTRACTS)
    for before, after in pairwise(LINE):
        assert night.get_task(after).upstream_task_ids == {before}


SHOP = "sources:\n  - {name: shop, type: files, path: /drop/shop}\n"


@pytest.mark.parametrize("deliveries", [None, "", "destinations: []\n", "# nothing yet\n"])
def test_without_deliveries_the_night_ends_with_the_release(night_of, deliveries):
    night = night_of(SHOP, deliveries)
    assert "deliver" not in night.task_ids
    assert night.get_task("release").downstream_task_ids == set()


def test_what_was_delivered_once_has_a_task_that_tells_of_it(night_of, tmp_path, monkeypatch):
    ledger = tmp_path / "deliveries" / "mail" / "win_back.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("{}\n")
    monkeypatch.setenv("C360_HOME", str(tmp_path))
    assert "deliver" in night_of(SHOP, "destinations: []\n").task_ids


@pytest.mark.parametrize("deliveries", ["destinations: [", "- a list\n"])
def test_deliveries_that_cannot_be_read_are_a_task_that_says_so(night_of, deliveries):
    assert "deliver" in night_of(SHOP, deliveries).task_ids


@pytest.mark.parametrize("serving", [None, "", "postgres:\nroles: {}\n", "# nothing yet\n"])
def test_until_serving_yml_names_a_database_no_task_serves(night_of, serving):
    assert SERVE not in night_of(SHOP, serving=serving).task_ids


@pytest.mark.parametrize("serving", ["postgres: {}", "postgres: [", "- a list\n", "postgres: 7"])
def test_serving_rules_that_are_there_or_cannot_be_read_are_a_task(night_of, serving):
    night = night_of(SHOP, serving=serving)
    assert night.get_task(SERVE).upstream_task_ids == {"release"}


def test_one_night_at_a_time_and_no_catching_up(night):
    assert night.max_active_runs == 1
    assert night.catchup is False


def test_steps_are_retried_ever_more_slowly_and_gates_never(night):
    for name in STEPS:
        task = night.get_task(name)
        assert task.retries == 2, name
        assert task.retry_exponential_backoff > 1, name  # True is 1, which does not grow
    for name in [*GATES, CHECK]:
        assert night.get_task(name).retries == 0, name


def test_no_task_may_run_for_ever_or_fail_in_silence(night, steps):
    for name in night.task_ids:
        task = night.get_task(name)
        assert task.execution_timeout is not None, name
        callbacks = task.on_failure_callback
        assert steps.report_failure in (callbacks if isinstance(callbacks, list) else [callbacks])


def test_only_exit_code_0_lets_the_line_go_on(night):
    for name in night.task_ids:
        assert not night.get_task(name).skip_on_exit_code, name


def test_nothing_passes_from_task_to_task_through_airflow(night):
    for name in night.task_ids:
        assert night.get_task(name).do_xcom_push is False, name


def test_each_task_is_the_command_of_its_name_with_the_date_from_the_environment(night):
    for name in [*EXTRACTS, *LINE, SERVE]:
        words = night.get_task(name).bash_command
        assert words == f'c360 {name.replace("_", " ")} --date "$BUSINESS_DAY"'


def test_the_command_line_program_knows_every_command(night):
    typer = pytest.importorskip("typer")
    from pipelines.cli import Gate, Stage, app

    program = typer.main.get_command(app)
    stages = {"gate": set(Gate), "transform": set(Stage), "serve": {"postgres"}}
    assert set(program.commands["serve"].commands) == stages["serve"]
    for name in ["extract", *LINE, SERVE]:
        command, *stage = name.split("_")
        assert command in program.commands, name
        assert set(stage) <= stages.get(command, set()), name
    assert "--list" in {option for p in program.commands["extract"].params for option in p.opts}


def test_others_can_be_scheduled_on_what_is_released(night):
    outlets = {name: night.get_task(name).outlets for name in night.task_ids}
    released = {(asset.name, asset.uri) for asset in outlets.pop("release")}
    assert released == {
        ("customer_360_marts", "c360://published/marts"),
        ("customer_360_lists", "c360://published/lists"),
    }
    assert not any(outlets.values())


def test_a_scheduled_run_is_for_the_day_that_ended(night):
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    info = coerce_to_core_timetable(night.timetable).next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(datetime(2026, 6, 30, tzinfo=UTC), None, catchup=True),
    )
    assert info.run_after.isoformat() == "2026-07-01T02:00:00+00:00"
    dag_run = SimpleNamespace(logical_date=info.logical_date, run_after=info.run_after)
    assert rendered_day(night, dag_run) == "2026-06-30"


@pytest.mark.parametrize(
    ("dag_run", "chosen", "day"),
    [
        pytest.param(run(), "2026-03-01", "2026-03-01", id="by hand, with a date"),
        pytest.param(run("2026-06-01T00:00:00+00:00"), None, "2026-06-01", id="dags test"),
        pytest.param(run("2026-06-01T09:30:00+00:00"), None, "2026-06-01", id="past moment"),
        pytest.param(run(), None, "2026-06-30", id="by hand, no date"),
        pytest.param(run("2026-07-01T01:59:00+00:00"), None, "2026-06-30", id="form's own now"),
        pytest.param(run("2026-05-05T02:00:00+00:00"), None, "2026-05-05", id="backfill"),
    ],
)
def test_the_day_of_a_run(night, dag_run, chosen, day):
    assert rendered_day(night, dag_run, chosen) == day


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/Los_Angeles"])
def test_the_day_is_the_companys_and_summer_time_changes_nothing(night, steps, monkeypatch, zone):
    monkeypatch.setattr(steps, "TIME_ZONE", zone)
    for day in ["2026-03-08", "2026-03-29", "2026-06-30", "2026-10-25", "2026-11-01"]:
        local = datetime.fromisoformat(f"{day}T02:00:00").replace(tzinfo=ZoneInfo(zone))
        dag_run = run(local.astimezone(UTC).isoformat(), "2026-12-01T00:00:00+00:00")
        assert rendered_day(night, dag_run) == day
        assert rendered_day(night, run(f"{day}T00:00:00+00:00", "2026-12-01T00:00:00+00:00")) == day


def test_a_date_that_is_none_is_refused_before_anything_runs(night):
    from airflow.sdk.exceptions import ParamValidationError

    for wrong in ["30.06.2026", "2026-02-30", "$(reboot)"]:
        with pytest.raises(ParamValidationError):
            night.params.get_param("date").resolve(wrong)


def test_who_asks_is_erased_after_the_night_by_the_same_commands_as_by_hand(dag_bag):
    dag = dag_bag.dags["privacy_requests"]
    commands = {task.task_id: task.bash_command for task in dag.tasks}
    assert commands == {
        "erase_requested": 'c360 erase --requested --date "$BUSINESS_DAY"',
        "sweep": 'c360 sweep --date "$BUSINESS_DAY"',
        "serve_postgres": 'c360 serve postgres --date "$BUSINESS_DAY"',
    }
    for name in ("sweep", "serve_postgres"):
        assert dag.get_task(name).upstream_task_ids == {"erase_requested"}
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert all(task.execution_timeout and task.on_failure_callback for task in dag.tasks)


def test_the_manual_names_each_task_of_the_privacy_requests(dag_bag):
    manual = (DAGS.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    tasks = dag_bag.dags["privacy_requests"].task_ids
    assert [name for name in tasks if f"`{name}`" not in manual] == []
