from collections import defaultdict
from datetime import date
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_people import contact, guest, resolve, signals_of, unhurried

from pipelines.identity.explain import STEP, find_path
from pipelines.identity.refs import write_ref

SINCE = date(2026, 6, 1)


def edges_of(*ties):
    """`identity_edges` of one customer; a tie is (end_a, end_b, tie[, status])."""
    return pl.DataFrame(
        [
            (a, b, tie, None, None, None, None, SINCE, status[0] if status else "links")
            for a, b, tie, *status in ties
        ],
        schema={
            "end_a": pl.String, "end_b": pl.String, "tie": pl.String, "priority": pl.Int64,
            "probability": pl.Float64, "weight": pl.Float64, "rule": pl.String,
            "since_on": pl.Date, "status": pl.String,
        },
        orient="row",
    )  # fmt: skip


def steps(edges, start, goal):
    return find_path(edges, start, goal).select("end_a", "tie", "end_b").rows()


TWO_WAYS = edges_of(
    ("crm:1", "email#k", "email"), ("shop:9", "email#k", "email"),
    ("crm:1", "crm:2", "merged_into"), ("crm:2", "crm:3", "merged_into"),
    ("crm:3", "phone#p", "phone"), ("shop:9", "phone#p", "phone"),
)  # fmt: skip


def test_the_fewest_ties_are_told_each_in_the_direction_of_the_path():
    assert steps(TWO_WAYS, "crm:1", "shop:9") == [
        ("crm:1", "email", "email#k"), ("email#k", "email", "shop:9"),
    ]  # fmt: skip
    assert steps(TWO_WAYS, "shop:9", "crm:1") == [
        ("shop:9", "email", "email#k"), ("email#k", "email", "crm:1"),
    ]  # fmt: skip


def test_ties_that_were_dropped_lead_nowhere():
    edges = edges_of(
        ("crm:1", "email#k", "email", "dropped"), ("shop:9", "email#k", "email"),
        ("crm:1", "crm:2", "must_link"), ("crm:2", "shop:9", "fuzzy"),
    )  # fmt: skip
    assert steps(edges, "crm:1", "shop:9") == [
        ("crm:1", "must_link", "crm:2"), ("crm:2", "fuzzy", "shop:9"),
    ]  # fmt: skip
    assert steps(edges.filter(pl.col("tie") == "email"), "crm:1", "shop:9") == []


@pytest.mark.parametrize(("start", "goal"), [("crm:1", "crm:1"), ("crm:1", "no:1"), ("no:1", "x")])
def test_without_a_way_there_is_no_step(start, goal):
    path = find_path(TWO_WAYS, start, goal)
    assert path.is_empty()
    assert path.columns == STEP


def test_what_is_known_of_a_tie_stands_in_its_step():
    edges = edges_of(("crm:1", "shop:9", "fuzzy")).with_columns(
        pl.lit(0.9971).alias("probability"), pl.lit(8.4).alias("weight")
    )
    assert find_path(edges, "shop:9", "crm:1").rows() == [
        ("shop:9", "crm:1", "fuzzy", None, 0.9971, 8.4, None, SINCE)
    ]


ENDS = [*(f"crm:{n}" for n in range(5)), "email#a", "phone#b"]
webs = st.lists(
    st.tuples(
        st.sampled_from(ENDS), st.sampled_from(ENDS), st.sampled_from(["email", "must_link"]),
        st.sampled_from(["links", "links", "dropped"]),
    ).filter(lambda tie: tie[0] < tie[1]),
    max_size=12,
    unique_by=lambda tie: tie[:3],
)  # fmt: skip


@given(webs, st.sampled_from(ENDS), st.sampled_from(ENDS), st.randoms(use_true_random=False))
def test_a_path_is_the_shortest_whole_and_the_same_whatever_the_order(web, start, goal, order):
    near = defaultdict(set)
    for a, b, _, status in web:
        if status == "links":
            near[a].add(b)
            near[b].add(a)
    reached, distance = {start}, {start: 0}
    while outer := {there for here in reached for there in near[here]} - reached:
        distance |= dict.fromkeys(outer, max(distance.values()) + 1)
        reached |= outer
    path = steps(edges_of(*web), start, goal)
    assert len(path) == distance.get(goal, 0)
    if path:
        assert (path[0][0], path[-1][2]) == (start, goal)
        assert all(one[2] == other[0] for one, other in pairwise(path))
    assert steps(edges_of(*order.sample(web, len(web))), start, goal) == path


HOME = ("phone", "13800138001")


def path_of(resolved, one, other):
    """As `c360 why-merged` finds it: among the ties of the customer."""
    (customer,) = set(resolved.customer_keys["customer_id"])
    ours = pl.col("customer_id_a").eq(customer) & pl.col("customer_id_b").eq(customer)
    return steps(resolved.identity_edges.filter(ours), one, other)


def test_a_number_whose_carriers_are_different_people_explains_no_merge():
    """Their log-in made the two one customer, not the telephone that they share."""
    names = {contact(who, source): who for source in ("crm", "shop") for who in ("李娜", "王伟")}
    carried = [(record, *said) for record in names for said in (HOME, ("user_id", "u1"))]
    profiles = {record: {"full_name": name} for record, name in names.items()}
    resolved = resolve(signals_of([(record, 0) for record in names], carried, profiles=profiles))
    assert [tie for _, tie, _ in path_of(resolved, "crm:李娜", "crm:王伟")] == ["user_id"] * 2
    assert [tie for _, tie, _ in path_of(resolved, "crm:李娜", "shop:李娜")] == ["phone"] * 2


def refs_of(resolved):
    return resolved.customer_keys.select(ref=write_ref())["ref"].to_list()


@unhurried
@given(st.integers(2, 6), st.randoms(use_true_random=False))
def test_between_any_two_records_of_a_customer_there_is_a_path_of_ties_that_hold(count, order):
    people = [contact(n) for n in range(count)] + [guest(1)]
    carried = [(who, "email", f"{order.randrange(n + 1)}@x.com") for n, who in enumerate(people)]
    carried += [(who, "email", f"{n}@x.com") for n, who in enumerate(people)]
    resolved = resolve(signals_of([(who, 0) for who in people], carried))
    named = dict(zip(refs_of(resolved), resolved.customer_keys["customer_id"], strict=True))
    edges = resolved.identity_edges
    for one, customer in named.items():
        for other, theirs in named.items():
            assert bool(steps(edges, one, other)) is (customer == theirs and one != other)
