with source as (
    {{ current_version(source('landing', 'crm_activities')) }}
),

renamed as (
    select
        source,
        source_account_id,
        contact_source_id,
        account_source_id,
        activity_type,
        coalesce(is_completed, true) as is_completed,
        {{ business_date('coalesce(ended_at, started_at, due_at, source_created_at, extracted_at)') }} as active_on
    from source
)

select * from renamed
where active_on <= {{ as_of() }}
