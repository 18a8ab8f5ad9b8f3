with web_events as (
    select * from {{ ref('stg_behaviour__web_events') }}
),

social_engagements as (
    select * from {{ ref('stg_behaviour__social_engagements') }}
),

campaign_events as (
    select * from {{ ref('stg_behaviour__campaign_events') }}
),

activities as (
    select * from {{ ref('stg_crm__activities') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null and country_code = ''
),

web_touches as (
    select
        identifiers.customer_id,
        'web' as channel,
        case
            when web_events.event_name in ('search', 'view_search_results') then 'search'
            when web_events.event_name = 'add_to_cart' then 'cart'
            when web_events.event_name in ('page_view', 'view_item', 'session_start', 'screen_view') then 'visit'
            else 'other'
        end as kind,
        web_events.event_on as touched_on,
        web_events.event_count as touch_count
    from web_events
    inner join identifiers on identifiers.id_type = 'user_id' and web_events.user_id = identifiers.raw_value
),

-- A handle names the actor where it is known; else the platform's own id does.
social_touches as (
    select
        coalesce(handles.customer_id, platform_ids.customer_id) as customer_id,
        'social' as channel,
        case
            when social_engagements.engagement_type in ('like', 'reaction') then 'like'
            when social_engagements.engagement_type in ('comment', 'review', 'mention', 'dm') then 'comment'
            when social_engagements.engagement_type in ('share', 'quote') then 'share'
            else 'other'
        end as kind,
        social_engagements.engaged_on as touched_on,
        cast(social_engagements.metric_value as bigint) as touch_count
    from social_engagements
    left join identifiers as handles
        on handles.id_type = 'social_handle' and social_engagements.actor_handle = handles.raw_value
    left join identifiers as platform_ids
        on
            platform_ids.id_type = 'external_userid'
            and social_engagements.actor_platform_id = platform_ids.raw_value
),

campaign_touches as (
    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        'campaign' as channel,
        case
            when campaign_events.event_type = 'open' and campaign_events.is_machine then 'machine_open'
            else campaign_events.event_type
        end as kind,
        campaign_events.event_on as touched_on,
        1 as touch_count
    from campaign_events
    left join customer_keys
        on
            customer_keys.entity = 'contact'
            and campaign_events.source = customer_keys.source
            and campaign_events.source_account_id = customer_keys.source_account_id
            and campaign_events.contact_source_id = customer_keys.source_record_id
    left join identifiers on identifiers.id_type = 'email' and campaign_events.email = identifiers.raw_value
),

-- Whoever visits a customer meets one; a visit is one to the site.
activity_touches as (
    select
        customer_keys.customer_id,
        'interaction' as channel,
        case when activities.activity_type = 'visit' then 'meeting' else activities.activity_type end as kind,
        activities.active_on as touched_on,
        1 as touch_count
    from activities
    inner join customer_keys
        on
            customer_keys.entity = case when activities.contact_source_id is null then 'account' else 'contact' end
            and activities.source = customer_keys.source
            and activities.source_account_id = customer_keys.source_account_id
            and coalesce(activities.contact_source_id, activities.account_source_id) = customer_keys.source_record_id
    where activities.is_completed
),

touches as (
    select * from web_touches
    union all
    select * from social_touches
    union all
    select * from campaign_touches
    union all
    select * from activity_touches
),

daily_touches as (
    select
        customer_id,
        channel,
        kind,
        touched_on,
        cast(sum(touch_count) as bigint) as touch_count
    from touches
    where customer_id is not null
    group by customer_id, channel, kind, touched_on
)

select * from daily_touches
