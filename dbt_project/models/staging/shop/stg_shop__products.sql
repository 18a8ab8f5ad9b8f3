with source as (
    {{ current_version(source('landing', 'products')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as product_id,
        {{ item_id('source_record_id') }} as item_id,
        name as product_name,
        category_path,
        brand,
        coalesce(is_active, true) as is_active
    from source
)

-- Of any age: what a product is explains older lines and views, and is no event itself.
select * from renamed
