with source as (
    {{ every_version(source('landing', 'orders')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as order_source_id,
        customer_source_id,
        account_source_id,
        customer_email,
        customer_phone,
        upper(trim(ship_country)) as ship_country,
        is_newest,
        is_deleted,
        cast(extracted_at as date) as landed_on,
        {{ business_date('ordered_at') }} as ordered_on
    from source
)

select * from renamed
where ordered_on <= {{ as_of() }}
