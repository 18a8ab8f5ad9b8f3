"""Records, identifiers and ties in short, and an answer worked out in another way."""

from collections import Counter, defaultdict
from datetime import date, timedelta

import polars as pl
from hypothesis import settings

from pipelines.identity.normalise import normalise_email, normalise_phone
from pipelines.identity.refs import RECORD
from pipelines.identity.resolve import Memory, Policy, Signals, resolve_customers
from pipelines.identity.values import RAW
from pipelines.rules.identity import Fuzzy, Identity, IdentityRules, Signal

KEY = b"a key of the tests"
unhurried = settings(deadline=None, max_examples=60)
TYPES = ("email", "phone", "user_id", "external_userid", "domain")
TIE = ["tie", "source", "source_account_id", "id_type_a", "id_a", "id_type_b", "id_b"]
PROFILE = {
    "full_name": pl.String, "first_name": pl.String, "last_name": pl.String, "gender": pl.String,
    "birth_date": pl.Date, "street": pl.String, "city": pl.String, "state": pl.String,
    "postal_code": pl.String, "country_code": pl.String, "email": pl.String, "phone": pl.String,
    "domain": pl.String,
}  # fmt: skip
EXACT = Fuzzy(is_on=False, link_above=0.99, review_above=0.7)


def identity_rules(accounts=5, guests=200, blocked=None, most=None, fuzzy=EXACT):
    """Rules of which a test names only what it is about; `most` is max_per_customer by type."""
    signals = {
        id_type: Signal(
            priority=place,
            max_people=accounts,
            max_guest_orders=guests,
            max_per_customer=(most or {}).get(id_type),
        )
        for place, id_type in enumerate(TYPES, start=1)
    }
    blocked = {"email": ["test@test.com"]} if blocked is None else blocked
    return Identity(default_country="CN", signals=signals, blocked=blocked, fuzzy=fuzzy)


def contact(number, source="crm", account=""):
    return ("contact", source, account, str(number))


def guest(number, source="shop", account=""):
    return ("guest_order", source, account, str(number))


def company(number, source="crm", account=""):
    return ("account", source, account, str(number))


def day(number):
    return date(2026, 1, 1) + timedelta(days=number)


def signals_of(seen, carried=(), ties=(), lookups=(), profiles=None):
    """What the sources say.

    seen: a record, the day from which it is known, and the day it landed (0 if left out)
    carried: (record, id_type, raw value[, country])
    ties: (source, account, id_type_a, id_a, id_type_b, id_b)
    profiles: what a record says of its person, by record
    """
    strings = pl.String
    records = _number_records(seen)
    nodes = {tuple(row[1:5]): row[0] for row in records.iter_rows()}
    said = [
        (nodes[record], *(told if len(told) == 3 else (*told, "")), day(0))
        for record, *told in carried
        if record in nodes
    ]
    return Signals(
        records=records,
        signals=pl.DataFrame(
            said,
            schema={"node": pl.Int64, **dict.fromkeys(RAW, strings), "landed_on": pl.Date},
            orient="row",
        ),
        ties=pl.DataFrame(
            [("stated_link", *tie, day(0)) for tie in ties],
            schema={**dict.fromkeys(TIE, strings), "since_on": pl.Date},
            orient="row",
        ),
        lookups=pl.DataFrame(
            [(*said, "") for said in lookups], schema=dict.fromkeys(RAW, strings), orient="row"
        ),
        profiles=_describe(records, profiles or {}),
    )


def _number_records(seen):
    """One row for each record, numbered by age, as `int_identity_records` has them."""
    known = {}
    for record, first, *landed in seen:
        age = (landed[0] if landed else 0, first)
        known[record] = min(age, known.get(record, age))
    rows = sorted((*age, *record) for record, age in known.items())
    return pl.DataFrame(
        [
            (node, *record, "organisation" if record[0] == "account" else "person",
             day(landed), day(first), day(first), False)
            for node, (landed, first, *record) in enumerate(rows)
        ],
        schema={
            "node": pl.Int64, **dict.fromkeys([*RECORD, "party"], pl.String),
            "first_known_on": pl.Date, "seen_on_when_known": pl.Date, "first_seen_on": pl.Date,
            "is_deleted": pl.Boolean,
        },
        orient="row",
    )  # fmt: skip


def _describe(records, profiles):
    rows = [
        {"node": node, "party": party} | profiles[record]
        for node, *key, party in records.select("node", *RECORD, "party").iter_rows()
        if (record := tuple(key)) in profiles
    ]
    schema = {"node": pl.Int64, "party": pl.String, **PROFILE}
    return pl.DataFrame(rows, schema=schema) if rows else pl.DataFrame(schema=schema)


def resolve(
    signals, previous=None, rules=None, key=KEY, decisions=None, logins=(), on=0, model=None
):
    memory = previous and Memory(
        previous.customer_keys, previous.customer_aliases, previous.identity_edges
    )
    policy = Policy(rules or identity_rules(), decisions or IdentityRules(), logins, model)
    return resolve_customers(signals, memory, policy, key, day(on))


def ids(resolved):
    """Customer id by record."""
    keys = resolved.customer_keys.select(*RECORD, "customer_id")
    return {tuple(row[:4]): row[4] for row in keys.iter_rows()}


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
    known = {record for record, *_ in seen}
    for record, id_type, raw, *country in carried:
        if record not in known:
            continue
        bearers[id_type, compare(id_type, raw, *country or [""])].add(record)

    def says_something(value):
        of_guests = sum(record[0] == "guest_order" for record in bearers[value])
        # Nobody tells a name: the source that has most of them says how many people there are.
        places = Counter(
            record[1:3] for record in bearers[value] & known if record[0] != "guest_order"
        )
        others = max(places.values(), default=0)
        limit = rules.signals[value[0]]
        common = others > limit.max_people or of_guests > limit.max_guest_orders
        return value[1] is not None and value not in blocked and not common

    def party(record):
        return "organisation" if record[0] == "account" else "person"

    records = {record for record, *_ in seen}

    def mailbox(record):
        of = [v for v, people in bearers.items() if record in people and says_something(v)]
        return min((value for kind, value in of if kind == "email"), default=None)

    def circle(record, value):
        """Whom of those who share a number an order without a name belongs to."""
        if record[0] != "guest_order" or value[0] != "phone":
            return 0
        others = {other for other in bearers[value] if party(other) == "person"}
        holders = {other for other in others if other[0] != "guest_order"}
        known = {v[1] for v in bearers if v[0] == "email" and says_something(v)
                 and bearers[v] & holders}  # fmt: skip
        callers = {mailbox(other) for other in others - holders} - {None}
        strangers = callers - known if len(known) + len(callers) > 1 else set()
        mine = mailbox(record)
        lost = mine is None and strangers and not holders
        return mine if mine in strangers else "nameless" if lost else 0

    for value, people in list(bearers.items()):
        for record in people & records:
            if says_something(value):
                join(record, ("value", value, party(record), circle(record, value)))

    def end(source, account, id_type, raw):
        if id_type != "contact_id":
            value = (id_type, compare(id_type, raw, ""))
            here = {circle(r, value) for r in bearers[value] if party(r) == "person"} or {0}
            sole = says_something(value) and len(here) == 1
            return ("value", value, "person", *here) if sole else None
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
