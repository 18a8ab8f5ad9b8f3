with refunds as (
    select * from {{ ref('int_refunds_priced') }}
    where customer_id is not null
),

orders as (
    select * from {{ ref('int_orders_completed') }}
    where is_refunded
),

-- What is given back for an order that was no purchase is no return of one.
counted as (
    select
        refunds.customer_id,
        refunds.source,
        refunds.source_account_id,
        coalesce(refunds.order_source_id, refunds.refund_source_id) as returned_source_id,
        refunds.order_source_id is null as is_without_order,
        refunds.refunded_on,
        refunds.refunded_amount,
        {{ days_between('refunds.refunded_on', as_of()) }} as age_days
    from refunds
    left join orders
        on
            refunds.source = orders.source
            and refunds.source_account_id = orders.source_account_id
            and refunds.order_source_id = orders.order_source_id
    where refunds.order_source_id is null or orders.order_source_id is not null
),

-- An order that is paid back in parts is one return, of the day of the last part.
returned as (
    select
        customer_id,
        max(refunded_on) as refunded_on,
        min(age_days) as age_days,
        sum(refunded_amount) as refunded_amount,
        sum(case when age_days < 365 then refunded_amount end) as refunded_365d_amount
    from counted
    group by customer_id, source, source_account_id, is_without_order, returned_source_id
),

summed as (
    select
        customer_id,
        count(case when age_days < 365 then 1 end) as refund_count_365d,
        cast(sum(refunded_amount) as decimal(18, 4)) as refunded_amount,
        cast(coalesce(sum(refunded_365d_amount), 0) as decimal(18, 4)) as refunded_365d_amount,
        max(refunded_on) as last_refund_on
    from returned
    group by customer_id
)

select * from summed
