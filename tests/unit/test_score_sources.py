"""The `score` step on files: what of the other sources it hands over to the models."""

from datetime import date, timedelta

import polars as pl
import pytest

from pipelines.lake import write_table
from pipelines.rules import find_rules, load_rules
from pipelines.score import read_facts

AS_OF = date(2026, 6, 30)
FACTS = pl.DataFrame(
    {
        "customer_id": ["ann", "bob", "ann"],
        "feature_on": [AS_OF, AS_OF, AS_OF - timedelta(days=90)],
        "visit_90d_count": [3, 0, None],
        "case_90d_count": [None, None, None],
        "shoe_size": [38, 44, 38],
    },
    schema_overrides={"case_90d_count": pl.Int64},
)


@pytest.fixture
def handed(lake):
    """What the step hands over of the facts."""

    def read(facts: pl.DataFrame) -> pl.DataFrame | None:
        run = lake.run(AS_OF)
        write_table(facts, run.table("models", "int_facts_joined_to_feature_days"))
        return read_facts(run, load_rules(find_rules(None)))

    return read


def test_what_is_known_of_somebody_on_some_day_and_can_be_told_is_handed_over(handed):
    frame = handed(FACTS)
    assert frame.columns == ["customer_id", "feature_on", "visit_90d_count"]
    assert frame["visit_90d_count"].to_list() == [3, 0, None]


def test_without_other_sources_nothing_is_handed_over(handed):
    assert handed(FACTS.with_columns(visit_90d_count=pl.lit(None, pl.Int64))) is None
