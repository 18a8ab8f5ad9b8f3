"""Records that no tie made look wrong, and that together cannot be one person."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_people import (
    contact,
    day,
    groups,
    guest,
    identity_rules,
    resolve,
    signals_of,
    unhurried,
)

from pipelines.identity import contradictions
from pipelines.identity.contradictions import find_contradictions
from pipelines.identity.names import normalise_names
from pipelines.identity.values import number_personas
from pipelines.rules.identity import IdentityRules

LI, WANG, ORDER, SHOP = contact("li"), contact("wang"), guest("g-1"), contact("s-1", "shop")
LI_NA, WANG_WEI = {"full_name": "李娜"}, {"full_name": "王伟"}
BRIDGE = [
    (LI, "email", "li@example.com"), (ORDER, "email", "li@example.com"),
    (WANG, "phone", "13800138001"), (ORDER, "phone", "13800138001"),
]  # fmt: skip


def personas_of(*names):
    """Personas of records 0, 1, 2 … with these names; None has none."""
    schema = {
        "node": pl.Int64, "party": pl.String, "full_name": pl.String, "first_name": pl.String,
        "last_name": pl.String, "birth_date": pl.Date, "gender": pl.String,
    }  # fmt: skip
    rows = [{"node": n, "party": "person", "full_name": name} for n, name in enumerate(names)]
    return number_personas(normalise_names(pl.DataFrame(rows, schema=schema)))


def found(names, component, certain=None):
    """Contradictions among records of these names and components; no tie is certain if left out."""
    certain = range(len(names)) if certain is None else certain
    return find_contradictions(personas_of(*names), np.array(component), np.array(list(certain)))


def edges(resolved, dropped=True):
    rows = resolved.identity_edges.select("end_a", "tie", "dropped_because").rows()
    return [row for row in rows if (row[2] is not None) is dropped]


def test_two_names_in_one_component_contradict_each_other_and_say_how():
    assert found(["李娜", "王伟"], [0, 0]) == ((0, 1, "conflict given_name"),)
    assert found(["李娜", "王伟"], [0, 1]) == ()


def test_who_has_no_name_or_another_spelling_of_it_contradicts_nobody():
    assert found(["李娜", None, "Li Na", "Na LI"], [0, 0, 0, 0]) == ()


def test_every_record_of_one_name_contradicts_every_record_of_the_other():
    pairs = found(["李娜", "王伟", "王伟", None, "李娜"], [0] * 5)
    assert {frozenset(pair[:2]) for pair in pairs} == {
        frozenset({li, wang}) for li in (0, 4) for wang in (1, 2)
    }


def test_what_certain_ties_hold_together_is_no_contradiction_and_what_they_do_not_is():
    assert found(["李娜", "王伟"], [0, 0], certain=[0, 0]) == ()
    pairs = found(["李娜", "王伟", "李娜"], [0, 0, 0], certain=[0, 0, 1])
    assert {frozenset(pair[:2]) for pair in pairs} == {frozenset({1, 2})}


def test_of_a_crowd_each_is_compared_with_one_alone(monkeypatch):
    names = ["Robert Lee", "Mary Lee", "Susan Lee", "Peter Lee"]
    personas = personas_of(*names)
    everybody = {frozenset(pair[:2]) for pair in found(names, [0] * 4)}
    assert len(everybody) == 6
    monkeypatch.setattr(contradictions, "CROWD", 3)
    first = personas.sort("persona")["node"][0]
    assert {frozenset(pair[:2]) for pair in found(names, [0] * 4)} == {
        frozenset({first, other}) for other in range(4) if other != first
    }
    monkeypatch.setattr(contradictions, "CROWD", 4)
    assert {frozenset(pair[:2]) for pair in found(names, [0] * 4)} == everybody


def test_a_guest_order_with_ones_mailbox_and_anothers_telephone_makes_them_not_one():
    seen = [(LI, 0), (WANG, 1), (ORDER, 2)]
    nameless = resolve(signals_of(seen, BRIDGE))
    assert len(groups(nameless)) == 1
    resolved = resolve(signals_of(seen, BRIDGE, profiles={LI: LI_NA, WANG: WANG_WEI}))
    assert groups(resolved) == {frozenset({LI, ORDER}), frozenset({WANG})}
    assert edges(resolved) == [("guest_order=shop:g-1", "phone", "conflict given_name")]
    assert "1 tie was dropped by conflict given_name: see identity_edges." in resolved.notes


@pytest.mark.parametrize(("name", "joins"), [("王伟", WANG), ("李娜", LI), ("Na Li", LI)])
def test_a_guest_order_that_names_its_buyer_goes_to_whom_it_names(name, joins):
    profiles = {LI: LI_NA, WANG: WANG_WEI, ORDER: {"full_name": name}}
    resolved = resolve(signals_of([(LI, 0), (WANG, 1), (ORDER, 2)], BRIDGE, profiles=profiles))
    other = LI if joins == WANG else WANG
    assert groups(resolved) == {frozenset({joins, ORDER}), frozenset({other})}


def test_a_chain_in_which_each_name_is_like_the_next_is_cut_at_its_weakest_tie():
    """Father and son, and between them one who may be either."""
    people = [contact(n) for n in range(3)]
    names = ["Robert Smith Sr", "Robert Smith", "Robert Smith Jr"]
    profiles = {who: {"full_name": name} for who, name in zip(people, names, strict=True)}
    carried = [
        (people[0], "email", "home@example.com"), (people[1], "email", "home@example.com"),
        (people[1], "phone", "13800138001"), (people[2], "phone", "13800138001"),
    ]  # fmt: skip
    resolved = resolve(
        signals_of([(who, n) for n, who in enumerate(people)], carried, profiles=profiles)
    )
    assert groups(resolved) == {frozenset(people[:2]), frozenset(people[2:])}
    assert [row[1:] for row in edges(resolved)] == [("phone", "conflict name_suffix")]


LOG_IN = [(LI, "user_id", "u1"), (WANG, "user_id", "u1")]


def test_a_log_in_that_two_names_use_stands_and_is_one_customer():
    profiles = {LI: LI_NA, WANG: WANG_WEI}
    resolved = resolve(signals_of([(LI, 0), (WANG, 1)], LOG_IN, profiles=profiles))
    assert groups(resolved) == {frozenset({LI, WANG})}
    assert edges(resolved) == []


def test_a_steward_and_a_source_stand_whatever_the_names_say():
    profiles = {LI: LI_NA, WANG: WANG_WEI}
    signals = signals_of([(LI, 0), (WANG, 1)], profiles=profiles)
    why = {"reason": "They married", "owner": "Li Na", "date": day(1)}
    steward = IdentityRules(must_link=[{"a": "crm:li", "b": "crm:wang"} | why])
    assert len(groups(resolve(signals, decisions=steward))) == 1
    stated = signals_of(
        [(LI, 0), (WANG, 1)], (), [("crm", "", "contact_id", "li", "contact_id", "wang")],
        profiles=profiles,
    )  # fmt: skip
    assert len(groups(resolve(stated))) == 1


def test_a_name_that_joins_a_log_in_by_a_shared_number_still_contradicts_it():
    profiles = {LI: LI_NA, WANG: WANG_WEI, SHOP: {"full_name": "张敏"}}
    carried = [*LOG_IN, *BRIDGE, (SHOP, "phone", "13800138001")]
    resolved = resolve(signals_of([(LI, 0), (WANG, 1), (ORDER, 2), (SHOP, 3)], carried,
                                  profiles=profiles))  # fmt: skip
    assert groups(resolved) == {frozenset({LI, WANG, ORDER}), frozenset({SHOP})}


PEOPLE = [contact(n) for n in range(4)] + [contact(n, "shop") for n in range(2)]
PEOPLE += [guest(n) for n in range(3)]
NAMES = [
    None,
    None,
    "李娜",
    "Li Na",
    "王伟",
    "David Wang",
    "Robert Smith Jr",
    "Robert Smith",
    "R S",
]
SAID = [("email", f"{letter}@x.com") for letter in "abc"] + [
    ("phone", f"1380013800{digit}") for digit in "123"
]


@st.composite
def villages(draw):
    """People of whom most share something and some contradict each other."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=len(PEOPLE), max_size=len(PEOPLE)))
    carried = draw(st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(SAID)), max_size=20))
    profiles = {who: {"full_name": name} for who, name in zip(PEOPLE, names, strict=True) if name}
    return profiles, [(who, *what) for who, what in carried]


