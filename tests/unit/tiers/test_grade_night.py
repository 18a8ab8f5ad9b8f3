"""A night's grades: cut-offs, peers, frozen edges, bands, merges and levels set by hand."""

from collections import Counter
from datetime import date, timedelta

import polars as pl
import pytest
from factories import AS_OF
from polars.testing import assert_frame_equal

from pipelines.rules.tiers import Policy, Tiers
from pipelines.tiers.edges import read_edges, write_edges
from tests.unit.tiers.people import (
    BOOK,
    BY_MARGIN,
    NO_OVERRIDES,
    buyer,
    grade,
    hundred,
    levels,
    prospect,
    standing,
)

NEXT_DAY = date(2026, 5, 21)
DAY = NEXT_DAY - timedelta(1)  # in the middle of a review period


def changed(people, **margins):
    money = ("net_margin_365d_amount", "net_margin_amount")
    return [
        row | {name: margins[row["customer_id"]] for name in money if row["customer_id"] in margins}
        for row in people
    ]


def scores(people, value):
    names = [row["customer_id"] for row in people]
    return pl.DataFrame({"customer_id": names, "clv_365d_amount": [value(n) for n in names]})


def test_grades_are_the_shares_of_the_rules_and_who_never_bought_is_last():
    graded = grade([*hundred(), prospect("nobody")], day=DAY)
    assert Counter(levels(graded).values()) == {"A": 5, "B": 15, "C": 30, "D": 51}
    assert (levels(graded)["p100"], levels(graded)["nobody"]) == ("A", "D")
    assert standing(graded, "nobody")["reason"] == "no_order"
    assert standing(graded, "p096")["next_level"] is None
    second = standing(graded, "p095")
    assert (second["level"], second["next_level"], second["next_percentile"]) == ("B", "A", 0.95)
    assert second["next_cut_score"] == standing(graded, "p096")["score"]


def test_persons_and_organisations_are_graded_among_their_own_kind():
    companies = [
        *hundred("company", "c")[:50], *hundred("institution", "c")[50:],
    ]  # fmt: skip
    richer = [row | {"net_margin_365d_amount": 900 + n} for n, row in enumerate(companies)]
    graded = grade([*hundred(), *richer], day=DAY)
    counts = graded.standing.filter(ladder="grade").group_by("peer_group", "level").len()
    assert set(counts.filter(level="A").select("peer_group", "len").rows()) == {
        ("person", 5), ("organisation", 5),
    }  # fmt: skip
    alone = grade(hundred(), day=DAY)
    assert {name: level for name, level in levels(graded).items() if name[0] == "p"} == levels(
        alone
    )


def test_equal_customers_have_equal_grades_and_the_order_of_rows_decides_nothing():
    people = [*hundred(), *[row | {"customer_id": f"q{n:03}"} for n, row in enumerate(hundred())]]
    graded, shuffled = grade(people, day=DAY), grade(people[::-1], day=DAY)
    assert_frame_equal(graded.standing, shuffled.standing)
    assert_frame_equal(graded.values, shuffled.values)
    assert_frame_equal(write_edges(graded.edges), write_edges(shuffled.edges))
    told = levels(graded)
    assert all(told[f"p{n:03}"] == told[f"q{n - 1:03}"] for n in range(1, 101))


def test_nobody_moves_because_others_did_before_the_next_review():
    first = grade(hundred(), day=DAY)
    others = changed(hundred(), **{f"p{n:03}": 1000 + n for n in range(1, 91)})
    second = grade(others, first, NEXT_DAY)
    assert second.causes == {}
    for n in range(91, 101):
        before, now = standing(first, f"p{n:03}"), standing(second, f"p{n:03}")
        assert (now["score"], now["level"]) == (before["score"], before["level"])
    at_review = grade(others, second, date(2026, 7, 1))
    assert at_review.causes == {"person": "review"}
    assert standing(at_review, "p100")["warned_because"] == "review"


