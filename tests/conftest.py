"""A home of its own for every test, the command line on it, and one run date for all."""

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from factories import AS_OF, PROJECT
from hypothesis import settings

from pipelines import cli
from pipelines.catalogue import Catalogue, load_catalogue
from pipelines.lake import Lake

# How long a test takes says nothing on a machine that is shared.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


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


@pytest.fixture
def c360(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Call the command line as the console script does; gives exit code and everything said."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["c360", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        text = said.out + said.err
        assert "Traceback" not in text
        return code, text

    return call
