with source as (
    {{ every_version(source('landing', 'crm_contacts')) }}
),

renamed as (
    select
        ---------- ids
        source,
        source_account_id,
        source_record_id as contact_source_id,
        merged_into_id,
        external_userid,
        unionid,
        social_handle,

        ---------- what a person is known by
        case
            when lower(trim(kind)) in ('company', 'institution', 'organisation', 'organization') then 'organisation'
            else 'person'
        end as party,
        full_name,
        first_name,
        last_name,
        gender,
        birth_date,
        email,
        email_secondary,
        phone,
        mobile,
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
