"""A list that trips stays as it was last released, less whoever may not be written to tonight."""

from datetime import date

import polars as pl
import pytest

from pipelines.breakers.judge import Memory
from pipelines.lake import write_json, write_table
from pipelines.list_breakers import Last, Watch, find_writable
from pipelines.release import Release
from pipelines.rules.breakers import ListBreakers, ListLimits
from pipelines.rules.segments import Holdout
from pipelines.segments.condition import read_conditions
from pipelines.segments.funnel import DECISION, Members, Night, decide_lists
from pipelines.segments.membership import carry_membership
from pipelines.segments.prepare import NO_EVENTS, prepare_audience
from tests.unit.segments.list_people import asked, audience, rules, segment

LAST, AS_OF = date(2026, 6, 29), date(2026, 6, 30)
NOBODY = pl.DataFrame(schema={"alias_id": pl.String, "customer_id": pl.String})
CAPPED = pl.DataFrame(schema=dict.fromkeys(["customer_id", "channel", "detail"], pl.String))
LISTS = rules(
    segment("city = 'Leeds'", name="leeds", priority=2),
    segment("order_count > 0", name="buyers", priority=1),
)
# Only a share that is new trips, and only of `leeds`.
LIMITS = ListBreakers(
    defaults=ListLimits(min_customers=100),
    lists={"leeds": ListLimits(min_customers=1, max_entered_share=0.5)},
)


@pytest.fixture
def before(tmp_path):
    """The last release: c0 to c3 are of Leeds, by the addresses that they had."""
    release = Release(tmp_path / "published" / f"{LAST}__0a1b2c3d4e5f")
    leeds = pl.DataFrame(
        {
            "customer_id": ["c3", "c2", "c1", "c0"],
            "full_name": ["Three", "Two", "One", "Nought"],
            "contact": [f"p{n}@example.com" for n in (3, 2, 1, 0)],
            "channel": ["email"] * 4,
            "reason": ["as it was"] * 4,
        }
    )
    write_table(leeds, release.path / "lists" / "leeds.parquet")
    lists = [{"name": rule.name, "version": 1} for rule in LISTS.segments]
    write_json({"lists": lists}, release.path / "manifest.json")
    return release


def decided_then(*others):
    """Last night's decisions: c0 to c3 are on the list, and `others` on one before it."""
    return pl.DataFrame(
        [("leeds", 1, f"c{n}", "on_list", None, True, LAST) for n in range(4)]
        + [("leeds", 1, f"c{n}", "lower_priority", "buyers", False, LAST) for n in others],
        DECISION,
        orient="row",
    )


def addresses(*customers, changed=()):
    """Who may be written to, and where; `changed` have another address by now."""
    return pl.DataFrame(
        [
            (f"c{n}", "email", "marketing", f"Name {n}",
             f"new{n}@example.com" if n in changed else f"p{n}@example.com")
            for n in customers
        ],
        dict.fromkeys(
            ["customer_id", "channel", "purpose", "full_name", "contact_value"], pl.String
        ),
        orient="row",
    )  # fmt: skip


def keep(before, people, contacts, merged=NOBODY, lists=LISTS, accepted=frozenset(), then=None):
    """Decide a night on which `leeds` may have tripped: decisions and cuts."""
    then = decided_then() if then is None else then
    told = audience(*people)
    conditions = read_conditions(lists.segments, told.schema)
    rows = pl.DataFrame(
        {"list": ["leeds"] * 4, "version": [1] * 4, "customer_id": [f"c{n}" for n in range(4)]}
    ).join(merged.select(customer_id="alias_id", now="customer_id"), on="customer_id", how="left")
    members = rows.select("list", "version", pl.coalesce("now", "customer_id").alias("customer_id"))
    night = Night(
        as_of=AS_OF,
        audience=prepare_audience(told, conditions, NO_EVENTS, AS_OF),
        allowed=None if contacts is None else contacts.select("customer_id", "channel", "purpose"),
        refused=asked(),
        capped=CAPPED,
        members=Members(
            LAST,
            dict.fromkeys([("leeds", 1), ("buyers", 1)], LAST),
            members.unique(),
            then.filter(~pl.col("decision").is_in(["on_list", "holdout"])),
        ),
    )
    last = Last(before, None, then, merged)
    watch = Watch(
        night, conditions, lists, contacts, last, LIMITS, Memory(None, "lists", 14), accepted
    )
    decisions = decide_lists(night, lists, watch.keep)
    cuts = {
        rule.name: watch.cut(rule, decisions.filter(pl.col("list") == rule.name))
        for rule in lists.segments
    }
    return decisions, cuts


