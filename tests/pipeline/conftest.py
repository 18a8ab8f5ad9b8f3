"""One night of the demo company for all tests that only look at it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from pipelines.lake import Run
from tests.pipeline.nights import DAY, make_company, run_night


@dataclass(frozen=True)
class Night:
    """A run up to its marts; tests must leave it as it is."""

    home: Path
    rules: Path
    run: Run
    as_of: date


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The night of the demo company, gates and all, up to the marts."""
    root = tmp_path_factory.mktemp("night")
    rules = make_company(root / "company")
    line = run_night(root / "home", rules, DAY, until="transform marts")
    return Night(root / "home", rules, line.run, DAY)
