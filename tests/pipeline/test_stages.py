"""Stages, scores and segments of a night, each told again another way."""

import polars as pl
import pytest

from pipelines.rules import find_rules, load_rules
from pipelines.rules.lifecycle import Case
from tests.pipeline.conftest import Night

pytestmark = pytest.mark.slow


def model(night: Night, name: str) -> pl.DataFrame:
    return pl.read_parquet(night.run.table("models", name))


def test_every_stage_is_the_first_rule_that_fits_what_the_mart_says(night: Night) -> None:
    rules = load_rules(find_rules(night.rules)).lifecycle
    known = model(night, "customer_lifecycle").join(
        model(night, "customer_grades").select("customer_id", "vip_band"), on="customer_id"
    )
    back = (pl.lit(night.as_of) - pl.col("returned_from_churn_on")).dt.total_days()
    told = known.select(
        "rule_number", "order_count", "order_count_365d", pl.col("rhythm_ratio").fill_null(0),
        pl.col("vip_band").is_in(rules.vip_bands).fill_null(value=False),
        (back < rules.won_back_days).fill_null(value=False),
    )  # fmt: skip
    assert told["rule_number"].n_unique() >= 9
    for number, *case in told.iter_rows():
        fitting = [n for n, stage in enumerate(rules.stages, 1) if stage.fits(Case(*case))]
        assert number == fitting[0]


def test_a_reason_is_told_in_both_languages_with_no_word_left_open(night: Night) -> None:
    told = model(night, "customer_lifecycle").select("lifecycle_reason", "lifecycle_reason_zh")
    for column in told:
        assert not column.str.contains(r"[{}]|(^|\s)-(\s|$)").any()


def test_edges_tell_how_many_have_each_score_and_hold_all_values(night: Night) -> None:
    edges = model(night, "rfm_edges")
    rfm = model(night, "customer_rfm")
    for dimension, measure in (
        ("recency", "recency_days"), ("frequency", "frequency_count"),
        ("monetary", "monetary_amount"),
    ):  # fmt: skip
        found = (
            rfm.group_by("rfm_base", score=f"{dimension}_score")
            .agg(
                pl.col(measure).min().alias("low").cast(pl.Float64),
                pl.col(measure).max().alias("high").cast(pl.Float64),
                pl.len().cast(pl.Int64).alias("count"),
            )
            .sort("rfm_base", "score")
        )
        told = edges.filter(dimension=dimension).select(
            "rfm_base", "score", low=pl.col("from_value").cast(pl.Float64),
            high=pl.col("to_value").cast(pl.Float64), count="customer_count",
        )  # fmt: skip
        assert told.sort("rfm_base", "score").equals(found)


def test_nobody_who_refused_profiling_is_judged(night: Night) -> None:
    refused = model(night, "customer_360").filter("is_profiling_refused").select("customer_id")
    assert refused.height > 10
    guessed = model(night, "customer_psychographics")
    assert guessed.join(refused, on="customer_id", how="semi").is_empty()
    segments = model(night, "customer_segments").join(refused, on="customer_id", how="semi")
    assert set(segments["scheme"]) == {"demographic"}


def test_every_known_customer_is_in_one_segment_of_a_dimension_but_for_interests(
    night: Night,
) -> None:
    segments = model(night, "customer_segments").filter(pl.col("dimension") != "interest")
    assert segments.select("customer_id", "dimension").is_unique().all()
    kinds = segments.filter(dimension="kind")
    assert kinds.height == model(night, "customer_360").height
