with source as (
    {{ current_version(source('landing', 'products')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as product_id,
        category_path,
        brand
    from source
)

-- Of any age: what a product is explains older lines and views, and is no event itself.
select * from renamed