def test_edges_last_a_review_period_and_are_the_same_after_they_were_written():
    graded = grade(hundred(), day=DAY)
    day = DAY
    while day < date(2026, 6, 30):
        day += timedelta(13)
        again = grade(hundred()[::2], graded, min(day, date(2026, 6, 30)))
        assert again.edges == graded.edges
        graded = again
    rows = write_edges(graded.edges)
    assert_frame_equal(write_edges(read_edges(rows)), rows)


@pytest.mark.parametrize(
    ("update", "cause"),
    [
        (
            {"vip_weights": BOOK.tiers.vip_weights.model_copy(update={"spend": 0.9})},
            "rules_changed",
        ),
        ({"upgrade_gap": 0.2}, None),
        ({"policy": Policy(band=0.7)}, None),
    ],
)
def test_rules_that_edges_rest_on_take_them_anew(update, cause):
    first = grade(hundred(), day=DAY)
    second = grade(hundred(), first, NEXT_DAY, tiers=BY_MARGIN.model_copy(update=update))
    assert second.causes.get("person") == cause


def test_edges_of_a_base_that_has_doubled_are_taken_anew_of_that_group_only():
    companies = hundred("company", "c")
    first = grade([*hundred()[:40], *companies], day=DAY)
    second = grade([*hundred()[:79], *companies], first, NEXT_DAY)
    assert second.causes == {}
    third = grade([*hundred()[:80], *companies], second, NEXT_DAY + timedelta(1))
    assert third.causes == {"person": "base_grew"}


def test_on_a_night_without_scores_nobody_moves_and_a_review_waits_for_them():
    people, tiers = hundred(), BOOK.tiers
    value = scores(people, lambda name: float(name[1:]))
    first = grade(people, day=date(2026, 6, 30), tiers=tiers, scores=value)
    better = changed(people, p001=5000)
    without = grade(better, first, date(2026, 7, 1), tiers=tiers)
    assert (without.unmoved, without.causes) == (("person",), {})
    assert levels(without) == levels(first)
    back = grade(better, without, date(2026, 7, 2), tiers=tiers, scores=value)
    assert (back.unmoved, back.causes) == ((), {"person": "review"})
    assert levels(back)["p001"] != "D"
    given_up = grade(better, without, date(2026, 7, 31), tiers=tiers)
    assert (given_up.unmoved, given_up.causes) == ((), {"person": "review"})


def test_a_predicted_value_that_is_new_is_told_and_counts_from_the_next_review_on():
    people, tiers = hundred(), BOOK.tiers
    first = grade(people, day=DAY, tiers=tiers)
    value = scores(people, lambda name: 101.0 - float(name[1:]))
    older = [row | {"tenure_days": 11} for row in people]
    second = grade(older, first, NEXT_DAY, tiers=tiers, scores=value)
    assert second.values["value_score"].equals(first.values["value_score"])
    assert second.values["clv_percentile"].to_list()[0] == 0.995
    third = grade(people, second, date(2026, 7, 1), tiers=tiers, scores=value)
    assert not third.values["value_score"].equals(first.values["value_score"])


def test_bands_are_within_grades_a_and_b_and_end_with_them():
    first = grade(hundred(), day=DAY)
    assert Counter(levels(first, "vip_band").values()) == {
        None: 90, "regular": 4, "gold": 4, "diamond": 2,
    }  # fmt: skip
    poor = changed(hundred(), p100=1)
    at_review = grade(poor, first, date(2026, 7, 1))
    lower = grade(poor, at_review, date(2026, 7, 31))
    lowest = grade(poor, grade(poor, lower, date(2026, 10, 1)), date(2026, 10, 31))
    assert [levels(night)["p100"] for night in (at_review, lower, lowest)] == ["A", "B", "C"]
    assert levels(lowest, "vip_band")["p100"] is None
    assert standing(lowest, "p100", "vip_band")["reason"] == "outside_grades"


