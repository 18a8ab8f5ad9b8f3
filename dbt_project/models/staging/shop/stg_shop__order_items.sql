with source as (
    {{ current_version(source('landing', 'order_items')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as order_item_source_id,
        order_source_id,
        product_id,
        product_name,
        -- What a line is told apart by, where its shop does not number products.
        coalesce(product_id, sku, product_name) as product_key,
        {{ item_id('coalesce(product_id, sku, product_name)') }} as item_id,
        category_path,
        brand,
        quantity,
        -- What the same goods cost is compared by the finest number that the shop gives them.
        coalesce(sku, variant_id, product_id) as price_key,
        unit_price,
        currency
    from source
)

-- A line has no time of its own: it is as old as its order.
select * from renamed
