import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_people import (
    EXACT,
    company,
    contact,
    day,
    expected_groups,
    groups,
    guest,
    identity_rules,
    ids,
    resolve,
    signals_of,
    unhurried,
)

from pipelines.identity.refs import RECORD
from pipelines.identity.values import IDENTIFIER, RAW
from pipelines.rules import find_rules, load_rules


def are_one(resolved, *records):
    return len({ids(resolved)[record] for record in records}) == 1


def status_of(resolved):
    return {tuple(row[:3]): row[4] for row in resolved.known_identifiers.iter_rows()}


def two_with(first, second, rules=None):
    a, b = contact(1), contact(2, "shop")
    carried = [(a, *first), (b, *second)]
    return are_one(resolve(signals_of([(a, 0), (b, 1)], carried), rules=rules), a, b)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("email", "li@example.com"), ("email", " LI@Example.com")),
        (("phone", "138 0013 8001"), ("phone", "+86 138-0013-8001")),
        (("phone", "(020) 7946 0958", "GB"), ("phone", "+442079460958", "US")),
        (("user_id", "u1"), ("user_id", " u1 ")),
    ],
)
def test_two_records_with_the_same_identifier_are_one_customer(first, second):
    assert two_with(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("email", "li@example.com"), ("email", "li+shop@example.com")),
        (("email", "none"), ("email", "none")),
        (("email", "test@test.com"), ("email", "TEST@test.com")),
        (("phone", "12345"), ("phone", "12345")),
        (("phone", "(020) 7946 0958", "GB"), ("phone", "(020) 7946 0958", "CN")),
        (("user_id", "  "), ("user_id", "  ")),
        (("user_id", "u1"), ("user_id", "U1")),
        (("user_id", "13800138001"), ("phone", "13800138001")),
    ],
)
def test_invalid_blocked_and_different_identifiers_tie_nobody(first, second):
    assert not two_with(first, second)


@pytest.mark.parametrize(
    ("id_type", "blocked", "written"),
    [
        ("email", "NoReply@Example.COM", "noreply@example.com"),
        ("phone", "138 0013 8000", "+86 138-0013-8000"),
    ],
)
def test_a_blocked_value_is_compared_like_any_other(id_type, blocked, written):
    rules = identity_rules(blocked={id_type: [blocked, blocked, f" {blocked}"]})
    a, b = contact(1), contact(2)
    resolved = resolve(
        signals_of([(a, 0), (b, 0)], [(a, id_type, written), (b, id_type, written)]), rules=rules
    )
    assert not are_one(resolved, a, b)
    assert status_of(resolved) == {(id_type, written, ""): "blocked"}


def test_every_packaged_blocked_value_is_one_that_a_record_could_carry():
    rules = load_rules(find_rules(None)).identity.model_copy(update={"fuzzy": EXACT})
    a, b = contact(1), contact(2)
    carried = [
        (who, kind, value)
        for who in (a, b)
        for kind in rules.blocked
        for value in rules.blocked[kind]
    ]
    resolved = resolve(signals_of([(a, 0), (b, 0)], carried), rules=rules)
    assert set(status_of(resolved).values()) == {"blocked"}
    assert not are_one(resolved, a, b)


@pytest.mark.parametrize(("sharers", "tied"), [(3, True), (4, False)])
def test_a_value_shared_by_more_than_the_limit_ties_nobody(sharers, tied):
    people = [contact(number) for number in range(sharers)]
    signals = signals_of(
        [(who, 0) for who in people], [(who, "email", "desk@example.com") for who in people]
    )
    resolved = resolve(signals, rules=identity_rules(accounts=3))
    assert are_one(resolved, *people) is tied
    if not tied:
        assert resolved.notes[0] == "1 email value is too common and ties nobody."
        assert status_of(resolved)["email", "desk@example.com", ""] == "too_common"


