"""Whose a guest's order with a shared telephone is: what its mailbox says, and what it does not."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_people import contact, groups, guest, resolve, signals_of, unhurried

from pipelines.identity.guests import part_guests
from pipelines.identity.values import NAMELESS

PHONE = "+8613800138001"
FAMILY = "home@example.com"


NOBODY = pl.DataFrame(schema={"node": pl.Int64, "given_key": pl.String})


def place(holders=(), orders=()):
    """The groups of guest orders on one number.

    holders: (mailbox or None, group) of each account with the number
    orders: the mailbox, or None, of each order with the number
    """
    people = [*holders, *((mailbox, None) for mailbox in orders)]
    is_torn = len({group for _, group in holders}) > 1
    rows = []
    for node, (mailbox, group) in enumerate(people):
        rows.append(
            (node, "phone", PHONE, (NAMELESS if is_torn else 0) if group is None else group)
        )
        if mailbox is not None:
            rows.append((node, "email", mailbox, 0))
    carried = pl.DataFrame(
        rows,
        schema={"node": pl.Int64, "id_type": pl.String, "value": pl.String, "group": pl.Int64},
        orient="row",
    ).with_columns(party=pl.lit("person"))
    guests = pl.DataFrame({"node": range(len(holders), len(people))}, schema={"node": pl.Int64})
    placed = part_guests(carried, guests, NOBODY)
    kept = ["node", "id_type", "value", "party"]
    assert placed.select(kept).sort(kept).equals(carried.select(kept).sort(kept))
    others = pl.col("id_type").ne("phone") | (pl.col("node") < len(holders))
    columns = [*kept, "group"]
    assert (
        placed.filter(others)
        .select(columns)
        .sort(columns)
        .equals(carried.filter(others).select(columns).sort(columns))
    )
    mine = placed.filter(~others).sort("node")
    assert mine.height == len(orders)
    return mine["group"].to_list()


def test_an_order_with_the_holders_mailbox_is_the_holders():
    assert place([("a@x.com", 0), ("b@x.com", 1)], ["b@x.com", "a@x.com"]) == [1, 0]


def test_an_order_with_another_mailbox_is_nobodys_who_has_the_number():
    (stranger,) = place([("a@x.com", 0)], ["b@x.com"])
    assert stranger < NAMELESS


def test_two_other_mailboxes_are_two_guests_and_equal_ones_are_one():
    one, other, again = place(orders=["a@x.com", "b@x.com", "a@x.com"])
    assert one == again != other


def test_the_only_mailbox_of_a_number_speaks_against_nobody():
    assert place([(None, 0)], ["a@x.com", "a@x.com"]) == [0, 0]
    assert place(orders=["a@x.com", None]) == [0, 0]


def test_an_order_without_a_mailbox_is_the_one_holders_and_else_nobodys():
    assert place([("a@x.com", 0)], [None, "b@x.com"])[0] == 0
    assert place([("a@x.com", 0), ("b@x.com", 1)], [None]) == [NAMELESS]
    assert place(orders=[None, "a@x.com", "b@x.com"])[0] == NAMELESS


@pytest.mark.parametrize("orders", [[FAMILY], [FAMILY, None], [FAMILY, FAMILY]])
def test_a_mailbox_that_is_as_shared_as_the_number_says_nothing(orders):
    """Father and son have one telephone and one mailbox: an order may be of either."""
    assert place([(FAMILY, 0), (FAMILY, 1)], orders) == [NAMELESS] * len(orders)


def test_the_order_of_a_family_with_one_number_and_one_mailbox_joins_neither_of_them():
    father, son, order = contact("sr"), contact("jr", "shop"), guest(7)
    everybody = (father, son, order)
    carried = [(who, *said) for who in everybody
               for said in (("phone", PHONE), ("email", FAMILY))]  # fmt: skip
    profiles = {father: {"full_name": "Robert Smith Sr"}, son: {"full_name": "Robert Smith Jr"}}
    resolved = resolve(signals_of([(who, 0) for who in everybody], carried, profiles=profiles))
    assert groups(resolved) == {frozenset({who}) for who in everybody}


mailboxes = st.sampled_from([None, "a@x.com", "b@x.com", "c@x.com"])
accounts = st.lists(st.tuples(mailboxes, st.integers(0, 1)), max_size=4)


@unhurried
@given(accounts, st.lists(mailboxes, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_who_an_order_is_placed_with_depends_on_no_order_of_rows(holders, orders, chance):
    places = list(range(len(orders)))
    chance.shuffle(places)
    shaken = place(chance.sample(holders, len(holders)), [orders[n] for n in places])
    assert dict(zip(places, shaken, strict=True)) == dict(enumerate(place(holders, orders)))


@unhurried
@given(accounts, st.lists(mailboxes, min_size=1, max_size=5))
def test_orders_with_two_mailboxes_meet_only_where_one_holder_has_both(holders, orders):
    placed = place(holders, orders)
    of_group = {}
    for mailbox, group in holders:
        of_group.setdefault(group, set()).add(mailbox)
    for one, group in zip(orders, placed, strict=True):
        for other, theirs in zip(orders, placed, strict=True):
            if None not in (one, other) and one != other and group == theirs != NAMELESS:
                assert {one, other} <= of_group[group]


def test_a_mailbox_that_tells_the_holders_given_name_is_the_holders():
    carried = pl.DataFrame(
        [
            (0, "phone", "+8613800138001", 0),
            (0, "email", "work@x.com", 0),
            (1, "phone", "+8613800138001", 0),
            (1, "email", "hao.li963@x.com", 0),
            (2, "phone", "+8613800138001", 0),
            (2, "email", "mengting.li335@x.com", 0),
        ],
        schema={"node": pl.Int64, "id_type": pl.String, "value": pl.String, "group": pl.Int64},
        orient="row",
    ).with_columns(party=pl.lit("person"))
    guests = pl.DataFrame({"node": [1, 2]}, schema={"node": pl.Int64})
    holder = pl.DataFrame({"node": [0], "given_key": ["hao"]}, schema=NOBODY.schema)
    placed = part_guests(carried, guests, holder).filter(pl.col("id_type") == "phone")
    assert dict(placed.select("node", "group").iter_rows()) == {0: 0, 1: 0, 2: -3}
