"""A home of its own for every test, and one run date for all."""

from datetime import date
from pathlib import Path

import pytest
from factories import AS_OF, PROJECT

from pipelines.catalogue import Catalogue, load_catalogue
from pipelines.lake import Lake


@pytest.fixture
def as_of() -> date:
    return AS_OF


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("C360_HOME", str(folder))
    monkeypatch.delenv("C360_RULES_DIR", raising=False)
    return folder


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(home)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue(PROJECT)
