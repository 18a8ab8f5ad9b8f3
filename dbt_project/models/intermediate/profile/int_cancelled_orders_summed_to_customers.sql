with orders as (
    select * from {{ ref('int_orders_attributed') }}
    where customer_id is not null and not is_test
),

cancelled_statuses as (
    select * from {{ ref('stg_rules__order_statuses') }}
    where meaning = 'cancelled'
),

cancelled as (
    select
        orders.customer_id,
        coalesce(orders.cancelled_on, orders.ordered_on) as cancelled_on
    from orders
    left join cancelled_statuses on orders.status = cancelled_statuses.status
    where
        orders.cancelled_on <= {{ as_of() }}
        or (orders.cancelled_on is null and cancelled_statuses.status is not null)
),

summed as (
    select
        customer_id,
        count(*) as cancelled_order_count,
        count(case when {{ days_between('cancelled_on', as_of()) }} < 365 then 1 end) as cancelled_order_count_365d
    from cancelled
    group by customer_id
)

select * from summed
