"""Airflow for the tests of `dags/`: a home of its own, set before anything imports Airflow."""

import atexit
import os
import shutil
import tempfile
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


@pytest.fixture(scope="session")
def dag_bag():
    from airflow.dag_processing.dagbag import BundleDagBag

    # As the dag processor reads the folder: it alone puts the folder on the import path.
    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    return BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")


@pytest.fixture
def night(dag_bag):
    return dag_bag.dags["nightly_customer_360"]


@pytest.fixture
def steps(night):
    """The module the DAG was built with; the same object, so that a test may patch it."""
    import _step

    return _step
