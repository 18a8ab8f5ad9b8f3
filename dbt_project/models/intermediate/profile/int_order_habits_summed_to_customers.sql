with orders as (
    select
        *,
        {{ iso_weekday('ordered_on') }} as ordered_weekday
    from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),
{%- set order = ['ordered_at', 'source', 'source_account_id', 'order_source_id'] %}

placed as (
    select
        customer_id,
        {{ earliest(['channel', 'utm_source', 'utm_medium', 'utm_campaign'], order) }} as first_order,
        {{ latest(['channel', 'net_revenue_amount'], order) }} as last_order
    from orders
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
        placed.customer_id,
        {{ field('placed.first_order', 'channel') }} as first_order_channel,
        {{ field('placed.first_order', 'utm_source') }} as first_order_utm_source,
        {{ field('placed.first_order', 'utm_medium') }} as first_order_utm_medium,
        {{ field('placed.first_order', 'utm_campaign') }} as first_order_utm_campaign,
        {{ field('placed.last_order', 'channel') }} as last_order_channel,
        {{ field('placed.last_order', 'net_revenue_amount') }} as last_order_amount,
        channels.channel as preferred_order_channel,
        stores.store_id as preferred_store_id,
        weekdays.ordered_weekday as preferred_order_weekday,
        hours.ordered_hour as preferred_order_hour
    from placed
    left join channels on placed.customer_id = channels.customer_id and channels.habit_rank = 1
    left join stores on placed.customer_id = stores.customer_id and stores.habit_rank = 1
    left join weekdays on placed.customer_id = weekdays.customer_id and weekdays.habit_rank = 1
    left join hours on placed.customer_id = hours.customer_id and hours.habit_rank = 1
)

select * from summed
