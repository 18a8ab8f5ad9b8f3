"""A home to deliver from, and no waiting."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from delivery_rig import Home


@pytest.fixture
def office(tmp_path, monkeypatch) -> Home:
    return Home(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch, catalogue) -> None:
    monkeypatch.setattr("pipelines.handover.time.sleep", lambda seconds: None)
    # Half a second each time, and the same for all.
    monkeypatch.setattr("pipelines.configured.load_catalogue", lambda project: catalogue)


@pytest.fixture
def call(office, c360, monkeypatch):
    """The command line, on the office's home."""
    monkeypatch.setenv("C360_HOME", str(office.root))
    monkeypatch.setenv("C360_RULES_DIR", str(office.rules))
    return c360
