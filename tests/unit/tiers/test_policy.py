"""The policy of grades: units for each reason, and what holds whatever the scores do."""

import itertools
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.tiers import Policy
from tests.unit.tiers.nights import CUTS, POLICY, START, follow, levels, night

REVIEW = "review"


def test_a_new_customer_is_graded_at_once_and_a_prospect_is_last():
    new, prospect = follow([(0, 91)])[0], follow([(0, None)])[0]
    assert (levels([new]), new["reason"], new["shown_before"]) == ("A", "first_graded", None)
    assert (levels([prospect]), prospect["reason"]) == ("D", "no_order")
    assert new["held_until_on"] is None


def test_the_first_order_is_a_first_grading_and_neither_a_rise_nor_held():
    told = follow([(0, None), (1, 45), (2, 75)])
    assert levels(told) == "DDB"
    assert [row["reason"] for row in told] == ["no_order", "first_graded", "earned"]
    straight = follow([(0, None), (1, 75)])[-1]
    assert (straight["reason"], straight["held_until_on"]) == ("first_graded", None)


def test_a_rise_is_at_once_to_what_is_earned_and_says_the_cut_off_that_was_reached():
    told = follow([(0, 20), (1, 90)])
    assert levels(told) == "DA"
    rise = told[-1]
    assert (rise["reason"], rise["change_score"], rise["change_cut_score"]) == ("earned", 90, 90)
    assert rise["changed_on"] == START + timedelta(1)
    assert rise["held_until_on"] == START + timedelta(1 + POLICY.hold_days)


def test_a_rise_is_held_against_falling_and_not_against_rising_further():
    told = follow([(0, 20), (1, 55), (2, 95)])
    assert levels(told) == "DCA"
    assert told[-1]["held_until_on"] == START + timedelta(2 + POLICY.hold_days)


def test_a_step_at_a_time_each_is_held_before_the_next():
    policy = Policy(upgrade_steps="one")
    told = follow([(0, 20), (1, 95), (2, 95), (90, 95), (91, 95), (181, 95)], policy)
    assert levels(told) == "DCCCBA"


def test_below_the_band_for_90_days_warns_and_after_30_days_of_grace_it_is_one_step():
    told = follow([(0, 95), (1, 10), (90, 10), (91, 10), (120, 10), (121, 10), (122, 10)])
    assert levels(told) == "AAAAABB"
    assert told[1]["below_since_on"] == START + timedelta(1)
    assert told[2]["warned_on"] is None
    assert (told[3]["warned_on"], told[3]["warned_because"]) == (told[3]["day"], "below_band")
    step = told[5]
    assert (step["reason"], step["change_score"], step["change_cut_score"]) == (
        "below_band",
        10,
        90,
    )
    assert step["warned_on"] is None
    assert told[6]["below_since_on"] == told[6]["day"]  # counted anew for the grade it has now


def test_within_the_band_nobody_is_warned_between_reviews():
    assert levels(follow([(0, 95), (1, 81), (200, 81), (300, 81)])) == "AAAA"
    assert levels(follow([(0, 95), (1, 80.9), (91, 80.9), (121, 80.9)])) == "AAAB"


def test_a_score_that_comes_back_over_the_band_starts_the_count_anew_and_ends_the_warning():
    told = follow(
        [(0, 95), (1, 10), (80, 85), (91, 10), (180, 10), (181, 10), (190, 82), (211, 10)]
    )
    assert levels(told) == "AAAAAAAA"
    assert [row["warned_on"] is not None for row in told] == [False] * 5 + [True, False, False]


def test_a_review_warns_below_the_cut_off_and_steps_down_after_the_grace():
    told = follow([(0, 95), (5, 89.9), (10, 89.9, REVIEW), (39, 89.9), (40, 89.9)])
    assert levels(told) == "AAAAB"
    assert (told[2]["warned_because"], told[-1]["reason"]) == ("review", "review")
    saved = follow([(0, 95), (10, 89.9, REVIEW), (39, 90), (40, 89.9)])
    assert levels(saved) == "AAAA"


@pytest.mark.parametrize("cause", ["review", "rules_changed", "base_grew"])
def test_moves_on_new_edges_say_why_the_edges_are_new(cause):
    told = follow([(0, 60), (1, 75, cause), (2, 75)])
    assert (levels(told), told[-1]["reason"]) == ("CBB", cause)
    lost = follow([(0, 60), (1, 40, cause), (31, 40)])
    assert (levels(lost), lost[-1]["reason"]) == ("CCD", cause)


