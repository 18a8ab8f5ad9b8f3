with source as (
    {{ current_version(source('landing', 'crm_contacts')) }}
),

renamed as (
    select
        ---------- ids
        source,
        source_account_id,
        source_record_id as contact_source_id,
        account_source_id,
        owner_id,
        merged_into_id,
        referrer_source_id,

        ---------- identifiers and personal data
        full_name,
        first_name,
        last_name,
        email,
        email_secondary,
        phone,
        mobile,
        external_userid,
        unionid,
        social_handle,
        birth_date,
        gender,
        occupation,
        income_band,
        street,
        city,
        state,
        postal_code,
        upper(trim(country_code)) as country_code,
        language,

        ---------- facts
        kind,
        job_title,
        department,
        lead_source,
        lead_status,
        source_tier,
        tags,
        coalesce(email_opt_out, false) as is_email_opted_out,
        coalesce(do_not_call, false) as is_call_refused,

        ---------- times
        {{ business_date('source_created_at') }} as created_on,
        cast(extracted_at as date) as extracted_on,
        coalesce(source_updated_at, extracted_at) as version_at
    from source
)

select * from renamed
where coalesce(created_on, extracted_on) <= {{ as_of() }}
