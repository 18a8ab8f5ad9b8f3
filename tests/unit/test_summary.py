"""What `c360 segment preview` shows, on a release of a few people."""

from io import StringIO

import pytest
from factories import rows
from rich.console import Console

from pipelines.lake import write_table
from pipelines.release import release_run, write_manifest
from pipelines.rules import find_rules, load_rules
from pipelines.summary import show_segment
from tests.unit.identity.identity_people import day


@pytest.fixture
def preview(lake):
    """What is shown of a list that finds all of four people, one of them suppressed."""
    run = lake.run(day(1))
    free = {"has_open_complaint": False, "is_profiling_refused": False}
    people = [free | {"customer_id": f"c{n}", "grade": "AABB"[n]} for n in range(4)]
    people[3]["suppressed_because"] = "under age"
    audience = rows("audience", *people, group="models")
    write_table(audience, run.release / "marts" / "audience.parquet")
    release_run(lake, run, write_manifest(run.release, {"date": run.as_of.isoformat()}))
    book = load_rules(find_rules(None))

    def shown(**changes):
        segment = book.segments.segments[0].model_copy(update={"limit": None} | changes)
        segments = book.segments.model_copy(update={"segments": (segment,)})
        paper = StringIO()
        console = Console(file=paper, width=200, highlight=False)
        show_segment(console, lake, book.model_copy(update={"segments": segments}), segment.name)
        return [" ".join(line.split()) for line in paper.getvalue().splitlines()]

    return shown


def test_a_preview_says_how_many_are_left_out_so_that_its_table_adds_up(preview):
    lines = preview(where="customer_id is not null")
    assert "4 customers of" in lines[0]
    assert "match; 1 of them suppressed and left out. Consent is asked" in lines[0]
    at = lines.index("Grades of these 3")
    assert lines[at + 2 : at + 4] == ["A 2", "B 1"]


def test_without_anybody_suppressed_nobody_is_said_to_be_left_out(preview):
    lines = preview(where="customer_id <> 'c3'")
    assert "3 customers of" in lines[0]
    assert "suppressed" not in lines[0]


def test_a_preview_says_if_the_list_takes_no_more(preview):
    lines = preview(where="customer_id is not null", limit=1)
    assert "Grades of these 1, the most that the list takes of 3" in lines
