import polars as pl

from pipelines.page.movements import (
    count_announced,
    count_gaps,
    count_grade_flows,
    count_grade_reasons,
    count_stage_flows,
    cross_migration,
    make_movements,
)
from tests.unit.page.page_frames import grade_movements, lifecycle_movements, migration


def test_migration_has_grades_then_down_and_now_across():
    told = cross_migration(migration(("B", "A", 20), ("A", "A", 40), ("none", "A", 30)))
    assert told.select("label", "A", "total").rows() == [
        ("Grade A", 40, 40),
        ("Grade B", 20, 20),
        ("Unknown or gone", 30, 30),
        ("All", 90, 90),
    ]


def test_streams_of_grades_leave_out_bands_and_small_ones():
    moves = grade_movements(
        ("B", "A", "up", "earned", 30), ("C", "A", "up", "earned", 4),
        ("C", "B", "up", "earned", 50), ("B", "B", "up", "earned", 60),
    )  # fmt: skip
    bands = grade_movements(("gold", "diamond", "up", "earned", 90)).with_columns(
        ladder=pl.lit("vip_band")
    )
    told = count_grade_flows(pl.concat([moves, bands]))
    assert told.height == 0  # one hidden stream hides the others that would give it away
    only = grade_movements(("B", "A", "up", "earned", 30), ("C", "B", "up", "earned", 50))
    assert count_grade_flows(only).select("start", "end", "customers").rows() == [
        ("Grade B", "Grade A", 30),
        ("Grade C", "Grade B", 50),
    ]


def test_streams_of_stages_have_the_labels_of_their_mart():
    told = count_stage_flows(lifecycle_movements(("loyal", "at_risk", 20), ("repeat", "loyal", 30)))
    assert told.rows() == [
        ("Repeat", "Loyal", 30, "重复购买客户", "忠实客户"),
        ("Loyal", "At_Risk", 20, "忠实客户", "流失预警"),
    ]


def test_reasons_of_changes_tell_ups_and_downs():
    told = count_grade_reasons(
        grade_movements(("B", "A", "up", "earned", 30), ("A", "B", "down", "review", 40))
    )
    assert told.select("label", "up", "down", "total").rows() == [
        ("Review", 0, 40, 40),
        ("Earned", 30, 0, 30),
        ("All", 30, 40, 70),
    ]


def test_announced_downgrades_are_counted_by_grade():
    warned = pl.DataFrame(
        {"customer_id": [str(n) for n in range(40)], "level": ["A", "B"] * 20, "ladder": "grade"}
    )
    assert count_announced(warned.lazy()).select("label", "customers").rows() == [
        ("Grade A", 20),
        ("Grade B", 20),
    ]


def test_the_way_up_tells_how_many_are_close_unless_they_are_few():
    near = [number % 2 == 0 for number in range(50)] + [number < 5 for number in range(50)]
    gaps = pl.DataFrame({"grade": ["D"] * 50 + ["C"] * 50, "is_upgrade_candidate": near})
    assert count_gaps(gaps.lazy()).drop("label_zh").rows() == [
        ("Grade D", 50, 25, 0.5),
        ("Grade C", 50, None, None),
    ]


def test_the_section_is_there_only_with_a_history():
    assert make_movements({"audience": pl.LazyFrame()}) is None
    nothing = grade_movements(("B", "A", "up", "earned", 1)).head(0)
    assert make_movements({"grade_movements": nothing}) is None
    told = make_movements({"lifecycle_movements": lifecycle_movements(("loyal", "at_risk", 20))})
    assert [figure.name for figure in told.figures] == ["lifecycle_movements"]
