from pipelines.page.economics import make_economics, sum_costs, sum_grades
from tests.unit.page.page_frames import economics


def test_each_grade_tells_what_it_brings_and_costs():
    told = sum_grades(economics(A=20, B=30, total=50))
    assert told.drop("label_zh").rows() == [
        ("Grade A", 20, 4000, 2000, 800, 1200, 60, 1.5),
        ("Grade B", 30, 6000, 3000, 1200, 1800, 60, 1.5),
    ]


def test_nothing_is_told_of_a_grade_of_few():
    told = sum_grades(economics(A=3, B=30, C=90, total=123))
    assert told["profit"].to_list() == [None, None, 5400]


def test_kinds_of_cost_that_cost_nothing_are_left_out():
    told = sum_costs(economics(A=20, total=20))
    assert told.columns == ["label", "label_zh", "customers", "case_cost"]
    assert told["case_cost"].to_list() == [800]


def test_the_section_is_there_with_its_mart():
    assert make_economics({}) is None
    assert make_economics({"grade_economics": economics(total=5)}) is None
    section = make_economics({"grade_economics": economics(A=20, B=30, total=50)})
    assert [figure.name for figure in section.figures] == ["grade_economics", "grade_costs"]
