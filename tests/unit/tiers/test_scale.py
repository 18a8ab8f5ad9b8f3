"""Frozen distributions: percentiles by mid-rank, between values, and the way back."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.tiers.scale import STEPS, read_scale, scale_rows, take_scale

values = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=60)


def rate(scale, *asked):
    return scale.rate(np.array(asked, dtype=float)).tolist()


def test_equal_values_have_the_percentile_of_the_middle_of_them():
    scale = take_scale(pl.Series([0.0, 0.0, 0.0, 5.0, 9.0, None]))
    assert rate(scale, 0, 5, 9) == [0.3, 0.7, 0.9]


def test_between_two_values_it_is_the_share_below_and_beyond_them_nought_or_one():
    scale = take_scale(pl.Series([1.0, 2.0, 2.0, 4.0]))
    assert rate(scale, 0, 1.5, 3, 99) == [0, 0.25, 0.75, 1]
    assert np.isnan(scale.rate(np.array([np.nan]))).all()


def test_no_values_make_no_scale():
    assert take_scale(pl.Series([None, None], dtype=pl.Float64)) is None


def test_a_long_scale_is_thinned_but_for_values_that_many_share():
    random = np.random.default_rng(3)
    many = np.concatenate([np.zeros(40_000), random.lognormal(3, 1, 60_000)])
    scale = take_scale(pl.Series(many))
    assert len(scale.values) <= STEPS + 1
    assert rate(scale, 0) == [0.2]
    asked = np.sort(random.choice(many, 500))
    exact = [(np.mean(many < one) + np.mean(many <= one)) / 2 for one in asked]
    assert np.abs(scale.rate(asked) - exact).max() < 1.5 / STEPS


@given(values)
def test_on_its_own_values_it_is_the_mid_rank_and_rises_with_them(made):
    scale, array = take_scale(pl.Series(made)), np.array(made)
    asked = np.unique(array)
    expected = [(np.mean(array < one) + np.mean(array <= one)) / 2 for one in asked]
    assert scale.rate(asked) == pytest.approx(expected, abs=1e-8)
    grid = np.arange(-60, 60, 0.5)
    assert (np.diff(scale.rate(grid)) >= 0).all()


@given(values, st.floats(0, 1), st.sampled_from([0.01, 1.0]))
def test_the_way_back_is_the_lowest_value_that_reaches_the_percentile(made, wanted, unit):
    scale = take_scale(pl.Series(made))
    found = scale.value_at(np.array([wanted]), unit)
    assert scale.rate(found)[0] >= wanted - 1e-9
    just_below = found - 2 * unit
    assert scale.rate(just_below)[0] < wanted or found[0] <= scale.values[0]


def test_no_value_reaches_more_than_all():
    scale = take_scale(pl.Series([1.0, 2.0]))
    assert np.isnan(scale.value_at(np.array([1.01, np.nan]), 0.01)).all()


def test_a_cut_off_is_the_value_of_somebody_or_out_of_reach():
    scale = take_scale(pl.Series([10.0, 20.0, 30.0, 40.0, 50.0]))
    assert scale.cut_at(0.9) == 50
    assert scale.cut_at(0.89) == 50
    assert scale.cut_at(0.95) is None
    assert scale.cut_at(0) == 10


def test_a_scale_is_the_same_after_it_was_written():
    scale = take_scale(pl.Series([1.0, 2.0, 2.0, 7.0]))
    rows = scale_rows(scale, measure="tenure")
    assert_frame_equal(scale_rows(read_scale(rows), measure="tenure"), rows)
