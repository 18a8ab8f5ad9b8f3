with sessions as (
    select * from {{ ref('int_web_events_summed_to_sessions') }}
),

orders as (
    select * from {{ ref('int_orders_attributed') }}
    where customer_id is not null and not is_test
),

campaign_events as (
    select * from {{ ref('int_campaign_events_attributed') }}
    where kind in ('open', 'click', 'convert')
),

social_engagements as (
    select * from {{ ref('int_social_engagements_attributed') }}
),

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
    where lead_source is not null and created_on is not null
),

customer_keys as (
    select * from {{ ref('stg_pipeline__customer_keys') }}
    where entity = 'contact'
),

-- What the customer did, not what was done to them: a message counts once they react. A contact is known by
-- the day only, and comes before what has a time.
touches as (
    select
        customer_id,
        event_on as touched_on,
        began_at as touched_at,
        'web' as touch_channel,
        utm_source as touch_source,
        utm_medium as touch_medium,
        utm_campaign as touch_campaign
    from sessions

    union all

    select
        customer_id,
        ordered_on as touched_on,
        ordered_at as touched_at,
        coalesce(channel, 'order') as touch_channel,
        utm_source as touch_source,
        utm_medium as touch_medium,
        utm_campaign as touch_campaign
    from orders

    union all

    select
        customer_id,
        event_on as touched_on,
        event_at as touched_at,
        campaign_type as touch_channel,
        null as touch_source,
        null as touch_medium,
        campaign_name as touch_campaign
    from campaign_events

    union all

    select
        customer_id,
        engaged_on as touched_on,
        engaged_at as touched_at,
        'social' as touch_channel,
        platform as touch_source,
        null as touch_medium,
        null as touch_campaign
    from social_engagements

    union all

    select
        customer_keys.customer_id,
        contacts.created_on as touched_on,
        cast('1900-01-01' as timestamp) as touched_at,
        'contact' as touch_channel,
        contacts.lead_source as touch_source,
        null as touch_medium,
        null as touch_campaign
    from contacts
    inner join customer_keys
        on
            contacts.source = customer_keys.source
            and contacts.source_account_id = customer_keys.source_account_id
            and contacts.contact_source_id = customer_keys.source_record_id
),
{%- set columns = ['touched_on', 'touch_channel', 'touch_source', 'touch_medium', 'touch_campaign'] -%}
{%- set order = [
    'touched_on', 'touched_at', 'touch_channel', "coalesce(touch_source, '')", "coalesce(touch_medium, '')",
    "coalesce(touch_campaign, '')",
] %}

ranked as (
    select
        customer_id,
        {{ earliest(columns, order) }} as first_touch,
        {{ latest(columns, order) }} as last_touch
    from touches
    group by customer_id
),

unfolded as (
    select
        {% for touch in ['first_touch', 'last_touch'] -%}
        {{ field(touch, 'touched_on') }} as {{ touch }}_on,
        {{ field(touch, 'touch_channel') }} as {{ touch }}_channel,
        {{ field(touch, 'touch_source') }} as {{ touch }}_source,
        {{ field(touch, 'touch_medium') }} as {{ touch }}_medium,
        {{ field(touch, 'touch_campaign') }} as {{ touch }}_campaign,
        {% endfor -%}
        customer_id
    from ranked
)

select * from unfolded
