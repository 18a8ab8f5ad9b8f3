with consents as (
    select * from {{ ref('stg_privacy__consents') }}
),

campaign_events as (
    select * from {{ ref('stg_behaviour__campaign_events') }}
),

records as (
    select * from {{ ref('int_records_merged_to_customers') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where value is not null
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

dated as (
    select
        consents.source,
        consents.source_account_id,
        consents.subject_key_type,
        consents.subject_key,
        consents.purpose,
        consents.channel,
        consents.status,
        consents.effective_at,
        coalesce(consents.expires_on, {{ months_after('run.consent_months', 'consents.effective_on') }}) as expires_on
    from consents
    cross join run
),

-- What is said of an address or number holds for that contact point only. A number without its country
-- is granted as one of the default country, but refused as whatever number it may be.
about_contact_points as (
    select distinct
        null as customer_id,
        identifiers.id_type as contact_type,
        identifiers.value as contact_value,
        dated.purpose,
        dated.channel,
        dated.status,
        dated.effective_at,
        dated.expires_on
    from dated
    inner join identifiers
        on
            dated.subject_key_type = identifiers.id_type
            and dated.subject_key = identifiers.raw_value
            and (identifiers.country_code = '' or dated.status <> 'granted')
    where dated.subject_key_type in ('email', 'phone', 'external_userid')
),

-- What is said of a person holds for all contact points of the channel.
about_contacts as (
    select
        customer_keys.customer_id,
        null as contact_type,
        null as contact_value,
        dated.purpose,
        dated.channel,
        dated.status,
        dated.effective_at,
        dated.expires_on
    from dated
    inner join customer_keys
        on
            dated.source = customer_keys.source
            and dated.source_account_id = customer_keys.source_account_id
            and dated.subject_key = customer_keys.source_record_id
    where dated.subject_key_type = 'contact_id'
),

about_users as (
    select
        identifiers.customer_id,
        null as contact_type,
        null as contact_value,
        dated.purpose,
        dated.channel,
        dated.status,
        dated.effective_at,
        dated.expires_on
    from dated
    inner join identifiers on dated.subject_key_type = identifiers.id_type and dated.subject_key = identifiers.raw_value
    where dated.subject_key_type = 'user_id' and identifiers.customer_id is not null
),

unsubscribed as (
    select
        *,
        case when campaign_type in ('sms', 'wechat') then campaign_type else 'email' end as channel
    from campaign_events
    where event_type in ('unsubscribe', 'complaint')
),

-- By the address that was written to; where an event names none, or another channel, by the person.
unsubscribes as (
    select
        null as customer_id,
        'email' as contact_type,
        identifiers.value as contact_value,
        'marketing' as purpose,
        unsubscribed.channel,
        'withdrawn' as status,
        unsubscribed.event_at as effective_at,
        cast(null as date) as expires_on
    from unsubscribed
    inner join identifiers on identifiers.id_type = 'email' and unsubscribed.email = identifiers.raw_value
    where unsubscribed.channel = 'email'

    union all

    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        null as contact_type,
        null as contact_value,
        'marketing' as purpose,
        unsubscribed.channel,
        'withdrawn' as status,
        unsubscribed.event_at as effective_at,
        cast(null as date) as expires_on
    from unsubscribed
    left join customer_keys
        on
            unsubscribed.source = customer_keys.source
            and unsubscribed.source_account_id = customer_keys.source_account_id
            and unsubscribed.contact_source_id = customer_keys.source_record_id
    left join identifiers on identifiers.id_type = 'email' and unsubscribed.email = identifiers.raw_value
    where
        (unsubscribed.email is null or unsubscribed.channel <> 'email')
        and coalesce(customer_keys.customer_id, identifiers.customer_id) is not null
),

refusable_purposes as (
    select 'marketing' as purpose
    union all
    select 'survey' as purpose
),

refusable_channels as (
    select 'email' as channel
    union all
    select 'phone' as channel
    union all
    select 'sms' as channel
),

-- A flag in a current record stands until the record says otherwise: no statement is newer.
opt_outs as (
    select
        records.customer_id,
        null as contact_type,
        null as contact_value,
        refusable_purposes.purpose,
        refusable_channels.channel,
        'withdrawn' as status,
        cast('2999-12-31' as timestamp) as effective_at,
        cast(null as date) as expires_on
    from records
    cross join refusable_purposes
    cross join refusable_channels
    where
        (refusable_channels.channel = 'email' and records.is_email_opted_out)
        or (refusable_channels.channel in ('phone', 'sms') and records.is_call_refused)
),

statements as (
    select * from about_contact_points
    union all
    select * from about_contacts
    union all
    select * from about_users
    union all
    select * from unsubscribes
    union all
    select * from opt_outs
)

select * from statements
