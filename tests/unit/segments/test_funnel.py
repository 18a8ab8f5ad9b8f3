"""Everybody whom a list finds gets one decision, and nobody gets a list by mistake."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.segments import Holdout
from pipelines.segments.funnel import (
    DECISION,
    DECISIONS,
    Members,
    Night,
    decide_lists,
    is_refreshed,
)
from pipelines.segments.holdout import bucket_customers, global_salt, list_salt
from tests.unit.segments.list_people import asked, audience, rules, segment

AS_OF, LAST_NIGHT = date(2026, 6, 30), date(2026, 6, 29)  # a Tuesday after a Monday
CHANNELS, PURPOSES = ["email", "sms"], ["marketing", "service"]


def night(people, allowed=None, refused=(), capped=(), members=None):
    schema = dict.fromkeys(["customer_id", "channel", "detail"], pl.String)
    return Night(
        AS_OF,
        people,
        None if allowed is None else asked(*allowed),
        asked(*refused),
        pl.DataFrame(capped, schema=schema, orient="row"),
        members or Members(),
    )


def decided(tonight, *segments, **changes):
    """(list, customer) -> decision, with its detail after a colon."""
    rows = decide_lists(tonight, rules(*segments, **changes))
    told = pl.concat_str("decision", "detail", separator=":", ignore_nulls=True)
    return {row[:2]: row[2] for row in rows.select("list", "customer_id", told).rows()}


def decide_one(person, allowed=None, refused=(), **changes):
    (decision,) = decided(night(audience(person), allowed, refused), segment(**changes)).values()
    return decision


@pytest.mark.parametrize(
    ("person", "changes", "decision"),
    [
        ({"suppressed_because": "erasure_requested"}, {}, "suppressed:erasure_requested"),
        ({"suppressed_because": "under_age"}, {"purpose": "survey"}, "suppressed:under_age"),
        ({"suppressed_because": "deceased"}, {"channel": "none"}, "suppressed:deceased"),
        ({"suppressed_because": "staff"}, {"purpose": "service"}, "suppressed:staff"),
        ({"is_email_bounced": True}, {"purpose": "service"}, "suppressed:hard_bounce"),
        ({"is_email_bounced": True}, {"channel": "sms"}, "on_list"),
        ({"is_email_complained": True}, {}, "suppressed:complained"),
        ({"is_email_complained": True}, {"channel": "phone"}, "on_list"),
        ({"has_open_complaint": True}, {}, "suppressed:open_complaint"),
        ({"has_open_complaint": True}, {"purpose": "service"}, "on_list"),
        ({"has_open_complaint": True}, {"purpose": "survey"}, "on_list"),
        ({"is_profiling_refused": True}, {}, "on_list"),
        ({"is_profiling_refused": True}, {"where": "grade = 'C'"}, "suppressed:profiling_refused"),
        ({"is_profiling_refused": True}, {"columns": ("grade",)}, "suppressed:profiling_refused"),
        ({"has_open_complaint": None}, {}, "suppressed:open_complaint"),
        ({"is_profiling_refused": None}, {"where": "grade = 'C'"}, "suppressed:profiling_refused"),
        ({"is_email_bounced": None}, {}, "suppressed:hard_bounce"),
        ({"suppressed_because": "test", "has_open_complaint": True}, {}, "suppressed:test"),
    ],
)  # fmt: skip
def test_who_is_never_written_to_is_told_why(person, changes, decision):
    assert decide_one(person, **changes) == decision


@pytest.mark.parametrize(
    ("allowed", "refused", "changes", "decision"),
    [
        ([("c0", "email", "marketing")], [], {}, "on_list"),
        ([("c0", "sms", "marketing"), ("c0", "email", "service")], [], {}, "no_consent"),
        ([], [], {}, "no_consent"),
        ([], [("c0", "email", "marketing")], {}, "suppressed:withdrawn"),
        ([], [("c0", "any", "marketing")], {"channel": "sms"}, "suppressed:withdrawn"),
        ([], [("c0", "sms", "marketing")], {}, "no_consent"),
        # Refused for one address, granted for another: customer_contacts has the other.
        ([("c0", "email", "marketing")], [("c0", "email", "marketing")], {}, "on_list"),
        ([], [("c0", "any", "marketing")], {"channel": "none"}, "on_list"),
        (None, [], {}, "on_list"),
        (None, [("c0", "email", "marketing")], {}, "suppressed:withdrawn"),
    ],
)
def test_nothing_is_sent_without_consent(allowed, refused, changes, decision):
    assert decide_one({}, allowed, refused, **changes) == decision


def test_a_customer_is_on_the_list_of_a_channel_that_has_the_highest_priority():
    people = audience({}, {"order_count": 0})
    lists = [
        segment(name="low", priority=1, where="true"), segment(name="high", priority=2),
        segment(name="text", channel="sms"), segment(name="alone", channel="none"),
    ]  # fmt: skip
    assert decided(night(people), *lists) == {
        ("low", "c0"): "lower_priority:high", ("low", "c1"): "on_list", ("high", "c0"): "on_list",
        ("text", "c0"): "on_list", ("alone", "c0"): "on_list",
    }  # fmt: skip


def test_of_equal_priority_the_list_that_stands_first_is_taken():
    lists = [segment(name="first"), segment(name="second")]
    assert decided(night(audience({})), *lists)["second", "c0"] == "lower_priority:first"


def test_who_may_not_be_on_a_list_is_free_for_the_next_one():
    lists = [segment(name="promotion", priority=2), segment(name="care", purpose="service")]
    assert decided(night(audience({"has_open_complaint": True})), *lists) == {
        ("promotion", "c0"): "suppressed:open_complaint", ("care", "c0"): "on_list",
    }  # fmt: skip


def test_who_is_held_out_of_a_list_is_on_no_other_of_its_channel():
    lists = [segment(name="high", priority=2, holdout_rate=1.0), segment(name="low")]
    assert decided(night(audience({})), *lists) == {
        ("high", "c0"): "holdout:list", ("low", "c0"): "lower_priority:high",
    }  # fmt: skip


def test_who_is_of_the_global_holdout_gets_service_but_no_marketing():
    lists = [segment(name="shop"), segment(name="care", purpose="service", channel="phone")]
    everybody = Holdout(global_rate=1, list_rate=0)
    assert decided(night(audience({})), *lists, holdout=everybody) == {
        ("shop", "c0"): "holdout:global", ("care", "c0"): "on_list",
    }  # fmt: skip


def test_service_and_surveys_hold_nobody_out_unless_they_say_so():
    strict = Holdout(global_rate=0, list_rate=1)
    lists = [
        segment(name="shop"), segment(name="care", purpose="service", channel="phone"),
        segment(name="ask", purpose="survey", channel="sms", holdout_rate=1.0),
    ]  # fmt: skip
    assert list(decided(night(audience({})), *lists, holdout=strict).values()) == [
        "holdout:list", "on_list", "holdout:list",
    ]  # fmt: skip


def test_a_cap_keeps_newcomers_off_but_not_who_is_on_the_list_already():
    known = Members(
        LAST_NIGHT, {("a_list", 1): LAST_NIGHT},
        pl.DataFrame({"list": ["a_list"], "version": [1], "customer_id": ["c1"]}),
    )  # fmt: skip
    capped = [("c0", "email", "3 in 7 days"), ("c1", "email", "3 in 7 days"), ("c2", "sms", "x")]
    tonight = night(audience({}, {}, {}), capped=capped, members=known)
    assert list(decided(tonight, segment()).values()) == [
        "capped:3 in 7 days", "on_list", "on_list",
    ]  # fmt: skip
    again = decided(tonight, segment(sent="on_refresh"))
    assert list(again.values())[1] == "capped:3 in 7 days"


def test_a_limit_counts_places_and_the_holdout_ends_where_they_end():
    people = audience(*({"order_count": 1000 - n} for n in range(200)))
    rule = segment(limit=20, holdout_rate=0.3)
    rows = decide_lists(night(people), rules(rule))
    decisions = rows["decision"].to_list()
    assert decisions.count("on_list") == 20
    last = len(decisions) - decisions[::-1].index("on_list")
    assert set(decisions[last:]) == {"over_limit"}
    assert "over_limit" not in decisions[:last]
    assert decisions.count("holdout") > 2


def test_a_limit_takes_the_best_of_those_who_may_be_written_to():
    people = audience({"order_count": 9}, {"order_count": 8}, {"order_count": 7})
    allowed = [("c1", "email", "marketing"), ("c2", "email", "marketing")]
    assert list(decided(night(people, allowed), segment(limit=1)).values()) == [
        "no_consent", "on_list", "over_limit",
    ]  # fmt: skip


def test_a_list_that_is_too_small_goes_to_nobody_and_holds_nobody_back():
    lists = [segment(name="small", priority=2, min_size=3), segment(name="next")]
    assert decided(night(audience({}, {})), *lists) == {
        ("small", "c0"): "list_too_small", ("small", "c1"): "list_too_small",
        ("next", "c0"): "on_list", ("next", "c1"): "on_list",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("refresh", "day", "before", "is_due"),
    [
        ("nightly", date(2026, 6, 30), date(2026, 6, 29), True),
        ("weekly", date(2026, 6, 30), date(2026, 6, 29), False),  # a Tuesday after a Monday
        ("weekly", date(2026, 6, 30), date(2026, 6, 28), True),  # Monday's night failed
        ("weekly", date(2026, 12, 29), date(2026, 1, 2), True),
        ("monthly", date(2026, 6, 30), date(2026, 6, 1), False),
        ("monthly", date(2026, 7, 2), date(2026, 6, 30), True),
        ("monthly", date(2027, 6, 30), date(2026, 6, 30), True),
        ("weekly", date(2026, 6, 30), None, True),
    ],
)
def test_a_list_is_refreshed_on_the_first_night_of_its_period(refresh, day, before, is_due):
    assert is_refreshed(refresh, day, before) is is_due


def test_between_refreshes_members_stay_and_consent_acts_at_once():
    people = audience({"order_count": 0}, {}, {"order_count": 0})
    known = Members(
        LAST_NIGHT, {("a_list", 1): LAST_NIGHT},
        pl.DataFrame({"list": "a_list", "version": [1, 1], "customer_id": ["c0", "c2"]}),
    )  # fmt: skip
    tonight = night(people, [("c0", "email", "marketing")], members=known)
    assert decided(tonight, segment(refresh="weekly")) == {
        ("a_list", "c0"): "on_list", ("a_list", "c2"): "no_consent",
    }  # fmt: skip
    # Another version, or a list that was not there: read anew at once.
    assert decided(tonight, segment(refresh="weekly", version=2)) == {
        ("a_list", "c1"): "no_consent"
    }


@pytest.mark.parametrize(
    ("refresh", "version", "found"),
    [
        ("weekly", 1, {"c0": "on_list 30", "c1": "over_limit 29", "c2": "no_consent 29"}),
        ("nightly", 1, {"c0": "on_list 30", "c2": "on_list 30", "c3": "on_list 30"}),
        ("weekly", 2, {"c0": "on_list 30", "c2": "on_list 30", "c3": "on_list 30"}),
    ],
)
def test_between_refreshes_what_the_last_one_decided_of_others_is_kept(refresh, version, found):
    people = audience({}, {"order_count": 0}, {}, {})
    others = pl.DataFrame(
        [("a_list", 1, who, told, None, False, LAST_NIGHT)
         for who, told in [("c2", "no_consent"), ("c1", "over_limit"), ("gone", "no_consent")]],
        DECISION, orient="row",
    )  # fmt: skip
    known = Members(
        LAST_NIGHT, {("a_list", 1): LAST_NIGHT},
        pl.DataFrame({"list": ["a_list"], "version": [1], "customer_id": ["c0"]}), others,
    )  # fmt: skip
    rows = decide_lists(
        night(people, members=known), rules(segment(refresh=refresh, version=version))
    )
    told = pl.format("{} {}", "decision", pl.col("decided_on").dt.day())
    assert dict(rows.select("customer_id", told).rows()) == found


def test_who_comes_off_between_refreshes_is_told_with_tonights_reason():
    others = pl.DataFrame(
        [("a_list", 1, "c0", "over_limit", None, False, LAST_NIGHT)], DECISION, orient="row"
    )
    known = Members(
        LAST_NIGHT, {("a_list", 1): LAST_NIGHT},
        pl.DataFrame({"list": ["a_list"], "version": [1], "customer_id": ["c0"]}), others,
    )  # fmt: skip
    tonight = night(audience({}), allowed=[], members=known)
    rows = decide_lists(tonight, rules(segment(refresh="weekly")))
    assert rows.select("decision", "decided_on").rows() == [("no_consent", AS_OF)]


def test_decisions_do_not_depend_on_the_order_of_rows():
    people = audience(*({"order_count": n % 3} for n in range(40)))
    lists = rules(segment(limit=9, holdout_rate=0.2), segment(name="b", where="true"))
    assert decide_lists(night(people), lists).equals(decide_lists(night(people.reverse()), lists))


PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "grade": st.sampled_from(["A", "D", None]),
            "order_count": st.integers(0, 3),
            "suppressed_because": st.sampled_from([None, None, None, "staff"]),
            "has_open_complaint": st.booleans(),
            "is_profiling_refused": st.booleans(),
        }
    ),
    max_size=8,
)
ASKED = st.sets(
    st.tuples(
        st.sampled_from([f"c{n}" for n in range(9)]), st.sampled_from(CHANNELS),
        st.sampled_from(PURPOSES),
    )
)  # fmt: skip
CONDITIONS = {
    "order_count > 0": (lambda p: p["order_count"] > 0, False),
    "grade = 'A'": (lambda p: p["grade"] == "A", True),
    "grade is null or is_guest": (lambda p: p["grade"] is None, True),
}  # fmt: skip
LISTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(CONDITIONS)), st.sampled_from(CHANNELS), st.sampled_from(PURPOSES),
        st.integers(0, 2), st.sampled_from([0.0, 0.5]), st.sampled_from([None, 1, 2]),
        st.sampled_from([0, 2]),
    ),
    max_size=4,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(PEOPLE, ASKED, ASKED, LISTS, st.sampled_from([0.0, 0.4]))
def test_the_funnel_is_what_plain_python_makes_of_it(people, allowed, refused, lists, globally):
    segments = [
        segment(where, name=f"l{n}", channel=channel, purpose=purpose, priority=priority,
                holdout_rate=rate, limit=limit, min_size=least)
        for n, (where, channel, purpose, priority, rate, limit, least) in enumerate(lists)
    ]  # fmt: skip
    holdout = Holdout(global_rate=globally, list_rate=0)
    found = decided(
        night(audience(*people), sorted(allowed), sorted(refused)), *segments, holdout=holdout
    )
    assert found == plain_funnel(people, allowed, refused, segments, holdout)
    assert {told.partition(":")[0] for told in found.values()} <= set(DECISIONS)


def plain_funnel(people, allowed, refused, segments, holdout):
    """The same in loops, one customer at a time."""
    decisions, placed = {}, {}
    everywhere = global_salt(holdout)
    for rule in sorted(segments, key=lambda rule: -rule.priority):
        matches, judges = CONDITIONS[rule.where]
        left = []
        for n, person in sorted(enumerate(people), key=lambda p: (-p[1]["order_count"], p[0])):
            who, where = f"c{n}", (f"c{n}", rule.channel, rule.purpose)
            if not matches(person):
                continue
            if person["suppressed_because"]:
                told = f"suppressed:{person['suppressed_because']}"
            elif where in refused - allowed:
                told = "suppressed:withdrawn"
            elif rule.purpose == "marketing" and person["has_open_complaint"]:
                told = "suppressed:open_complaint"
            elif judges and person["is_profiling_refused"]:
                told = "suppressed:profiling_refused"
            elif where not in allowed:
                told = "no_consent"
            elif (who, rule.channel) in placed:
                told = f"lower_priority:{placed[who, rule.channel]}"
            else:
                left.append(who)
                continue
            decisions[rule.name, who] = told
        roles, places = {}, 0
        for who in left:
            if rule.limit and places >= rule.limit:
                roles[who] = "over_limit"
            elif rule.purpose == "marketing" and is_out(who, everywhere, holdout.global_rate):
                roles[who] = "holdout:global"
            elif is_out(who, list_salt(rule), rule.holdout_rate):
                roles[who] = "holdout:list"
            else:
                roles[who] = "on_list"
                places += 1
        for who, told in roles.items():
            if told != "over_limit" and places < rule.min_size:
                told = "list_too_small"
            decisions[rule.name, who] = told
            if told == "on_list" or told.startswith("holdout"):
                placed[who, rule.channel] = rule.name
    return decisions


def is_out(who, salt, rate):
    return bucket_customers(pl.Series([who]), salt)[0] < rate * 10_000
