with source as (
    {{ current_version(source('landing', 'crm_activities')) }}
),

-- What ended after the run date was still to do on it.
judged as (
    select
        *,
        coalesce(is_completed, true) and coalesce({{ business_date('ended_at') }} <= {{ as_of() }}, true) as is_done
    from source
),

-- What is done counts from the day it was done, what is still to do from the day it was noted.
renamed as (
    select
        source,
        source_account_id,
        contact_source_id,
        account_source_id,
        activity_type,
        lower(trim(direction)) as direction,
        is_done as is_completed,
        {{ business_date('due_at') }} as due_on,
        coalesce(
            case
                when is_done then {{ business_date('coalesce(ended_at, started_at, due_at, source_created_at)') }}
                else {{ business_date('coalesce(source_created_at, started_at)') }}
            end,
            cast(extracted_at as date)
        ) as active_on
    from judged
)

select * from renamed
where active_on <= {{ as_of() }}
