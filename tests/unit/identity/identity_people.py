"""Records, identifiers and ties in short, and an answer worked out in another way."""

from collections import defaultdict
from datetime import date, timedelta

import polars as pl
from hypothesis import settings

from pipelines.identity.normalise import normalise_email, normalise_phone
from pipelines.identity.resolve import RAW, RECORD, Signals, resolve_customers
from pipelines.rules.schemas import Identity, SharedLimit

KEY = b"a key of the tests"
unhurried = settings(deadline=None, max_examples=60)
TYPES = ("email", "phone", "user_id")
TIE = ["tie", "source", "source_account_id", "id_type_a", "id_a", "id_type_b", "id_b"]


def identity_rules(accounts=5, guests=200, blocked=None):
    limit = SharedLimit(max_accounts=accounts, max_guest_orders=guests)
    blocked = {"email": ["test@test.com"]} if blocked is None else blocked
    return Identity(default_country="CN", limits=dict.fromkeys(TYPES, limit), blocked=blocked)


def contact(number, source="crm", account=""):
    return ("contact", source, account, str(number))


def guest(number, source="shop", account=""):
    return ("guest_order", source, account, str(number))


def company(number, source="crm", account=""):
    return ("account", source, account, str(number))


def day(number):
    return date(2026, 1, 1) + timedelta(days=number)


def signals_of(seen, carried=(), ties=(), lookups=()):
    """What the sources say.

    seen: pairs of a record and the day from which it is known
    carried: (record, id_type, raw value[, country])
    ties: (source, account, id_type_a, id_a, id_type_b, id_b)
    """
    strings = pl.String
    return Signals(
        records=pl.DataFrame(
            [(*record, day(first)) for record, first in seen],
            schema={**dict.fromkeys(RECORD, strings), "first_seen_on": pl.Date},
            orient="row",
        ),
        signals=pl.DataFrame(
            [(*record, *(said if len(said) == 3 else (*said, ""))) for record, *said in carried],
            schema=dict.fromkeys([*RECORD, *RAW], strings),
            orient="row",
        ),
        ties=pl.DataFrame(
            [("stated_link", *tie) for tie in ties],
            schema=dict.fromkeys(TIE, strings),
            orient="row",
        ),
        lookups=pl.DataFrame(
            [(*said, "") for said in lookups], schema=dict.fromkeys(RAW, strings), orient="row"
        ),
    )


def resolve(signals, previous=None, rules=None, key=KEY):
    return resolve_customers(
        signals, None if previous is None else previous.keys, rules or identity_rules(), key
    )


def ids(resolved):
    """Customer id by record."""
    return {tuple(row[:4]): row[5] for row in resolved.keys.iter_rows()}


def groups(resolved):
    """Records by customer, without the ids."""
    members = defaultdict(set)
    for record, customer in ids(resolved).items():
        members[customer].add(record)
    return {frozenset(records) for records in members.values()}


def expected_groups(seen, carried, ties, rules):
    """The same by union-find over plain Python values, sharing no code with the resolver."""
    parent = {}

    def find(node):
        parent.setdefault(node, node)
        while parent[node] != node:
            node = parent[node]
        return node

    def join(one, other):
        parent[find(one)] = find(other)

    def compare(id_type, raw, country):
        if id_type == "email":
            return normalise_email(raw)
        if id_type == "phone":
            return normalise_phone(raw, country or "CN")
        return raw.strip() or None

    blocked = {
        (kind, compare(kind, value, ""))
        for kind, values in rules.blocked.items()
        for value in values
    }
    bearers = defaultdict(set)
    for record, id_type, raw, *country in carried:
        bearers[id_type, compare(id_type, raw, *country or [""])].add(record)

    def says_something(value):
        of_guests = sum(record[0] == "guest_order" for record in bearers[value])
        others = len(bearers[value]) - of_guests
        limit = rules.limits[value[0]]
        common = others > limit.max_accounts or of_guests > limit.max_guest_orders
        return value[1] is not None and value not in blocked and not common

    records = {record for record, _ in seen}
    for value, people in list(bearers.items()):
        for record in people & records:
            if says_something(value):
                join(record, ("value", value))

    def end(source, account, id_type, raw):
        if id_type != "contact_id":
            value = (id_type, compare(id_type, raw, ""))
            return ("value", value) if says_something(value) else None
        if ("contact", source, account, raw) in records:
            return ("contact", source, account, raw)
        there = [
            record
            for record in records
            if record[0] == "contact" and f"{record[1]}:{record[3]}" == raw
        ]
        return there[0] if len(there) == 1 else None

    for source, account, type_a, id_a, type_b, id_b in ties:
        one, other = end(source, account, type_a, id_a), end(source, account, type_b, id_b)
        if one is not None and other is not None:
            join(one, other)
    members = defaultdict(set)
    for record in records:
        members[find(record)].add(record)
    return {frozenset(people) for people in members.values()}
