with source as (
    {{ every_version(source('landing', 'crm_accounts')) }}
),

renamed as (
    select
        ---------- ids
        source,
        source_account_id,
        source_record_id as account_source_id,

        ---------- what an organisation is known by
        name,
        coalesce(domain, website) as domain,
        phone,
        street,
        city,
        state,
        postal_code,
        upper(trim(country_code)) as country_code,

        ---------- versions
        is_newest,
        is_deleted,
        cast(extracted_at as date) as landed_on,
        coalesce({{ business_date('source_created_at') }}, cast(extracted_at as date)) as seen_on
    from source
)

select * from renamed
where seen_on <= {{ as_of() }}
