"""Resolution with likeness switched on: what ties nobody is no likeness either."""

from itertools import cycle, islice, product
from pathlib import Path

import pytest
from identity_people import contact, day, identity_rules, ids, resolve, signals_of

from pipelines.rules.identity import Fuzzy, IdentityRules
from pipelines.rules.identity_model import IdentityModel

MODEL = IdentityModel.model_validate_json(
    Path("pipelines/rules/identity_model.json").read_text(encoding="utf-8")
)
LIKELY = Fuzzy(is_on=True, link_above=0.95, review_above=0.70)
GIVEN = "Anna Ben Carla David Eva Frank Greta Hans Ida Jon Kim Lea Max Nora Otto Paul".split()  # noqa: SIM905 - names in a row
FAMILY = "Berg Stone Huber Koch Lang Meyer Novak Orban Quist Roth Schulz Thiel Unger".split()  # noqa: SIM905 - names in a row
ONE, OTHER = contact(1), contact(2, "shop")
NAMESAKE = {"full_name": "Marlene Tiefenbach"}
BORN = NAMESAKE | {"birth_date": day(-16000), "city": "Leeds"}


def town():
    """People who have nothing in common but names, so that frequencies mean something."""
    names = islice(cycle(product(GIVEN, FAMILY)), 300)
    return {
        contact(1000 + number): {
            "full_name": f"{given} {family}",
            "street": f"{number} {FAMILY[number % 13]} Street",
            "city": ("London", "York", "Bath")[number % 3],
            "phone": f"+4479{10_000_000 + number * 7_654:08d}",
        }
        for number, (given, family) in enumerate(names)
    }


def night(one, other, carried=(), decisions=None, previous=None, carriers=()):
    """ONE and OTHER as told, both carrying what is said, in a town of strangers."""
    people = town()
    told = people | {ONE: one, OTHER: other} | {who: people[who] for who in carriers}
    said = [(who, *value) for who in (ONE, OTHER, *carriers) for value in carried]
    signals = signals_of([(who, 0) for who in told], said, profiles=told)
    blocked = {"email": ["test@test.com", "info@example.com"], "phone": ["+8613800138000"]}
    rules = identity_rules(blocked=blocked, fuzzy=LIKELY)
    return resolve(signals, previous, rules, decisions=decisions, model=MODEL)


def are_one(resolved):
    return ids(resolved)[ONE] == ids(resolved)[OTHER]


def cannot_link():
    told = {"a": "crm:1", "b": "shop:2", "reason": "r", "owner": "o", "date": "2026-01-01"}
    return IdentityRules(cannot_link=(told,))


def test_a_name_alone_is_for_a_person_to_look_at_and_a_birth_date_links():
    assert not are_one(night(NAMESAKE, NAMESAKE))
    assert are_one(night(BORN, BORN))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("email", "test@test.com"), ("email", "INFO@example.com"), ("phone", "+86 138 0013 8000")],
)
def test_a_blocked_value_makes_nobody_look_alike(kind, value):
    told = NAMESAKE | {kind: value}
    assert not are_one(night(told, told, [(kind, value)]))


def test_a_value_of_too_many_people_makes_nobody_look_alike():
    desk = ("phone", "+442071234567")
    told = NAMESAKE | {"phone": desk[1]}
    resolved = night(told, told, [desk], carriers=[contact(1000 + 13 * n) for n in range(7)])
    assert "1 phone value is too common and ties nobody." in resolved.notes
    assert not are_one(resolved)


def test_a_steward_parts_those_who_look_alike_and_nobody_is_asked_again():
    merged = night(BORN, BORN)
    undone = night(BORN, BORN, decisions=cannot_link(), previous=merged)
    assert not are_one(undone)
    assert undone.identity_reviews.is_empty()
    assert undone.identity_edges["dropped_because"].to_list() == ["cannot_link"]
    assert are_one(night(BORN, BORN, previous=undone))
