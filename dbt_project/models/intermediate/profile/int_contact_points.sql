with identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type in ('email', 'phone', 'external_userid')
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
),

identity_records as (
    select * from {{ ref('int_identity_records') }}
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

-- Only what a living record carries is a contact point; an address that a touch mentions is not. A
-- number that a family shares is one of each of them.
carried as (
    select
        customer_keys.customer_id,
        identifiers.id_type as contact_type,
        identifiers.value as contact_value,
        max(contacts.version_at) as contact_valued_at,
        coalesce(
            {{ newest('contacts.source', 'contacts.version_at desc, contacts.source') }},
            min(customer_keys.source)
        ) as contact_source
    from identifiers
    inner join signals
        on
            identifiers.id_type = signals.id_type
            and identifiers.raw_value = signals.raw_value
            and identifiers.country_code = signals.country_code
    inner join identity_records on signals.node = identity_records.node
    inner join customer_keys
        on
            identity_records.entity = customer_keys.entity
            and identity_records.source = customer_keys.source
            and identity_records.source_account_id = customer_keys.source_account_id
            and identity_records.source_record_id = customer_keys.source_record_id
    left join contacts
        on
            customer_keys.entity = contacts.entity
            and customer_keys.source = contacts.source
            and customer_keys.source_account_id = contacts.source_account_id
            and customer_keys.source_record_id = contacts.contact_source_id
    where identifiers.status in ('links', 'shared')
    group by customer_keys.customer_id, identifiers.id_type, identifiers.value
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
        carried.contact_source,
        carried.contact_valued_at,
        coalesce(carried.contact_type = 'email' and bounces.is_bounced, false) as is_bounced,
        coalesce(carried.contact_type = 'email' and bounces.is_complained, false) as is_complained,
        row_number() over (
            partition by carried.customer_id, carried.contact_type
            order by
                case
                    when carried.contact_type = 'email' and (bounces.is_bounced or bounces.is_complained) then 1 else 0
                end asc,
                carried.contact_valued_at desc nulls last,
                carried.contact_value asc
        ) as contact_rank
    from carried
    left join bounces on carried.contact_value = bounces.contact_value
)

select * from points
