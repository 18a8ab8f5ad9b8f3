"""A real PostgreSQL, and an installation that serves from it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "extract" / "sql"))
pytest.register_assert_rewrite("sql_servers", "serving_rig")

from serving_rig import Office  # noqa: E402
from sql_servers import postgres_server  # noqa: E402, F401 - a fixture

from pipelines.serving import readers, store, switch  # noqa: E402


@pytest.fixture
def office(postgres_server, tmp_path, monkeypatch, catalogue):  # noqa: F811 - the fixture
    monkeypatch.setattr("pipelines.configured.load_catalogue", lambda project: catalogue)
    monkeypatch.setattr(readers, "LOOKS_SECONDS", 0.02)
    with Office.opened(postgres_server, tmp_path, monkeypatch) as office:
        yield office


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Nobody is waited for longer than a moment."""
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(switch, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(switch, "PLANNING_SECONDS", 0.3)
    monkeypatch.setattr(switch, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(switch, "PAUSE_SECONDS", 0.1)


@pytest.fixture
def call(office, c360, monkeypatch):
    """The command line, on the office's home."""
    monkeypatch.setenv("C360_HOME", str(office.lake.home))
    monkeypatch.setenv("C360_RULES_DIR", str(office.rules))
    return c360
