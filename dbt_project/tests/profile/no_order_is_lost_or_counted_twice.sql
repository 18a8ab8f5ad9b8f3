with counts as (
    select
        (select count(*) from {{ ref('stg_shop__orders') }}) as staged_count,
        (select count(*) from {{ ref('int_orders_attributed') }}) as attributed_count,
        (
            select count(*) from {{ ref('int_orders_completed') }}
            where is_counted and customer_id is not null
        ) as counted_count,
        (select coalesce(sum(order_count), 0) from {{ ref('customer_360') }}) as customers_order_count
)

select * from counts
where staged_count <> attributed_count or counted_count <> customers_order_count
