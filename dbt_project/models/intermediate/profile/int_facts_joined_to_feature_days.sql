with customers as (
    select * from {{ ref('int_customers_sampled_to_feature_days') }}
),

touches as (
    select * from {{ ref('int_touches_summed_to_feature_days') }}
),

cases as (
    select * from {{ ref('int_cases_summed_to_feature_days') }}
),

campaigns as (
    select * from {{ ref('int_campaigns_summed_to_feature_days') }}
),

answers as (
    select * from {{ ref('int_answers_summed_to_feature_days') }}
),

touches_began as (
    select
        min(touched_on) as touches_on,
        min(case when channel = 'web' then touched_on end) as web_on,
        min(case when channel = 'social' then touched_on end) as social_on
    from {{ ref('int_touches_attributed') }}
),

campaigns_began as (
    select min(sent_on) as campaigns_on from {{ ref('int_campaign_events_summed_to_messages') }}
),

cases_began as (
    select min(opened_on) as cases_on from {{ ref('int_cases_attributed') }}
),

-- Nought is what a source says of who is not in it, once it has been there for the longest of the windows.
joined as (
    select
        customers.customer_id,
        customers.feature_on,
        {% for began, columns in [
            ('cases_began.cases_on', ['cases.case_90d_count', 'cases.complaint_90d_count', 'cases.open_complaint_count']),
            ('touches_began.touches_on', ['touches.engagement_score']),
            ('touches_began.web_on', ['touches.visit_30d_count', 'touches.visit_90d_count']),
            ('touches_began.social_on', ['touches.social_90d_count']),
            ('campaigns_began.campaigns_on', [
                'touches.open_90d_count', 'touches.click_90d_count', 'campaigns.campaign_90d_count',
            ]),
        ] -%}
        {% for column in columns -%}
        case when {{ days_between(began, 'customers.feature_on') }} >= 90 then coalesce({{ column }}, 0) end
            as {{ column.split('.')[1] }},
        {% endfor -%}
        {% endfor -%}
        touches.engagement_change_rate,
        touches.visit_recency_days,
        campaigns.campaign_response_rate,
        answers.nps_score,
        answers.csat_score
    from customers
    cross join touches_began
    cross join campaigns_began
    cross join cases_began
    {% for facts in ['touches', 'cases', 'campaigns', 'answers'] -%}
    left join {{ facts }}
        on customers.customer_id = {{ facts }}.customer_id and customers.feature_on = {{ facts }}.feature_on
    {% endfor %}
)

select * from joined