def people(count, **changes):
    """c0 to c<count>, all of Leeds and none a buyer; `changes` of some, by their number."""
    return [{"city": "Leeds", "order_count": 0} | changes.get(f"c{n}", {}) for n in range(count)]


def on(decisions, name):
    rows = decisions.filter(pl.col("list") == name)
    return {
        row["customer_id"]: ":".join(filter(None, (row["decision"], row["detail"])))
        for row in rows.iter_rows(named=True)
    }


def test_a_list_that_trips_stays_as_it_was_and_the_others_go_out(before):
    grown = people(9, c8={"order_count": 2, "city": "York"})
    decisions, cuts = keep(before, grown, addresses(*range(9)))
    leeds = cuts["leeds"]
    assert leeds.kept_from == "2026-06-29"
    assert leeds.taken_off == {}
    assert leeds.rows["customer_id"].to_list() == ["c3", "c2", "c1", "c0"]
    assert leeds.rows["reason"].unique().to_list() == ["as it was"]
    assert on(decisions, "leeds") == {f"c{n}": "on_list" for n in range(4)} | {
        f"c{n}": "list_kept:on_list" for n in range(4, 8)
    }
    assert cuts["buyers"].kept_from is None
    assert cuts["buyers"].rows["customer_id"].to_list() == ["c8"]


def test_a_list_that_does_not_trip_is_tonights(before):
    _, cuts = keep(before, people(7), addresses(*range(7)))
    assert cuts["leeds"].kept_from is None
    assert sorted(cuts["leeds"].rows["customer_id"]) == [f"c{n}" for n in range(7)]


def test_a_list_that_was_for_nobody_may_fill(before):
    _, cuts = keep(before, people(9), addresses(*range(9)), then=decided_then().clear())
    assert cuts["leeds"].kept_from is None
    assert cuts["leeds"].rows.height == 9


def test_a_list_whose_numbers_were_accepted_is_tonights(before):
    accepted = frozenset([("lists", "leeds", "entered", "", round(5 / 9, 6))])
    _, cuts = keep(before, people(9), addresses(*range(9)), accepted=accepted)
    assert cuts["leeds"].rows.height == 9
    _, cuts = keep(before, people(10), addresses(*range(10)), accepted=accepted)
    assert cuts["leeds"].kept_from == "2026-06-29"  # another number than the one accepted


def test_who_withdrew_was_suppressed_or_is_gone_is_taken_off_a_list_that_is_kept(before):
    grown = people(9, c1={"suppressed_because": "erasure_requested"})
    grown = [person for n, person in enumerate(grown)]
    decisions, cuts = keep(before, grown, addresses(0, 1, *range(3, 9)))
    assert cuts["leeds"].rows["customer_id"].to_list() == ["c3", "c0"]
    assert cuts["leeds"].taken_off == {"no_consent": 1, "suppressed": 1}
    told = on(decisions, "leeds")
    assert (told["c1"], told["c2"]) == ("suppressed:erasure_requested", "no_consent")


def test_who_is_no_customer_any_more_is_taken_off(before):
    grown = [person | {"customer_id": f"c{n}"} for n, person in enumerate(people(9)) if n != 2]
    _, cuts = keep(before, grown, addresses(*range(9)))
    assert cuts["leeds"].rows["customer_id"].to_list() == ["c3", "c1", "c0"]
    assert cuts["leeds"].taken_off == {"gone": 1}


def test_consent_must_be_for_the_address_that_stands_in_the_list(before):
    decisions, cuts = keep(before, people(9), addresses(*range(9), changed=(3,)))
    assert cuts["leeds"].rows["customer_id"].to_list() == ["c2", "c1", "c0"]
    assert on(decisions, "leeds")["c3"] == "no_consent"


def test_without_any_consents_tonight_nobody_on_it_may_be_written_to(before):
    _, cuts = keep(before, people(9), None)
    assert cuts["leeds"].rows.is_empty()
    assert cuts["leeds"].taken_off == {"no_consent": 4}


