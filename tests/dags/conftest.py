"""Airflow for the tests of `dags/`: a home of its own, set before anything imports Airflow."""

import atexit
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="c360-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(PROJECT / "dags"),
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME}/airflow.db",
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(HOME / "logs"),
)
os.environ.pop("C360_TIME_ZONE", None)
os.environ.pop("C360_ALERT_COMMAND", None)

RULES = HOME / "rules"
RULES.mkdir()
(RULES / "sources.yml").write_text(
    "sources:\n  - {name: crm, type: zoho_crm}\n  - {name: shop, type: files, path: /drop/shop}\n"
)
(RULES / "deliveries.yml").write_text("destinations:\n  - {name: mail, type: mailchimp}\n")
(RULES / "serving.yml").write_text("postgres: {schema: c360}\n")


def read_dags():
    """Read the folder as the dag processor does: it alone puts the folder on the import path."""
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    return BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")


@pytest.fixture(scope="session")
def dag_bag():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_RULES_DIR", str(RULES))
        return read_dags()


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    """The company's rules: two sources, one of Zoho CRM and one drop folder."""
    monkeypatch.setenv("C360_RULES_DIR", str(RULES))


@pytest.fixture
def night_of(tmp_path, monkeypatch):
    """The night that Airflow would read with other sources; by default nothing comes after it."""

    def read(sources, deliveries=None, serving=None):
        rules = tmp_path / "other_rules"
        rules.mkdir(exist_ok=True)
        if deliveries is not None:
            (rules / "deliveries.yml").write_text(deliveries)
        if serving is not None:
            (rules / "serving.yml").write_text(serving)
        (rules / "sources.yml").write_bytes(sources.encode())
        monkeypatch.setenv("C360_RULES_DIR", str(rules))
        found = read_dags()
        assert found.import_errors == {}
        return found.dags["nightly_customer_360"]

    return read


@pytest.fixture
def night(dag_bag):
    return dag_bag.dags["nightly_customer_360"]


@pytest.fixture
def steps(night):
    """The module the DAG was built with; the same object, so that a test may patch it."""
    import _step

    return _step


# Writes down what it is asked and does nothing, but for the one step it is told to fail at.
STAND_IN = """#!/bin/sh
echo "$*" >> "$C360_HOME/calls"
case "$*" in
"$FAIL_AT"*)
    if [ -n "$REPORT" ]; then
        mkdir -p "$C360_HOME/runs/2026-06-30/steps"
        echo "$REPORT" > "$C360_HOME/runs/2026-06-30/steps/$(echo "$FAIL_AT" | tr ' ' '_').json"
    fi
    exit 99 ;;
"extract --list")
    echo "$LISTED"
    echo 'a warning that comes last' >&2 ;;
"extract crm"*)
    printf '%s' "$C360_SOURCE_CRM" > "$C360_HOME/login_of_crm"
    printf '%s\n' "the login is $C360_SOURCE_CRM" ;;
"serve postgres"*)
    printf '%s' "$C360_SERVE_POSTGRES" > "$C360_HOME/login_of_serve_postgres" ;;
esac
"""


@pytest.fixture
def airflow_home():
    return HOME


@pytest.fixture(scope="session")
def airflow_database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def lake(tmp_path, monkeypatch, airflow_database):
    """An empty lake, and a `c360` on the path that only writes down its arguments."""
    stand_in = tmp_path / "bin" / "c360"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    home = tmp_path / "lake"
    home.mkdir()
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("C360_HOME", str(home))
    monkeypatch.setenv("LISTED", '["crm", "shop"]')
    monkeypatch.setenv("FAIL_AT", "nothing")
    monkeypatch.setenv("REPORT", "")
    # Airflow's test run waits a second before each task that has become unrunnable.
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return home
