with statements as (
    select * from {{ ref('int_consent_statements') }}
    where purpose in ('marketing', 'service', 'survey')
),

points as (
    select * from {{ ref('int_contact_points') }}
),

channels as (
    select
        'email' as channel,
        'email' as contact_type

    union all

    select
        'sms' as channel,
        'phone' as contact_type

    union all

    select
        'phone' as channel,
        'phone' as contact_type

    union all

    select
        'wechat' as channel,
        'external_userid' as contact_type
),

by_channel as (
    select
        statements.customer_id,
        statements.contact_type as stated_type,
        statements.contact_value,
        statements.purpose,
        statements.status,
        statements.effective_at,
        statements.expires_on,
        channels.channel,
        channels.contact_type
    from statements
    inner join channels on statements.channel = channels.channel or statements.channel = 'any'
),

applied as (
    select
        points.customer_id,
        points.contact_type,
        points.contact_value,
        points.contact_rank,
        by_channel.channel,
        by_channel.purpose,
        by_channel.status,
        by_channel.effective_at,
        by_channel.expires_on
    from by_channel
    inner join points
        on by_channel.contact_type = points.contact_type and by_channel.customer_id = points.customer_id
    where by_channel.customer_id is not null

    union all

    select
        points.customer_id,
        points.contact_type,
        points.contact_value,
        points.contact_rank,
        by_channel.channel,
        by_channel.purpose,
        by_channel.status,
        by_channel.effective_at,
        by_channel.expires_on
    from by_channel
    inner join points
        on
            by_channel.contact_type = points.contact_type
            and by_channel.stated_type = points.contact_type
            and by_channel.contact_value = points.contact_value
    where by_channel.customer_id is null
),

-- The newest statement decides; of two at one instant, the one that does not allow.
ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, contact_type, contact_value, channel, purpose
            order by
                effective_at desc,
                case when status = 'granted' then 1 else 0 end asc,
                expires_on asc nulls last,
                status asc
        ) as statement_rank
    from applied
),

permissions as (
    select
        customer_id,
        contact_type,
        contact_value,
        contact_rank,
        channel,
        purpose,
        status,
        {{ business_date('effective_at') }} as effective_on,
        expires_on,
        status = 'granted' and expires_on > {{ as_of() }} as is_allowed
    from ranked
    where statement_rank = 1
)

select * from permissions
