with records as (
    select * from {{ ref('int_records_merged_to_customers') }}
),

orders as (
    select * from {{ ref('int_orders_summed_to_customers') }}
),

order_days as (
    select * from {{ ref('int_order_days_summed_to_customers') }}
),

touches as (
    select * from {{ ref('int_touches_summed_to_customers') }}
),

feedback as (
    select * from {{ ref('int_feedback_summed_to_customers') }}
),

loyalty as (
    select * from {{ ref('int_loyalty_summed_to_customers') }}
),

ties as (
    select * from {{ ref('int_referral_ties') }}
),

costs as (
    select * from {{ ref('int_costs_summed_to_customers') }}
),

profiling_refusals as (
    select * from {{ ref('int_profiling_refusals') }}
),

erased as (
    select * from {{ ref('int_erased_customers') }}
),

points as (
    select
        customer_id,
        bool_or(contact_type = 'email') as has_email,
        bool_or(contact_type = 'phone') as has_phone,
        bool_or(contact_type = 'external_userid') as has_wechat
    from {{ ref('int_contact_points') }}
    group by customer_id
),

households as (
    select * from {{ ref('customer_households') }}
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

present as (
    select * from {{ ref('int_sources_present') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

referrals_made as (
    select
        referrer_customer_id as customer_id,
        count(distinct referee_customer_id) as referral_count,
        count(distinct case when is_converted then referee_customer_id end) as converted_referral_count
    from ties
    where relation = 'referral'
    group by referrer_customer_id
),

referrals_received as (
    select distinct referee_customer_id as customer_id
    from ties
    where relation = 'referral'
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
        records.tags,
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
        coalesce(orders.order_count, 0) as order_count,
        coalesce(order_days.order_day_count, 0) as order_day_count,
        coalesce(orders.order_count_30d, 0) as order_count_30d,
        coalesce(orders.order_count_90d, 0) as order_count_90d,
        coalesce(orders.order_count_previous_90d, 0) as order_count_previous_90d,
        coalesce(orders.order_count_365d, 0) as order_count_365d,
        coalesce(order_days.order_days_in_horizon_count, 0) as order_days_in_horizon_count,
        coalesce(orders.refund_count, 0) as refund_count,
        cast(coalesce(orders.net_revenue_amount, 0) as decimal(18, 4)) as net_revenue_amount,
        cast(coalesce(orders.net_margin_amount, 0) as decimal(18, 4)) as net_margin_amount,
        cast(coalesce(orders.net_revenue_90d_amount, 0) as decimal(18, 4)) as net_revenue_90d_amount,
        cast(coalesce(orders.net_revenue_365d_amount, 0) as decimal(18, 4)) as net_revenue_365d_amount,
        cast(coalesce(orders.net_margin_365d_amount, 0) as decimal(18, 4)) as net_margin_365d_amount,
        case
            when orders.order_count > 0
                then cast(round(cast(orders.net_revenue_amount as double) / orders.order_count, 4) as decimal(18, 4))
        end as average_order_amount,
        order_days.repeat_margin_mean_amount,
        case
            when orders.order_count > 0
                then round(cast(orders.discounted_order_count as double) / orders.order_count, 6)
        end as discounted_order_rate,
        orders.preferred_order_channel,

        ---------- rhythm
        coalesce(order_days.gap_count, 0) as gap_count,
        order_days.median_gap_days,
        round(order_days.rhythm_days, 4) as rhythm_days,
        round({{ days_between('orders.last_order_on', 'run.as_of') }} / order_days.rhythm_days, 4) as rhythm_ratio,
        order_days.returned_from_churn_on,

        ---------- behaviour, social, campaigns: null where the source is missing tonight
        case when present.has_web_events then coalesce(touches.web_visit_count_90d, 0) end as web_visit_count_90d,
        case when present.has_web_events then coalesce(touches.web_search_count_90d, 0) end as web_search_count_90d,
        case when present.has_web_events then coalesce(touches.web_cart_count_90d, 0) end as web_cart_count_90d,
        touches.last_web_on,
        case
            when present.has_social_engagements then coalesce(touches.social_engagement_count_365d, 0)
        end as social_engagement_count_365d,
        case
            when present.has_social_engagements then coalesce(touches.social_share_count_365d, 0)
        end as social_share_count_365d,
        touches.last_social_on,
        case
            when present.has_campaign_events then coalesce(touches.campaign_sent_count_90d, 0)
        end as campaign_sent_count_90d,
        case
            when present.has_campaign_events then coalesce(touches.campaign_open_count_90d, 0)
        end as campaign_open_count_90d,
        case
            when present.has_campaign_events then coalesce(touches.campaign_click_count_90d, 0)
        end as campaign_click_count_90d,
        touches.last_campaign_reaction_on,
        case
            when present.has_activities then coalesce(touches.interaction_count_90d, 0)
        end as interaction_count_90d,
        touches.last_interaction_on,
        case
            when
                present.has_web_events or present.has_social_engagements
                or present.has_campaign_events or present.has_activities
                then coalesce(touches.engagement_score, 0)
        end as engagement_score,

        ---------- voice
        case when present.has_cases then coalesce(feedback.case_count_365d, 0) end as case_count_365d,
        case when present.has_cases then coalesce(feedback.complaint_count_90d, 0) end as complaint_count_90d,
        case when present.has_cases then coalesce(feedback.open_case_count, 0) end as open_case_count,
        case when present.has_cases then coalesce(feedback.open_complaint_count, 0) end as open_complaint_count,
        feedback.last_case_on,
        feedback.nps_score,
        feedback.csat_score,
        feedback.last_survey_on,

        ---------- loyalty, referrals, cost
        case when present.has_loyalty_entries then coalesce(loyalty.points_balance, 0) end as points_balance,
        case when present.has_loyalty_entries then coalesce(loyalty.points_earned_365d, 0) end as points_earned_365d,
        case
            when present.has_loyalty_entries then coalesce(loyalty.points_redeemed_365d, 0)
        end as points_redeemed_365d,
        case when present.has_referrals then coalesce(referrals_made.referral_count, 0) end as referral_count,
        case
            when present.has_referrals then coalesce(referrals_made.converted_referral_count, 0)
        end as converted_referral_count,
        case when present.has_referrals then referrals_received.customer_id is not null end as is_referred,
        case
            when present.has_service_costs then coalesce(costs.cost_to_serve_365d_amount, 0)
        end as cost_to_serve_365d_amount,
        run.base_currency
    from records
    cross join run
    cross join present
    left join orders on records.customer_id = orders.customer_id
    left join order_days on records.customer_id = order_days.customer_id
    left join touches on records.customer_id = touches.customer_id
    left join feedback on records.customer_id = feedback.customer_id
    left join loyalty on records.customer_id = loyalty.customer_id
    left join referrals_made on records.customer_id = referrals_made.customer_id
    left join referrals_received on records.customer_id = referrals_received.customer_id
    left join costs on records.customer_id = costs.customer_id
    left join profiling_refusals on records.customer_id = profiling_refusals.customer_id
    left join erased on records.customer_id = erased.customer_id
    left join points on records.customer_id = points.customer_id
    left join ages on records.customer_id = ages.customer_id
    left join households on records.customer_id = households.customer_id
    left join employers on records.customer_id = employers.customer_id
    left join network on records.customer_id = network.customer_id
)

select * from joined
order by customer_id
