"""docs/segments.md: what it shows is a condition, and what it says is refused is refused."""

import re

import pytest
from factories import PROJECT

from pipelines.errors import C360Error
from pipelines.rules import find_rules, load_rules
from pipelines.segments.condition import read_conditions
from pipelines.segments.language import EVENTS
from tests.unit.segments.list_people import AUDIENCE, segment

PAGE = (PROJECT / "docs" / "segments.md").read_text(encoding="utf-8")


def written_below(title, column):
    """The conditions in a column of the page's table below a title."""
    parts = PAGE.split(title)[1].split("\n\n")
    table = next(part for part in parts if part.startswith("|"))
    cells = [row.split("|")[column] for row in table.splitlines()[2:]]
    found = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell) if "…" not in text]
    assert found
    return found


def known_lists():
    return load_rules(find_rules(None)).segments.segments


@pytest.mark.parametrize("where", written_below("## Examples", 2))
def test_every_example_of_the_page_is_a_condition(where):
    rule = segment(where)
    assert rule.name in read_conditions([rule, *known_lists()], AUDIENCE)


@pytest.mark.parametrize(
    "where",
    written_below("## What a condition is made of", 2),
)
def test_every_form_of_the_page_is_a_condition(where):
    rule = segment(where)
    assert rule.name in read_conditions([rule, *known_lists()], AUDIENCE)


@pytest.mark.parametrize("where", written_below("## What is refused", 1))
def test_what_the_page_says_is_refused_is(where):
    with pytest.raises(C360Error):
        read_conditions([segment(where)], AUDIENCE)


def test_the_page_lists_every_kind_of_event():
    assert sorted(written_below("## Events", 1)) == sorted(EVENTS)
    with_category = [kind for kind in EVENTS if EVENTS[kind]]
    assert with_category == ["order", "view", "cart"]
