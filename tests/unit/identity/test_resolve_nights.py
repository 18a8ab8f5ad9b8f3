"""Ids over many nights. A night is what the sources say by then; it knows the night before."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_people import (
    contact,
    expected_groups,
    guest,
    identity_rules,
    ids,
    resolve,
    signals_of,
    unhurried,
)

LI, WANG, ZHAO = contact("li"), contact("wang"), contact("zhao", "shop")
ROOMY = identity_rules(accounts=100)


def tie(one, other):
    return (one[1], one[2], "contact_id", one[3], "contact_id", f"{other[1]}:{other[3]}")


def nights(*evenings, rules=ROOMY, first=None):
    """Resolve one evening after the other, each with the keys of the one before."""
    answers = []
    previous = first
    for evening in evenings:
        previous = resolve(signals_of(*evening), previous, rules)
        answers.append(previous)
    return [ids(answer) for answer in answers]


def test_nothing_new_changes_no_id():
    evening = ([(LI, 0), (WANG, 1)], [(LI, "email", "li@example.com")])
    first, second = nights(evening, evening)
    assert first == second


def test_a_new_record_joins_the_customer_it_is_tied_to_and_renames_nobody():
    carried = [(LI, "email", "li@example.com"), (ZHAO, "email", "li@example.com")]
    first, second = nights(
        ([(LI, 5), (WANG, 5)], carried[:1]), ([(LI, 5), (WANG, 5), (ZHAO, 9)], carried)
    )
    assert second == first | {ZHAO: first[LI]}


def test_customers_that_turn_out_to_be_one_bear_the_id_of_the_older():
    for older, younger in ((LI, WANG), (WANG, LI)):
        seen = [(older, 1), (younger, 2)]
        before, after = nights((seen,), (seen, (), [tie(LI, WANG)]))
        assert set(after.values()) == {before[older]}


def test_who_is_the_older_customer_is_decided_by_their_oldest_records():
    seen = [(LI, 3), (WANG, 2), (ZHAO, 1)]
    first, second = nights((seen, (), [tie(LI, ZHAO)]), (seen, (), [tie(LI, ZHAO), tie(LI, WANG)]))
    assert set(second.values()) == {first[LI]}


def test_a_record_delivered_late_yet_older_does_not_rename_its_customer():
    first, second, third = nights(
        ([(LI, 5)],),
        ([(LI, 5), (WANG, 1, 1)], (), [tie(LI, WANG)]),
        ([(LI, 5), (WANG, 1, 1)], (), [tie(LI, WANG)]),
    )
    assert second == third == {LI: first[LI], WANG: first[LI]}


def test_of_a_customer_torn_apart_the_record_the_id_came_from_keeps_it():
    seen = [(LI, 1), (WANG, 2), (ZHAO, 3)]
    one, apart = nights((seen, (), [tie(LI, WANG), tie(WANG, ZHAO)]), (seen, (), [tie(WANG, ZHAO)]))
    assert apart[LI] == one[LI]
    assert apart[WANG] == apart[ZHAO] != one[WANG]


def test_also_if_an_older_record_has_come_in_late_since():
    seen = [(LI, 5), (WANG, 1, 1)]
    _, one, apart, later = nights(([(LI, 5)],), (seen, (), [tie(LI, WANG)]), (seen,), (seen,))
    assert apart[LI] == one[LI] != apart[WANG]
    assert later == apart


def test_if_the_record_an_id_came_from_is_gone_the_oldest_that_is_left_keeps_it():
    ties = [tie(LI, WANG), tie(LI, ZHAO)]
    one, apart = nights(([(LI, 1), (WANG, 2), (ZHAO, 3)], (), ties), ([(WANG, 2), (ZHAO, 3)],))
    assert apart[WANG] == one[WANG] != apart[ZHAO]


def test_a_record_that_was_gone_and_comes_back_takes_nobodys_id():
    one, gone, back, still = nights(
        ([(LI, 1), (WANG, 2)], (), [tie(LI, WANG)]),
        ([(WANG, 2)],),
        ([(LI, 1), (WANG, 2)],),
        ([(LI, 1), (WANG, 2)],),
    )
    assert gone[WANG] == back[WANG] == one[WANG]
    assert back[LI] != back[WANG]
    assert still == back


def test_a_value_that_becomes_too_common_sets_its_bearers_free_and_the_oldest_keeps_the_id():
    people = [contact(number) for number in range(4)]
    seen = [(who, number) for number, who in enumerate(people)]
    carried = [(who, "email", "desk@example.com") for who in people]
    before, after = nights((seen[:3], carried[:3]), (seen, carried), rules=identity_rules(3))
    assert len(set(before.values())) == 1
    assert len(set(after.values())) == 4
    assert after[people[0]] == before[people[0]]


def test_removing_a_tie_restores_both_former_ids():
    seen = [(LI, 1), (WANG, 2)]
    before, tied, after = nights((seen,), (seen, (), [tie(LI, WANG)]), (seen,))
    assert tied[WANG] == before[LI]
    assert after == before


def test_ids_are_kept_even_if_the_pseudonym_key_is_changed():
    evening = signals_of([(LI, 1)])
    before = resolve(evening)
    assert ids(resolve(evening, before, key=b"another")) == ids(before)


def test_the_notes_count_who_is_new_merged_and_split():
    seen = [(LI, 1), (WANG, 2), (ZHAO, 3)]
    first = resolve(signals_of(seen[:2]))
    assert first.notes == ("2 customers, all new.",)
    second = resolve(signals_of(seen, (), [tie(LI, WANG)]), first)
    assert second.notes == ("2 customers: 1 new, 1 merged into another or erased, 0 split.",)
    third = resolve(signals_of(seen), second)
    assert third.notes == ("3 customers: 1 new, 0 merged into another or erased, 1 split.",)


PEOPLE = [contact(n) for n in range(4)] + [contact(n, "shop") for n in range(3)]
PEOPLE += [guest(n) for n in range(3)]
SAID = [("email", f"{letter}@x.com") for letter in "abc"] + [("user_id", "u1"), ("email", "none")]
NIGHTS = 4


@st.composite
def histories(draw):
    """Evenings that only add: each holds all that the one before held.

    A record may be known from a day long before the one on which it lands.
    """
    arrives = draw(st.dictionaries(st.sampled_from(PEOPLE), st.integers(0, NIGHTS - 1), min_size=1))
    seen = [(who, draw(st.integers(0, 50)), night) for who, night in arrives.items()]
    people = st.sampled_from(sorted(arrives))
    said = draw(
        st.lists(st.tuples(people, st.sampled_from(SAID), st.integers(0, NIGHTS - 1)), max_size=12)
    )
    contacts = st.sampled_from([who for who in PEOPLE if who[0] == "contact"])
    ties = draw(st.lists(st.tuples(contacts, contacts, st.integers(0, NIGHTS - 1)), max_size=3))
    return [
        (
            [(who, first, since) for who, first, since in seen if since <= night],
            [(who, *what) for who, what, since in said if max(since, arrives[who]) <= night],
            [tie(one, other) for one, other, since in ties if since <= night],
        )
        for night in range(NIGHTS)
        if any(since <= night for _, _, since in seen)
    ]


@settings(unhurried, max_examples=30)
@given(histories())
def test_a_rebuild_in_one_go_gives_the_ids_that_night_after_night_gave(evenings):
    *_, last = nights(*evenings)
    (rebuilt,) = nights(evenings[-1])
    assert last == rebuilt


@settings(unhurried, max_examples=30)
@given(histories())
def test_growth_never_renames_a_customer_but_by_merging_it_into_another_old_one(evenings):
    answers = nights(*evenings)
    for before, after in pairwise(answers):
        became = {}
        for record, old in before.items():
            assert became.setdefault(old, after[record]) == after[record], "growth split a customer"
        assert set(became.values()) <= set(before.values()), "growth renamed a customer"
        known = set(before.values())
        for record, new in after.items():
            if not any(new == after[old] for old in before):
                assert new not in known, f"{record} is new and has the id of a former customer"
    for evening, answer in zip(evenings, answers, strict=True):
        assert len(set(answer.values())) == len(expected_groups(*evening, ROOMY))


@settings(unhurried, max_examples=30)
@given(histories())
def test_taking_all_ties_back_restores_every_former_id(evenings):
    seen, carried, ties = evenings[-1]
    before, _, after = nights((seen, carried), (seen, carried, ties), (seen, carried))
    assert before == after


@st.composite
def upheavals(draw):
    """Evenings on which records, values and ties come and go as they like."""
    evening = st.tuples(
        st.dictionaries(st.sampled_from(PEOPLE), st.integers(0, 9), min_size=1).map(
            lambda seen: list(seen.items())
        ),
        st.lists(
            st.tuples(st.sampled_from(PEOPLE), st.sampled_from(SAID)).map(lambda p: (p[0], *p[1])),
            max_size=10,
        ),
        st.lists(
            st.tuples(st.sampled_from(PEOPLE[:7]), st.sampled_from(PEOPLE[:7])).map(
                lambda pair: tie(*pair)
            ),
            max_size=3,
        ),
    )
    return draw(st.lists(evening, min_size=2, max_size=5))


@settings(unhurried, max_examples=30)
@given(upheavals(), st.integers(1, 4))
def test_whatever_happens_an_id_never_belongs_to_two_customers(evenings, accounts):
    rules = identity_rules(accounts=accounts)
    for evening, answer in zip(evenings, nights(*evenings, rules=rules), strict=True):
        members = {}
        for record, customer in answer.items():
            members.setdefault(customer, set()).add(record)
        expected = expected_groups(*evening, rules)
        assert {frozenset(records) for records in members.values()} == expected


@settings(unhurried, max_examples=30)
@given(upheavals())
def test_the_part_that_holds_the_record_an_id_came_from_keeps_it(evenings):
    """Or it bears an older id that it also had: a name never moves to the other part."""
    answers = nights(*evenings)
    (fresh,) = nights(([(record, 0) for record in PEOPLE],))
    for before, after in pairwise(answers):
        for record, old in before.items():
            if record in after and fresh[record] == old:
                heirs = {after[other] for other in after if after[other] == old}
                assert heirs <= {after[record]}


@pytest.mark.parametrize("night", range(3))
def test_the_row_order_of_the_previous_keys_does_not_matter(night):
    seen = [(who, number % 3) for number, who in enumerate(PEOPLE)]
    ties = [tie(PEOPLE[0], PEOPLE[1]), tie(PEOPLE[2], PEOPLE[5])]
    before = resolve(signals_of(seen, (), ties))
    shaken = before.customer_keys.sample(fraction=1, shuffle=True, seed=night)
    again = resolve(signals_of(seen, (), ties[:1]), before)
    other = resolve(signals_of(seen, (), ties[:1]), replace(before, customer_keys=shaken))
    assert other.customer_keys.equals(again.customer_keys)
