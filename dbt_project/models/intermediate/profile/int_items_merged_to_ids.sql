with products as (
    select * from {{ ref('stg_shop__products') }}
),

order_items as (
    select * from {{ ref('stg_shop__order_items') }}
    where item_id is not null
),

-- What the list of products says, and of what is on no list what most order lines do: a name such as
-- `?` or `damaged` stands on a few.
said as (
    select
        item_id,
        1 as priority,
        product_id,
        product_name,
        category_path,
        brand,
        is_active,
        1 as line_count
    from products

    union all

    select
        item_id,
        2 as priority,
        product_id,
        product_name,
        category_path,
        brand,
        true as is_active,
        count(*) as line_count
    from order_items
    group by item_id, product_id, product_name, category_path, brand
),

merged as (
    select
        item_id,
        {{ newest('product_id', 'priority, line_count desc, product_id') }} as product_id,
        {{ newest('product_name', 'priority, line_count desc, product_name') }} as item_name,
        {{ newest('category_path', 'priority, line_count desc, category_path') }} as category_path,
        {{ newest('brand', 'priority, line_count desc, brand') }} as brand,
        {{ newest('is_active', 'priority, is_active') }} as is_active
    from said
    group by item_id
),

categorised as (
    select
        *,
        {{ top_level('category_path') }} as category
    from merged
)

select * from categorised
