with source as (
    {{ current_version(source('landing', 'web_events')) }}
),

renamed as (
    select
        user_id,
        session_id,
        event_name,
        event_count,
        search_term,
        item_ids,
        device_category,
        utm_source,
        utm_medium,
        utm_campaign,
        event_at,
        {{ business_date('event_at') }} as event_on
    from source
    -- Who refused analytics has no history of visits, and is not recognised by one. Where a source does
    -- not ask, nobody has refused: whether it may deliver the event at all is for that source to know.
    where user_id is not null and coalesce(consent_analytics, true)
)

select * from renamed
where event_on <= {{ as_of() }}
