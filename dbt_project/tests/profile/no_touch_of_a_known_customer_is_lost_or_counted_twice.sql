with logins as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'user_id' and customer_id is not null
),

addresses as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'email' and customer_id is not null
),

handles as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'social_handle' and customer_id is not null
),

platform_ids as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'external_userid' and customer_id is not null
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

web_events as (
    select * from {{ ref('stg_behaviour__web_events') }}
    where user_id in (select logins.raw_value from logins)
),

staged as (
    select
        'web' as what,
        coalesce(sum(event_count), 0) as staged_count
    from web_events

    union all

    select
        'product views' as what,
        coalesce(sum(event_count), 0) as staged_count
    from web_events
    where event_name = 'view_item'

    union all

    select
        'campaign' as what,
        count(*) as staged_count
    from {{ ref('stg_behaviour__campaign_events') }}
    where
        email in (select addresses.raw_value from addresses)
        or (source, source_account_id, contact_source_id) in (
            select
                customer_keys.source,
                customer_keys.source_account_id,
                customer_keys.source_record_id
            from customer_keys
        )

    union all

    select
        'social' as what,
        coalesce(cast(sum(metric_value) as bigint), 0) as staged_count
    from {{ ref('stg_behaviour__social_engagements') }}
    where
        actor_handle in (select handles.raw_value from handles)
        or actor_platform_id in (select platform_ids.raw_value from platform_ids)
),

kept as (
    select
        channel as what,
        sum(touch_count) as kept_count
    from {{ ref('int_touches_attributed') }}
    group by channel

    union all

    select
        'product views' as what,
        sum(product_view_count) as kept_count
    from {{ ref('int_web_events_summed_to_sessions') }}
),

mismatched as (
    select
        staged.what,
        staged.staged_count,
        coalesce(kept.kept_count, 0) as kept_count
    from staged
    left join kept on staged.what = kept.what
)

select * from mismatched
where staged_count <> kept_count
