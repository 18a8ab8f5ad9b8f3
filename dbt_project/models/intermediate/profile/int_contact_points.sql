with identifiers as (
    select * from {{ ref('stg_pipeline__customer_identifiers') }}
    where customer_id is not null and id_type in ('email', 'phone', 'external_userid')
),

signals as (
    select * from {{ ref('int_identity_signals') }}
),

contacts as (
    select
        *,
        'contact' as entity
    from {{ ref('stg_crm__contacts') }}
),

campaign_events as (
    select * from {{ ref('stg_behaviour__campaign_events') }}
),

-- Only what a record carries is a contact point; an address that a touch mentions is not.
carried as (
    select
        identifiers.customer_id,
        identifiers.id_type as contact_type,
        identifiers.value as contact_value,
        max(contacts.version_at) as version_at
    from identifiers
    inner join signals
        on
            identifiers.id_type = signals.id_type
            and identifiers.raw_value = signals.raw_value
            and identifiers.country_code = signals.country_code
    left join contacts
        on
            signals.entity = contacts.entity
            and signals.source = contacts.source
            and signals.source_account_id = contacts.source_account_id
            and signals.source_record_id = contacts.contact_source_id
    group by identifiers.customer_id, identifiers.id_type, identifiers.value
),

bounces as (
    select
        identifiers.value as contact_value,
        max(case when campaign_events.event_type = 'bounce_hard' then 1 else 0 end) = 1 as is_bounced,
        max(case when campaign_events.event_type = 'complaint' then 1 else 0 end) = 1 as is_complained
    from campaign_events
    inner join identifiers on identifiers.id_type = 'email' and campaign_events.email = identifiers.raw_value
    where campaign_events.event_type in ('bounce_hard', 'complaint')
    group by identifiers.value
),

points as (
    select
        carried.customer_id,
        carried.contact_type,
        carried.contact_value,
        coalesce(carried.contact_type = 'email' and bounces.is_bounced, false) as is_bounced,
        coalesce(carried.contact_type = 'email' and bounces.is_complained, false) as is_complained,
        row_number() over (
            partition by carried.customer_id, carried.contact_type
            order by
                case
                    when carried.contact_type = 'email' and (bounces.is_bounced or bounces.is_complained) then 1 else 0
                end asc,
                carried.version_at desc nulls last,
                carried.contact_value asc
        ) as contact_rank
    from carried
    left join bounces on carried.contact_value = bounces.contact_value
)

select * from points
