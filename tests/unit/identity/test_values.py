"""A value that several people use ties each of them to himself alone.

Who conflicts with whom is what the real `find_conflicts` says of real names.
"""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_people import unhurried

from pipelines.identity.conflicts import find_conflicts
from pipelines.identity.names import normalise_names
from pipelines.identity.values import (
    NAMELESS,
    PERSONA,
    SHARED,
    group_carriers,
    judge_pairs,
    number_personas,
)

PHONE, MAILBOX = ("phone", "+8613800138001"), ("email", "home@example.com")
SHAREABLE = ["email", "phone"]
PROFILE = {
    "node": pl.Int64, "party": pl.String, "full_name": pl.String, "first_name": pl.String,
    "last_name": pl.String, "birth_date": pl.Date, "gender": pl.String,
}  # fmt: skip


def who(name=None, born=None, gender=None, party="person"):
    return {"full_name": name, "birth_date": born, "gender": gender, "party": party}


def profiles_of(people):
    """Records by node, as `who` tells them, with their names as they are compared."""
    rows = [{"node": node} | person for node, person in people.items()]
    return normalise_names(pl.DataFrame(rows, schema=PROFILE))


def carried_by(people, *said):
    """Who carries what, as (node, id_type, value)."""
    rows = [(*row, people[row[0]]["party"]) for row in said]
    schema = {"node": pl.Int64, "id_type": pl.String, "value": pl.String, "party": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def share(value, *people, shareable=SHAREABLE):
    """The carriers of one value with their groups, and the conflicts among them."""
    by_node = dict(enumerate(people))
    return group_carriers(
        carried_by(by_node, *((node, *value) for node in by_node)),
        number_personas(profiles_of(by_node)),
        shareable,
    )


def groups_of(carriers):
    """Who is in a group, of whatever value."""
    groups = carriers.group_by(*SHARED, "group").agg("node")
    return {frozenset(nodes) for nodes in groups["node"]}


def groups_on(value, *people):
    return {frozenset(group) for group in groups_of(share(value, *people)[0])}


def test_whoever_shares_a_value_and_may_be_one_is_in_one_group():
    carriers, conflicts = share(PHONE, who("Robert Smith"), who("Bob Smith"), who("R. Smith"))
    assert carriers["group"].to_list() == [0, 0, 0]
    assert conflicts.is_empty()


def test_a_couple_who_share_a_phone_are_two_groups_whatever_their_records_are_called():
    couple = (who("Robert Smith"), who("Mary Smith"), who("Bob Smith"), who("Smith, Mary Ann"))
    assert groups_on(PHONE, *couple) == {frozenset({0, 2}), frozenset({1, 3})}


def test_what_speaks_against_one_person_is_told_of_each_pair():
    _, conflicts = share(PHONE, who("王伟"), who("李娜"), who("王伟", date(1961, 3, 9)),
                         who("王伟", date(1990, 11, 24)))  # fmt: skip
    assert conflicts.select(SHARED).unique().rows() == [(*PHONE, "person")]
    assert sorted(conflicts["conflict"]) == ["birth_date", *["given_name"] * 3]


def test_father_and_son_share_a_mailbox_and_nobody_else():
    family = (who("Robert Smith Sr"), who("Smith, Robert, Jr."), who("Bob Smith Jr"))
    assert groups_on(MAILBOX, *family) == {frozenset({0}), frozenset({1, 2})}


def test_one_who_may_be_either_of_two_is_neither():
    """Robert Smith may be father or son, and Smith anybody of the couple."""
    family = (who("Robert Smith Sr"), who("Robert Smith Jr"), who("Robert Smith"))
    assert groups_on(MAILBOX, *family) == {frozenset({0}), frozenset({1}), frozenset({2})}
    couple = (who("Robert Smith"), who("Mary Smith"), who("Smith"))
    assert groups_on(PHONE, *couple) == {frozenset({0}), frozenset({1}), frozenset({2})}


def test_one_who_may_be_one_of_two_alone_is_that_one():
    couple = (who("Robert Smith"), who("Mary Smith"), who("M Smith"), who("R Smith"))
    assert groups_on(PHONE, *couple) == {frozenset({0, 3}), frozenset({1, 2})}


def test_guests_without_a_name_are_of_their_own_where_a_number_is_several_peoples():
    carriers, _ = share(PHONE, who("Robert Smith"), who("Mary Smith"), who(), who(gender="male"))
    assert groups_of(carriers) == {frozenset({0}), frozenset({1}), frozenset({2, 3})}
    assert carriers.filter(pl.col("group") == NAMELESS)["node"].to_list() == [2, 3]


def test_guests_without_a_name_are_of_the_one_person_who_has_the_number():
    assert groups_on(PHONE, who("Robert Smith"), who(), who("Bob Smith")) == {frozenset({0, 1, 2})}
    assert groups_on(PHONE, who(), who()) == {frozenset({0, 1})}


@pytest.mark.parametrize(
    "writings",
    [
        ("王超娜", "Wang Chaona", "Chaona WANG"),
        ("陳大文", "Chan Tai Man"),
        ("王伟", "王偉", "WANG Wei"),
        ("吕娜", "Na Lyu"),
    ],
)
def test_a_name_in_characters_and_in_latin_letters_is_one_group(writings):
    stranger = who("李秀英")
    groups = groups_on(PHONE, *map(who, writings), stranger)
    assert groups == {frozenset(range(len(writings))), frozenset({len(writings)})}


def test_a_person_and_an_organisation_with_one_number_have_groups_of_their_own_without_a_dispute():
    carriers, conflicts = share(PHONE, who("Ann Lee"), who("Lee Ltd", party="organisation"))
    assert carriers.select("party", "group").rows() == [("person", 0), ("organisation", 0)]
    assert conflicts.is_empty()


def test_two_companies_at_one_switchboard_are_two_groups():
    firms = [who(name, party="organisation") for name in ("Acme Ltd", "ACME Limited", "Bright Ltd")]
    assert groups_on(PHONE, *firms) == {frozenset({0, 1}), frozenset({2})}


def test_a_value_that_is_one_persons_by_its_nature_is_not_parted():
    login = ("user_id", "u1")
    carriers, conflicts = share(login, who("Robert Smith"), who("Mary Smith"), who())
    assert carriers["group"].to_list() == [0, 0, 0]
    assert conflicts.is_empty()
    parted, _ = share(login, who("Robert Smith"), who("Mary Smith"), shareable=["user_id"])
    assert parted["group"].n_unique() == 2


def test_a_dispute_about_one_value_does_not_part_the_carriers_of_another():
    people = {0: who("Robert Smith"), 1: who("Mary Smith"), 2: who("Bob Smith")}
    said = [(0, *PHONE), (1, *PHONE), (2, *PHONE), (0, *MAILBOX), (2, *MAILBOX)]
    carriers, conflicts = group_carriers(
        carried_by(people, *said), number_personas(profiles_of(people)), SHAREABLE
    )
    by_mail = carriers.filter(pl.col("id_type") == "email")
    assert by_mail.select("node", "group").sort("node").rows() == [(0, 0), (2, 0)]
    assert conflicts["id_type"].unique().to_list() == ["phone"]


def test_nobody_carries_nothing():
    carriers, conflicts = share(PHONE)
    assert carriers.is_empty()
    assert conflicts.is_empty()


def test_equal_names_and_birth_dates_are_one_persona():
    born = date(1978, 11, 12)
    people = {
        7: who("Robert Smith"), 3: who("SMITH Robert"), 5: who("Robert Smith", born),
        1: who("Robert Smith", gender="male"), 8: who("王伟"), 9: who("王偉"),
    }  # fmt: skip
    numbered = number_personas(profiles_of(people))
    by_persona = numbered.group_by("persona").agg("node")["node"]
    assert {frozenset(nodes) for nodes in by_persona} == {
        frozenset({7, 3}), frozenset({5}), frozenset({1}), frozenset({8, 9}),
    }  # fmt: skip
    assert set(numbered["persona"]) == set(range(4))


def test_who_tells_neither_a_name_nor_a_birth_date_is_no_persona():
    people = {0: who(), 1: who(gender="male"), 2: who("游客"), 3: who(born=date(1978, 11, 12))}
    assert number_personas(profiles_of(people))["node"].to_list() == [3]


def test_of_pairs_of_personas_those_that_cannot_be_one_are_kept_with_what_the_caller_said():
    people = {0: who("Robert Smith"), 1: who("Mary Smith"), 2: who("Bob Smith")}
    personas = number_personas(profiles_of(people))
    of = dict(personas.select("node", "persona").iter_rows())
    pairs = pl.DataFrame(
        [(of[0], of[1], "x"), (of[0], of[2], "x"), (of[1], of[2], "y"), (of[0], of[1], "z")],
        schema={"persona_a": pl.UInt32, "persona_b": pl.UInt32, "why_asked": pl.String},
        orient="row",
    )
    judged = judge_pairs(pairs, personas).select("persona_a", "persona_b", "why_asked", "conflict")
    assert sorted(judged.rows()) == sorted(
        [
            (of[0], of[1], "x", "given_name"),
            (of[0], of[1], "z", "given_name"),
            (of[1], of[2], "y", "given_name"),
        ]
    )


NAMES = [
    None, "Robert Smith", "Bob Smith Jr", "R. Smith Sr", "Smith", "Mary Smith", "M Smith", "王伟",
    "王薇", "Wang Wei", "David Wang", "小伟",
]  # fmt: skip
DAYS = [None, None, date(1978, 11, 12), date(1990, 3, 4)]
crowds = st.lists(
    st.builds(who, st.sampled_from(NAMES), st.sampled_from(DAYS), st.sampled_from([None, "m"])),
    min_size=1,
    max_size=8,
)
values = st.lists(st.sampled_from([PHONE, MAILBOX, ("user_id", "u1")]), max_size=3, unique=True)


@st.composite
def shared_values(draw):
    """People, and who of them carries which of three values."""
    people = dict(enumerate(draw(crowds)))
    return people, [(node, *value) for node in people for value in draw(values)]


def conflicting(profiles, a, b):
    """What speaks against two records being one, asked of them alone."""
    sides = [
        profiles.filter(pl.col("node") == node).select(pl.col(PERSONA).name.suffix(f"_{end}"))
        for node, end in ((a, "a"), (b, "b"))
    ]
    return find_conflicts(pl.concat(sides, how="horizontal"))[0]


@unhurried
@given(shared_values())
def test_no_group_holds_two_of_whom_something_says_that_they_are_different(shared):
    people, said = shared
    profiles = profiles_of(people)
    carriers, conflicts = group_carriers(
        carried_by(people, *said), number_personas(profiles), SHAREABLE
    )
    assert sorted(carriers.select("node", "id_type", "value").rows()) == sorted(said)
    for (id_type, _), of_value in carriers.group_by("id_type", "value"):
        carrying = of_value.select("node", "group").rows()
        disputes = {
            (a, b) for a, _ in carrying for b, _ in carrying
            if a < b and id_type in SHAREABLE and conflicting(profiles, a, b)
        }  # fmt: skip
        assert not any(
            (min(a, b), max(a, b)) in disputes
            for a, group in carrying for b, other in carrying if group == other
        )  # fmt: skip
        assert bool(disputes) is (of_value["group"].n_unique() > 1 or NAMELESS in of_value["group"])
        assert bool(disputes) is (id_type in conflicts["id_type"])


@unhurried
@given(shared_values(), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(shared, order):
    people, said = shared
    plain = group_carriers(
        carried_by(people, *said), number_personas(profiles_of(people)), SHAREABLE
    )
    shaken_people = dict(order.sample(list(people.items()), len(people)))
    shaken = group_carriers(
        carried_by(shaken_people, *order.sample(said, len(said))),
        number_personas(profiles_of(shaken_people)),
        SHAREABLE,
    )
    keys = ["node", "id_type", "value"]
    assert shaken[0].sort(keys).equals(plain[0].sort(keys))
    assert shaken[1].equals(plain[1])


@unhurried
@given(crowds)
def test_guests_without_a_name_part_nobody(people):
    named = [person for person in people if person["full_name"]]
    before, _ = share(PHONE, *named)
    after, _ = share(PHONE, *named, who(), who())
    assert after.filter(pl.col("node") < len(named)).sort("node").equals(before.sort("node"))
