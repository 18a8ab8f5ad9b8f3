with orders as (
    select * from {{ ref('int_orders_completed') }}
    where customer_id is not null
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where customer_id is not null and order_source_id is null
),

ages as (
    select
        *,
        {{ days_between('ordered_on', as_of()) }} as age_days
    from orders
),

summed_orders as (
    select
        customer_id,
        min(case when is_counted then ordered_on end) as first_order_on,
        max(case when is_counted then ordered_on end) as last_order_on,
        count(case when is_counted then 1 end) as order_count,
        count(case when is_counted and age_days < 30 then 1 end) as order_count_30d,
        count(case when is_counted and age_days < 90 then 1 end) as order_count_90d,
        count(case when is_counted and age_days >= 90 and age_days < 180 then 1 end) as order_count_previous_90d,
        count(case when is_counted and age_days < 365 then 1 end) as order_count_365d,
        count(case when is_counted and is_discounted then 1 end) as discounted_order_count,
        count(case when is_refunded then 1 end) as refunded_order_count,
        sum(net_revenue_amount) as net_revenue_amount,
        sum(net_margin_amount) as net_margin_amount,
        sum(case when age_days < 90 then net_revenue_amount else 0 end) as net_revenue_90d_amount,
        sum(case when age_days < 365 then net_revenue_amount else 0 end) as net_revenue_365d_amount,
        sum(case when age_days < 365 then net_margin_amount else 0 end) as net_margin_365d_amount
    from ages
    group by customer_id
),

-- Refunds of orders that are not in the data reduce the money of the day they were paid.
summed_refunds as (
    select
        customer_id,
        count(*) as refund_count,
        sum(refunded_amount) as refunded_amount,
        sum(
            case when {{ days_between('refunded_on', as_of()) }} < 90 then refunded_amount else 0 end
        ) as refunded_90d_amount,
        sum(
            case when {{ days_between('refunded_on', as_of()) }} < 365 then refunded_amount else 0 end
        ) as refunded_365d_amount
    from refunds
    group by customer_id
),

channels as (
    select
        customer_id,
        channel,
        row_number() over (partition by customer_id order by count(*) desc, channel) as channel_rank
    from orders
    where channel is not null and is_counted
    group by customer_id, channel
),

summed as (
    select
        coalesce(summed_orders.customer_id, summed_refunds.customer_id) as customer_id,
        summed_orders.first_order_on,
        summed_orders.last_order_on,
        coalesce(summed_orders.order_count, 0) as order_count,
        coalesce(summed_orders.order_count_30d, 0) as order_count_30d,
        coalesce(summed_orders.order_count_90d, 0) as order_count_90d,
        coalesce(summed_orders.order_count_previous_90d, 0) as order_count_previous_90d,
        coalesce(summed_orders.order_count_365d, 0) as order_count_365d,
        coalesce(summed_orders.discounted_order_count, 0) as discounted_order_count,
        coalesce(summed_orders.refunded_order_count, 0) + coalesce(summed_refunds.refund_count, 0) as refund_count,
        coalesce(summed_orders.net_revenue_amount, 0)
        - coalesce(summed_refunds.refunded_amount, 0) as net_revenue_amount,
        coalesce(summed_orders.net_margin_amount, 0) - coalesce(summed_refunds.refunded_amount, 0) as net_margin_amount,
        coalesce(summed_orders.net_revenue_90d_amount, 0)
        - coalesce(summed_refunds.refunded_90d_amount, 0) as net_revenue_90d_amount,
        coalesce(summed_orders.net_revenue_365d_amount, 0)
        - coalesce(summed_refunds.refunded_365d_amount, 0) as net_revenue_365d_amount,
        coalesce(summed_orders.net_margin_365d_amount, 0)
        - coalesce(summed_refunds.refunded_365d_amount, 0) as net_margin_365d_amount,
        channels.channel as preferred_order_channel
    from summed_orders
    full outer join summed_refunds on summed_orders.customer_id = summed_refunds.customer_id
    left join channels
        on summed_orders.customer_id = channels.customer_id and channels.channel_rank = 1
)

select * from summed
