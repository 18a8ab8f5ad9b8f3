with orders as (
    select
        coalesce(sum(net_revenue_amount), 0) as revenue_amount,
        coalesce(sum(net_margin_amount), 0) as margin_amount
    from {{ ref('int_orders_completed') }}
    where customer_id is not null
),

refunds as (
    select coalesce(sum(refunded_amount), 0) as refunded_amount
    from {{ ref('int_refunds_priced') }}
    where customer_id is not null and order_source_id is null
),

customers as (
    select
        coalesce(sum(net_revenue_amount), 0) as revenue_amount,
        coalesce(sum(net_margin_amount), 0) as margin_amount
    from {{ ref('customer_360') }}
),

compared as (
    select
        customers.revenue_amount as customers_revenue_amount,
        orders.revenue_amount - refunds.refunded_amount as orders_revenue_amount,
        customers.margin_amount as customers_margin_amount,
        orders.margin_amount - refunds.refunded_amount as orders_margin_amount
    from customers
    cross join orders
    cross join refunds
)

select * from compared
where
    customers_revenue_amount <> orders_revenue_amount
    or customers_margin_amount <> orders_margin_amount
