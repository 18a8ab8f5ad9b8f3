import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from pipelines.page.small_cells import (
    FEW,
    hide_small_groups,
    hide_small_parts,
    hide_small_shares,
    small_cells,
    small_groups,
)

COUNTS = st.one_of(st.integers(0, 12), st.integers(0, 60))
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(
        st.lists(COUNTS, min_size=width, max_size=width), min_size=2, max_size=6
    ).map(lambda rows: np.array(rows, dtype=np.int64))
)


def could_be(counts, hidden, cell):
    """The least and the greatest number that a reader of the shown cells cannot rule out.

    An oracle of its own: all cells and totals are unknowns, the shown ones are equations.
    """
    rows, columns = (side + 1 for side in counts.shape)
    place = np.arange(rows * columns).reshape(rows, columns)
    whole = np.vstack([counts, counts.sum(axis=0)])
    whole = np.hstack([whole, whole.sum(axis=1, keepdims=True)])
    equations, sides = [], []
    for line in [*place, *place.T]:
        equation = np.zeros(place.size)
        equation[line[:-1]], equation[line[-1]] = 1, -1
        equations.append(equation)
        sides.append(0)
    for index in place[~hidden]:
        equation = np.zeros(place.size)
        equation[index] = 1
        equations.append(equation)
        sides.append(whole.flat[index])
    aim = np.zeros(place.size)
    aim[place[cell]] = 1
    ends = [
        linprog(sign * aim, A_eq=np.array(equations), b_eq=sides, bounds=(0, 1000)).fun * sign
        for sign in (1, -1)
    ]
    return [round(end) for end in ends]


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_no_small_cell_or_total_is_shown_or_can_be_told_from_the_others(counts):
    assume(counts.sum() >= FEW)
    hidden = small_cells(counts)
    whole = np.vstack([counts, counts.sum(axis=0)])
    whole = np.hstack([whole, whole.sum(axis=1, keepdims=True)])
    small = (whole > 0) & (whole < FEW)
    assert not (small & ~hidden).any()
    assert not hidden[-1, -1]
    for cell in np.argwhere(small):
        least, greatest = could_be(counts, hidden, tuple(cell))
        assert least < greatest


@given(TABLES)
def test_without_small_cells_everything_is_shown(counts):
    assert not small_cells(counts + FEW).any()


def test_of_a_table_of_fewer_than_ten_nothing_is_told():
    assert small_cells(np.array([[3, 0], [0, 4]])).tolist() == [
        [True, False, True],
        [False, True, True],
        [True, True, True],
    ]


def test_a_cell_is_hidden_with_as_few_persons_as_will_do():
    counts = np.array([[3, 500, 20], [900, 400, 30], [800, 70, 60]])
    hidden = small_cells(counts)[:-1, :-1]
    assert hidden.tolist() == [[True, False, True], [False, False, False], [True, False, True]]


def test_totals_hidden_among_grades_are_the_same_in_every_table_of_grades():
    counts = np.array([[5, 1], [40, 20], [300, 200], [100, 30]])
    hidden = small_cells(counts)
    assert hidden[:-1, -1].tolist() == small_groups(counts.sum(axis=1)).tolist()


@given(st.lists(COUNTS, max_size=8))
def test_hidden_groups_are_at_least_two_and_ten_persons_together(counts):
    numbers = np.array(counts, dtype=np.int64)
    hidden = small_groups(numbers)
    assert not ((numbers > 0) & (numbers < FEW) & ~hidden).any()
    assert not (hidden & (numbers == 0)).any()
    if hidden.any() and numbers.sum() >= FEW:
        assert hidden.sum() >= 2
        assert numbers[hidden].sum() >= FEW


def test_what_is_told_of_a_small_group_goes_with_its_count_and_with_the_next_smallest():
    groups = pl.DataFrame({"grade": list("ABCD"), "n": [4, 90, 30, 900], "sum": [8, 5, 2, 1]})
    hidden = hide_small_groups(groups, "n", ["sum"])
    assert hidden["n"].to_list() == [None, 90, None, 900]
    assert hidden["sum"].to_list() == [None, 5, None, 1]
    assert hidden["grade"].to_list() == list("ABCD")


def test_parts_of_a_row_are_hidden_row_by_row():
    lists = pl.DataFrame({"on": [50, 12, 0], "refused": [3, 20, 0], "left": [0, 10, 0]})
    assert hide_small_parts(lists, ["on", "refused", "left"]).rows() == [
        (None, None, 0),
        (12, 20, 10),
        (0, 0, 0),
    ]
    assert hide_small_parts(lists.clear(), ["on", "refused", "left"]).height == 0


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (5, 100, (None, 100, None)),
        (95, 100, (None, 100, None)),
        (50, 100, (50, 100, 0.5)),
        (0, 100, (0, 100, 0.5)),
        (100, 100, (100, 100, 0.5)),
        (0, 6, (None, None, None)),
    ],
)
def test_a_share_is_hidden_where_it_tells_of_few(part, whole, shown):
    rows = pl.DataFrame({"part": [part], "whole": [whole], "rate": [0.5]})
    assert hide_small_shares(rows, "part", "whole", ["rate"]).row(0) == shown
