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
        ) as new_product_share,
        (
            select cast(sum(items.top_brand_line_count) as double) / nullif(sum(items.brand_line_count), 0)
            from items
        ) as top_brand_share
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
        interests.top_interest_rate,
        interests.second_interest_rate,
        interests.third_interest_rate,
        interests.interest_deed_count,
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
        items.average_items_per_order as basket_size,
        case
            when items.brand_line_count > 0
                then round(
                    (items.top_brand_line_count + run.shrinkage_orders * base.top_brand_share)
                    / (items.brand_line_count + run.shrinkage_orders), 6
                )
        end as brand_loyalty,
        items.top_brand,
        -- How much each of these is known by.
        orders.order_count,
        items.later_product_count,
        items.item_order_count,
        items.brand_line_count,
        channels.contact_reaction_count,
        channels.preferred_contact_channel_rate,
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
