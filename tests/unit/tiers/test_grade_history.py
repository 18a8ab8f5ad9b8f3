"""Grades as intervals, and what merges and requests to be forgotten do to them."""

from datetime import timedelta

import polars as pl
import pytest
from factories import AS_OF

from pipelines.tiers.history import carry_grades

TOMORROW = AS_OF + timedelta(1)
NOBODY = pl.DataFrame(schema={"customer_id": pl.String})
ALIASES = {
    "alias_id": pl.String, "customer_id": pl.String, "changed_on": pl.Date, "event": pl.String,
}  # fmt: skip
RANKS = {"A": 3, "C": 1, "D": 0, "gold": 2, None: 0}


def standing(*rows):
    """(customer, ladder, level before, level)."""
    return pl.DataFrame(
        [
            (name, ladder, level, before, RANKS[level],
             None if before == "unknown" else RANKS[before], "earned", 95.0, 90.0)
            for name, ladder, before, level in rows
        ],
        schema={"customer_id": pl.String, "ladder": pl.String, "level": pl.String,
                "level_before": pl.String, "shown": pl.Int64, "shown_before": pl.Int64,
                "reason": pl.String, "change_score": pl.Float64, "change_cut_score": pl.Float64},
        orient="row",
    ).with_columns(level_before=pl.col("level_before").replace({"unknown": None}))  # fmt: skip


def aliases(*rows):
    return pl.DataFrame(list(rows), schema=ALIASES, orient="row")


def carry(before, now, said=(), requests=NOBODY):
    history = carry_grades(None, standing(*before), aliases(), NOBODY, AS_OF)
    return carry_grades(history, standing(*now), aliases(*said), requests, TOMORROW)


def test_a_change_closes_one_interval_and_opens_the_next_with_its_numbers():
    told = carry([("one", "grade", "unknown", "D")], [("one", "grade", "D", "A")])
    assert told.select(
        "level", "direction", "valid_from_on", "valid_to_on", "ended_because"
    ).rows() == [
        ("D", "first", AS_OF, TOMORROW, "changed"),
        ("A", "up", TOMORROW, None, None),
    ]
    assert told.row(1, named=True)["cut_score"] == 90


def test_a_band_that_is_lost_is_an_interval_without_one_and_none_before_the_first():
    before = [("one", "vip_band", "unknown", "gold"), ("two", "vip_band", "unknown", None)]
    told = carry(before, [("one", "vip_band", "gold", None), ("two", "vip_band", "unknown", None)])
    assert told.select("customer_id", "level", "direction", "valid_to_on").rows() == [
        ("one", "gold", "first", TOMORROW), ("one", None, "down", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "because"),
    [([("one", "two", TOMORROW, "merged")], "merged"), ([], "gone"),
     ([("one", "two", AS_OF, "merged"), ("one", "one", TOMORROW, "restored")], "gone")],
)  # fmt: skip
def test_who_is_not_there_any_more_was_merged_or_is_gone(said, because):
    told = carry([("one", "grade", "unknown", "D")], [("two", "grade", "unknown", "A")], said)
    ended = told.filter(customer_id="one").row(0, named=True)
    assert (ended["valid_to_on"], ended["ended_because"]) == (TOMORROW, because)


def test_of_whoever_asked_to_be_forgotten_nothing_is_kept_nor_of_ids_that_stood_for_them():
    before = [(name, "grade", "unknown", "D") for name in ("asked", "former", "erased", "other")]
    now = [("asked", "grade", "unknown", "D"), ("other", "grade", "unknown", "D")]
    said = [("former", "asked", TOMORROW, "merged"), ("erased", None, TOMORROW, "gone")]
    told = carry(before, now, said, pl.DataFrame({"customer_id": ["asked"]}))
    assert told["customer_id"].to_list() == ["other"]
