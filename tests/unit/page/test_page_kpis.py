from datetime import date

import polars as pl
import pytest

from pipelines.page.kpis import cross_cohorts, make_kpis, spread_by_grade, spread_by_night
from tests.unit.page.page_frames import all_marts, cohorts, daily, kpis


def test_key_figures_go_down_and_grades_across():
    told = spread_by_grade(
        kpis(("nps", "score", {"total": (40.0, 300), "A": (55.0, 100), "D": (30.0, 200)}))
    )
    assert told.drop("label_zh").row(0) == ("nps", "Nps", "score", 40, 55, None, None, 30)


@pytest.mark.parametrize(
    ("unit", "value", "base"),
    [
        ("score", 40.0, 6),  # rests on few
        ("rate", 0.05, 100),  # five persons did
        ("rate", 0.96, 100),  # four persons did not
        ("count", 7.0, 100),
    ],
)
def test_a_figure_of_few_persons_is_not_told(unit, value, base):
    told = spread_by_grade(kpis(("m", unit, {"A": (value, base), "B": (0.5, 400)})))
    assert told["A"].item() is None


def test_a_grade_is_not_told_where_the_total_would_give_a_small_one_away():
    told = spread_by_grade(
        kpis(("m", "amount", {"total": (9.0, 500), "A": (3.0, 4), "B": (2.0, 96), "C": (4.0, 400)}))
    )
    assert told.select("total", "A", "B", "C").row(0) == (9, None, None, 4)


def test_nights_go_down_the_newest_last():
    told = spread_by_night(daily("repeat_rate", "rate", 0.4, 0.5), ["repeat_rate"])
    assert told.rows() == [(date(2026, 6, 29), 0.4), (date(2026, 6, 30), 0.5)]
    few = spread_by_night(daily("repeat_rate", "rate", 0.4, base=5), ["repeat_rate"])
    assert few["repeat_rate"].to_list() == [None]


def test_cohorts_tell_the_share_that_ordered_again():
    told = cross_cohorts(
        cohorts(
            (date(2026, 1, 1), 0, 200, 200), (date(2026, 1, 1), 1, 200, 50),
            (date(2026, 1, 1), 2, 200, 4), (date(2026, 2, 1), 1, 100, 95),
        )
    )  # fmt: skip
    assert told.columns == ["cohort", "customers", "1", "2"]
    assert told.rows() == [("2026-01", 200, 0.25, None), ("2026-02", 100, None, None)]


def test_a_month_that_is_not_over_is_left_out():
    running = cohorts((date(2026, 1, 1), 1, 200, 50)).with_columns(is_whole_month=False)
    assert cross_cohorts(running).height == 0
    assert make_kpis({"retention_cohorts": running}) is None


def test_lines_need_two_nights():
    marts = all_marts()
    assert "daily_loyalty" in names(marts)
    tonight = marts["kpi_daily"].filter(pl.col("as_of") == date(2026, 6, 30))
    assert "daily_loyalty" not in names(marts | {"kpi_daily": tonight})


def test_each_figure_is_written_in_its_unit():
    figures = {figure.name: figure for figure in make_kpis(all_marts()).figures}
    assert figures["kpi_size"].rows["total"].to_list() == ["600"]
    assert figures["kpi_loyalty"].rows["A"].to_list() == ["50.0%"]
    assert figures["kpi_size"].chart is None


def names(marts):
    return [figure.name for figure in make_kpis(marts).figures]
