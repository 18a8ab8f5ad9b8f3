"""A night killed at random moments of extraction ends with the rows of an undisturbed one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines.catalogue import load_catalogue
from pipelines.configured import configured_rules
from pipelines.demo.company import write_company
from pipelines.demo.served import credentials, serve_crm, serve_shop, sources_yaml
from pipelines.lake import Lake
from pipelines.land import land_new_files
from pipelines.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
AS_OF = date(2026, 6, 30)
KILLS = 20


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    root = tmp_path_factory.mktemp("company")
    write_company(root, customers=1_500, seed=7, until=AS_OF, served=True)
    with serve_crm(root, port=0) as url, serve_shop(root) as database:
        entry = yaml.safe_load(sources_yaml(root, url))
        entry["sources"] = [s for s in entry["sources"] if s["name"] in ("crm", "shop")]
        (root / "rules").mkdir()
        (root / "rules" / "sources.yml").write_text(yaml.safe_dump(entry))
        logins = {name: json.loads(value) for name, value in credentials(database).items()}
        yield root, {name: json.dumps(login) for name, login in logins.items()}


def extract(home: Path, company, source: str) -> subprocess.Popen:
    root, logins = company
    env = {**os.environ, **logins, "C360_HOME": str(home), "C360_RULES_DIR": str(root / "rules")}
    command = [sys.executable, "-c", "from pipelines.cli import main; main()"]
    return subprocess.Popen(
        [*command, "extract", source, "--date", str(AS_OF)],
        cwd=PROJECT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def landed(home: Path, rules: Path) -> dict[str, list]:
    """Every landed row by table: its keys, operation and content."""
    settings = Settings(home=home, rules_dir=rules)
    sources = configured_rules(settings).sources
    lake, catalogue = Lake(home), load_catalogue(PROJECT)
    land_new_files(lake, catalogue, sources, AS_OF, lambda told: None)
    key = ["source", "source_account_id", "source_record_id", "op", "record_hash"]
    return {
        table.name: sorted(pl.read_parquet(table / "**/*.parquet", columns=key).rows())
        for table in sorted(lake.landing.iterdir())
    }


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_landed_row(company, tmp_path):
    root, _ = company
    took = {}
    for source in ("crm", "shop"):
        began = time.monotonic()
        process = extract(tmp_path / "whole", company, source)
        _, told = process.communicate()
        assert process.returncode == 0, told
        took[source] = time.monotonic() - began
    moments = random.Random(20260630)  # noqa: S311 - moments, not keys
    killed = 0
    for number in range(KILLS):
        source = ("crm", "shop")[number % 2]
        began = time.monotonic()
        process = extract(tmp_path / "killed", company, source)
        try:
            # After the start of Python, which is the longer part.
            process.wait(took[source] * moments.uniform(0.4, 1.0))
            took[source] = time.monotonic() - began  # there was less to do, or more machine
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
    for source in ("crm", "shop"):
        process = extract(tmp_path / "killed", company, source)
        _, told = process.communicate()
        assert process.returncode == 0, told
    assert killed >= KILLS // 2
    whole = landed(tmp_path / "whole", root / "rules")
    assert landed(tmp_path / "killed", root / "rules") == whole
    assert sum(len(rows) for rows in whole.values()) > 10_000
