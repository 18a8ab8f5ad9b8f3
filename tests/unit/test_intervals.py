"""Histories never overlap, miss nothing while a customer is known, and equal a replay."""

from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.intervals import carry_intervals

FIRST = date(2026, 1, 1)
NIGHT = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["A", "B", None]), max_size=3)


def states(night: dict[str, str | None], reason: str = "r") -> pl.DataFrame:
    rows = [{"customer_id": who, "grade": grade, "reason": reason} for who, grade in night.items()]
    return pl.DataFrame(
        rows, schema={"customer_id": pl.String, "grade": pl.String, "reason": pl.String}
    )


def run_nights(nights: list[dict[str, str | None]]) -> pl.DataFrame | None:
    history = None
    for count, night in enumerate(nights):
        history = carry_intervals(
            history,
            states(night, f"night {count}"),
            FIRST + timedelta(count),
            ["customer_id"],
            ["grade"],
        )
    return history


@settings(deadline=None)
@given(st.lists(NIGHT, min_size=1, max_size=8))
def test_a_history_tells_every_night_again_and_nothing_else(nights):
    history = run_nights(nights)
    for count, night in enumerate(nights):
        day = FIRST + timedelta(count)
        held = history.filter(
            pl.col("valid_from_on") <= day,
            pl.col("valid_to_on").is_null() | (pl.col("valid_to_on") > day),
        )
        assert dict(held.select("customer_id", "grade").iter_rows()) == night
        assert held.height == len(night)


@settings(deadline=None)
@given(st.lists(NIGHT, min_size=1, max_size=8))
def test_neighbouring_intervals_differ_and_none_is_empty(nights):
    history = run_nights(nights)
    lengths = history.filter(pl.col("valid_to_on") <= pl.col("valid_from_on"))
    assert lengths.is_empty()
    for _, rows in history.group_by("customer_id"):
        told = rows.sort("valid_from_on").to_dicts()
        for one, other in pairwise(told):
            joined = one["valid_to_on"] == other["valid_from_on"]
            assert not joined or one["grade"] != other["grade"]


def test_what_was_told_at_the_opening_is_kept_while_it_holds():
    history = run_nights([{"a": "A"}, {"a": "A"}, {"a": "B"}])
    assert history["reason"].to_list() == ["night 0", "night 2"]
    assert history["ended_because"].to_list() == ["changed", None]


@pytest.mark.parametrize(("endings", "told"), [(None, "gone"), ("merged", "merged")])
def test_who_is_no_longer_there_is_closed_with_the_reason(endings, told):
    history = carry_intervals(None, states({"a": "A"}), FIRST, ["customer_id"], ["grade"])
    why = None
    if endings:
        why = pl.DataFrame({"customer_id": ["a", "z"], "ended_because": [endings, "other"]})
    day = FIRST + timedelta(1)
    after = carry_intervals(history, states({}), day, ["customer_id"], ["grade"], why)
    assert after.select("valid_to_on", "ended_because").rows() == [(day, told)]


def test_a_reason_for_leaving_does_not_end_what_goes_on():
    history = carry_intervals(None, states({"a": "A"}), FIRST, ["customer_id"], ["grade"])
    why = pl.DataFrame({"customer_id": ["a"], "ended_because": ["merged"]})
    after = carry_intervals(
        history, states({"a": "A"}), FIRST + timedelta(1), ["customer_id"], ["grade"], why
    )
    assert after["valid_to_on"].to_list() == [None]
