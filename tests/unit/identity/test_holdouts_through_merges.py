"""A customer's place in or out of a holdout stays through merges: the older customer decides."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_people import contact, identity_rules, ids, resolve, signals_of

from pipelines.segments.holdout import bucket_customers

PEOPLE = [contact(f"p{n}", source) for n, source in enumerate(["crm", "shop"] * 3)]
ROOMY = identity_rules(accounts=100)


def tie(one, other):
    return (one[1], one[2], "contact_id", one[3], "contact_id", f"{other[1]}:{other[3]}")


def buckets(resolved):
    """record -> bucket"""
    names = ids(resolved)
    found = bucket_customers(pl.Series(list(names.values())), "win_back:v1")
    return dict(zip(names, found, strict=True))


def test_the_older_customer_decides_and_an_undone_merge_gives_each_its_own_again():
    seen = [(PEOPLE[0], 2), (PEOPLE[1], 1)]  # the second is known longer
    apart = resolve(signals_of(seen), None, ROOMY)
    merged = resolve(signals_of(seen, (), [tie(PEOPLE[0], PEOPLE[1])]), apart, ROOMY)
    again = resolve(signals_of(seen), merged, ROOMY)
    assert buckets(apart)[PEOPLE[0]] != buckets(apart)[PEOPLE[1]]
    assert set(buckets(merged).values()) == {buckets(apart)[PEOPLE[1]]}
    assert buckets(again) == buckets(apart)


@settings(deadline=None, max_examples=12)
@given(st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)), max_size=6))
def test_through_any_merges_each_keeps_the_bucket_of_the_oldest_of_them(pairs):
    seen = [(person, age) for age, person in enumerate(PEOPLE)]
    alone = resolve(signals_of(seen), None, ROOMY)
    ties = [tie(one, other) for one, other in pairs if one != other]
    merged = resolve(signals_of(seen, (), ties), alone, ROOMY)
    names, before, after = ids(merged), buckets(alone), buckets(merged)
    for person in PEOPLE:
        oldest = next(other for other in PEOPLE if names[other] == names[person])
        assert after[person] == before[oldest]
