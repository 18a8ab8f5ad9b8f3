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
        count(*) as purchase_count,
        count(case when is_counted then 1 end) as order_count,
        count(case when is_counted and age_days < 30 then 1 end) as order_count_30d,
        count(case when is_counted and age_days < 90 then 1 end) as order_count_90d,
        count(case when is_counted and age_days >= 90 and age_days < 180 then 1 end) as order_count_previous_90d,
        count(case when is_counted and age_days < 365 then 1 end) as order_count_365d,
        count(case when is_counted and is_discounted then 1 end) as discounted_order_count,
        count(case when is_counted and has_coupon then 1 end) as coupon_order_count,
        count(case when is_refunded then 1 end) as refunded_order_count,
        sum(case when is_counted then discount_amount end) as discount_amount,
        sum(case when is_counted then revenue_amount end) as revenue_amount,
        -- Who pays in advance pays on the day.
        avg(
            case
                when is_counted and paid_on is not null then greatest(0, {{ days_between('ordered_on', 'paid_on') }})
            end
        ) as average_days_to_pay,
        sum(net_revenue_amount) as net_revenue_amount,
        sum(net_margin_amount) as net_margin_amount,
        {% for days in [30, 90, 365] -%}
        sum(case when age_days < {{ days }} then net_revenue_amount else 0 end) as net_revenue_{{ days }}d_amount,
        sum(case when age_days < {{ days }} then net_margin_amount else 0 end) as net_margin_{{ days }}d_amount,
        {% endfor -%}
        sum(case when age_days >= 90 and age_days < 180 then net_revenue_amount else 0 end)
            as net_revenue_previous_90d_amount
    from ages
    group by customer_id
),

aged_refunds as (
    select
        *,
        {{ days_between('refunded_on', as_of()) }} as age_days
    from refunds
),

-- Refunds of orders that are not in the data reduce the money of the day they were paid.
summed_refunds as (
    select
        customer_id,
        count(*) as refund_count,
        sum(refunded_amount) as refunded_amount,
        {% for days in [30, 90, 365] -%}
        sum(case when age_days < {{ days }} then refunded_amount else 0 end) as refunded_{{ days }}d_amount,
        {% endfor -%}
        sum(case when age_days >= 90 and age_days < 180 then refunded_amount else 0 end)
            as refunded_previous_90d_amount
    from aged_refunds
    group by customer_id
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
        coalesce(summed_orders.coupon_order_count, 0) as coupon_order_count,
        coalesce(summed_orders.refunded_order_count, 0) + coalesce(summed_refunds.refund_count, 0) as refund_count,
        {{ share('summed_orders.refunded_order_count', 'summed_orders.purchase_count') }} as refunded_order_rate,
        cast(coalesce(summed_orders.discount_amount, 0) as decimal(18, 4)) as discount_amount,
        {{ share('summed_orders.discount_amount', 'summed_orders.discount_amount + summed_orders.revenue_amount') }}
            as discount_rate,
        round(summed_orders.average_days_to_pay, 4) as average_days_to_pay,
        {% for money in ['revenue', 'margin'] -%}
        coalesce(summed_orders.net_{{ money }}_amount, 0)
        - coalesce(summed_refunds.refunded_amount, 0) as net_{{ money }}_amount,
        {% for days in [30, 90, 365] -%}
        coalesce(summed_orders.net_{{ money }}_{{ days }}d_amount, 0)
        - coalesce(summed_refunds.refunded_{{ days }}d_amount, 0) as net_{{ money }}_{{ days }}d_amount,
        {% endfor -%}
        {% endfor -%}
        coalesce(summed_orders.net_revenue_previous_90d_amount, 0)
        - coalesce(summed_refunds.refunded_previous_90d_amount, 0) as net_revenue_previous_90d_amount
    from summed_orders
    full outer join summed_refunds on summed_orders.customer_id = summed_refunds.customer_id
)

select * from summed
