"""What stewards and limits decide, and that it is undone by taking one line back."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_people import (
    company,
    contact,
    day,
    groups,
    guest,
    identity_rules,
    ids,
    resolve,
    signals_of,
    unhurried,
)

from pipelines.identity.refs import mint_id
from pipelines.rules.identity import IdentityRules

WHY = {"reason": "They called", "owner": "Li Na", "date": date(2026, 6, 1)}
LI, WANG, ZHAO = contact("li"), contact("wang"), contact("zhao", "shop")


def decided(must=(), cannot=(), blocked=()):
    return IdentityRules(
        must_link=[{"a": a, "b": b} | WHY for a, b in must],
        cannot_link=[{"a": a, "b": b} | WHY for a, b in cannot],
        blocked=[{"id_type": kind, "value": value} | WHY for kind, value in blocked],
    )


def told(resolved, tie=None):
    """Edges as (end_a, end_b, tie, dropped_because)."""
    rows = resolved.identity_edges.select("end_a", "end_b", "tie", "dropped_because").rows()
    return [row for row in rows if tie is None or row[2] == tie]


def test_a_steward_ties_two_records_that_share_nothing():
    resolved = resolve(
        signals_of([(LI, 0), (ZHAO, 1)]), decisions=decided([("crm:li", "shop:zhao")])
    )
    assert ids(resolved)[LI] == ids(resolved)[ZHAO]
    assert told(resolved) == [("crm:li", "shop:zhao", "must_link", None)]
    assert resolved.identity_edges["since_on"].to_list() == [WHY["date"]]


SHARED = [(LI, "email", "li@example.com"), (WANG, "email", "li@example.com")]


def test_a_steward_keeps_two_records_apart_that_share_a_value():
    resolved = resolve(
        signals_of([(LI, 0), (WANG, 1)], SHARED), decisions=decided(cannot=[("crm:wang", "crm:li")])
    )
    assert ids(resolved)[LI] != ids(resolved)[WANG]
    assert [row[3] for row in told(resolved, "email")] == [None, "cannot_link"]
    assert "1 tie was dropped by cannot_link: see identity_edges." in resolved.notes


def test_it_is_the_weakest_tie_that_goes():
    """ZHAO has Wang's e-mail address and Li's telephone: the telephone says less."""
    carried = [
        (LI, "phone", "13800138001"), (ZHAO, "phone", "13800138001"),
        (WANG, "email", "wang@example.com"), (ZHAO, "email", "wang@example.com"),
    ]  # fmt: skip
    seen = [(LI, 0), (WANG, 1), (ZHAO, 2)]
    resolved = resolve(
        signals_of(seen, carried), decisions=decided(cannot=[("crm:li", "crm:wang")])
    )
    assert groups(resolved) == {frozenset({LI}), frozenset({WANG, ZHAO})}


@pytest.mark.parametrize("written", ["crm:li", "contact=crm:li", "id"])
def test_a_decision_names_a_record_or_the_customer_named_after_it(written):
    before = resolve(signals_of([(LI, 0), (WANG, 1)], SHARED))
    ref = ids(before)[LI] if written == "id" else written
    after = resolve(
        signals_of([(LI, 0), (WANG, 1)], SHARED),
        before,
        decisions=decided(cannot=[(ref, "crm:wang")]),
    )
    assert ids(after)[LI] != ids(after)[WANG]


def test_accounts_of_a_source_and_organisations_can_be_named():
    here, there, firm = contact(5, "shop", "uk"), contact(5, "shop", "cn"), company(5)
    signals = signals_of([(here, 0), (there, 0), (firm, 0)])
    rules = decided([("shop/uk:5", "shop/cn:5"), ("account=crm:5", "shop/uk:5")])
    resolved = resolve(signals, decisions=rules)
    assert groups(resolved) == {frozenset({here, there}), frozenset({firm})}
    assert [row[3] for row in told(resolved, "must_link")].count("max_per_customer party") == 1


def test_a_decision_about_a_record_that_is_not_there_is_told():
    resolved = resolve(signals_of([(LI, 0)]), decisions=decided(cannot=[("crm:li", "crm:nobody")]))
    assert resolved.notes[-1].endswith("not there tonight: crm:nobody.")


def test_a_value_that_a_steward_blocks_ties_nobody():
    resolved = resolve(
        signals_of([(LI, 0), (WANG, 1)], SHARED),
        decisions=decided(blocked=[("email", "LI@example.com")]),
    )
    assert ids(resolved)[LI] != ids(resolved)[WANG]


def aliases(resolved):
    rows = resolved.customer_aliases.select("alias_id", "customer_id", "changed_on", "event").rows()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def test_one_line_undoes_a_merge_and_one_less_brings_it_back():
    seen = [(LI, 0), (WANG, 1)]
    apart = resolve(signals_of(seen), on=1)
    merged = resolve(signals_of(seen, SHARED), apart, on=2)
    rules = decided(cannot=[("crm:li", "crm:wang")])
    undone = resolve(signals_of(seen, SHARED), merged, decisions=rules, on=3)
    again = resolve(signals_of(seen, SHARED), undone, on=4)
    li, wang = ids(apart)[LI], ids(apart)[WANG]
    assert set(ids(merged).values()) == {li}
    assert ids(undone) == ids(apart)
    assert ids(again) == ids(merged)
    assert aliases(again) == [
        (wang, li, day(2), "merged"),
        (wang, wang, day(3), "restored"),
        (wang, li, day(4), "merged"),
    ]  # fmt: skip
    assert aliases(undone) == aliases(again)[:2]


def test_a_mailbox_that_a_steward_parted_is_nobodys_alone():
    rules = decided(cannot=[("crm:li", "crm:wang")])
    parted = resolve(signals_of([(LI, 0), (WANG, 1)], SHARED), decisions=rules)
    known = parted.known_identifiers.select("status", "customer_id").unique().rows()
    assert known == [("shared", None)]
    assert parted.customer_identifiers["is_shared"].to_list() == [True, True]


ELDER, HEIR, THIRD = contact("elder"), contact("heir"), contact("third")
FAMILY = [(who, "email", "home@example.com") for who in (ELDER, HEIR, THIRD)]


def test_a_decision_reaches_a_customer_whose_first_record_was_erased():
    before = resolve(signals_of([(ELDER, 0), (HEIR, 1), (THIRD, 2)], FAMILY), on=1)
    name = ids(before)[ELDER]
    left = signals_of([(HEIR, 1), (THIRD, 2)], FAMILY[1:])
    after = resolve(left, before, decisions=decided(cannot=[(name, "crm:third")]), on=2)
    assert ids(after)[HEIR] == name != ids(after)[THIRD]


def test_a_customer_whose_first_record_was_erased_finds_its_id_again_after_a_merge():
    other = contact("other", "old")
    seen = [(other, 0), (HEIR, 2), (THIRD, 3)]
    before = resolve(signals_of([(ELDER, 1), *seen], FAMILY), on=1)
    name = ids(before)[ELDER]
    erased = resolve(signals_of(seen, FAMILY[1:]), before, on=2)
    rules = decided(must=[("old:other", "crm:heir")])
    merged = resolve(signals_of(seen, FAMILY[1:]), erased, decisions=rules, on=3)
    undone = resolve(signals_of(seen, FAMILY[1:]), merged, on=4)
    assert ids(erased)[HEIR] == name
    assert ids(merged)[HEIR] == ids(before)[other]
    assert ids(undone) == ids(erased)
    assert aliases(undone)[-1] == (name, name, day(4), "restored")


def test_a_decision_that_is_told_twice_is_one_edge_without_its_words():
    written = resolve(signals_of([(LI, 0), (WANG, 1)]))
    rules = decided(must=[("crm:li", "crm:wang"), ("crm:wang", ids(written)[LI])])
    edges = resolve(signals_of([(LI, 0), (WANG, 1)]), decisions=rules).identity_edges
    assert edges.select("tie", "rule").rows() == [("must_link", "must_link crm:li crm:wang")]


def test_an_id_whose_records_are_all_erased_stands_for_nobody():
    before = resolve(signals_of([(LI, 0), (WANG, 1)]), on=1)
    after = resolve(signals_of([(LI, 0)]), before, on=2)
    assert aliases(after) == [(ids(before)[WANG], None, day(2), "gone")]


def test_an_id_is_minted_from_the_oldest_record():
    resolved = resolve(signals_of([(LI, 0), (WANG, 1)], SHARED))
    assert set(ids(resolved).values()) == {mint_id(LI, b"a key of the tests")}


def test_two_log_ins_of_one_shop_are_two_people():
    first, second = contact(1, "shop"), contact(2, "shop")
    carried = [(who, "email", "family@example.com") for who in (first, second, LI)]
    signals = signals_of([(LI, 0), (first, 1), (second, 2)], carried)
    assert groups(resolve(signals, logins=("shop",))) == {
        frozenset({LI, first}), frozenset({second}),
    }  # fmt: skip
    assert len(groups(resolve(signals))) == 1


def test_nobody_has_more_numbers_than_the_limit_and_the_youngest_stays_outside():
    people = [contact(number) for number in range(4)]
    carried = [(who, "email", "li@example.com") for who in people]
    carried += [(who, "phone", f"1380013800{number}") for number, who in enumerate(people)]
    rules = identity_rules(most={"phone": 3})
    resolved = resolve(signals_of([(who, n) for n, who in enumerate(people)], carried), rules=rules)
    assert groups(resolved) == {frozenset(people[:3]), frozenset(people[3:])}


def test_a_single_record_may_say_more_than_the_limit():
    numbers = [(LI, "phone", f"1380013800{n}") for n in range(5)]
    carried = [*numbers, (LI, "email", "li@example.com"), (WANG, "email", "li@example.com")]
    rules = identity_rules(most={"phone": 3})
    assert len(groups(resolve(signals_of([(LI, 0), (WANG, 0)], carried), rules=rules))) == 1


def test_a_person_and_an_organisation_with_one_telephone_are_two_customers():
    firm, order = company(1), guest(1)
    carried = [(who, "phone", "02136618300", "CN") for who in (LI, firm, order)]
    assert groups(resolve(signals_of([(LI, 0), (firm, 0), (order, 1)], carried))) == {
        frozenset({LI, order}), frozenset({firm}),
    }  # fmt: skip


PEOPLE = [contact(n) for n in range(5)] + [guest(n) for n in range(2)] + [company(1)]
NAMES = ["crm:0", "crm:1", "crm:2", "crm:3", "crm:4", "guest_order=shop:0", "account=crm:1"]
RECORD_OF = dict(zip(NAMES, [*PEOPLE[:6], PEOPLE[7]], strict=True))
SAID = st.sampled_from(
    [("email", f"{letter}@x.com") for letter in "abc"]
    + [("phone", f"1380013800{digit}") for digit in "123"]
)


@st.composite
def disputes(draw):
    """A town, and what its stewards decided about some pairs."""
    carried = draw(
        st.lists(st.tuples(st.sampled_from(PEOPLE), SAID).map(lambda p: (p[0], *p[1])), max_size=20)
    )
    pairs = draw(
        st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda p: p[0] < p[1]),
            max_size=6,
            unique=True,
        )
    )
    cut = draw(st.integers(0, len(pairs)))
    ages = draw(st.lists(st.integers(0, 5), min_size=len(PEOPLE), max_size=len(PEOPLE)))
    return list(zip(PEOPLE, ages, strict=True)), carried, decided(pairs[:cut], pairs[cut:])


@unhurried
@given(disputes())
def test_no_pair_that_must_not_be_one_ever_shares_a_customer(dispute):
    seen, carried, rules = dispute
    customers = ids(resolve(signals_of(seen, carried), decisions=rules))
    for pair in rules.cannot_link:
        assert customers[RECORD_OF[pair.a]] != customers[RECORD_OF[pair.b]]


@unhurried
@given(disputes(), st.integers(1, 3))
def test_no_customer_breaks_a_limit_that_its_records_do_not_break_alone(dispute, most):
    seen, carried, rules = dispute
    limits = identity_rules(accounts=50, most={"phone": most})
    resolved = resolve(signals_of(seen, carried), rules=limits, decisions=rules)
    for members in groups(resolved):
        numbers = [
            {said for who, kind, said in carried if who == m and kind == "phone"} for m in members
        ]
        assert len(set().union(*numbers)) <= max(most, *(len(own) for own in numbers))
        assert {record[0] for record in members} - {"guest_order"} in (
            {"contact"},
            {"account"},
            set(),
        )


@unhurried
@given(disputes(), st.randoms(use_true_random=False))
def test_decisions_and_limits_do_not_depend_on_the_order_of_rows(dispute, order):
    seen, carried, rules = dispute
    limits = identity_rules(accounts=50, most={"phone": 1})
    plain = resolve(signals_of(seen, carried), rules=limits, decisions=rules)
    shaken = IdentityRules(
        must_link=order.sample(rules.must_link, len(rules.must_link)),
        cannot_link=order.sample(rules.cannot_link, len(rules.cannot_link)),
    )
    signals = signals_of(seen, order.sample(carried, len(carried)))
    other = resolve(signals, rules=limits, decisions=shaken)
    for name in ("customer_keys", "identity_edges", "identity_reviews", "customer_identifiers"):
        assert getattr(other, name).equals(getattr(plain, name)), name


@unhurried
@given(disputes())
def test_decisions_that_are_taken_back_leave_no_trace_in_the_ids(dispute):
    seen, carried, rules = dispute
    signals = signals_of(seen, carried)
    before = resolve(signals, on=1)
    decided_upon = resolve(signals, before, decisions=rules, on=2)
    assert ids(resolve(signals, decided_upon, on=3)) == ids(before)
    assert ids(decided_upon) == ids(resolve(signals, decisions=rules))


@unhurried
@given(disputes())
def test_every_record_is_tied_to_its_customer_by_edges_that_hold(dispute):
    """Whoever follows the ties that hold comes to all records of the customer, and no others."""
    seen, carried, rules = dispute
    resolved = resolve(signals_of(seen, carried), decisions=rules)
    parent = {}

    def find(node):
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for end_a, end_b, _, dropped in told(resolved):
        if dropped is None:
            parent[find(end_a)] = find(end_b)
    named = {
        f"{'' if r[0] == 'contact' else r[0] + '='}{r[1]}:{r[3]}": c
        for r, c in ids(resolved).items()
    }
    for one, customer in named.items():
        for other, theirs in named.items():
            assert (find(one) == find(other)) == (customer == theirs)
