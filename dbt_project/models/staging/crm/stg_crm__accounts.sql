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
        kind,
        industry,
        employees,
        annual_revenue,
        currency,
        website,
        domain,
        street,
        city,
        state,
        postal_code,
        upper(trim(country_code)) as country_code,
        source_tier,
        tags,

        ---------- times
        {{ business_date('source_created_at') }} as created_on,
        cast(extracted_at as date) as extracted_on,
        coalesce(source_updated_at, extracted_at) as version_at
    from source
)

select * from renamed
where coalesce(created_on, extracted_on) <= {{ as_of() }}
