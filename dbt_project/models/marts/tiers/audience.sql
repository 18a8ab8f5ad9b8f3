with customers as (
    select * from {{ ref('customer_360') }}
),

grades as (
    select * from {{ ref('customer_grades') }}
),

lifecycle as (
    select * from {{ ref('customer_lifecycle') }}
),

rfm as (
    select * from {{ ref('customer_rfm') }}
),

scores as (
    select * from {{ ref('stg_pipeline__customer_scores') }}
),

reasons as (
    select * from {{ ref('stg_pipeline__churn_reasons') }}
    where reason_rank = 1
),

products as (
    select * from {{ ref('customer_recommendations') }}
    where kind = 'product' and rank = 1
),

categories as (
    select * from {{ ref('customer_recommendations') }}
    where kind = 'category' and rank = 1
),

warnings as (
    select
        customer_id,
        count(*) as warning_count,
        bool_or(severity = 'high') as has_high_warning
    from {{ ref('customer_warnings') }}
    group by customer_id
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

joined as (
    select
        ---------- who
        customers.customer_id,
        customers.as_of,
        customers.kind,
        customers.is_guest,
        customers.first_seen_on,
        customers.account_manager_id,
        customers.country_code,
        customers.state,
        customers.city,
        customers.language,
        customers.gender,
        customers.age_years,
        customers.age_band,
        customers.birthday_month,
        customers.birthday_day,
        customers.occupation,
        customers.income_band,
        customers.industry,
        customers.employer_customer_id is not null as is_company_contact,
        customers.household_id,
        customers.household_size,
        customers.network_tie_count,

        ---------- grade and stage
        grades.grade,
        grades.grade_label,
        grades.grade_label_zh,
        grades.value_score,
        grades.vip_band,
        grades.vip_band_label,
        grades.vip_band_label_zh,
        grades.is_first_tier,
        grades.is_second_tier_potential,
        grades.is_second_tier_network,
        grades.network_customer_id,
        grades.network_relation,
        grades.network_relation_label,
        grades.network_relation_label_zh,
        grades.next_grade,
        grades.next_grade_gap_points,
        grades.is_upgrade_candidate,
        lifecycle.lifecycle_stage,
        lifecycle.lifecycle_stage_label,
        lifecycle.lifecycle_stage_label_zh,
        rfm.recency_score,
        rfm.frequency_score,
        rfm.monetary_score,
        rfm.rfm_group,

        ---------- scores
        scores.clv_365d_amount,
        scores.p_alive,
        scores.churn_risk,
        scores.churn_risk_band,
        reasons.text_en as churn_reason,
        reasons.text_zh as churn_reason_zh,
        scores.expected_orders_365d_count,
        scores.next_order_from_on,
        scores.next_order_to_on,
        scores.best_weekday,
        scores.best_hour,
        products.item_name as recommended_item,
        categories.item_name as recommended_category,
        coalesce(warnings.warning_count, 0) as warning_count,
        coalesce(warnings.has_high_warning, false) as has_high_warning,

        ---------- facts
        customers.first_order_on,
        customers.last_order_on,
        customers.tenure_days,
        customers.days_since_last_order,
        customers.rhythm_days,
        customers.rhythm_ratio,
        customers.order_count,
        customers.order_count_90d,
        customers.order_count_previous_90d,
        customers.order_count_365d,
        customers.net_revenue_amount,
        customers.net_margin_amount,
        customers.net_revenue_365d_amount,
        customers.net_margin_365d_amount,
        customers.average_order_amount,
        customers.discounted_order_rate,
        customers.preferred_order_channel,
        customers.engagement_score,
        customers.web_visit_count_90d,
        customers.web_cart_count_90d,
        customers.campaign_click_count_90d,
        customers.social_share_count_365d,
        customers.last_interaction_on,
        customers.nps_score,
        customers.csat_score,
        customers.complaint_count_90d,
        customers.open_complaint_count,
        customers.points_balance,
        customers.referral_count,
        customers.converted_referral_count,
        customers.cost_to_serve_365d_amount,

        ---------- never written to, whatever the list
        case
            when customers.is_erasure_requested then 'erasure_requested'
            when customers.age_years < run.minimum_age then 'under_age'
        end as suppressed_because,
        customers.is_profiling_refused,
        coalesce(customers.open_complaint_count, 0) > 0 as has_open_complaint,
        customers.base_currency
    from customers
    cross join run
    inner join grades on customers.customer_id = grades.customer_id
    inner join lifecycle on customers.customer_id = lifecycle.customer_id
    left join rfm on customers.customer_id = rfm.customer_id
    left join scores on customers.customer_id = scores.customer_id
    left join reasons on customers.customer_id = reasons.customer_id
    left join products on customers.customer_id = products.customer_id
    left join categories on customers.customer_id = categories.customer_id
    left join warnings on customers.customer_id = warnings.customer_id
)

select * from joined
order by customer_id