ROOMY = identity_rules(accounts=50)


@unhurried
@given(villages())
def test_no_customer_is_two_people_of_whom_something_says_that_they_are_two(village):
    profiles, carried = village
    seen = [(who, n) for n, who in enumerate(PEOPLE)]
    resolved = resolve(signals_of(seen, carried, profiles=profiles), rules=ROOMY)
    for members in groups(resolved):
        names = [profiles[who]["full_name"] for who in members if who in profiles]
        assert found(names, [0] * len(names)) == ()


@unhurried
@given(villages(), st.randoms(use_true_random=False))
def test_the_order_of_rows_parts_nobody_otherwise(village, order):
    profiles, carried = village
    seen = [(who, n) for n, who in enumerate(PEOPLE)]
    plain = signals_of(seen, carried, profiles=profiles)
    shaken = signals_of(order.sample(seen, len(seen)), order.sample(carried, len(carried)),
                        profiles=profiles)  # fmt: skip
    shaken = replace(
        shaken,
        profiles=shaken.profiles.sample(fraction=1, shuffle=True, seed=order.randrange(99)),
        records=shaken.records.sample(fraction=1, shuffle=True, seed=order.randrange(99)),
    )
    one, other = resolve(plain, rules=ROOMY), resolve(shaken, rules=ROOMY)
    for name in ("customer_keys", "identity_edges", "identity_reviews", "customer_identifiers"):
        assert getattr(other, name).equals(getattr(one, name)), name
