with messages as (
    select * from {{ ref('int_campaign_events_summed_to_messages') }}
),

activities as (
    select * from {{ ref('int_activities_attributed') }}
),

permissions as (
    select * from {{ ref('int_contact_permissions') }}
    where purpose = 'marketing' and is_allowed
),

channels as (
    select * from {{ ref('stg_rules__contact_channels') }}
),

weights as (
    select * from {{ ref('stg_rules__reaction_weights') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

reactions as (
    select
        customer_id,
        campaign_type as channel,
        'open' as kind,
        sent_on as reacted_on
    from messages
    where is_opened

    union all

    select
        customer_id,
        campaign_type as channel,
        'click' as kind,
        sent_on as reacted_on
    from messages
    where is_clicked

    union all

    select
        customer_id,
        case activity_type when 'call' then 'phone' else activity_type end as channel,
        'reply' as kind,
        active_on as reacted_on
    from activities
    where is_completed and direction = 'inbound'
),

-- Decimals, so that the sum does not depend on the order of rows.
weighed as (
    select
        reactions.customer_id,
        reactions.channel,
        sum(cast(weights.weight as decimal(28, 8))) as liking,
        count(*) as reaction_count
    from reactions
    inner join weights on reactions.kind = weights.kind
    cross join run
    where {{ days_between('reactions.reacted_on', 'run.as_of') }} < run.preference_days
    group by reactions.customer_id, reactions.channel
),

liked as (
    select
        weighed.customer_id,
        weighed.channel,
        weighed.liking,
        {{ share('weighed.liking', 'sum(weighed.liking) over (partition by weighed.customer_id)') }} as liking_rate,
        sum(weighed.reaction_count) over (partition by weighed.customer_id) as reaction_count,
        row_number() over (
            partition by weighed.customer_id order by weighed.liking desc, channels.priority asc
        ) as liking_rank
    from weighed
    inner join channels on weighed.channel = channels.channel
    where weighed.liking > 0
),

allowed as (
    select distinct
        customer_id,
        channel
    from permissions
),

-- Of the channels that may be used, the one that is liked best, or the first of the rules.
usable as (
    select
        allowed.customer_id,
        allowed.channel,
        row_number() over (
            partition by allowed.customer_id order by coalesce(liked.liking, 0) desc, channels.priority asc
        ) as usable_rank
    from allowed
    inner join channels on allowed.channel = channels.channel
    left join liked on allowed.customer_id = liked.customer_id and allowed.channel = liked.channel
),

best_liked as (
    select * from liked
    where liking_rank = 1
),

best_usable as (
    select * from usable
    where usable_rank = 1
),

preferred as (
    select
        coalesce(best_liked.customer_id, best_usable.customer_id) as customer_id,
        best_liked.channel as preferred_contact_channel,
        best_liked.liking_rate as preferred_contact_channel_rate,
        cast(best_liked.reaction_count as bigint) as contact_reaction_count,
        best_usable.channel as best_marketing_channel
    from best_liked
    full outer join best_usable on best_liked.customer_id = best_usable.customer_id
)

select * from preferred
