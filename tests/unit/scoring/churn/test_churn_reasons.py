import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from pipelines.rules import PACKAGED, find_rules, load_rules
from pipelines.rules.churn_reasons import ChurnReason, ChurnReasons
from pipelines.scoring.churn.features import ORDER_FEATURES
from pipelines.scoring.churn.logistic import Explained
from pipelines.scoring.churn.reasons import (
    add_up_by_reason,
    describe_reasons,
    find_typical,
    rank_reasons,
)
from pipelines.scoring.past.order_models import level_columns

OTHERWISE = {"reason": "like_most", "text_en": "{value}", "text_zh": "{value}"}
REASONS = ChurnReasons(
    otherwise=OTHERWISE,
    reasons=(
        ChurnReason(
            reason="overdue",
            features=("log_recency", "x_since_last_order"),
            value="recency_days",
            told_when="above",
            text_en="Last order {value} days ago (typical: {typical})",
            text_zh="距上次下单已 {value} 天（一般为 {typical} 天）",
        ),
        ChurnReason(
            reason="complaints",
            features=("open_complaint_count",),
            value="open_complaint_count",
            told_when="above",
            text_en="{value} open complaints",
            text_zh="未结投诉 {value} 起",
        ),
        ChurnReason(
            reason="discounts",
            features=("discount_rate",),
            value="discount_rate",
            told_when="above",
            shown_as="percent",
            text_en="{typical} is typical, here {value}",
            text_zh="折扣占比 {value}",
        ),
    ),
)
VALUES = pl.DataFrame(
    {
        "recency_days": [200, 10, 50],
        "open_complaint_count": [2.0, None, 0.0],
        "discount_rate": [0.1, 0.6, 0.3],
    }
)
TYPICAL = find_typical(VALUES)
EXPLAINED = Explained(
    base=-0.5,
    columns=("x_since_last_order:level", "log_recency", "open_complaint_count", "discount_rate"),
    contributions=np.array(
        [[0.5, 0.4, 2.0, -0.3], [-0.5, 0.1, 0.0, 0.7], [0.0, 0.0, 0.0, 0.001]],
    ),
)


def test_parts_of_reasons_and_the_base_add_up_to_the_log_odds():
    names, parts = add_up_by_reason(EXPLAINED, REASONS)
    assert names == ["overdue", "complaints", "discounts"]
    assert EXPLAINED.base + parts.sum(axis=1) == pytest.approx(EXPLAINED.logits)
    assert parts[0] == pytest.approx([0.9, 2.0, -0.3])


def test_the_largest_part_comes_first_and_what_lowers_the_risk_is_no_reason():
    ranked = rank_reasons(EXPLAINED, VALUES, TYPICAL, REASONS)
    assert ranked["churn_reason_1"].to_list() == ["complaints", "discounts", None]
    assert ranked["churn_reason_2"].to_list() == ["overdue", None, None]
    assert ranked["churn_reason_1_value"].to_list() == [2.0, 0.6, None]
    assert ranked["churn_reason_2_typical"].to_list() == [50.0, None, None]


def test_a_reason_is_told_only_on_the_side_that_its_sentence_means():
    fresh = VALUES.with_columns(recency_days=pl.Series([1, 10, 50]))
    ranked = rank_reasons(EXPLAINED, fresh, find_typical(fresh), REASONS)
    assert ranked.row(0)[:1] == ("complaints",)
    assert ranked["churn_reason_2"].to_list() == [None, None, None]


def test_a_number_that_is_shown_like_the_median_is_no_reason():
    near = VALUES.with_columns(recency_days=pl.Series([50.4, 10, 50]))
    assert rank_reasons(EXPLAINED, near, find_typical(near), REASONS).row(0)[:1] == ("complaints",)
    assert rank_reasons(EXPLAINED, near, TYPICAL, REASONS)["churn_reason_2"].to_list() == [None] * 3
    far = near.with_columns(recency_days=pl.Series([51, 10, 50]))
    assert rank_reasons(EXPLAINED, far, TYPICAL, REASONS)["churn_reason_2"][0] == "overdue"


def test_reasons_in_words_in_both_languages():
    scores = pl.concat(
        [
            pl.DataFrame({"customer_id": ["b", "a", "c"]}),
            rank_reasons(EXPLAINED, VALUES, TYPICAL, REASONS),
        ],
        how="horizontal",
    )
    told = describe_reasons(scores, REASONS)
    assert told.select("customer_id", "reason_rank", "reason").rows() == [
        ("a", 1, "discounts"),
        ("b", 1, "complaints"),
        ("b", 2, "overdue"),
    ]
    assert told["text_en"].to_list() == [
        "30% is typical, here 60%",
        "2 open complaints",
        "Last order 200 days ago (typical: 50)",
    ]
    assert told["text_zh"][2] == "距上次下单已 200 天（一般为 50 天）"


def test_a_feature_without_a_reason_is_refused():
    unknown = Explained(0.0, ("moon_phase",), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="No churn reason lists moon_phase"):
        add_up_by_reason(unknown, REASONS)


def test_the_packaged_reasons_know_every_feature_of_orders():
    book = load_rules(find_rules(None))
    listed = {name for reason in book.churn_reasons.reasons for name in reason.features}
    levels = {name for kind in book.scores.order_models for name in level_columns(kind)}
    assert set(ORDER_FEATURES) | levels <= listed
    assert (PACKAGED / "churn_reasons.yml").is_file()


def test_a_text_with_other_braces_is_refused():
    with pytest.raises(ValidationError, match="no other braces"):
        ChurnReason(
            reason="r", features=("a",), value="a", told_when="above", text_en="{who}", text_zh=""
        )


def test_a_feature_of_two_reasons_is_refused():
    with pytest.raises(ValidationError, match="feature log_recency is listed twice"):
        ChurnReasons(
            otherwise=OTHERWISE,
            reasons=(
                REASONS.reasons[0],
                REASONS.reasons[1].model_copy(update={"features": ("log_recency",)}),
            ),
        )
