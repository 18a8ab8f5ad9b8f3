from decimal import Decimal

from pipelines.page.structure import cube_customers
from pipelines.page.value import (
    count_reasons,
    count_risk_bands,
    count_warnings,
    cross_risks,
    cut_risks,
    cut_tenths,
    make_value,
)
from tests.unit.page.page_frames import churn_reasons, people, warnings, whole_audience


def worth(*values, each=20):
    return people(
        *(
            (each, {"clv_365d_amount": Decimal(v), "net_margin_365d_amount": Decimal(1)})
            for v in values
        )
    )


def test_tenths_hold_equal_numbers_the_most_valuable_first():
    told = cut_tenths(worth(*range(10, 110, 10)))
    assert told["tenth"].to_list() == [str(number) for number in range(1, 11)]
    assert set(told["customers"]) == {20}
    assert told["least"].to_list() == list(range(100, 0, -10))
    assert told["predicted"].to_list() == [20 * value for value in range(100, 0, -10)]
    assert told["predicted_rate"][0] == round(100 / 550, 4)
    assert set(told["margin_rate"]) == {0.1}


def test_customers_of_equal_value_are_in_one_tenth():
    told = cut_tenths(worth(0, 0, 0, 0, 0, 0, 0, 0, 5, 9))
    assert told.select("customers", "least").rows() == [(20, 9), (20, 5), (160, 0)]


def test_without_predictions_there_are_no_tenths():
    assert cut_tenths(people((30, {"grade": "D"}))).height == 0


def test_tenths_of_few_customers_tell_nothing():
    told = cut_tenths(worth(*range(10, 110, 10), each=3))
    assert told["customers"].null_count() == told["predicted"].null_count() == 10


def risky(*kinds):
    """(customers, risk, band, grade)"""
    return cube_customers(
        people(
            *(
                (count, {"churn_risk": risk, "churn_risk_band": band, "grade": grade,
                         "clv_365d_amount": Decimal(2)})
                for count, risk, band, grade in kinds
            )
        )
    )  # fmt: skip


def test_risk_is_counted_in_ten_steps_and_one_belongs_to_the_last():
    told = cut_risks(
        risky((20, 0.0, "low", "A"), (30, 0.55, "medium", "A"), (40, 1.0, "high", "B"))
    )
    assert told.select("risk", "low", "medium", "high", "total").rows()[::5] == [
        ("0.0–0.1", 20, 0, 0, 20),
        ("0.5–0.6", 0, 30, 0, 30),
        ("All", 20, 30, 40, 90),
    ]


def test_risk_bands_and_grades_cross():
    cube = risky((20, 0.1, "low", "A"), (30, 0.9, "high", "A"), (40, 0.9, "high", "B"))
    assert cross_risks(cube).select("label", "A", "B", "total").rows() == [
        ("High risk", 30, 40, 70),
        ("Medium risk", 0, 0, 0),
        ("Low risk", 20, 0, 20),
        ("All", 50, 40, 90),
    ]
    assert count_risk_bands(cube).select("label", "customers", "predicted").rows() == [
        ("Low risk", 20, 40),
        ("High risk", 70, 140),
    ]


def test_only_first_reasons_count_and_unknown_ones_keep_their_name():
    told = count_reasons(churn_reasons(overdue=30, weather=12))
    assert told.select("label", "label_zh", "customers").rows() == [
        ("Longer without an order than usual", "久未下单", 30),
        ("weather", "weather", 12),
    ]


def test_severe_warnings_come_first():
    told = count_warnings(
        warnings(
            (50, {"label": "Points", "severity": "low", "owner": "Loyalty"}),
            (20, {"label": "Overdue", "severity": "high", "owner": "CRM"}),
            (30, {"label": "Detractor", "severity": "high", "owner": "Service"}),
        )
    )
    assert told.select("label", "severity_zh", "owner", "customers").rows() == [
        ("Detractor", "高", "Service", 30),
        ("Overdue", "高", "CRM", 20),
        ("Points", "低", "Loyalty", 50),
    ]


def test_a_night_without_predictions_shows_none():
    audience = people((30, {"grade": "D"}))
    assert make_value(cube_customers(audience), {"audience": audience}) is None


def test_the_section_shows_value_risk_reasons_and_warnings():
    marts = {
        "audience": whole_audience(),
        "churn_reasons": churn_reasons(overdue=30),
        "customer_warnings": warnings((30, {"severity": "high"})),
    }
    section = make_value(cube_customers(marts["audience"]), marts)
    assert [figure.name for figure in section.figures] == [
        "tenths", "risks", "risk_grades", "risk_bands", "reasons", "warnings",
    ]  # fmt: skip