def test_records_without_a_name_in_many_systems_may_be_one_person():
    people = [contact(1, f"system{number}") for number in range(6)]
    signals = signals_of(
        [(who, 0) for who in people], [(who, "email", "li@example.com") for who in people]
    )
    assert are_one(resolve(signals, rules=identity_rules(accounts=1)), *people)


def test_one_person_who_writes_an_address_in_many_ways_does_not_make_it_common():
    a, b = contact(1), contact(2)
    ways = ["li@example.com", "Li@example.com", "LI@example.com", " li@example.com"]
    carried = [(a, "email", way) for way in ways] + [(b, "email", ways[0])]
    assert are_one(resolve(signals_of([(a, 0), (b, 0)], carried), rules=identity_rules(2)), a, b)


def test_guests_with_one_email_are_one_customer_and_count_by_their_own_limit():
    orders = [guest(number) for number in range(20)]
    carried = [(order, "email", "li@example.com") for order in orders]
    seen = [(order, number) for number, order in enumerate(orders)]
    assert are_one(resolve(signals_of(seen, carried), rules=identity_rules(2, 20)), *orders)
    assert len(groups(resolve(signals_of(seen, carried), rules=identity_rules(2, 19)))) == 20


def test_a_guest_becomes_the_customer_whose_email_the_order_names():
    buyer, order = contact(1, "shop"), guest(77)
    signals = signals_of(
        [(buyer, 5), (order, 2)],
        [(buyer, "email", "li@example.com"), (order, "email", "LI@example.com")],
    )
    assert are_one(resolve(signals), buyer, order)


def test_a_customer_id_of_the_shop_is_a_customer_with_no_identifier_at_all():
    signals = signals_of([(contact("C-9", "shop"), 3), (company("K-1"), 3), (guest(1), 3)])
    assert len(groups(resolve(signals))) == 3


def test_the_same_record_id_in_another_source_account_or_entity_is_another_record():
    records = [contact(1), contact(1, "shop"), contact(1, "crm", "t2"), company(1), guest(1, "crm")]
    assert len(groups(resolve(signals_of([(record, 0) for record in records])))) == 5


CONTACT = "contact_id"


@pytest.mark.parametrize(
    "tie",
    [
        ("crm", "", CONTACT, "1", CONTACT, "2"),
        ("crm", "", CONTACT, "2", CONTACT, "1"),
        ("links", "", CONTACT, "crm:1", CONTACT, "crm:2"),
        ("crm", "", CONTACT, "1", CONTACT, "crm:2"),
        ("crm", "", CONTACT, "1", "email", "WANG@example.com"),
        ("links", "", "email", "li@example.com", "email", "wang@example.com"),
        ("links", "x", "email", "li@example.com", CONTACT, "crm:2"),
    ],
)
def test_a_stated_link_ties_the_two_it_names(tie):
    a, b = contact(1), contact(2)
    carried = [(a, "email", "li@example.com"), (b, "email", "wang@example.com")]
    assert are_one(resolve(signals_of([(a, 0), (b, 0)], carried, [tie])), a, b)


@pytest.mark.parametrize(
    "tie",
    [
        ("crm", "", CONTACT, "1", CONTACT, "3"),
        ("links", "", CONTACT, "1", CONTACT, "2"),
        ("crm", "t2", CONTACT, "1", CONTACT, "2"),
        ("crm", "", CONTACT, "1", CONTACT, "shop:2"),
        ("crm", "", CONTACT, "1", "email", "nobody@example.com"),
        ("crm", "", "email", "none", "email", "none"),
        ("crm", "", "email", "test@test.com", CONTACT, "1"),
        ("crm", "", CONTACT, "1", "no_such_type", "2"),
        ("crm", "", CONTACT, "", CONTACT, ":"),
    ],
)
def test_a_link_with_an_unknown_end_ties_nothing(tie):
    a, b = contact(1), contact(2)
    carried = [(b, "email", "wang@example.com"), (b, "email", "test@test.com")]
    assert not are_one(resolve(signals_of([(a, 0), (b, 0)], carried, [tie])), a, b)


