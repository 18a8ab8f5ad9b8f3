with logins as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'user_id' and customer_id is not null
),

addresses as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'email' and customer_id is not null
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

staged as (
    select
        'web' as channel,
        coalesce(sum(event_count), 0) as touch_count
    from {{ ref('stg_behaviour__web_events') }}
    where user_id in (select logins.raw_value from logins)

    union all

    select
        'campaign' as channel,
        count(*) as touch_count
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
),

attributed as (
    select
        channel,
        sum(touch_count) as touch_count
    from {{ ref('int_touches_attributed') }}
    group by channel
),

mismatched as (
    select
        staged.channel,
        staged.touch_count as staged_count,
        coalesce(attributed.touch_count, 0) as attributed_count
    from staged
    left join attributed on staged.channel = attributed.channel
)

select * from mismatched
where staged_count <> attributed_count
