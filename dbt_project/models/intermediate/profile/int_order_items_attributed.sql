with items as (
    select * from {{ ref('stg_shop__order_items') }}
    where quantity > 0
),

orders as (
    select * from {{ ref('int_orders_completed') }}
    where customer_id is not null and is_counted
),

products as (
    select * from {{ ref('stg_shop__products') }}
),

-- What the line says was so at the time; the list of products fills in what it leaves out.
attributed as (
    select
        orders.customer_id,
        orders.ordered_on,
        items.source,
        items.source_account_id,
        items.order_source_id,
        items.product_key,
        items.item_id,
        coalesce(items.category_path, products.category_path) as category_path,
        {{ top_level('coalesce(items.category_path, products.category_path)') }} as category,
        coalesce(items.brand, products.brand) as brand,
        items.quantity
    from items
    inner join orders
        on
            items.source = orders.source
            and items.source_account_id = orders.source_account_id
            and items.order_source_id = orders.order_source_id
    left join products
        on
            items.source = products.source
            and items.source_account_id = products.source_account_id
            and items.product_id = products.product_id
)

select * from attributed
