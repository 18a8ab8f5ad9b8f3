with records as (
    select * from {{ ref('int_records_merged_to_customers') }}
),

-- Joined last: DuckDB does not gather the rows that a join leaves over while a list is among their columns, and
-- 27 outer joins in a row then hand on single rows, at six times the cost.
tags as (
    select
        customer_id,
        tags
    from {{ ref('int_records_merged_to_customers') }}
),

{% for facts, model in {
    'orders': 'int_orders_summed_to_customers', 'order_days': 'int_order_days_summed_to_customers',
    'habits': 'int_order_habits_summed_to_customers', 'items': 'int_order_items_summed_to_customers',
    'cancelled': 'int_cancelled_orders_summed_to_customers', 'refunds': 'int_refunds_summed_to_customers',
    'touches': 'int_touches_summed_to_customers', 'sessions': 'int_web_sessions_summed_to_customers',
    'social': 'int_social_engagements_summed_to_customers', 'campaigns': 'int_campaigns_summed_to_customers',
    'activities': 'int_activities_summed_to_customers', 'deals': 'int_deals_summed_to_customers',
    'cases': 'int_cases_summed_to_customers', 'answers': 'int_answers_summed_to_customers',
    'loyalty': 'int_loyalty_summed_to_customers', 'referrals': 'int_referrals_summed_to_customers',
    'costs': 'int_costs_summed_to_customers', 'consents': 'int_consents_summed_to_customers',
    'preferences': 'int_preferences_merged_to_customers', 'first_and_last': 'int_touches_ranked_to_customers',
    'profiling_refusals': 'int_profiling_refusals', 'erased': 'int_erased_customers',
    'households': 'customer_households', 'present': 'int_sources_present', 'run': 'stg_rules__run',
}.items() -%}
{{ facts }} as (
    select * from {{ ref(model) }}
),

{% endfor -%}
points as (
    select
        customer_id,
        bool_or(contact_type = 'email') as has_email,
        bool_or(contact_type = 'phone') as has_phone,
        bool_or(contact_type = 'external_userid') as has_wechat
    from {{ ref('int_contact_points') }}
    group by customer_id
),

employers as (
    select * from {{ ref('company_contacts') }}
    where is_employer
),

network as (
    select
        customer_id,
        count(distinct tied_customer_id) as network_tie_count
    from {{ ref('customer_network') }}
    where degree = 1
    group by customer_id
),

age_bands as (
    select * from {{ ref('stg_rules__age_bands') }}
),

aged as (
    select
        records.customer_id,
        {{ age_in_years('records.birth_date', 'run.as_of') }} as age_years,
        cast(extract(month from records.birth_date) as bigint) as birthday_month,
        cast(extract(day from records.birth_date) as bigint) as birthday_day
    from records
    cross join run
    where records.birth_date <= run.as_of
),

ages as (
    select
        aged.*,
        age_bands.age_band
    from aged
    inner join age_bands
        on aged.age_years >= age_bands.min_age and (aged.age_years <= age_bands.max_age or age_bands.max_age is null)
),

