from math import log

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.rules.schemas import DriftLimits
from pipelines.scoring.drift import describe_drift, find_psi, measure_drift, summarise_columns

LIMITS = DriftLimits()
RANDOM = np.random.default_rng(2)
THEN = pl.DataFrame({"score": RANDOM.random(5_000), "flag": RANDOM.random(5_000) < 0.3})


def psi_of(now: pl.DataFrame, then: pl.DataFrame = THEN) -> dict[str, float]:
    drift = measure_drift(now, summarise_columns(then, then.columns))
    return dict(zip(drift["column"], drift["psi"], strict=True))


def test_psi_by_hand():
    by_hand = (0.6 - 0.5) * log(0.6 / 0.5) + (0.4 - 0.5) * log(0.4 / 0.5)
    assert find_psi([0.5, 0.5], [0.6, 0.4]) == pytest.approx(by_hand)
    assert np.isfinite(find_psi([1.0, 0.0], [0.0, 1.0]))


def test_the_same_data_have_not_moved():
    assert psi_of(THEN) == pytest.approx({"score": 0.0, "flag": 0.0}, abs=1e-9)


def test_the_reference_has_ten_equal_parts_and_one_for_unknown_values():
    reference = summarise_columns(THEN, ["score"])
    assert reference["bin"].to_list() == list(range(-1, 10))
    assert reference["share"].to_list() == pytest.approx([0.0] + [0.1] * 10, abs=0.001)
    assert summarise_columns(THEN, ["flag"]).height == 3


def test_a_shift_is_told_in_a_sentence_the_worst_first():
    now = pl.DataFrame({"score": THEN["score"] ** 3, "flag": [True] * 5_000})
    told = describe_drift(measure_drift(now, summarise_columns(THEN, THEN.columns)), LIMITS)
    assert [sentence.split()[:2] for sentence in told] == [
        ["Alarm:", "flag"],
        ["Alarm:", "score"],
    ]
    assert "the share of values above 0 went from 30" in told[0]
    assert "to 100.0%" in told[0]
    assert "the share of values up to 0.1" in told[1]


def test_values_that_became_unknown_are_told():
    now = THEN.with_columns(
        score=pl.when(pl.int_range(pl.len()) < 500).then(None).otherwise(pl.col("score"))
    )
    told = describe_drift(measure_drift(now, summarise_columns(THEN, THEN.columns)), LIMITS)
    assert len(told) == 1
    assert told[0].startswith("Alarm: score moved")
    assert "unknown values went from 0.0% to 10.0%" in told[0]


def test_a_small_shift_is_a_notice_and_a_smaller_one_silence():
    reference = pl.DataFrame({"flag": [True] * 50 + [False] * 50})
    mild = pl.DataFrame({"flag": [True] * 68 + [False] * 32})
    drift = measure_drift(mild, summarise_columns(reference, ["flag"]))
    assert describe_drift(drift, LIMITS)[0].startswith("Notice: flag")
    less = pl.DataFrame({"flag": [True] * 58 + [False] * 42})
    assert describe_drift(measure_drift(less, summarise_columns(reference, ["flag"])), LIMITS) == []


def test_a_notice_above_the_alarm_is_refused():
    with pytest.raises(ValidationError, match="must not be greater than alarm_above"):
        DriftLimits(notice_above=0.5, alarm_above=0.2)


def test_a_constant_an_empty_and_an_absent_column():
    then = pl.DataFrame({"same": [1.0, 1.0], "none": [None, None], "gone": [1, 2]})
    reference = summarise_columns(then, then.columns)
    drift = measure_drift(then.drop("gone"), reference)
    assert drift["column"].to_list() == ["none", "same"]
    assert drift["psi"].to_list() == [0.0, 0.0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_psi_is_never_negative_and_the_order_of_rows_does_not_matter(values):
    now = pl.DataFrame({"score": values, "flag": [v > 0 for v in values]})
    assert all(psi >= 0 for psi in psi_of(now).values())
    assert psi_of(now.reverse()) == psi_of(now)