def test_a_contact_id_with_colons_is_found_in_the_other_source():
    a, b, c = contact("9"), contact("urn:li:7", "shop"), contact("urn", "shop")
    tie = ("crm", "", CONTACT, "9", CONTACT, "shop:urn:li:7")
    resolved = resolve(signals_of([(a, 0), (b, 0), (c, 0)], ties=[tie]))
    assert are_one(resolved, a, b)
    assert not are_one(resolved, a, c)


def test_a_contact_of_the_source_itself_goes_before_one_of_another_source():
    a, here, there = contact(1), contact("shop:5"), contact(5, "shop")
    tie = ("crm", "", CONTACT, "1", CONTACT, "shop:5")
    resolved = resolve(signals_of([(a, 0), (here, 0), (there, 0)], ties=[tie]))
    assert are_one(resolved, a, here)
    assert not are_one(resolved, a, there)


def test_a_link_to_an_id_that_two_accounts_of_a_source_have_ties_nothing():
    a, one, other = contact(1), contact(5, "shop", "uk"), contact(5, "shop", "cn")
    tie = ("crm", "", CONTACT, "1", CONTACT, "shop:5")
    assert len(groups(resolve(signals_of([(a, 0), (one, 0), (other, 0)], ties=[tie])))) == 3


def test_a_stated_link_does_not_revive_a_value_that_is_too_common():
    people = [contact(number) for number in range(4)]
    signals = signals_of(
        [(who, 0) for who in people],
        [(who, "email", "desk@example.com") for who in people],
        [("crm", "", CONTACT, "0", "email", "desk@example.com")],
    )
    assert len(groups(resolve(signals, rules=identity_rules(accounts=3)))) == 4


def test_an_address_that_only_a_link_knows_belongs_to_the_customer_it_is_tied_to():
    a = contact(1)
    signals = signals_of(
        [(a, 0)],
        ties=[("crm", "", CONTACT, "1", "email", "Li@example.com")],
        lookups=[("email", "li@example.com"), ("email", "stranger@example.com")],
    )
    resolved = resolve(signals)
    owners = {row[1]: row[5] for row in resolved.known_identifiers.iter_rows()}
    assert owners == {
        "Li@example.com": ids(resolved)[a],
        "li@example.com": ids(resolved)[a],
        "stranger@example.com": None,
    }


def test_the_answer_has_each_record_and_each_identifier_once_in_order():
    a, b = contact(1), guest(2)
    signals = signals_of(
        [(b, 4), (a, 3), (a, 2), (b, 4)],
        [(a, "email", "li@example.com"), (b, "email", "li@example.com"), (b, "phone", "1", "CN")],
        lookups=[("email", "li@example.com")],
    )
    resolved = resolve(signals)
    assert resolved.customer_keys.rows() == sorted(resolved.customer_keys.rows())
    assert resolved.customer_keys["first_seen_on"].to_list() == [day(2), day(4)]
    assert [row[:4] for row in resolved.known_identifiers.iter_rows()] == [
        ("email", "li@example.com", "", "li@example.com"),
        ("phone", "1", "CN", None),
    ]


def test_a_customer_id_is_sixteen_characters_and_tells_nothing_of_the_record():
    (name,) = ids(resolve(signals_of([(contact("li@example.com"), 0)]))).values()
    assert len(name) == 16
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_another_pseudonym_key_gives_other_ids():
    signals = signals_of([(contact(number), 0) for number in range(50)])
    one, other = ids(resolve(signals)), ids(resolve(signals, key=b"another"))
    assert not set(one.values()) & set(other.values())


def test_ids_with_control_characters_cannot_be_made_to_share_a_customer():
    tricks = [
        contact("z", account="x\x1fy"),
        contact("y\x1fz", account="x"),
        contact("z", account="x\x1ey"),
        contact("\x1e-z", account="x\x1fy"),
        contact("z", account="x\x1e-y"),
    ]
    assert len(set(ids(resolve(signals_of([(who, 0) for who in tricks]))).values())) == 5


