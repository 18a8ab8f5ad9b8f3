with source as (
    {{ current_version(source('landing', 'crm_deals')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as deal_source_id,
        contact_source_id,
        account_source_id,
        coalesce(is_won, false) as is_won,
        amount,
        currency,
        expected_close as expected_close_on,
        {{ business_date('closed_at') }} as closed_on,
        {{ business_date('source_created_at') }} as created_on,
        cast(extracted_at as date) as extracted_on
    from source
)

select * from renamed
where coalesce(created_on, closed_on, extracted_on) <= {{ as_of() }}
