with source as (
    {{ current_version(source('landing', 'crm_cases')) }}
),

renamed as (
    select
        source,
        source_account_id,
        source_record_id as case_source_id,
        contact_source_id,
        account_source_id,
        case_type,
        coalesce(is_complaint, case_type = 'complaint', false) as is_complaint,
        csat_score,
        {{ business_date('opened_at') }} as opened_on,
        {{ business_date('closed_at') }} as closed_on
    from source
)

select * from renamed
where opened_on <= {{ as_of() }}
