"""What became of every id that was ever given out; which id a customer bears, see the nights."""

from hypothesis import given, settings
from hypothesis import strategies as st
from identity_people import contact, day, ids, resolve, signals_of, unhurried

from pipelines.identity.naming import ALIAS
from pipelines.identity.refs import RECORD

ZHAO, LI, WANG = contact("zhao", "shop"), contact("li"), contact("wang")
SEEN = [(ZHAO, 0), (LI, 1), (WANG, 2)]


def tie(one, other):
    return (one[1], one[2], "contact_id", one[3], "contact_id", f"{other[1]}:{other[3]}")


def nights(*evenings):
    """Resolve one evening, (seen, ties), after the other; the first is night 1."""
    answers = []
    for number, (seen, ties) in enumerate(evenings, start=1):
        signals = signals_of(seen, ties=[tie(*pair) for pair in ties])
        answers.append(resolve(signals, answers[-1] if answers else None, on=number))
    return answers


def stories(resolved):
    """By alias what happened to it: (whom it stands for, on which day, what event)."""
    told = {}
    for alias, *story in resolved.customer_aliases.select(ALIAS[:4]).iter_rows():
        told.setdefault(alias, []).append(tuple(story))
    return told


def test_nobody_is_an_alias_on_the_first_night_nor_while_nothing_changes():
    first, second = nights((SEEN, [(LI, WANG)]), (SEEN, [(LI, WANG)]))
    assert first.customer_aliases.columns == ALIAS
    assert stories(first) == stories(second) == {}


def test_an_id_that_was_merged_follows_its_customer_into_another():
    apart, one, all_one = nights((SEEN, []), (SEEN, [(LI, WANG)]), (SEEN, [(LI, WANG), (LI, ZHAO)]))
    zhao, li, wang = (ids(apart)[who] for who in (ZHAO, LI, WANG))
    assert stories(one) == {wang: [(li, day(2), "merged")]}
    assert stories(all_one) == {
        wang: [(li, day(2), "merged"), (zhao, day(3), "merged")],
        li: [(zhao, day(3), "merged")],
    }  # fmt: skip


def test_an_alias_tells_the_record_that_the_id_was_minted_from():
    _, one = nights((SEEN, []), (SEEN, [(LI, WANG)]))
    assert one.customer_aliases.select(RECORD).rows() == [WANG]


def test_a_part_that_leaves_takes_its_own_id_and_the_rest_of_the_story_stays():
    apart, _, part, again = nights(
        (SEEN, []), (SEEN, [(LI, WANG), (LI, ZHAO)]), (SEEN, [(LI, WANG)]), (SEEN, [])
    )
    zhao, li, wang = (ids(apart)[who] for who in (ZHAO, LI, WANG))
    assert stories(part)[wang][-1] == (li, day(3), "merged")
    assert stories(part)[li][-1] == (li, day(3), "restored")
    assert stories(again)[wang] == [
        (zhao, day(2), "merged"), (li, day(3), "merged"), (wang, day(4), "restored"),
    ]  # fmt: skip


def test_an_id_that_is_gone_comes_back_with_its_record():
    before, _, back = nights((SEEN, []), (SEEN[:2], []), (SEEN, []))
    wang = ids(before)[WANG]
    assert ids(back)[WANG] == wang
    assert stories(back) == {wang: [(None, day(2), "gone"), (wang, day(3), "restored")]}


def test_an_id_whose_own_record_was_erased_is_no_alias_while_another_record_bears_it():
    before, after = nights((SEEN, [(LI, WANG)]), ([SEEN[0], SEEN[2]], []))
    assert ids(after)[WANG] == ids(before)[WANG]
    assert stories(after) == {}


def test_the_same_night_again_tells_nothing_twice():
    first, _ = nights((SEEN, []), (SEEN, [(LI, WANG)]))
    signals = signals_of(SEEN, ties=[tie(LI, WANG)])
    once = resolve(signals, first, on=2)
    assert once.customer_aliases.equals(resolve(signals, first, on=2).customer_aliases)
    assert stories(resolve(signals, once, on=3)) == stories(once)


PEOPLE = [contact(n) for n in range(3)] + [contact(n, "shop") for n in range(3)]
evenings = st.tuples(
    st.sets(st.sampled_from(PEOPLE), min_size=1).map(
        lambda people: [(who, PEOPLE.index(who)) for who in sorted(people)]
    ),
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)), max_size=4),
)


@settings(unhurried, max_examples=40)
@given(st.lists(evenings, min_size=2, max_size=5))
def test_whatever_happens_every_id_ever_given_out_is_a_customer_or_tells_whose_it_became(plan):
    answers = nights(*plan)
    given_out, told = set(), {}
    for number, answer in enumerate(answers, start=1):
        living = set(ids(answer).values())
        given_out |= living
        now = stories(answer)
        for alias, story in told.items():
            assert now[alias][: len(story)] == story, "a row was changed or taken away"
        told = now
        for name in given_out:
            stands_for, since, event = (told.get(name) or [(name, None, "living")])[-1]
            assert (name in living) is (stands_for == name)
            assert stands_for is None or stands_for in living
            assert (event == "gone") is (stands_for is None)
            assert since is None or since <= day(number)
        newest = answer.customer_aliases.unique("alias_id", keep="last")
        for name, stands_for, *record in newest.select(
            "alias_id", "customer_id", *RECORD
        ).iter_rows():
            # Without its record a name is borne on by those it was tied to, or by nobody.
            borne = name if name in living else None
            assert stands_for == ids(answer).get(tuple(record), borne)
