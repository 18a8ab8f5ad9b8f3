"""The history of lists tells when, why and as what each customer came and went."""

from datetime import date, timedelta

import polars as pl

from pipelines.rules.segments import Holdout
from pipelines.segments.funnel import DECISION
from pipelines.segments.membership import carry_membership, find_members
from tests.unit.segments.list_people import rules, segment

FIRST = date(2026, 6, 30)
MERGED = {"alias_id": pl.String, "customer_id": pl.String}


def decisions(*rows, version=1, name="a_list", on=FIRST):
    told = [
        (name, version, who, *decision.partition(":")[::2], decision == "on_list", on)
        for who, decision in rows
    ]
    frame = pl.DataFrame(told, schema=DECISION, orient="row")
    return frame.with_columns(detail=pl.when(pl.col("detail") != "").then(pl.col("detail")))


def nights(*tonight, lists=None, living=None, merged=()):
    """The history after nights of decisions, one day after the other."""
    history = before = None
    for count, now in enumerate(tonight):
        known = (
            living[count] if living else sorted({who for n in tonight for who in n["customer_id"]})
        )
        history = carry_membership(
            history, now, before, lists[count] if lists else rules(segment()),
            pl.DataFrame({"customer_id": known}, schema={"customer_id": pl.String}),
            pl.DataFrame(merged if count else [], schema=MERGED, orient="row"),
            FIRST + timedelta(days=count),
        )  # fmt: skip
        before = now
    return history


def told(history, *columns):
    return history.select("customer_id", *columns).rows()


def test_an_interval_has_the_role_and_what_let_the_customer_in():
    first = [("a", "on_list"), ("b", "holdout:list"), ("c", "holdout:global")]
    history = nights(
        decisions(*first, ("d", "no_consent")),
        decisions(*first, ("d", "on_list"), ("e", "on_list")),
    )
    assert told(history, "role", "entered_because", "valid_from_on") == [
        ("a", "treated", "list_began", FIRST),
        ("b", "holdout", "list_began", FIRST),
        ("c", "global_holdout", "list_began", FIRST),
        ("d", "treated", "no_longer_no_consent", FIRST + timedelta(days=1)),
        ("e", "treated", "condition", FIRST + timedelta(days=1)),
    ]
    assert history["valid_to_on"].null_count() == 5


def test_an_end_says_what_took_the_customer_off():
    everybody = [(who, "on_list") for who in "abcdef"]
    history = nights(
        decisions(*everybody),
        decisions(("b", "suppressed:open_complaint"), ("c", "no_consent"),
                  ("d", "lower_priority:other"), ("e", "capped:3 in 7 days"), ("f", "on_list")),
    )  # fmt: skip
    assert told(history, "ended_because") == [
        ("a", "no_longer_matches"), ("b", "suppressed:open_complaint"), ("c", "no_consent"),
        ("d", "lower_priority:other"), ("e", "capped:3 in 7 days"), ("f", None),
    ]  # fmt: skip


def test_of_the_erased_nothing_stays_and_a_merged_id_keeps_what_was_done_to_it():
    on = decisions(("a", "on_list"), ("b", "on_list"), ("c", "on_list"))
    history = nights(
        on, decisions(("a", "on_list")), living=[["a", "b", "c"], ["a"]], merged=[("b", "a")]
    )
    assert told(history, "ended_because") == [("a", None), ("b", "merged")]


def test_another_version_or_another_role_begins_anew():
    second = rules(segment(version=2))
    history = nights(
        decisions(("a", "on_list"), ("b", "on_list")),
        decisions(("a", "on_list"), ("b", "holdout:list"), version=2),
        lists=[rules(segment()), second],
    )
    assert told(history, "version", "role", "entered_because", "ended_because") == [
        ("a", 1, "treated", "list_began", "changed"), ("a", 2, "treated", "list_began", None),
        ("b", 1, "treated", "list_began", "changed"), ("b", 2, "holdout", "list_began", None),
    ]  # fmt: skip


def test_the_global_holdout_drawn_anew_begins_anew():
    again = rules(segment(), holdout=Holdout(global_version=2))
    on = decisions(("a", "on_list"))
    history = nights(on, on, lists=[rules(segment()), again])
    assert history["global_version"].to_list() == [1, 2]


def test_a_list_that_is_gone_ends_for_everybody():
    history = nights(
        decisions(("a", "on_list")), decisions(), lists=[rules(segment()), rules()],
        living=[["a"], ["a"]],
    )  # fmt: skip
    assert history["ended_because"].to_list() == ["list_removed"]


def test_members_are_known_by_the_name_that_they_have_tonight():
    history = nights(decisions(("a", "on_list"), ("b", "on_list"), ("c", "holdout:list")))
    merged = pl.DataFrame([("b", "a")], schema=MERGED, orient="row")
    members = find_members(history, decisions(), merged, FIRST, {("a_list", 1): FIRST})
    assert sorted(members.of(segment())["customer_id"]) == ["a", "c"]
    assert members.of(segment(version=2)).is_empty()


def test_what_was_decided_of_others_is_known_by_the_name_that_they_have_tonight():
    history = nights(decisions(("a", "on_list")))
    told_before = [
        decisions(("a", "on_list"), ("c", "over_limit"), ("d", "capped:3 in 7 days")),
        decisions(("b", "no_consent"), on=None),  # of an older version
    ]
    merged = pl.DataFrame([("d", "c")], schema=MERGED, orient="row")
    others = find_members(history, pl.concat(told_before), merged, FIRST, {}).others
    assert others.select("customer_id", "decision", "decided_on").rows() == [
        ("b", "no_consent", FIRST), ("c", "over_limit", FIRST),
    ]  # fmt: skip
