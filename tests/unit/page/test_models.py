from datetime import date

from pipelines.page.models import compare_days, compare_models, list_choices, make_models
from tests.unit.page.page_frames import choices, reports


def test_a_choice_tells_its_grade_the_gain_over_the_baseline_and_the_reason():
    told = list_choices(choices()).to_dicts()
    assert told == [
        {
            "target": "Churn", "target_zh": "流失",
            "model": "Logistic regression", "model_zh": "逻辑回归",
            "model_grade": "A",
            "baseline": "Recency alone", "baseline_zh": "仅最近购买",
            "improvement_rate": 0.25,
            "reason": "clearly better",
        }
    ]  # fmt: skip


def test_without_a_loss_of_the_baseline_there_is_no_gain():
    told = list_choices(choices(loss=None, baseline_loss=None, baseline=None))
    assert told.select("improvement_rate", "baseline").row(0) == (None, "none")


def test_the_model_in_use_comes_first_then_the_baseline_then_the_others():
    told = compare_models(reports(), "churn")
    assert told.select("role", "known_on", "auc").rows() == [
        ("in use", date(2026, 1, 1), 0.7),
        ("in use", date(2026, 4, 1), 0.8),
        ("baseline", date(2026, 1, 1), 0.7),
        ("baseline", date(2026, 4, 1), 0.8),
        ("tried", date(2026, 1, 1), 0.7),
        ("tried", date(2026, 4, 1), 0.8),
    ]
    assert told["brier"].null_count() == told.height


def test_a_measure_is_spread_over_the_days():
    wide, days = compare_days(compare_models(reports(), "orders"), "gini")
    assert [day.name for day in days] == ["2026-01-01", "2026-04-01"]
    assert wide.select("label", "2026-01-01", "2026-04-01").row(0) == (
        "Logistic regression · in use", 0.6, 0.7,
    )  # fmt: skip


def test_the_section_is_there_as_soon_as_something_was_tried():
    section = make_models({"model_choices": choices(), "model_reports": reports()})
    assert [figure.name for figure in section.figures] == [
        "choices",
        *(f"{of}_{what}" for of in ("churn", "orders", "value") for what in ("backtest", "level")),
    ]
    empty = {"model_choices": choices().head(0), "model_reports": reports().head(0)}
    assert make_models(empty) is None
