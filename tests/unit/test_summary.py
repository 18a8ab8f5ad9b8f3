"""What a person sees at the end of a run, at a terminal or in a file."""

from datetime import date
from io import StringIO

import polars as pl
import pytest
from factories import rows
from rich.console import Console

from pipelines.lake import write_table
from pipelines.release import release_run, write_manifest
from pipelines.steps import StepResult, run_step
from pipelines.summary import show_release, show_run
from pipelines.terminal import UNLIMITED

DAY = date(2026, 6, 30)
REFUSED = (
    "No scores tonight: 380 customers have an order; 500 are needed. 61 customers known by "
    "2026-04-01 ordered in the 90 days after it; 100 are needed."
)


def printed(show, *arguments, width=UNLIMITED):
    paper = StringIO()
    show(Console(file=paper, width=width, highlight=False, soft_wrap=True), *arguments)
    return paper.getvalue()


@pytest.mark.parametrize("width", [80, UNLIMITED])
def test_a_long_result_wraps_within_80_columns_also_in_a_file_and_is_told_whole(lake, width):
    run = lake.run(DAY)
    run_step(run, "land", lambda: StepResult(REFUSED))
    told = printed(lambda console: show_run(console, lake, DAY), width=width)
    assert max(map(len, told.splitlines())) <= 80
    assert REFUSED in " ".join(told.replace("✓ land", "").split())


def release_with(lake, warnings, **told):
    """A release of one customer, with one list that nobody is on, and one gate."""
    run = lake.run(DAY)
    write_table(rows("audience", group="models"), run.release / "marts" / "audience.parquet")
    nobody = pl.DataFrame(schema={"customer_id": pl.String, "reason": pl.String})
    write_table(nobody, run.release / "lists" / "vip_care.parquet")
    facts = {
        "lists": [{"name": "vip_care", "label_zh": "维护"} | told],
        "gates": {"marts": {"checks_passed": 3, "checks": 4, "warnings_count": warnings}},
        "sources": [], "notes": [],
    }  # fmt: skip
    return release_run(lake, run, write_manifest(run.release, facts))[0]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({}, "vip_care 维护 0 nobody tonight"),
        ({"kept_from": "2026-06-29"}, "vip_care (of 2026-06-29) 维护 0 nobody tonight"),
        ({"kept_from": "never"},
         "vip_care 维护 0 held back, and none has gone out before that could stay"),
    ],
)  # fmt: skip
def test_of_a_list_that_was_held_back_it_is_said_which_one_stands(lake, told, line):
    said = printed(show_release, release_with(lake, 0, **told), lake)
    assert line in [" ".join(row.split()) for row in said.splitlines()]


@pytest.mark.parametrize(("warnings", "told"), [(0, ""), (1, " (1 warning)"), (2, " (2 warnings)")])
def test_warnings_of_a_gate_are_counted(lake, warnings, told):
    said = printed(show_release, release_with(lake, warnings), lake)
    assert f"Gates  marts 3/4{told}\n" in said
