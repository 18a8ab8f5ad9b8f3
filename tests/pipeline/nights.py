"""Runs nights in this process, on real files, with every real part of the line."""

from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from pipelines.configured import configured_sources
from pipelines.demo.company import sources_yaml, write_company
from pipelines.line import Line
from pipelines.settings import Settings
from pipelines.steps import LINE, run_step

DAY = date(2026, 6, 30)
CUSTOMERS, SEED = 800, 7


def make_company(root: Path, until: date = DAY, after: date | None = None) -> Path:
    """Drop the demo company's facts; returns the folder of its rules."""
    write_company(root, customers=CUSTOMERS, seed=SEED, until=until, after=after)
    rules = root / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "sources.yml").write_text(sources_yaml(root), encoding="utf-8")
    return rules


def run_night(home: Path, rules: Path, day: date, until: str = "release") -> Line:
    """Run the line for a day, up to and including a step."""
    line = open_line(home, rules, day)
    steps = [f"extract {name}" for name in configured_sources(line.settings)] + list(LINE[1:])
    for step in steps[: steps.index(until) + 1]:
        run_step(line.run, step, partial(line.work, step))
    return line


def open_line(home: Path, rules: Path, day: date) -> Line:
    """A line over a home and rules, without running it."""
    return Line(Settings(home=home, rules_dir=rules), day, lambda _: None)


def personal_values(home: Path) -> set[str]:
    """What the landed contacts tell of persons, but for what is too short or plain to be theirs."""
    contacts = pl.scan_parquet(
        home / "landing" / "crm_contacts" / "**" / "*.parquet", missing_columns="insert"
    )
    columns = contacts.select("full_name", "email", "phone", "mobile", "street").collect()
    told = {value for column in columns for value in column.drop_nulls()}
    return {value for value in told if len(value) > 6 and len(set(value)) > 2}
