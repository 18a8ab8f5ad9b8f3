"""Ties are laid strongest first; an answer of plain Python, worked out otherwise, stands beside."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_people import unhurried

from pipelines.identity.graph import Limits, connect, find_components

GUESS = 1000
SIZE = 9


def edges_of(*ties):
    """Ties as (node_a, node_b, rank[, probability])."""
    return pl.DataFrame(
        [(*tie, None)[:4] for tie in ties],
        schema={
            "node_a": pl.Int64, "node_b": pl.Int64, "rank": pl.Int64, "probability": pl.Float64,
        },
        orient="row",
    )  # fmt: skip


def limits_of(apart=(), held=(), most=None):
    """Pairs that are never one, as (a, b[, reason]); what nodes hold; how much is too much."""
    return Limits(
        apart=tuple((*pair, "cannot_link")[:3] for pair in apart),
        held=pl.DataFrame(
            list(held),
            schema={"node": pl.Int64, "id_type": pl.String, "value": pl.String},
            orient="row",
        ),
        most=pl.DataFrame(
            list((most or {}).items()),
            schema={"id_type": pl.String, "max_per_customer": pl.Int64},
            orient="row",
        ),
    )


def groups_of(component):
    return {
        frozenset(node for node, of in enumerate(component) if of == number)
        for number in set(component)
    }


def answer(ties, size, limits):
    """The groups of nodes, and the ties that were dropped: {(a, b, rank): reason}."""
    laid, component = connect(edges_of(*ties), size, limits)
    dropped = laid.filter(pl.col("dropped_because").is_not_null())
    keys = dropped.select("node_a", "node_b", "rank").rows()
    return groups_of(component), dict(zip(keys, dropped["dropped_because"], strict=True))


def together(*groups, of):
    """The groups that are named, and every other node by itself."""
    alone = set(range(of)).difference(*groups)
    return {frozenset(group) for group in groups} | {frozenset({node}) for node in alone}


def test_nodes_that_ties_lead_between_are_one_component_and_others_stand_alone():
    component = find_components(edges_of((0, 3, 1), (3, 1, 2)), 5)
    assert groups_of(component) == together({0, 1, 3}, of=5)
    assert groups_of(find_components(edges_of(), 3)) == together(of=3)


def test_without_a_breach_every_tie_holds_strongest_first():
    ties = [(2, 3, GUESS, 0.991), (0, 1, 14), (1, 2, GUESS, 0.999), (0, 2, 10), (0, 1, 10)]
    laid, component = connect(edges_of(*ties), 4, limits_of())
    assert laid.select("node_a", "node_b", "rank").rows() == [
        (0, 1, 10), (0, 2, 10), (0, 1, 14), (1, 2, GUESS), (2, 3, GUESS),
    ]  # fmt: skip
    assert laid["dropped_because"].null_count() == laid.height
    assert groups_of(component) == together({0, 1, 2, 3}, of=4)


def test_of_a_chain_between_two_that_are_never_one_the_weakest_tie_goes():
    for weak in range(3):
        ties = [(n, n + 1, 20 if n == weak else 10) for n in range(3)]
        groups, dropped = answer(ties, 4, limits_of([(0, 3)]))
        assert dropped == {(weak, weak + 1, 20): "cannot_link"}
        assert groups == together(range(weak + 1), range(weak + 1, 4), of=4)


def test_of_two_guesses_the_less_probable_goes():
    ties = [(0, 1, GUESS, 0.992), (1, 2, GUESS, 0.998)]
    assert answer(ties, 3, limits_of([(0, 2)])) == (
        together({1, 2}, of=3), {(0, 1, GUESS): "cannot_link"},
    )  # fmt: skip


def test_of_equal_ties_the_one_between_the_youngest_goes():
    assert answer([(1, 2, 10), (0, 1, 10)], 3, limits_of([(0, 2)])) == (
        together({0, 1}, of=3), {(1, 2, 10): "cannot_link"},
    )  # fmt: skip


def test_a_tie_that_is_dropped_may_be_the_only_one_or_one_of_several():
    ties = [(0, 1, 10), (0, 1, 14), (1, 2, 12)]
    groups, dropped = answer(ties, 3, limits_of([(0, 1)]))
    assert groups == together({1, 2}, of=3)
    assert set(dropped) == {(0, 1, 10), (0, 1, 14)}


def test_the_reason_of_the_pair_is_told():
    ties = [(0, 1, 10), (1, 2, 11), (3, 4, 10)]
    pairs = [(2, 0, "conflict birth_date"), (4, 3, "cannot_link")]
    assert answer(ties, 5, limits_of(pairs))[1] == {
        (1, 2, 11): "conflict birth_date", (3, 4, 10): "cannot_link",
    }  # fmt: skip


def test_the_type_of_which_there_would_be_too_many_is_told():
    held = [(0, "phone", "1"), (1, "phone", "2"), (2, "phone", "1")]
    assert answer([(0, 1, 12), (0, 2, 11)], 3, limits_of(held=held, most={"phone": 1})) == (
        together({0, 2}, of=3), {(0, 1, 12): "max_per_customer phone"},
    )  # fmt: skip


def test_what_has_no_limit_is_not_counted():
    held = [(0, "phone", "1"), (1, "phone", "2"), (0, "email", "a"), (1, "email", "b")]
    assert answer([(0, 1, 12)], 2, limits_of(held=held, most={"phone": 2, "other": 1}))[1] == {}


@pytest.mark.parametrize(
    ("other", "is_one"), [(["1"], True), (["1", "3"], True), (["4"], False), (["1", "4"], False)]
)
def test_a_record_that_says_more_than_the_limit_is_refused_only_what_would_add_to_it(other, is_one):
    held = [(0, "phone", value) for value in "123"] + [(1, "phone", value) for value in other]
    groups, _ = answer([(0, 1, 10)], 2, limits_of(held=held, most={"phone": 2}))
    assert (len(groups) == 1) is is_one


def test_a_breach_in_one_component_drops_nothing_in_another():
    ties = [(0, 1, 10), (1, 2, 10), (3, 4, 30), (4, 5, GUESS, 0.99)]
    groups, dropped = answer(ties, 6, limits_of([(0, 2)]))
    assert set(dropped) == {(1, 2, 10)}
    assert frozenset({3, 4, 5}) in groups


def test_pairs_that_nothing_would_join_cost_no_tie():
    assert answer([(0, 1, 10)], 3, limits_of([(0, 2), (1, 2)])) == (together({0, 1}, of=3), {})


nodes = st.integers(0, SIZE - 1)
pairs = st.tuples(nodes, nodes).filter(lambda pair: pair[0] != pair[1])
stated = st.builds(lambda pair, rank: (*pair, rank, None), pairs, st.sampled_from([0, 11, 12]))
guessed = st.builds(
    lambda pair, probability: (*pair, GUESS, probability), pairs, st.sampled_from([0.99, 0.995, 1])
)
webs = st.lists(stated | guessed, max_size=16, unique_by=lambda tie: tie[:3])
bars = st.lists(
    st.builds(lambda pair, why: (*pair, why), pairs, st.sampled_from(["cannot_link", "conflict"])),
    max_size=5,
    unique_by=lambda bar: frozenset(bar[:2]),
)
holdings = st.lists(
    st.tuples(nodes, st.sampled_from(["phone", "login"]), st.sampled_from("abc")), max_size=12
)
maxima = st.fixed_dictionaries({}, optional={"phone": st.integers(1, 2), "login": st.just(1)})


def lay_naively(ties, apart, held, most):
    """Try tie after tie, and look at the whole of what it would make each time."""
    groups = [{node} for node in range(SIZE)]
    dropped = {}
    for a, b, rank, _ in sorted(ties, key=lambda t: (t[2], -(t[3] or 0), t[0], t[1])):
        one, other = (next(group for group in groups if node in group) for node in (a, b))
        if one is other:
            continue
        whole = one | other
        reasons = {why for x, y, why in apart if x in whole and y in whole}
        for id_type, limit in most.items():
            said, *sides = (
                {value for node, kind, value in held if kind == id_type and node in group}
                for group in (whole, one, other)
            )
            if len(said) > limit and len(said) > max(map(len, sides)):
                reasons.add(f"max_per_customer {id_type}")
        if reasons:
            dropped[a, b, rank] = reasons
        else:
            groups = [group for group in groups if group not in (one, other)] + [whole]
    return {frozenset(group) for group in groups}, dropped


@unhurried
@given(webs, bars, holdings, maxima)
def test_groups_and_dropped_ties_are_those_of_a_naive_way_to_lay_them(ties, apart, held, most):
    groups, dropped = answer(ties, SIZE, limits_of(apart, held, most))
    expected_groups, expected_reasons = lay_naively(ties, apart, held, most)
    assert groups == expected_groups
    assert dropped.keys() == expected_reasons.keys()
    for tie, reason in dropped.items():
        assert reason in expected_reasons[tie]


@unhurried
@given(webs, bars, holdings, maxima, st.randoms(use_true_random=False))
def test_the_order_of_ties_pairs_and_holdings_decides_nothing(ties, apart, held, most, order):
    def shaken(rows):
        return order.sample(rows, len(rows))

    plain, _ = connect(edges_of(*ties), SIZE, limits_of(apart, held, most))
    turned = [(b, a, why) for a, b, why in apart]
    other, _ = connect(
        edges_of(*shaken(ties)),
        SIZE,
        limits_of(shaken(turned), shaken(held), dict(shaken(list(most.items())))),
    )
    assert other.equals(plain)


@unhurried
@given(webs, bars, holdings, maxima)
def test_components_are_those_of_the_ties_that_hold(ties, apart, held, most):
    laid, component = connect(edges_of(*ties), SIZE, limits_of(apart, held, most))
    held_ties = laid.filter(pl.col("dropped_because").is_null())
    groups = [{node} for node in range(SIZE)]
    for a, b in held_ties.select("node_a", "node_b").rows():
        one, other = (next(group for group in groups if node in group) for node in (a, b))
        if one is not other:
            groups = [group for group in groups if group not in (one, other)] + [one | other]
    assert groups_of(component) == {frozenset(group) for group in groups}
