with source as (
    {{ current_version(source('landing', 'campaign_events')) }}
),

renamed as (
    select
        source,
        source_account_id,
        contact_source_id,
        email,
        campaign_id,
        campaign_name,
        campaign_type,
        event_type,
        coalesce(is_machine, false) as is_machine,
        revenue_amount,
        currency,
        event_at,
        {{ business_date('event_at') }} as event_on
    from source
)

select * from renamed
where event_on <= {{ as_of() }}
