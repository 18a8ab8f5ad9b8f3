"""The fuzzy models in the terms of Splink: settings, records and frequencies of values.

Splink takes long to import and is needed only where something is compared; it is imported there.
"""

import logging
from math import log2
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from pipelines.errors import C360Error
from pipelines.identity.fuzzy_columns import BLOCKS, NODE
from pipelines.identity.fuzzy_comparisons import COMPARISONS, ELSE, FREQUENCIES, Comparison, Level
from pipelines.rules.identity_model import LevelWorth, PartyModel

if TYPE_CHECKING:
    from splink import Linker

USUAL_RECORDS = 1000  # how many records the usual frequency of a value counts for


def prior_weight(record_count: int, model: PartyModel) -> float:
    """Bits for two records taken at random being of one person: fewer, the larger the base."""
    others = record_count - 1
    share = min(model.duplicates_per_record / others, 0.5)
    return log2(share / (1 - share))


def build_settings(party: str, model: PartyModel, record_count: int) -> dict[str, Any]:
    """Settings of Splink for one party.

    Raises:
        C360Error: if the model was trained for other comparisons.
    """
    prior = prior_weight(record_count, model)
    return {
        "link_type": "dedupe_only",
        "linker_uid": "c360",
        "unique_id_column_name": NODE,
        "probability_two_random_records_match": 1 / (1 + 2**-prior),
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": f"l.block_{key} = r.block_{key}", "sql_dialect": "duckdb"}
            for key in BLOCKS[party]
        ],
        "comparisons": [
            {
                "output_column_name": comparison.name,
                "comparison_levels": [
                    {"sql_condition": comparison.unknown, "is_null_level": True},
                    *_levels(comparison, _worths(party, comparison, model)),
                ],
            }
            for comparison in COMPARISONS[party]
        ],
    }


def _worths(party: str, comparison: Comparison, model: PartyModel) -> dict[str, LevelWorth]:
    worths = model.comparisons.get(comparison.name, {})
    if set(worths) != {ELSE, *(level.name for level in comparison.levels)}:
        raise C360Error(
            f"The identity model says nothing fitting about {comparison.name} ({party}): it was "
            "trained for other comparisons.",
            "Train it again with `c360 identity train`, or delete it to use the packaged one.",
        )
    return worths


def _levels(comparison: Comparison, worths: dict[str, LevelWorth]) -> list[dict[str, Any]]:
    return [
        {
            "sql_condition": level.condition,
            "label_for_charts": level.name,
            "m_probability": worths[level.name].m,
            "u_probability": worths[level.name].u,
            **_frequency(level),
        }
        for level in (*comparison.levels, Level(ELSE, "ELSE"))
    ]


def _frequency(level: Level) -> dict[str, Any]:
    if level.value is None:
        return {}
    return {
        "tf_adjustment_column": level.value,
        "tf_minimum_u_value": FREQUENCIES[level.value].least,
        "disable_tf_exact_match_detection": True,
    }


def open_linker(
    database: duckdb.DuckDBPyConnection,
    records: pl.DataFrame,
    party: str,
    settings: dict[str, Any],
) -> "Linker":
    """A linker over the records, with how often each value is met; it logs nothing."""
    from splink import DuckDBAPI, Linker

    # Its messages may show values of records, and it advises where there is nothing to decide.
    logging.getLogger("splink").setLevel(logging.CRITICAL)
    database.execute("set enable_progress_bar = false")
    api = DuckDBAPI(connection=database)
    linker = Linker(
        api.register(records.to_arrow(), dataset_display_name="records"),
        settings,
        log_level=None,
        validate_settings=False,
    )
    values = {level.value for c in COMPARISONS[party] for level in c.levels if level.value}
    for value in sorted(values):
        frequencies = api.register(share_of_values(records[value]).to_arrow())
        linker.table_management.register_term_frequency_lookup(frequencies, value)
    return linker


def share_of_values(values: pl.Series) -> pl.DataFrame:
    """How likely it is that another record has the value that two records agree on.

    The two are left out of the count, as they may be of one person. Of few records little is
    learnt, so the usual share of a value counts like a number of records more.
    """
    usual = FREQUENCIES[values.name].usual
    known = values.drop_nulls()
    return (
        known.value_counts(name="count")
        .with_columns(
            (
                ((pl.col("count").cast(pl.Float64) - 2).clip(0) + USUAL_RECORDS * usual)
                / (len(known) + USUAL_RECORDS)
            ).alias(f"tf_{values.name}")
        )
        .drop("count")
        .sort(values.name)
    )
