with source as (
    {{ current_version(source('landing', 'refunds')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as refund_source_id,
        order_source_id,
        order_item_source_id,
        customer_source_id,
        lower(trim(status)) as status,
        reason_code,
        reason_text,
        currency,
        amount,
        coalesce(
            {{ business_date('coalesce(refunded_at, requested_at, source_created_at)') }}, cast(extracted_at as date)
        ) as refunded_on
    from source
)

select * from renamed
where refunded_on <= {{ as_of() }}