def test_nobody_is_warned_within_the_hold_after_a_rise_not_even_by_a_review():
    told = follow([(0, 60), (1, 95), (2, 10), (50, 10, REVIEW), (90, 10), (91, 10), (92, 10)])
    assert [row["warned_on"] is not None for row in told] == [False] * 5 + [False, True]
    assert levels(told) == "CAAAAAA"


def test_a_refund_undoes_within_the_hold_what_it_had_earned():
    told = follow(
        [
            (0, 60),
            (1, 95),
            (20, {"score": 72, "refunded": 500.0}),
            (21, {"score": 72, "refunded": 500.0}),
        ]
    )
    assert levels(told) == "CABB"  # no lower than what is still earned
    undone = told[2]
    assert (undone["reason"], undone["change_score"], undone["change_cut_score"]) == (
        "refund_undid",
        72,
        90,
    )
    assert undone["held_until_on"] is None


def test_a_refund_later_warns_at_once_and_the_grace_is_given():
    paid_back = {"score": 65, "refunded": 500.0}
    told = follow([(0, 75), (20, paid_back), (49, paid_back), (50, paid_back)])
    assert levels(told) == "BBBC"
    assert (told[1]["warned_because"], told[-1]["reason"]) == ("refund", "refund")


def test_a_refund_when_the_hold_is_over_undoes_no_rise():
    paid_back = {"score": 65, "refunded": 500.0}
    told = follow([(0, 60), (1, 75), (91, paid_back)])
    assert levels(told) == "CBB"
    assert told[-1]["warned_because"] == "refund"


def test_a_refund_that_costs_no_cut_off_or_falls_on_a_score_below_it_changes_nothing():
    harmless = follow(
        [(0, 75), (20, {"score": 71, "refunded": 5.0}), (60, {"score": 71, "refunded": 5.0})]
    )
    assert levels(harmless) == "BBB"
    was_below = follow(
        [
            (0, 60),
            (1, 95),
            (2, 85),
            (3, {"score": 84, "refunded": 5.0}),
            (40, {"score": 84, "refunded": 5.0}),
        ]
    )
    assert levels(was_below) == "CAAAA"
    assert was_below[-1]["warned_on"] is None


def test_who_has_no_order_left_is_last_at_once():
    told = follow([(0, 95), (1, None), (2, 72)])
    assert levels(told) == "ADB"
    assert [row["reason"] for row in told] == ["first_graded", "no_order", "first_graded"]


def test_on_a_night_that_cannot_be_compared_nobody_moves_and_no_clock_runs():
    strange = {"score": 99, "is_comparable": False, "refunded": 9.0}
    told = follow([(0, 60), (1, strange), (2, 60)])
    assert levels(told) == "CCC"
    assert (told[1]["score"], told[1]["refunded"]) == (60, 0)
    low = {"score": 1, "is_comparable": False}
    warned = follow([(0, 95), (1, 10), (91, 10), (121, low), (122, 10)])
    assert levels(warned) == "AAAAB"
    assert follow([(0, strange)])[0]["shown"] == 3  # somebody new has some grade all the same


def test_a_level_out_of_reach_is_nobodys_and_not_taken_away():
    unreachable = (50.0, 70.0, None)
    first = night(None, [{"score": 99}], START, cuts=unreachable)
    assert first["shown"].item() == 2
    assert first["next_cut_score"].item() is None
    before = night(None, [{"score": 99}], START)
    later = night(before, [{"score": 1}], START + timedelta(40), cause=REVIEW, cuts=unreachable)
    assert (later["shown"].item(), later["warned_on"].item()) == (3, None)


def test_a_level_set_by_hand_counts_while_it_stands_and_the_rules_go_on_unseen():
    by_hand = {"score": 60, "override": "A", "override_until_on": date(2026, 12, 31)}
    told = follow([(0, 60), (1, by_hand), (2, by_hand | {"score": 72}), (3, 72)])
    assert levels(told) == "CAAB"
    assert [row["reason"] for row in told] == [
        "first_graded",
        "override",
        "override",
        "override_ended",
    ]
    assert [row["rank"] for row in told] == [1, 1, 2, 2]
    assert told[-1]["shown_before"] == 3


def test_a_level_set_by_hand_that_is_the_own_one_begins_nothing_new():
    by_hand = {"score": 60, "override": "C", "override_until_on": date(2026, 12, 31)}
    told = follow([(0, 60), (1, by_hand), (2, 60)])
    assert {row["changed_on"] for row in told} == {START}
    assert {row["reason"] for row in told} == {"first_graded"}


def test_without_grace_hold_and_band_the_policy_has_no_memory():
    policy = Policy(grace_days=0, hold_days=0, below_days=0, band=1.0)
    told = follow([(0, 95), (1, 75), (2, 55), (3, 95), (4, 75)], policy)
    assert levels(told) == "ABCAB"