def test_a_list_of_ids_alone_needs_no_address():
    ids = pl.DataFrame({"customer_id": ["c0"]})
    assert find_writable(ids, segment(), None)["may_write"].to_list() == [True]
    told = ids.with_columns(contact=pl.lit("p0@example.com"))
    assert find_writable(told, segment(), None)["may_write"].to_list() == [False]
    assert find_writable(told, segment(), addresses(0))["may_write"].to_list() == [True]
    assert find_writable(told, segment(channel="none"), addresses(0))["may_write"][0] is False
    other = addresses(0).with_columns(purpose=pl.lit("service"))
    assert find_writable(told, segment(), other)["may_write"].to_list() == [False]


def test_a_customer_of_a_kept_list_is_on_no_other_of_its_channel(before):
    grown = people(9, c0={"order_count": 5}, c5={"order_count": 5})
    decisions, cuts = keep(before, grown, addresses(*range(9)))
    # c5 is not on the list that is kept, and so has a place on the other.
    assert on(decisions, "buyers") == {"c0": "lower_priority:leeds", "c5": "on_list"}
    assert cuts["buyers"].rows["customer_id"].to_list() == ["c5"]


def test_a_list_of_higher_priority_takes_its_customers_from_a_kept_one(before):
    lists = rules(
        segment("city = 'Leeds'", name="leeds", priority=1),
        segment("order_count > 0", name="buyers", priority=2),
    )
    grown = people(9, c0={"order_count": 5})
    decisions, cuts = keep(before, grown, addresses(*range(9)), lists=lists)
    assert on(decisions, "leeds")["c0"] == "lower_priority:buyers"
    assert cuts["leeds"].taken_off == {"lower_priority": 1}


def test_two_who_became_one_stand_once_on_a_kept_list(before):
    merged = pl.DataFrame({"alias_id": ["c2"], "customer_id": ["c3"]})
    grown = [person | {"customer_id": f"c{n}"} for n, person in enumerate(people(9)) if n != 2]
    _, cuts = keep(before, grown, addresses(*range(9)), merged=merged)
    assert cuts["leeds"].rows["customer_id"].to_list() == ["c3", "c1", "c0"]


def test_the_history_tells_of_the_list_that_went_out(before):
    then = carry_membership(None, decided_then(), None, LISTS, audience(*people(4)), NOBODY, LAST)
    grown = people(9, c1={"suppressed_because": "deceased"})
    decisions, _ = keep(before, grown, addresses(*range(9)))
    told = carry_membership(then, decisions, decided_then(), LISTS, audience(*grown), NOBODY, AS_OF)
    leeds = told.filter(pl.col("list") == "leeds")
    assert leeds.select("customer_id", "valid_from_on", "valid_to_on", "ended_because").rows() == [
        ("c0", LAST, None, None),
        ("c1", LAST, AS_OF, "suppressed:deceased"),
        ("c2", LAST, None, None),
        ("c3", LAST, None, None),
    ]
    free = keep(before, people(5), addresses(*range(5)), then=decisions)[0]
    after = carry_membership(
        told, free, decisions, LISTS, audience(*people(5)), NOBODY, date(2026, 7, 1)
    )
    c4 = after.filter((pl.col("list") == "leeds") & (pl.col("customer_id") == "c4"))
    assert c4["entered_because"].to_list() == ["no_longer_list_kept"]


def test_a_version_that_trips_on_its_first_night_stays_empty(before):
    lists = rules(segment("city = 'Leeds'", name="leeds", version=2), LISTS.segments[1])
    one_address = addresses(*range(9)).with_columns(contact_value=pl.lit("desk@example.com"))
    decisions, cuts = keep(before, people(9), one_address, lists=lists)
    assert (cuts["leeds"].kept_from, cuts["leeds"].taken_off) == ("never", {})
    assert cuts["leeds"].rows.is_empty()
    assert {"contact", "channel", "reason"} <= set(cuts["leeds"].rows.columns)
    assert set(on(decisions, "leeds").values()) == {"list_kept:on_list"}


def test_who_was_held_out_stays_held_out_of_a_kept_list(before):
    lists = rules(*LISTS.segments, holdout=Holdout(global_rate=0, list_rate=1))
    decisions, cuts = keep(before, people(9), addresses(*range(9)), lists=lists)
    assert cuts["leeds"].rows.is_empty()  # drawn anew by other rules: nobody is written to
    assert on(decisions, "leeds")["c0"] == "holdout:list"


def test_what_a_kept_list_held_back_is_no_part_of_it_the_next_night(before):
    decisions, _ = keep(before, people(9), addresses(*range(9)))
    _, again = keep(before, people(9), addresses(*range(9)), then=decisions)
    assert again["leeds"].kept_from == "2026-06-29"


