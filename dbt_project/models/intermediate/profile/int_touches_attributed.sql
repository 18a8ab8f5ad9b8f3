with sessions as (
    select * from {{ ref('int_web_events_summed_to_sessions') }}
),

social_engagements as (
    select * from {{ ref('int_social_engagements_attributed') }}
),

campaign_events as (
    select * from {{ ref('int_campaign_events_attributed') }}
),

activities as (
    select * from {{ ref('int_activities_attributed') }}
    where is_completed
),

-- Whoever visits a customer meets one; a visit is one to the site.
touches as (
    {% for kind in ['visit', 'search', 'cart', 'other'] -%}
    select
        customer_id,
        'web' as channel,
        '{{ kind }}' as kind,
        event_on as touched_on,
        {{ kind }}_count as touch_count
    from sessions
    where {{ kind }}_count > 0

    union all

    {% endfor -%}
    select
        customer_id,
        'social' as channel,
        kind,
        engaged_on as touched_on,
        engagement_count as touch_count
    from social_engagements

    union all

    select
        customer_id,
        'campaign' as channel,
        kind,
        event_on as touched_on,
        1 as touch_count
    from campaign_events

    union all

    select
        customer_id,
        'interaction' as channel,
        case when activity_type = 'visit' then 'meeting' else activity_type end as kind,
        active_on as touched_on,
        1 as touch_count
    from activities
),

daily_touches as (
    select
        customer_id,
        channel,
        kind,
        touched_on,
        cast(sum(touch_count) as bigint) as touch_count
    from touches
    group by customer_id, channel, kind, touched_on
)

select * from daily_touches
