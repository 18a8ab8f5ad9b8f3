with source as (
    {{ current_version(source('landing', 'consents')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as consent_source_id,
        subject_key_type,
        subject_key,
        purpose,
        channel,
        status,
        effective_at,
        {{ business_date('effective_at') }} as effective_on,
        {{ business_date('expires_at') }} as expires_on
    from source
)

select * from renamed
where effective_on <= {{ as_of() }}
