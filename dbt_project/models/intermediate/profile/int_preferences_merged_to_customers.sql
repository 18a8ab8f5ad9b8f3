with orders as (
    select * from {{ ref('int_orders_summed_to_customers') }}
    where order_count > 0
),

items as (
    select * from {{ ref('int_order_items_summed_to_customers') }}
),

interests as (
    select * from {{ ref('int_interests_weighed_to_customers') }}
),

channels as (
    select * from {{ ref('int_channels_ranked_to_customers') }}
),

profiling_refusals as (
    select * from {{ ref('int_profiling_refusals') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

base as (
    select
        (
            select cast(sum(orders.discounted_order_count) as double) / sum(orders.order_count)
            from orders
        ) as discounted_share,
        (
            select cast(sum(items.new_product_count) as double) / nullif(sum(items.later_product_count), 0)
            from items
        ) as new_product_share
),

customers as (
    select customer_id from orders
    union
    select customer_id from interests
    union
    select customer_id from channels
),

-- To guess what somebody likes is profiling: nobody who refused it is guessed at.
guessed as (
    select
        customers.customer_id,
        interests.top_interest,
        interests.second_interest,
        interests.third_interest,
        round(
            (orders.discounted_order_count + run.shrinkage_orders * base.discounted_share)
            / (orders.order_count + run.shrinkage_orders), 6
        ) as price_sensitivity,
        case
            when items.later_product_count > 0
                then round(
                    (items.new_product_count + run.shrinkage_orders * base.new_product_share)
                    / (items.later_product_count + run.shrinkage_orders), 6
                )
        end as novelty_seeking,
        channels.preferred_contact_channel,
        channels.best_marketing_channel
    from customers
    cross join run
    cross join base
    left join orders on customers.customer_id = orders.customer_id
    left join items on customers.customer_id = items.customer_id
    left join interests on customers.customer_id = interests.customer_id
    left join channels on customers.customer_id = channels.customer_id
    left join profiling_refusals on customers.customer_id = profiling_refusals.customer_id
    where profiling_refusals.customer_id is null
)

select * from guessed
