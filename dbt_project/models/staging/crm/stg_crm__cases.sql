with source as (
    {{ current_version(source('landing', 'crm_cases')) }}
),

renamed as (
    select
        ---------- ids
        source,
        source_account_id,
        source_record_id as case_source_id,
        contact_source_id,
        account_source_id,
        order_source_id,

        ---------- facts
        case_type,
        category,
        coalesce(is_complaint, case_type = 'complaint', false) as is_complaint,
        csat_score,
        coalesce(reopen_count, 0) as reopen_count,
        coalesce(sla_breached, false) as is_sla_breached,

        ---------- what was written, personal data
        subject,
        body,

        ---------- times
        opened_at,
        first_response_at,
        closed_at,
        {{ business_date('opened_at') }} as opened_on,
        {{ business_date('first_response_at') }} as first_response_on,
        {{ business_date('closed_at') }} as closed_on
    from source
)

select * from renamed
where opened_on <= {{ as_of() }}
