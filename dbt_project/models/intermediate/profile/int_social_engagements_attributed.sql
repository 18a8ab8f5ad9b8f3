with engagements as (
    select * from {{ ref('stg_behaviour__social_engagements') }}
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where customer_id is not null and country_code = ''
),

-- A handle names the actor where it is known; else the platform's own id does.
attributed as (
    select
        coalesce(handles.customer_id, platform_ids.customer_id) as customer_id,
        engagements.source,
        engagements.source_account_id,
        engagements.engagement_source_id,
        engagements.platform,
        case
            when engagements.engagement_type in ('like', 'reaction') then 'like'
            when engagements.engagement_type in ('comment', 'review', 'mention', 'dm') then 'comment'
            when engagements.engagement_type in ('share', 'quote') then 'share'
            when engagements.engagement_type = 'follow' then 'follow'
            else 'other'
        end as kind,
        cast(engagements.metric_value as bigint) as engagement_count,
        engagements.actor_followers,
        engagements.engagement_text,
        engagements.sentiment_label,
        engagements.sentiment_score,
        engagements.engaged_at,
        engagements.engaged_on
    from engagements
    left join identifiers as handles
        on handles.id_type = 'social_handle' and engagements.actor_handle = handles.raw_value
    left join identifiers as platform_ids
        on platform_ids.id_type = 'external_userid' and engagements.actor_platform_id = platform_ids.raw_value
)

select * from attributed
where customer_id is not null
