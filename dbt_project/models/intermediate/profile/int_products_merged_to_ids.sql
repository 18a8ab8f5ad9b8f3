with products as (
    select * from {{ ref('stg_shop__products') }}
),

items as (
    select * from {{ ref('stg_shop__order_items') }}
    where product_id is not null
),

-- An order line tells the category of a product that no list of products names.
said as (
    select
        product_id,
        1 as priority,
        category_path
    from products

    union all

    select distinct
        product_id,
        2 as priority,
        category_path
    from items
),

ranked as (
    select
        *,
        min(case when category_path is not null then priority end) over (partition by product_id) as best_priority
    from said
),

-- A web site names a product by its number alone. Where shops disagree on what it is, it is nothing known.
merged as (
    select
        product_id,
        max(category_path) as category_path
    from ranked
    where priority = best_priority
    group by product_id
    having count(distinct category_path) = 1
)

select * from merged
