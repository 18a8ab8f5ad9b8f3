with customers as (
    select * from {{ ref('int_customers_sampled_to_feature_days') }}
),

messages as (
    select * from {{ ref('int_campaign_events_summed_to_messages') }}
),

-- An open, a click or a bounce that came after the day was not known at its end.
known as (
    select
        customers.customer_id,
        customers.feature_on,
        {{ days_between('messages.sent_on', 'customers.feature_on') }} as age_days,
        coalesce(messages.received_on <= customers.feature_on, false)
        or (messages.is_sent and coalesce(messages.bounced_on > customers.feature_on, true)) as is_delivered,
        coalesce(messages.opened_on <= customers.feature_on, false) as is_opened
    from customers
    inner join messages on customers.customer_id = messages.customer_id and customers.feature_on >= messages.sent_on
),

-- A response is an open by a person, and whatever follows one.
summed as (
    select
        customer_id,
        feature_on,
        count(case when is_delivered and age_days < 90 then 1 end) as campaign_90d_count,
        {{ share('count(case when is_opened then 1 end)', 'count(case when is_delivered then 1 end)') }}
            as campaign_response_rate
    from known
    where age_days < 365
    group by customer_id, feature_on
)

select * from summed