def test_whom_another_list_had_when_a_list_tripped_is_not_new_to_it_the_next_night(before):
    then = decided_then(4, 5, 6, 7)
    decisions, cuts = keep(before, people(20), addresses(*range(20)), then=then)
    assert cuts["leeds"].kept_from == "2026-06-29"
    told = on(decisions, "leeds")
    assert {told[f"c{n}"] for n in range(4, 8)} == {"lower_priority:buyers"}
    assert {told[f"c{n}"] for n in range(8, 20)} == {"list_kept:on_list"}
    _, after = keep(before, people(9), addresses(*range(9)), then=decisions)
    assert after["leeds"].kept_from is None
    _, again = keep(before, people(20), addresses(*range(20)), then=decisions)
    assert again["leeds"].kept_from == "2026-06-29"


def test_a_kept_list_is_of_the_night_that_it_was_made_on_however_long_it_is_kept(before):
    lists = [
        {"name": "leeds", "version": 1, "kept_from": "2026-06-20"},
        {"name": "buyers", "version": 1},
    ]
    write_json({"lists": lists}, before.path / "manifest.json")
    _, cuts = keep(before, people(9), addresses(*range(9)))
    assert cuts["leeds"].kept_from == "2026-06-20"


def test_a_weekly_list_that_was_kept_on_its_day_is_refreshed_on_the_next():
    weekly = segment("city = 'Leeds'", name="leeds", refresh="weekly")
    monday, tuesday = date(2026, 6, 29), date(2026, 6, 30)
    members = pl.DataFrame({"list": ["leeds"], "version": [1], "customer_id": ["c0"]})
    told = audience(*people(2))
    conditions = read_conditions([weekly], told.schema)
    found = {}
    for name, kept in (("went out", {}), ("was kept", {"leeds": date(2026, 6, 22)})):
        night = Night(
            as_of=tuesday, audience=prepare_audience(told, conditions, NO_EVENTS, tuesday),
            allowed=None, refused=asked(), capped=CAPPED,
            members=Members(monday, {("leeds", 1): monday}, members, kept_from=kept),
        )  # fmt: skip
        found[name] = decide_lists(night, rules(weekly))["customer_id"].sort().to_list()
    assert found == {"went out": ["c0"], "was kept": ["c0", "c1"]}


def weekly_readings(before, as_of, members, people, contacts):
    """What is measured of a weekly list by an evening: who is new, who is gone, its size."""
    weekly = segment("city = 'Leeds'", name="leeds", refresh="weekly", priority=1)
    told = audience(*people)
    conditions = read_conditions([weekly], told.schema)
    night = Night(
        as_of=as_of, audience=prepare_audience(told, conditions, NO_EVENTS, as_of),
        allowed=contacts.select("customer_id", "channel", "purpose"), refused=asked(),
        capped=CAPPED,
        members=Members(
            LAST, {("leeds", 1): LAST},
            pl.DataFrame({"list": "leeds", "version": 1, "customer_id": members}),
        ),
    )  # fmt: skip
    watch = Watch(
        night, conditions, rules(weekly), contacts, Last(before, None, decided_then(), NOBODY),
        LIMITS, Memory(None, "lists", 14), frozenset(),
    )  # fmt: skip
    decide_lists(night, rules(weekly), watch.keep)
    told = pl.concat(watch.verdicts)
    return dict(told.filter(pl.col("column") == "").select("breaker", "value").rows())


def test_a_weekly_list_is_as_large_on_all_days_and_changes_by_who_comes_onto_it(before):
    contacts = addresses(*range(9))
    tuesday = weekly_readings(before, AS_OF, ["c0", "c1"], people(8), contacts)
    assert {name: tuesday[name] for name in ("size", "entered", "left")} == {
        "size": 8, "entered": 0, "left": 0,
    }  # fmt: skip
    monday = weekly_readings(before, date(2026, 7, 6), ["c0", "c8"], people(8), contacts)
    assert {name: monday[name] for name in ("size", "entered", "left")} == {
        "size": 8, "entered": 7 / 8, "left": 0.5,
    }  # fmt: skip


def test_consent_is_told_of_those_whom_the_condition_finds(before):
    told = weekly_readings(before, AS_OF, ["c0"], people(8), addresses(0, 1))
    assert told["consent"] == 0.25
