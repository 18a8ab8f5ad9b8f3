"""Which columns of the audience judge a person, and which come from scores."""

# What an automated judgement of the person says: whoever refused profiling is on no list cut by it.
PROFILING = {
    "grade", "grade_label", "grade_label_zh", "vip_band", "vip_band_label", "vip_band_label_zh",
    "value_score", "is_first_tier", "is_second_tier_potential", "is_second_tier_network",
    "network_customer_id", "network_relation", "network_relation_label",
    "network_relation_label_zh", "is_upgrade_candidate", "next_grade", "next_grade_gap_points",
    "next_grade_gap_places",
    "lifecycle_stage", "lifecycle_stage_label", "lifecycle_stage_label_zh",
    "lifecycle_stage_since_on", "lifecycle_reason", "lifecycle_reason_zh",
    "rhythm_days", "rhythm_ratio", "engagement_score",
    "rfm_group", "rfm_group_label", "rfm_group_label_zh", "recency_score",
    "frequency_score", "monetary_score", "top_interest", "second_interest", "price_sensitivity",
    "price_sensitivity_band", "novelty_seeking", "novelty_seeking_band", "basket_size_band",
    "top_brand", "brand_loyalty_band", "preferred_contact_channel", "best_marketing_channel",
    "preferred_order_channel",
    "clv_365d_amount", "p_alive", "churn_risk", "churn_risk_band", "churn_reason",
    "churn_reason_zh", "expected_orders_365d_count", "next_order_from_on", "next_order_to_on",
    "next_order_in_days",
    "best_weekday", "best_hour", "recommended_item", "recommended_category", "warning_count",
    "has_high_warning",
}  # fmt: skip
SCORES = {
    "clv_365d_amount", "p_alive", "churn_risk", "churn_risk_band", "churn_reason",
    "churn_reason_zh", "expected_orders_365d_count", "next_order_from_on", "next_order_to_on",
    "next_order_in_days",
    "best_weekday", "best_hour",
    "is_second_tier_potential",
}  # fmt: skip
