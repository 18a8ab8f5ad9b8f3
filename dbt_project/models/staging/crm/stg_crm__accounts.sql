with source as (
    {{ current_version(source('landing', 'crm_accounts')) }}
),

renamed as (
    select
        ---------- ids
        source,
        source_account_id,
        source_record_id as account_source_id,
        parent_account_source_id,
        owner_id,

        ---------- facts
        name,
        coalesce(kind, 'company') as kind,
        industry,
        upper(trim(country_code)) as country_code,

        ---------- times
        {{ business_date('source_created_at') }} as created_on,
        cast(extracted_at as date) as extracted_on
    from source
)

select * from renamed
where coalesce(created_on, extracted_on) <= {{ as_of() }}
