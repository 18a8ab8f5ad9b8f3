with source as (
    {{ current_version(source('landing', 'web_events')) }}
),

renamed as (
    select
        user_id,
        event_name,
        event_count,
        search_term,
        {{ business_date('event_at') }} as event_on
    from source
)

select * from renamed
where event_on <= {{ as_of() }} and user_id is not null
