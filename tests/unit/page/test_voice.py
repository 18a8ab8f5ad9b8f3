from pipelines.page.voice import count_topics, make_voice, spread_causes, spread_problems
from tests.unit.page.page_frames import causes, topics


def test_topics_come_with_the_most_troubled_first():
    told = count_topics(topics(("price", {"total": (80, 20)}), ("delivery", {"total": (90, 50)})))
    assert told.select("label", "scope", "speakers", "troubled", "troubled_rate").rows() == [
        ("Delivery", "shared", 90, 50, 0.1),
        ("Price", "shared", 80, 20, 0.04),
    ]


def test_few_troubled_customers_are_not_told():
    told = count_topics(topics(("price", {"total": (80, 4)})))
    assert told.select("speakers", "troubled", "troubled_rate").row(0) == (80, None, None)


def test_problems_are_spread_over_grades_without_small_cells():
    told = spread_problems(
        topics(("price", {"total": (0, 98), "A": (0, 4), "B": (0, 24), "D": (0, 70)}))
    )
    assert told.select(*"ABCD").row(0) == (None, None, 0, 70)


def test_where_nobody_said_anything_there_is_no_section():
    assert make_voice({}) is None
    assert make_voice({"feedback_topics_by_grade": topics(("price", {"total": (0, 0)}))}) is None


def test_causes_are_spread_over_stages_the_most_frequent_first():
    told = spread_causes(
        causes(("return", "at_risk", 12), ("rival", "churned", 30), ("rival", "dormant", 15))
    )
    assert told.rows() == [("Rival", "原因rival", 0, 15, 30), ("Return", "原因return", 12, 0, 0)]
    few = spread_causes(causes(("return", "at_risk", 3), ("return", "churned", 30)))
    assert few.select("at_risk", "dormant", "churned").row(0) == (None, 0, None)


def test_causes_alone_make_a_section():
    section = make_voice({"churn_causes": causes(("return", "at_risk", 12))})
    assert [figure.name for figure in section.figures] == ["churn_causes"]
    assert make_voice({"churn_causes": causes(("return", "at_risk", 12)).head(0)}) is None
