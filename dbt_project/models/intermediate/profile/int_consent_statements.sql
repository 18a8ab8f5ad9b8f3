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
    select * from {{ ref('stg_pipeline__customer_identifiers') }}
    where country_code = '' and value is not null
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- What is said of an address or number holds for that contact point only.
about_contact_points as (
    select
        null as customer_id,
        identifiers.id_type as contact_type,
        identifiers.value as contact_value,
        consents.purpose,
        consents.channel,
        consents.status,
        consents.effective_at,
        coalesce(
            consents.expires_on,
            cast({{ dbt.dateadd('month', 'run.consent_months', 'consents.effective_on') }} as date)
        ) as expires_on
    from consents
    inner join identifiers
        on consents.subject_key_type = identifiers.id_type and consents.subject_key = identifiers.raw_value
    cross join run
    where consents.subject_key_type in ('email', 'phone', 'external_userid')
),

-- What is said of a person holds for all contact points of the channel.
about_persons as (
    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        null as contact_type,
        null as contact_value,
        consents.purpose,
        consents.channel,
        consents.status,
        consents.effective_at,
        coalesce(
            consents.expires_on,
            cast({{ dbt.dateadd('month', 'run.consent_months', 'consents.effective_on') }} as date)
        ) as expires_on
    from consents
    left join customer_keys
        on
            consents.subject_key_type = 'contact_id'
            and consents.source = customer_keys.source
            and consents.source_account_id = customer_keys.source_account_id
            and consents.subject_key = customer_keys.source_record_id
    left join identifiers
        on
            consents.subject_key_type = 'user_id'
            and identifiers.id_type = 'user_id'
            and consents.subject_key = identifiers.raw_value
    cross join run
    where
        consents.subject_key_type in ('contact_id', 'user_id')
        and coalesce(customer_keys.customer_id, identifiers.customer_id) is not null
),

unsubscribes as (
    select
        null as customer_id,
        'email' as contact_type,
        identifiers.value as contact_value,
        'marketing' as purpose,
        'email' as channel,
        'withdrawn' as status,
        campaign_events.event_at as effective_at,
        cast(null as date) as expires_on
    from campaign_events
    inner join identifiers on identifiers.id_type = 'email' and campaign_events.email = identifiers.raw_value
    where campaign_events.event_type in ('unsubscribe', 'complaint')
),

-- A flag in a current record stands until the record says otherwise: no statement is newer.
{%- set flags = [('is_email_opted_out', 'email'), ('is_call_refused', 'phone'), ('is_call_refused', 'sms')] %}
opt_outs as (
    {% for flag, channel in flags -%}
    {% set outer_last = loop.last -%}
    {% for purpose in ['marketing', 'survey'] -%}
    select
        customer_id,
        null as contact_type,
        null as contact_value,
        '{{ purpose }}' as purpose,
        '{{ channel }}' as channel,
        'withdrawn' as status,
        cast('2999-12-31' as timestamp) as effective_at,
        cast(null as date) as expires_on
    from records
    where {{ flag }}
    {{ "union all" if not (loop.last and outer_last) }}
    {% endfor -%}
    {% endfor -%}
),

statements as (
    select * from about_contact_points
    union all
    select * from about_persons
    union all
    select * from unsubscribes
    union all
    select * from opt_outs
)

select * from statements
