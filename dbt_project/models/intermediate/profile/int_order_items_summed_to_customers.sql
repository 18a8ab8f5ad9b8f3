with items as (
    select * from {{ ref('int_order_items_attributed') }}
),

order_sizes as (
    select
        customer_id,
        sum(quantity) as item_quantity
    from items
    group by customer_id, source, source_account_id, order_source_id
),

baskets as (
    select
        customer_id,
        round(cast(sum(item_quantity) as double) / count(*), 4) as average_items_per_order,
        count(*) as item_order_count
    from order_sizes
    group by customer_id
),

product_days as (
    select
        customer_id,
        source,
        source_account_id,
        product_key,
        ordered_on,
        min(ordered_on) over (partition by customer_id) as first_ordered_on
    from items
    where product_key is not null
    group by customer_id, source, source_account_id, product_key, ordered_on
),

products as (
    select
        customer_id,
        min(ordered_on) as first_bought_on,
        max(first_ordered_on) as first_ordered_on,
        count(case when ordered_on > first_ordered_on then 1 end) as later_day_count
    from product_days
    group by customer_id, source, source_account_id, product_key
),

-- On the first day everything is new, which says nothing of a liking for what is new.
variety as (
    select
        customer_id,
        count(*) as distinct_product_count,
        cast(sum(later_day_count) as bigint) as later_product_count,
        count(case when first_bought_on > first_ordered_on then 1 end) as new_product_count
    from products
    group by customer_id
),

-- Of two that are equally frequent, the first by name.
{% for column, steps in [('category', 'categories'), ('category_path', 'paths'), ('brand', 'brands')] -%}
{{ steps }} as (
    select
        customer_id,
        {{ column }},
        count(*) over (partition by customer_id) as {{ column }}_count,
        count(*) as favourite_line_count,
        sum(count(*)) over (partition by customer_id) as {{ column }}_line_count,
        row_number() over (partition by customer_id order by count(*) desc, {{ column }}) as favourite_rank
    from items
    where {{ column }} is not null
    group by customer_id, {{ column }}
),

{% endfor -%}
summed as (
    select
        baskets.customer_id,
        baskets.average_items_per_order,
        baskets.item_order_count,
        variety.distinct_product_count,
        variety.later_product_count,
        variety.new_product_count,
        categories.category as top_category,
        categories.category_count,
        paths.category_path as top_category_path,
        brands.brand as top_brand,
        brands.favourite_line_count as top_brand_line_count,
        cast(brands.brand_line_count as bigint) as brand_line_count
    from baskets
    left join variety on baskets.customer_id = variety.customer_id
    left join categories on baskets.customer_id = categories.customer_id and categories.favourite_rank = 1
    left join paths on baskets.customer_id = paths.customer_id and paths.favourite_rank = 1
    left join brands on baskets.customer_id = brands.customer_id and brands.favourite_rank = 1
)

select * from summed
