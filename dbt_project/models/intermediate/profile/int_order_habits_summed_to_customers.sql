with orders as (
    select
        *,
        {{ iso_weekday('ordered_on') }} as ordered_weekday
    from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),

placed as (
    select
        customer_id,
        row_number() over (
            partition by customer_id order by ordered_at, source, source_account_id, order_source_id
        ) as order_number,
        row_number() over (
            partition by customer_id order by ordered_at desc, source desc, source_account_id desc, order_source_id desc
        ) as order_number_from_last,
        channel,
        utm_source,
        utm_medium,
        utm_campaign,
        net_revenue_amount
    from orders
),

first_and_last as (
    select
        customer_id,
        max(case when order_number = 1 then channel end) as first_order_channel,
        max(case when order_number = 1 then utm_source end) as first_order_utm_source,
        max(case when order_number = 1 then utm_medium end) as first_order_utm_medium,
        max(case when order_number = 1 then utm_campaign end) as first_order_utm_campaign,
        max(case when order_number_from_last = 1 then channel end) as last_order_channel,
        max(case when order_number_from_last = 1 then net_revenue_amount end) as last_order_amount
    from placed
    where order_number = 1 or order_number_from_last = 1
    group by customer_id
),

-- Of two that are equally frequent, the first by name or number.
{% for column, steps in [
    ('channel', 'channels'), ('store_id', 'stores'), ('ordered_weekday', 'weekdays'), ('ordered_hour', 'hours'),
] -%}
{{ steps }} as (
    select
        customer_id,
        {{ column }},
        row_number() over (partition by customer_id order by count(*) desc, {{ column }}) as habit_rank
    from orders
    where {{ column }} is not null
    group by customer_id, {{ column }}
),

{% endfor -%}
summed as (
    select
        first_and_last.*,
        channels.channel as preferred_order_channel,
        stores.store_id as preferred_store_id,
        weekdays.ordered_weekday as preferred_order_weekday,
        hours.ordered_hour as preferred_order_hour
    from first_and_last
    left join channels on first_and_last.customer_id = channels.customer_id and channels.habit_rank = 1
    left join stores on first_and_last.customer_id = stores.customer_id and stores.habit_rank = 1
    left join weekdays on first_and_last.customer_id = weekdays.customer_id and weekdays.habit_rank = 1
    left join hours on first_and_last.customer_id = hours.customer_id and hours.habit_rank = 1
)

select * from summed
