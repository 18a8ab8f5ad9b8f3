with messages as (
    select
        *,
        {{ days_between('sent_on', as_of()) }} as age_days
    from {{ ref('int_campaign_events_summed_to_messages') }}
),

events as (
    select
        *,
        {{ days_between('event_on', as_of()) }} as age_days
    from {{ ref('int_campaign_events_attributed') }}
),

rates as (
    select
        customer_id,
        {{ share('count(case when is_opened then 1 end)', 'count(case when is_delivered then 1 end)') }}
            as campaign_open_rate_365d,
        {{ share('count(case when is_clicked then 1 end)', 'count(case when is_delivered then 1 end)') }}
            as campaign_click_rate_365d
    from messages
    where age_days < 365
    group by customer_id
),

revenues as (
    select
        customer_id,
        cast(sum(revenue_amount) as decimal(18, 4)) as campaign_revenue_amount,
        cast(sum(case when age_days < 365 then revenue_amount else 0 end) as decimal(18, 4))
            as campaign_revenue_365d_amount
    from events
    where revenue_amount is not null
    group by customer_id
),

summed as (
    select
        coalesce(rates.customer_id, revenues.customer_id) as customer_id,
        rates.campaign_open_rate_365d,
        rates.campaign_click_rate_365d,
        revenues.campaign_revenue_amount,
        revenues.campaign_revenue_365d_amount
    from rates
    full outer join revenues on rates.customer_id = revenues.customer_id
)

select * from summed
