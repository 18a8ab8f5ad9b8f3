with orders as (
    select * from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),

refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where customer_id is not null
),

-- Two orders of one day are one purchase: what the rhythm and the value models count.
order_days as (
    select
        customer_id,
        ordered_on,
        true as is_order,
        count(*) as order_count,
        bool_or(coalesce(is_discounted, false)) as is_discounted,
        sum(margin_amount) as margin_amount,
        sum(net_margin_amount) as net_margin_amount
    from orders
    group by customer_id, ordered_on
),

last_refunds as (
    select
        source,
        source_account_id,
        order_source_id,
        max(refunded_on) as refunded_on
    from refunds
    where order_source_id is not null
    group by source, source_account_id, order_source_id
),

-- A part that is given back is no purchase and has a day of its own, that of the last refund: on a past
-- day it was not known yet. An order of which nothing is left is none, on past days, too.
given_back as (
    select
        orders.customer_id,
        last_refunds.refunded_on as ordered_on,
        orders.net_margin_amount - orders.margin_amount as margin_amount
    from orders
    inner join last_refunds
        on
            orders.source = last_refunds.source
            and orders.source_account_id = last_refunds.source_account_id
            and orders.order_source_id = last_refunds.order_source_id

    union all

    select
        customer_id,
        refunded_on as ordered_on,
        -refunded_amount as margin_amount
    from refunds
    where order_source_id is null
),

refund_days as (
    select
        customer_id,
        ordered_on,
        false as is_order,
        0 as order_count,
        false as is_discounted,
        sum(margin_amount) as margin_amount,
        0 as net_margin_amount
    from given_back
    group by customer_id, ordered_on
),

summed as (
    select * from order_days
    union all
    select * from refund_days
),

typed as (
    select
        customer_id,
        ordered_on,
        is_order,
        order_count,
        is_discounted,
        cast(margin_amount as decimal(18, 4)) as margin_amount,
        cast(net_margin_amount as decimal(18, 4)) as net_margin_amount
    from summed
)

select * from typed
order by customer_id, ordered_on, is_order
