"""The whole page: which sections there are, and in which order."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.page.economics import make_economics
from pipelines.page.figure import Section
from pipelines.page.kpis import make_kpis
from pipelines.page.lists import make_lists
from pipelines.page.models import make_models
from pipelines.page.movements import make_movements
from pipelines.page.night import make_night
from pipelines.page.render import render_report
from pipelines.page.structure import cube_customers, make_structure
from pipelines.page.value import make_value
from pipelines.page.voice import make_voice
from pipelines.rules.segments import Segment


def make_report(
    marts: Mapping[str, pl.LazyFrame],
    facts: Mapping[str, Any],
    segments: Sequence[Segment],
    lists_before: Sequence[Mapping[str, Any]],
) -> str:
    """The report of a release as HTML.

    Args:
        marts: every mart of the release, by name.
        facts: what its manifest will say.
        segments: the rules of its lists.
        lists_before: what the manifest of the last release says of its lists.
    """
    return render_report(make_sections(marts, facts, segments, lists_before), facts)


def make_sections(
    marts: Mapping[str, pl.LazyFrame],
    facts: Mapping[str, Any],
    segments: Sequence[Segment],
    lists_before: Sequence[Mapping[str, Any]],
) -> list[Section]:
    """The sections in reading order. One whose marts a release does not have is not there."""
    cube = cube_customers(marts["audience"]) if "audience" in marts else None
    sections = [
        make_night(facts),
        make_structure(cube, marts),
        make_movements(marts),
        make_value(cube, marts),
        make_models(marts),
        make_kpis(marts),
        make_economics(marts),
        make_lists(marts, facts, segments, lists_before),
        make_voice(marts),
    ]
    return [section for section in sections if section]
