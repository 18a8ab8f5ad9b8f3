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

psychographics as (
    select * from {{ ref('customer_psychographics') }}
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

list_facts as (
    select * from {{ ref('int_list_facts_joined_to_customers') }}
),

-- Places are counted among those whom a percentile is of: persons among persons.
graded as (
    select
        peer_group,
        count(*) as graded_count
    from {{ ref('customer_grades') }}
    where value_score is not null
    group by peer_group
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
        list_facts.birthday_in_days,
        list_facts.next_festival,
        list_facts.next_festival_label,
        list_facts.next_festival_label_zh,
        list_facts.next_festival_on,
        list_facts.festival_in_days,
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
        cast(ceil(grades.next_grade_gap_points / 100 * graded.graded_count) as bigint) as next_grade_gap_places,
        grades.is_upgrade_candidate,
        lifecycle.lifecycle_stage,
        lifecycle.lifecycle_stage_label,
        lifecycle.lifecycle_stage_label_zh,
        lifecycle.lifecycle_stage_since_on,
        lifecycle.lifecycle_reason,
        lifecycle.lifecycle_reason_zh,
        rfm.recency_score,
        rfm.frequency_score,
        rfm.monetary_score,
        rfm.rfm_group,
        rfm.rfm_group_label,
        rfm.rfm_group_label_zh,

        ---------- what they lean to
        psychographics.top_interest,
        psychographics.second_interest,
        psychographics.price_sensitivity,
        psychographics.price_sensitivity_band,
        psychographics.novelty_seeking,
        psychographics.novelty_seeking_band,
        psychographics.basket_size_band,
        psychographics.top_brand,
        psychographics.brand_loyalty_band,
        psychographics.preferred_contact_channel,
        customers.best_marketing_channel,

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
        {{ days_between('customers.as_of', 'scores.next_order_from_on') }} as next_order_in_days,
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
        customers.social_reach_count,
        customers.last_interaction_on,
        {{ days_between('customers.last_interaction_on', 'customers.as_of') }} as days_since_last_interaction,
        {{ days_between('customers.last_survey_on', 'customers.as_of') }} as days_since_last_survey,
        customers.nps_score,
        customers.csat_score,
        customers.complaint_count_90d,
        customers.open_complaint_count,
        customers.points_balance,
        customers.points_expiring_30d,
        customers.referral_count,
        customers.converted_referral_count,
        customers.cost_to_serve_365d_amount,

        ---------- never written to, whatever the list
        case
            when customers.is_erasure_requested then 'erasure_requested'
            when customers.age_years < run.minimum_age then 'under_age'
            else list_facts.tagged_because
        end as suppressed_because,
        list_facts.is_email_bounced,
        list_facts.is_email_complained,
        customers.is_profiling_refused,
        coalesce(customers.open_complaint_count, 0) > 0 as has_open_complaint,
        customers.base_currency
    from customers
    cross join run
    inner join list_facts on customers.customer_id = list_facts.customer_id
    inner join grades on customers.customer_id = grades.customer_id
    inner join lifecycle on customers.customer_id = lifecycle.customer_id
    left join graded on grades.peer_group = graded.peer_group
    left join rfm on customers.customer_id = rfm.customer_id
    left join psychographics on customers.customer_id = psychographics.customer_id
    left join scores on customers.customer_id = scores.customer_id
    left join reasons on customers.customer_id = reasons.customer_id
    left join products on customers.customer_id = products.customer_id
    left join categories on customers.customer_id = categories.customer_id
    left join warnings on customers.customer_id = warnings.customer_id
)

select * from joined
order by customer_id