# ---- whatever the scores do

DAYS, STEP, CUSTOMERS = 400, 6, 60
UNDONE = {"refund_undid", "no_order"}
EDGES = [0.0, 44.9, 50.0, 62.9, 63.0, 70.0, 80.9, 81.0, 89.9, 90.0, 99.0]
seeds = st.integers(0, 2**32 - 1)


def walk(seed, policy):
    """A year and more of customers whose scores jump, some by a refund; rows of one each.

    Each score is one at an edge, any, or none; reviews are those of the policy.
    """
    random = Random(seed)  # noqa: S311 - a path, not a secret
    scores = [random.choice([None, 20.0, 55.0, 75.0, 95.0]) for _ in range(CUSTOMERS)]
    refunds = [0.0] * CUSTOMERS
    before, told = None, [[] for _ in range(CUSTOMERS)]
    period = policy.period_of(START)
    for day in (START + timedelta(days) for days in range(0, DAYS, STEP)):
        for number in range(CUSTOMERS):
            if random.random() < 0.08:
                drawn = random.choice([random.choice(EDGES), random.uniform(0, 100), None])
                scores[number] = drawn if drawn is None else round(drawn, 4)
                refunds[number] += random.choice([0.0, 0.0, 9.0])
        rows = [
            {"customer_id": f"{number:02}", "score": scores[number], "refunded": refunds[number]}
            for number in range(CUSTOMERS)
        ]
        cause = REVIEW if policy.period_of(day) != period else None
        period = policy.period_of(day)
        before = night(before, rows, day, policy, cause)
        for number, row in enumerate(before.iter_rows(named=True)):
            told[number].append(row | {"day": day, "score_now": scores[number]})
    return told


policies = st.builds(
    Policy,
    hold_days=st.sampled_from([0, 30, 90]),
    grace_days=st.sampled_from([0, 15, 30]),
    below_days=st.sampled_from([0, 60, 90]),
    band=st.sampled_from([0.8, 0.9, 1.0]),
    upgrade_steps=st.sampled_from(["all", "one"]),
    review_months=st.sampled_from([1, 3]),
)


@settings(max_examples=5, deadline=None)
@given(seeds, policies)
def test_no_step_is_skipped_and_none_is_taken_within_hold_or_grace(seed, policy):
    for nights in walk(seed, policy):
        for before, now in itertools.pairwise(nights):
            fell = before["shown"] - now["shown"]
            if now["score_now"] is None:
                assert now["shown"] == 0
            elif fell > 0 and now["reason"] not in UNDONE:
                assert fell == 1
                assert before["held_until_on"] is None or before["held_until_on"] <= now["day"]
                share = policy.band if now["reason"] == "below_band" else policy.review_below
                assert now["score_now"] < share * CUTS[before["shown"] - 1]
                if policy.grace_days:
                    assert before["warned_on"] <= now["day"] - timedelta(policy.grace_days)
            elif fell < 0:
                earned = sum(now["score_now"] >= cut for cut in CUTS)
                assert now["shown"] <= earned
                if policy.upgrade_steps == "one" and now["reason"] != "first_graded":
                    assert fell == -1


@settings(max_examples=3, deadline=None)
@given(seeds)
def test_nobody_rises_and_falls_in_one_review_period_but_by_a_refund(seed):
    for nights in walk(seed, POLICY):
        changes = [
            (POLICY.period_of(now["day"]), now["shown"] - before["shown"], now)
            for before, now in itertools.pairwise(nights)
            if now["shown"] != before["shown"]
        ]
        for (period, step, first), (later, next_step, second) in itertools.pairwise(changes):
            if period == later and step > 0 > next_step and first["reason"] != "first_graded":
                assert second["reason"] in UNDONE
            if (
                period == later and step < 0 < next_step
            ):  # only what is reached again is given again
                assert second["score_now"] >= CUTS[second["shown"] - 1]


def test_the_order_of_rows_decides_nothing():
    rows = [{"customer_id": str(n), "score": score, "refunded": 0.0}
            for n, score in enumerate([10.0, 55.0, 72.0, 95.0, None])]  # fmt: skip
    before = night(None, rows, START)
    later = [row | {"score": 61.0, "refunded": 5.0} for row in rows]
    day = START + timedelta(100)
    expected = night(before, later, day, cause=REVIEW)
    shuffled = night(
        before.sample(fraction=1, shuffle=True, seed=3), later[::-1], day, cause=REVIEW
    )
    assert shuffled.equals(expected)
