from decimal import Decimal

import pytest
from polars.testing import assert_frame_equal

from pipelines.page.structure import (
    count_bands,
    count_grades,
    count_rfm_groups,
    count_tiers,
    cross_stages,
    cube_customers,
    labels_of,
    make_structure,
)
from tests.unit.page.page_frames import people, rfm_groups, whole_audience

MONEY = {"net_margin_365d_amount": Decimal(10), "clv_365d_amount": Decimal(30)}


def test_grades_share_customers_and_margin():
    idle = {"grade": "D", "net_margin_365d_amount": Decimal(0)}
    cube = cube_customers(people((30, {"grade": "A", **MONEY}), (90, idle)))
    told = count_grades(cube).to_dicts()
    assert [row["label"] for row in told] == ["A", "D"]
    assert [row["label_zh"] for row in told] == ["A级客户", "D级客户"]
    assert [row["customers"] for row in told] == [30, 90]
    assert [row["customer_rate"] for row in told] == [0.25, 0.75]
    assert (told[0]["margin"], told[0]["predicted"]) == (300, 900)
    assert [row["margin_rate"] for row in told] == [1, 0]


def test_nothing_is_told_of_a_grade_of_few_nor_of_the_one_that_would_give_it_away():
    cube = cube_customers(
        people((4, {"grade": "A", **MONEY}), (20, {"grade": "B", **MONEY}), (90, {"grade": "D"}))
    )
    told = count_grades(cube)
    assert told["customers"].to_list() == [None, None, 90]
    assert told["margin"].null_count() == told["margin_rate"].null_count() == 2


def test_the_cube_counts_everybody_once_whatever_the_order_of_rows():
    audience = whole_audience().collect()
    cube = cube_customers(audience.lazy())
    assert cube["customers"].sum() == audience.height
    assert cube["predicted"].sum() == audience["clv_365d_amount"].sum()
    assert_frame_equal(
        cube, cube_customers(audience.sample(fraction=1, shuffle=True, seed=1).lazy())
    )


def test_stages_go_down_in_the_order_of_a_life_and_grades_across():
    stages = cross_stages(
        cube_customers(
            people(
                (20, {"grade": "A", "lifecycle_stage": "loyal"}),
                (30, {"grade": "B", "lifecycle_stage": "prospect"}),
                (40, {"grade": "B", "lifecycle_stage": "loyal"}),
            )
        )
    )
    assert stages.drop("label_zh").rows() == [
        ("Prospect", 0, 30, 30),
        ("Loyal", 20, 40, 60),
        ("All", 20, 70, 90),
    ]


def test_a_small_cell_of_stage_and_grade_is_hidden_with_others():
    stages = cross_stages(
        cube_customers(
            people(
                (3, {"grade": "A", "lifecycle_stage": "loyal"}),
                (40, {"grade": "A", "lifecycle_stage": "repeat"}),
                (50, {"grade": "B", "lifecycle_stage": "loyal"}),
                (60, {"grade": "B", "lifecycle_stage": "repeat"}),
            )
        )
    )
    assert stages.select("A", "B", "total").rows() == [
        (None, None, 100),
        (None, None, 53),
        (43, 110, 153),
    ]


def test_bands_are_those_of_grades_a_and_b_and_the_rest_has_none():
    told = count_bands(
        cube_customers(
            people(
                (20, {"grade": "A", "vip_band": "gold"}),
                (30, {"grade": "B", "vip_band": "diamond"}),
                (40, {"grade": "B", "vip_band": None}),
                (50, {"grade": "C", "vip_band": None}),
            )
        )
    )
    assert told.select("label", "customers").rows() == [
        ("Diamond", 30), ("Gold", 20), ("No band", 40),
    ]  # fmt: skip


def test_both_readings_of_the_second_tier_stand_beside_the_first():
    def reading(count, first=False, potential=False, network=False):
        return count, {
            "is_first_tier": first,
            "is_second_tier_potential": potential,
            "is_second_tier_network": network,
        }

    told = count_tiers(
        cube_customers(
            people(
                reading(10, first=True, network=True),
                reading(20, potential=True),
                reading(30, network=True),
                reading(40, potential=True, network=True),
                reading(50),
            )
        )
    )
    assert told.select("label", "customers").rows() == [
        ("First tier", 10),
        ("Second tier by potential", 20),
        ("Second tier by network", 30),
        ("Second tier in both readings", 40),
        ("Others", 50),
    ]


def test_rfm_groups_come_largest_first_with_the_labels_of_their_mart():
    cube = cube_customers(
        people((20, {"rfm_group": "champions"}), (30, {"rfm_group": "lost"}), (5, {}))
    )
    told = count_rfm_groups(cube, labels_of(rfm_groups(), "rfm_group"))
    assert told.select("label", "label_zh", "customers").rows() == [
        ("Lost", "已流失", 30),
        ("Champions", "冠军", 20),
    ]


@pytest.mark.parametrize("marts", [{}, {"customer_rfm": rfm_groups()}])
def test_the_section_shows_what_there_is(marts):
    section = make_structure(cube_customers(whole_audience()), marts)
    names = [figure.name for figure in section.figures]
    assert names == ["grades", "stages", "bands", "tiers", *(["rfm"] if marts else [])]
    assert make_structure(None, marts) is None
