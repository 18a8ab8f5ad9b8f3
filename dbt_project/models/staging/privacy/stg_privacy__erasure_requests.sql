with source as (
    {{ current_version(source('landing', 'erasure_requests')) }}
),

renamed as (
    select
        source,
        source_account_id,
        subject_key_type,
        subject_key,
        {{ business_date('requested_at') }} as requested_on
    from source
)

select * from renamed
where requested_on <= {{ as_of() }}
