with campaign_events as (
    select * from {{ ref('int_campaign_events_attributed') }}
),

activities as (
    select * from {{ ref('int_activities_attributed') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- Of one campaign and day a customer has one message, whether it is told as sent, as delivered or as both.
messages as (
    select distinct
        customer_id,
        campaign_type as channel,
        event_on as contacted_on,
        campaign_id
    from campaign_events
    where kind in ('sent', 'delivered') and campaign_type in ('email', 'sms', 'wechat')
),

-- A call that we made is a contact; what the customer began, and a letter from one person to another, is none.
calls as (
    select
        customer_id,
        'phone' as channel,
        active_on as contacted_on
    from activities
    where activity_type = 'call' and direction = 'outbound' and is_completed
),

contacts as (
    select
        customer_id,
        channel,
        contacted_on
    from messages

    union all

    select * from calls
),

counted as (
    select
        contacts.customer_id,
        contacts.channel,
        contacts.contacted_on,
        count(*) as contact_count
    from contacts
    cross join run
    where {{ days_between('contacts.contacted_on', 'run.as_of') }} < run.max_cap_days
    group by contacts.customer_id, contacts.channel, contacts.contacted_on
)

select * from counted
order by customer_id, channel, contacted_on