-- A count of a source that has nothing tonight is unknown, not nought.
joined as (
    select
        ---------- who
        records.customer_id,
        run.as_of,
        records.kind,
        records.is_guest,
        records.first_seen_on,
        records.record_count,
        records.source_count,
        records.owner_id as account_manager_id,
        records.country_code,
        records.state,
        records.city,
        records.postal_code,
        records.language,
        records.gender,
        ages.age_years,
        ages.age_band,
        ages.birthday_month,
        ages.birthday_day,
        records.occupation,
        records.income_band,
        records.job_title,
        records.department,
        employers.company_customer_id as employer_customer_id,
        records.industry,
        records.employees,
        records.annual_revenue_amount,
        households.household_id,
        households.member_count as household_size,
        coalesce(network.network_tie_count, 0) as network_tie_count,
        records.lead_source,
        records.source_tier,
        tags.tags,
        coalesce(points.has_email, false) as has_email,
        coalesce(points.has_phone, false) as has_phone,
        coalesce(points.has_wechat, false) as has_wechat,
        profiling_refusals.customer_id is not null as is_profiling_refused,
        erased.customer_id is not null as is_erasure_requested,

        ---------- transactions
        orders.first_order_on,
        orders.last_order_on,
        {{ days_between('orders.first_order_on', 'run.as_of') }} as tenure_days,
        {{ days_between('orders.last_order_on', 'run.as_of') }} as days_since_last_order,
        coalesce(order_days.order_day_count, 0) as order_day_count,
        coalesce(order_days.order_days_in_horizon_count, 0) as order_days_in_horizon_count,
        {% for fact in [
            'order_count', 'order_count_30d', 'order_count_90d', 'order_count_previous_90d', 'order_count_365d',
            'coupon_order_count', 'refund_count',
        ] -%}
        coalesce(orders.{{ fact }}, 0) as {{ fact }},
        {% endfor -%}
        {% for fact in [
            'net_revenue_amount', 'net_revenue_30d_amount', 'net_revenue_90d_amount', 'net_revenue_previous_90d_amount',
            'net_revenue_365d_amount', 'net_margin_amount', 'net_margin_30d_amount', 'net_margin_90d_amount',
            'net_margin_365d_amount', 'discount_amount',
        ] -%}
        cast(coalesce(orders.{{ fact }}, 0) as decimal(18, 4)) as {{ fact }},
        {% endfor -%}
        case
            when orders.order_count > 0
                then cast(round(cast(orders.net_revenue_amount as double) / orders.order_count, 4) as decimal(18, 4))
        end as average_order_amount,
        order_days.repeat_margin_mean_amount,
        {{ share('orders.discounted_order_count', 'orders.order_count') }} as discounted_order_rate,
        orders.discount_rate,
        orders.average_days_to_pay,
        orders.refunded_order_rate,
        {{ nought_if_present('orders', 'cancelled.cancelled_order_count') }} as cancelled_order_count,
        {{ nought_if_present('orders', 'cancelled.cancelled_order_count_365d') }} as cancelled_order_count_365d,
        {% for fact in ['refund_count_365d', 'refunded_amount', 'refunded_365d_amount'] -%}
        {{ nought_if_present('refunds', 'refunds.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        refunds.last_refund_on,

        ---------- what is bought, where and when
        items.average_items_per_order,
        {{ nought_if_present('order_items', 'items.distinct_product_count') }} as distinct_product_count,
        {{ nought_if_present('order_items', 'items.category_count') }} as category_count,
        items.top_category,
        items.top_category_path,
        items.top_brand,
        {% for fact in [
            'preferred_order_channel', 'preferred_store_id', 'preferred_order_weekday', 'preferred_order_hour',
            'first_order_channel', 'last_order_channel', 'last_order_amount', 'first_order_utm_source',
            'first_order_utm_medium', 'first_order_utm_campaign',
        ] -%}
        habits.{{ fact }},
        {% endfor %}
        ---------- rhythm
        coalesce(order_days.gap_count, 0) as gap_count,
        order_days.median_gap_days,
        order_days.last_gap_days,
        order_days.gap_trend_ratio,
        round(order_days.rhythm_days, 4) as rhythm_days,
        round({{ days_between('orders.last_order_on', 'run.as_of') }} / order_days.rhythm_days, 4) as rhythm_ratio,
        order_days.returned_from_churn_on,

        ---------- behaviour
        {% for fact in [
            'web_visit_count_30d', 'web_visit_count_90d', 'web_visit_count_365d', 'web_search_count_30d',
            'web_search_count_90d', 'web_search_count_365d', 'web_cart_count_30d', 'web_cart_count_90d',
            'web_cart_count_365d',
        ] -%}
        {{ nought_if_present('web_events', 'touches.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        {% for fact in [
            'web_session_count_30d', 'web_session_count_90d', 'web_session_count_365d', 'product_view_count_30d',
            'product_view_count_90d', 'product_view_count_365d', 'cart_session_count_90d', 'abandoned_cart_count_90d',
        ] -%}
        {{ nought_if_present('web_events', 'sessions.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        sessions.cart_abandonment_rate_90d,
        sessions.last_abandoned_cart_on,
        touches.last_web_on,
        sessions.last_product_view_on,
        sessions.last_viewed_category,
        sessions.most_viewed_category_90d,
        sessions.preferred_device,
        {% for fact in ['engagement_score', 'engagement_score_30d_ago'] -%}
        case
            when
                present.has_web_events or present.has_social_engagements
                or present.has_campaign_events or present.has_activities
                then coalesce(touches.{{ fact }}, 0)
        end as {{ fact }},
        {% endfor -%}
        touches.engagement_change_30d_rate,

        ---------- social
        {% for fact in [
            'social_engagement_count_365d', 'social_like_count_365d', 'social_comment_count_365d',
            'social_share_count_365d', 'social_follow_count_365d',
        ] -%}
        {{ nought_if_present('social_engagements', 'touches.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        {% for fact in ['positive_voice_count_365d', 'neutral_voice_count_365d', 'negative_voice_count_365d'] -%}
        {{ nought_if_present('social_engagements', 'social.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        social.sentiment_mean_365d,
        social.social_reach_count,
        touches.last_social_on,

        ---------- campaigns
        {% for fact in [
            'campaign_sent_count_30d', 'campaign_sent_count_90d', 'campaign_sent_count_365d',
            'campaign_open_count_30d', 'campaign_open_count_90d', 'campaign_open_count_365d',
            'campaign_click_count_30d', 'campaign_click_count_90d', 'campaign_click_count_365d',
            'campaign_delivered_count_365d', 'campaign_bounce_count_365d', 'campaign_unsubscribe_count_365d',
            'campaign_complaint_count_365d',
        ] -%}
        {{ nought_if_present('campaign_events', 'touches.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        campaigns.campaign_open_rate_365d,
        campaigns.campaign_click_rate_365d,
        campaigns.campaign_revenue_amount,
        campaigns.campaign_revenue_365d_amount,
        touches.last_campaign_reaction_on,

        ---------- interactions and deals
        {% for fact in ['interaction_count_30d', 'interaction_count_90d', 'interaction_count_365d'] -%}
        {{ nought_if_present('activities', 'touches.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        touches.last_interaction_on,
        {% for fact in [
            'last_call_on', 'last_meeting_on', 'last_personal_email_on', 'last_wechat_on', 'last_sms_on',
            'last_inbound_on', 'next_task_due_on',
        ] -%}
        activities.{{ fact }},
        {% endfor -%}
        {{ nought_if_present('activities', 'activities.open_task_count') }} as open_task_count,
        {{ nought_if_present('activities', 'activities.overdue_task_count') }} as overdue_task_count,
        {% for fact in [
            'open_deal_count', 'open_deal_amount', 'won_deal_count_365d', 'won_deal_365d_amount',
        ] -%}
        {{ nought_if_present('deals', 'deals.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        deals.next_deal_close_on,

        ---------- cases
        {% for fact in [
            'case_count', 'case_count_90d', 'case_count_365d', 'complaint_count', 'complaint_count_90d',
            'complaint_count_365d', 'question_case_count_365d', 'return_case_count_365d', 'praise_case_count_365d',
            'request_case_count_365d', 'other_case_count_365d', 'open_case_count', 'open_complaint_count',
            'reopened_case_count_365d', 'sla_breach_count_365d',
        ] -%}
        {{ nought_if_present('cases', 'cases.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        {% for fact in [
            'oldest_open_complaint_days', 'first_response_median_365d_hours', 'resolution_median_365d_days',
            'case_csat_mean_365d', 'last_case_on', 'last_complaint_on',
        ] -%}
        cases.{{ fact }},
        {% endfor %}
        ---------- satisfaction
        {% for fact in [
            'nps_score', 'nps_score_change', 'nps_class', 'last_nps_on', 'csat_score', 'csat_score_change',
            'csat_top_two_rate_90d', 'last_csat_on', 'last_survey_on',
        ] -%}
        answers.{{ fact }},
        {% endfor -%}
        {{ nought_if_present('survey_answers', 'answers.nps_answer_count_365d') }} as nps_answer_count_365d,
        {{ nought_if_present('survey_answers', 'answers.csat_answer_count_365d') }} as csat_answer_count_365d,

        ---------- loyalty
        loyalty.loyalty_program_id,
        loyalty.loyalty_tier,
        loyalty.loyalty_joined_on,
        loyalty.last_loyalty_on,
        {% for fact in [
            'loyalty_program_count', 'points_balance', 'points_expiring_30d', 'points_expiring_90d',
            'points_earned_365d', 'points_redeemed_365d', 'points_expired_365d',
        ] -%}
        {{ nought_if_present('loyalty_entries', 'loyalty.' ~ fact) }} as {{ fact }},
        {% endfor %}
        ---------- referrals
        {% for fact in [
            'referral_invitation_count', 'referral_count', 'converted_referral_count', 'referral_received_count',
            'referral_net_revenue_amount', 'referral_net_revenue_365d_amount', 'second_degree_net_revenue_365d_amount',
        ] -%}
        {{ nought_if_present('referrals', 'referrals.' ~ fact) }} as {{ fact }},
        {% endfor -%}
        referrals.referral_reward_amount,
        referrals.last_referral_on,
        case when present.has_referrals then coalesce(referrals.referral_received_count, 0) > 0 end as is_referred,

        ---------- cost to serve
        {% for fact in [
            'cost_to_serve_365d_amount', 'direct_cost_365d_amount', 'case_cost_365d_amount', 'visit_cost_365d_amount',
            'call_cost_365d_amount', 'logistics_cost_365d_amount', 'return_cost_365d_amount', 'gift_cost_365d_amount',
            'points_cost_365d_amount', 'discount_cost_365d_amount', 'account_manager_cost_365d_amount',
            'campaign_cost_365d_amount', 'ad_cost_365d_amount',
        ] -%}
        {{ nought_if_present('service_costs', 'costs.' ~ fact) }} as {{ fact }},
        {% endfor %}
        ---------- consent: where sources state it, what is not granted is refused
        {% for fact in [
            'is_email_marketing_allowed', 'is_sms_marketing_allowed', 'is_phone_marketing_allowed',
            'is_wechat_marketing_allowed', 'is_marketing_allowed', 'is_survey_allowed', 'is_ads_matching_granted',
        ] -%}
        case when present.has_consents then coalesce(consents.{{ fact }}, false) end as {{ fact }},
        {% endfor -%}
        consents.last_consent_change_on,
        consents.next_marketing_expiry_on,

        ---------- preferences
        {% for fact in [
            'top_interest', 'second_interest', 'third_interest', 'price_sensitivity', 'novelty_seeking',
            'preferred_contact_channel', 'best_marketing_channel',
        ] -%}
        preferences.{{ fact }},
        {% endfor %}
        ---------- first and last touch
        {% for place in ['first', 'last'] -%}
        {% for fact in ['on', 'channel', 'source', 'medium', 'campaign'] -%}
        first_and_last.{{ place }}_touch_{{ fact }},
        {% endfor -%}
        {% endfor -%}
        run.base_currency
    from records
    cross join run
    cross join present
    {% for facts in [
        'orders', 'order_days', 'habits', 'items', 'cancelled', 'refunds', 'touches', 'sessions', 'social', 'campaigns',
        'activities', 'deals', 'cases', 'answers', 'loyalty', 'referrals', 'costs', 'consents', 'preferences',
        'first_and_last', 'profiling_refusals', 'erased', 'points', 'ages', 'households', 'employers', 'network',
        'tags',
    ] -%}
    left join {{ facts }} on records.customer_id = {{ facts }}.customer_id
    {% endfor %}
)

-- In no order: to sort so many columns here takes longer than to join them, and publish sorts what it releases.
select * from joined
