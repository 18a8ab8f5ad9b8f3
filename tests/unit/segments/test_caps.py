"""Nobody is contacted more often than the caps allow, whoever tells of the contacts."""

from datetime import date, timedelta

import polars as pl
import pytest

from pipelines.rules.segments import DEFAULT_CAPS
from pipelines.segments.caps import CONTACTS, find_capped, find_contacts
from tests.unit.segments.list_people import segment

AS_OF = date(2026, 6, 30)  # a Tuesday; tonight's lists are for 1 July
HISTORY = {
    "list": pl.String, "version": pl.Int64, "customer_id": pl.String, "role": pl.String,
    "channel": pl.String, "valid_from_on": pl.Date, "valid_to_on": pl.Date,
}  # fmt: skip


def ago(days):
    return AS_OF - timedelta(days=days)


def told(*rows):
    return pl.DataFrame(rows, schema=CONTACTS, orient="row")


def history(*rows):
    """(days ago on which it began, days ago on which it ended or None, changes)"""
    plain = {
        "list": "a_list", "version": 1, "customer_id": "c", "role": "treated", "channel": "email",
    }  # fmt: skip
    return pl.DataFrame(
        [
            plain | changes
            | {"valid_from_on": ago(begun), "valid_to_on": None if end is None else ago(end)}
            for begun, end, changes in rows
        ],
        schema=HISTORY,
    )  # fmt: skip


def capped(contacts, own=None):
    rows = find_capped(contacts, told() if own is None else own, DEFAULT_CAPS, AS_OF).rows()
    return {row[0]: row[2] for row in rows}


@pytest.mark.parametrize(
    ("days", "cap"),
    [
        ([0, 1], None),
        ([0, 1, 5], "3 in 7 days"),
        ([0, 1, 6], None),  # tomorrow the third is eight days ago
        ([0] * 3, "3 in 7 days"),
        (range(6, 27, 3), None),
        (range(6, 29, 3), "8 in 30 days"),
        ([*range(7, 27, 3), 29], None),
    ],
)
def test_one_more_contact_tomorrow_must_not_be_too_many(days, cap):
    contacts = told(*[("c", "email", ago(day), 1) for day in days])
    assert capped(contacts.unique() if len(set(days)) == len(list(days)) else
                  told(("c", "email", AS_OF, 3))) == ({"c": cap} if cap else {})  # fmt: skip


def test_channels_are_counted_apart():
    assert capped(told(("c", "email", ago(0), 2), ("c", "sms", ago(0), 2))) == {}


def test_what_both_tell_of_a_day_is_one_contact():
    contacts = told(("c", "email", ago(0), 1), ("c", "email", ago(1), 1))
    assert capped(contacts, contacts) == {}
    assert capped(contacts, told(("c", "email", ago(2), 1))) == {"c": "3 in 7 days"}


def test_coming_onto_a_list_is_one_contact_on_the_day_after_and_staying_is_none():
    rows = history((5, None, {}), (9, 7, {"customer_id": "d"}))
    found = find_contacts(rows, [segment()], AS_OF, 30)
    assert sorted(found.rows()) == [("c", "email", ago(4), 1), ("d", "email", ago(8), 1)]


def test_who_stays_while_the_global_holdout_is_drawn_anew_is_not_contacted_again():
    rows = history((9, 5, {}), (5, None, {}))
    assert find_contacts(rows, [segment()], AS_OF, 30).rows() == [("c", "email", ago(8), 1)]
    assert find_contacts(rows, [segment()], AS_OF, 7).is_empty()


def test_another_version_of_a_list_is_another_contact():
    rows = history((9, 5, {}), (5, None, {"version": 2}))
    found = find_contacts(rows, [segment()], AS_OF, 30)
    assert sorted(found["contacted_on"]) == [ago(8), ago(4)]


def test_who_was_held_out_and_is_no_longer_comes_onto_the_list():
    rows = history((9, 5, {"role": "global_holdout"}), (5, None, {}))
    assert find_contacts(rows, [segment()], AS_OF, 30).rows() == [("c", "email", ago(4), 1)]


@pytest.mark.parametrize(
    "changes", [{"role": "holdout"}, {"role": "global_holdout"}, {"channel": "none"}]
)
def test_who_is_held_out_or_only_named_is_not_contacted(changes):
    assert find_contacts(history((5, None, changes)), [segment()], AS_OF, 30).is_empty()


def test_contacts_before_the_days_asked_for_do_not_count():
    assert find_contacts(history((31, None, {})), [segment()], AS_OF, 30).is_empty()
    assert find_contacts(history((30, None, {})), [segment()], AS_OF, 30).height == 1


@pytest.mark.parametrize(
    ("refresh", "ended", "days"),
    [
        ("nightly", None, [3, 2, 1, 0]),
        ("nightly", 2, [3, 2]),
        ("weekly", None, [3, 0]),  # it came on Friday; Monday was yesterday
        ("monthly", None, [3]),
    ],
)
def test_a_list_that_is_sent_on_each_refresh_contacts_who_stays(refresh, ended, days):
    rule = segment(refresh=refresh, sent="on_refresh")
    found = find_contacts(history((4, ended, {})), [rule], AS_OF, 30)
    assert sorted(found["contacted_on"]) == [ago(day) for day in days]
    assert set(found["contact_count"]) == {1}
