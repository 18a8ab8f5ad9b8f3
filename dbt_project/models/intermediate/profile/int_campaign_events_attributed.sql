with campaign_events as (
    select * from {{ ref('stg_behaviour__campaign_events') }}
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

identifiers as (
    select * from {{ ref('stg_pipeline__known_identifiers') }}
    where id_type = 'email' and customer_id is not null and country_code = ''
),

rates as (
    select * from {{ ref('int_fx_rates_spanned') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- An open by a mail machine is kept apart: it proves delivery, but nobody's attention.
attributed as (
    select
        coalesce(customer_keys.customer_id, identifiers.customer_id) as customer_id,
        campaign_events.campaign_id,
        coalesce(campaign_events.campaign_name, campaign_events.campaign_id) as campaign_name,
        coalesce(campaign_events.campaign_type, 'email') as campaign_type,
        case
            when campaign_events.event_type = 'open' and campaign_events.is_machine then 'machine_open'
            else campaign_events.event_type
        end as kind,
        {{ in_base_currency('campaign_events.revenue_amount', 'rates.rate') }} as revenue_amount,
        campaign_events.event_at,
        campaign_events.event_on
    from campaign_events
    cross join run
    left join rates
        on
            coalesce(campaign_events.currency, run.base_currency) = rates.currency
            and campaign_events.event_on >= rates.valid_from
            and campaign_events.event_on < rates.valid_to
    left join customer_keys
        on
            campaign_events.source = customer_keys.source
            and campaign_events.source_account_id = customer_keys.source_account_id
            and campaign_events.contact_source_id = customer_keys.source_record_id
    left join identifiers on campaign_events.email = identifiers.raw_value
)

select * from attributed
where customer_id is not null