def test_a_band_that_the_rules_no_longer_have_ends_and_the_others_keep_their_names():
    first = grade(hundred(), day=DAY)
    without_gold = BY_MARGIN.model_copy(update={"vip_bands": BY_MARGIN.vip_bands[::2]})
    second = grade(hundred(), first, NEXT_DAY, tiers=without_gold)
    before, now = levels(first, "vip_band"), levels(second, "vip_band")
    kept = {name for name, band in before.items() if band in ("diamond", "regular")}
    assert {name: now[name] for name in kept} == {name: before[name] for name in kept}
    assert all(standing(second, name, "vip_band")["changed_on"] == DAY for name in kept)
    assert {now[name] for name, band in before.items() if band == "gold"} == {"regular"}


def test_grades_may_be_cut_at_money_and_the_cut_offs_are_the_rules_own():
    limits = {"A": 90, "B": 60, "C": 20, "D": None}
    tiers = Tiers.model_validate(
        BOOK.tiers.model_dump()
        | {
            "cut_by": "net_margin_365d",
            "grades": [
                {"grade": grade, "min_value": limit, "label": grade, "label_zh": grade}
                for grade, limit in limits.items()
            ],
        }
    )
    graded = grade(hundred(), day=DAY, tiers=tiers)
    assert Counter(levels(graded).values()) == {"A": 11, "B": 30, "C": 40, "D": 19}
    told = standing(graded, "p059")
    assert (told["score"], told["cut_score"], told["next_cut_score"]) == (59, 20, 60)
    assert (told["percentile"], told["next_percentile"]) == (0.585, 0.595)


def alias(former, now, day):
    return pl.DataFrame(
        [(former, now, day, "merged")],
        schema={"alias_id": pl.String, "customer_id": pl.String, "changed_on": pl.Date,
                "event": pl.String}, orient="row",
    )  # fmt: skip


def test_who_became_one_with_a_better_customer_has_the_better_grade():
    first = grade(hundred(), day=DAY)
    left = [row for row in hundred() if row["customer_id"] != "p100"]
    merged = grade(left, first, NEXT_DAY, aliases=alias("p100", "p010", NEXT_DAY))
    told = standing(merged, "p010")
    assert (told["level"], told["level_before"], told["reason"]) == ("A", "D", "merged")
    assert "p100" not in levels(merged)
    worse = grade(left, first, NEXT_DAY, aliases=alias("p100", "p099", NEXT_DAY))
    assert standing(worse, "p099")["changed_on"] == DAY


def test_an_id_that_was_split_off_starts_anew():
    first = grade(hundred(), day=DAY)
    second = grade([*hundred(), buyer("split", 100)], first, NEXT_DAY)
    assert (levels(second)["split"], standing(second, "split")["reason"]) == ("A", "first_graded")


def test_a_grade_set_by_hand_holds_to_its_last_day_and_brings_its_bands():
    by_hand = pl.DataFrame(
        [("p010", "A", None, NEXT_DAY)], schema=NO_OVERRIDES.schema, orient="row"
    )
    first = grade(hundred(), day=DAY, overrides=by_hand)
    assert standing(first, "p010")["level"] == "A"
    assert standing(first, "p010", "vip_band")["score"] is not None
    last = grade(hundred(), first, NEXT_DAY, overrides=by_hand)
    ended = grade(hundred(), last, NEXT_DAY + timedelta(1), overrides=by_hand)
    assert [levels(night)["p010"] for night in (last, ended)] == ["A", "D"]
    assert standing(ended, "p010")["reason"] == "override_ended"


def test_a_few_companies_have_grades_and_none_is_the_best_five_per_cent():
    graded = grade([*hundred(), *hundred("company", "c")[:3]], day=DAY)
    told = {name: level for name, level in levels(graded).items() if name[0] == "c"}
    assert told == {"c001": "D", "c002": "C", "c003": "B"}
    assert standing(graded, "c003")["next_cut_score"] is None


def test_a_base_without_an_order_is_graded_too():
    graded = grade([prospect("one"), prospect("two", kind="company")])
    assert levels(graded) == {"one": "D", "two": "D"}
    again = grade([prospect("one")], graded, AS_OF + timedelta(1))
    assert again.causes.get("organisation") in (None, "review")