RECORDS = st.builds(
    lambda entity, source, account, number: (entity, source, account, str(number)),
    st.sampled_from(["contact", "contact", "guest_order", "account"]),
    st.sampled_from(["crm", "shop"]),
    st.sampled_from(["", "", "t2"]),
    st.integers(1, 4),
)
SAID = st.sampled_from(
    [
        ("email", "a@x.com"), ("email", " A@X.com"), ("email", "b@x.com"), ("email", "c@x.com"),
        ("email", "test@test.com"), ("email", "broken"), ("phone", "13800138001", ""),
        ("phone", "+86 138 0013 8001", "GB"), ("phone", "(020) 7946 0958", "GB"),
        ("phone", "(020) 7946 0958", "CN"), ("phone", "5", ""), ("user_id", "u1"),
    ]
)  # fmt: skip
ENDS = st.one_of(
    st.tuples(
        st.just("contact_id"), st.sampled_from(["1", "2", "3", "crm:1", "shop:2", "shop:9", "no:1"])
    ),
    st.sampled_from([("email", "a@x.com"), ("email", "d@x.com"), ("email", "test@test.com")]),
    st.sampled_from([("phone", "13800138001"), ("user_id", "u1"), ("phone", "5")]),
)


@st.composite
def towns(draw):
    """Records, what they carry, and what is stated about them."""
    seen = draw(st.dictionaries(RECORDS, st.integers(0, 5), min_size=1, max_size=12))
    people = st.sampled_from(sorted(seen))
    carried = draw(st.lists(st.tuples(people, SAID).map(lambda p: (p[0], *p[1])), max_size=16))
    ties = draw(
        st.lists(
            st.builds(
                lambda source, account, a, b: (source, account, *a, *b),
                st.sampled_from(["crm", "shop", "links"]),
                st.sampled_from(["", "t2"]),
                ENDS,
                ENDS,
            ),
            max_size=4,
        )
    )
    return list(seen.items()), carried, ties


LIMITS = st.builds(identity_rules, st.integers(1, 4), st.integers(1, 4))


@unhurried
@given(towns(), LIMITS)
def test_customers_are_what_an_independent_union_find_makes_of_the_same_facts(town, rules):
    assert groups(resolve(signals_of(*town), rules=rules)) == expected_groups(*town, rules)


@unhurried
@given(towns(), LIMITS, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_repeated_rows_do_not_matter(town, rules, order: random.Random):
    def shaken(rows):
        rows = [*rows, *order.choices(rows, k=3)] if rows else rows
        return order.sample(rows, len(rows))

    plain = resolve(signals_of(*town), rules=rules)
    other = resolve(signals_of(*map(shaken, town)), rules=rules)
    assert other.customer_keys.equals(plain.customer_keys)
    assert other.known_identifiers.equals(plain.known_identifiers)
    assert other.notes == plain.notes


@unhurried
@given(towns(), LIMITS)
def test_a_customer_has_one_id_and_an_id_one_customer(town, rules):
    resolved = resolve(signals_of(*town), rules=rules)
    assert len(set(ids(resolved).values())) == len(expected_groups(*town, rules))
    assert resolved.customer_keys.select(RECORD).is_unique().all()


@unhurried
@given(towns(), LIMITS)
def test_each_identifier_stands_once_and_belongs_to_somebody_only_if_it_links(town, rules):
    resolved = resolve(signals_of(*town), rules=rules)
    assert resolved.known_identifiers.select(RAW).is_unique().all()
    owned = resolved.known_identifiers.filter(pl.col("customer_id").is_not_null())
    assert set(owned["status"]) <= {"links"}
    assert (
        owned.group_by(IDENTIFIER).agg(pl.col("customer_id").n_unique())["customer_id"].le(1).all()
    )
    assert set(owned["customer_id"]) <= set(resolved.customer_keys["customer_id"])


def test_one_record_that_carries_nothing_is_a_customer():
    resolved = resolve(signals_of([(contact(1), 0)]))
    assert resolved.customer_keys.height == 1
    assert resolved.known_identifiers.height == 0
