with touches as (
    select
        *,
        {{ days_between('touched_on', as_of()) }} as age_days
    from {{ ref('int_touches_attributed') }}
),

weights as (
    select * from {{ ref('stg_rules__engagement_weights') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- Decimals, so that the sum does not depend on the order of rows.
weighed as (
    select
        touches.customer_id,
        touches.channel,
        cast(
            sum(
                cast(
                    touches.touch_count * weights.weight * power(2, -touches.age_days / run.half_life_days)
                    as decimal(28, 8)
                )
            ) as double
        ) as channel_score
    from touches
    inner join weights on touches.kind = weights.kind
    cross join run
    group by touches.customer_id, touches.channel
),

engagement as (
    select
        weighed.customer_id,
        cast(sum(cast(least(weighed.channel_score, run.channel_cap) as decimal(28, 8))) as decimal(18, 4))
            as engagement_score
    from weighed
    cross join run
    group by weighed.customer_id
),

recent as (
    select
        *,
        case when age_days < 90 then touch_count else 0 end as count_90d,
        case when age_days < 365 then touch_count else 0 end as count_365d
    from touches
),

counted as (
    select
        customer_id,
        sum(case when channel = 'web' and kind = 'visit' then count_90d end) as web_visit_count_90d,
        sum(case when channel = 'web' and kind = 'search' then count_90d end) as web_search_count_90d,
        sum(case when channel = 'web' and kind = 'cart' then count_90d end) as web_cart_count_90d,
        max(case when channel = 'web' then touched_on end) as last_web_on,
        sum(case when channel = 'social' then count_365d end) as social_engagement_count_365d,
        sum(case when channel = 'social' and kind = 'share' then count_365d end) as social_share_count_365d,
        max(case when channel = 'social' then touched_on end) as last_social_on,
        sum(case when channel = 'campaign' and kind = 'sent' then count_90d end) as campaign_sent_count_90d,
        sum(case when channel = 'campaign' and kind = 'open' then count_90d end) as campaign_open_count_90d,
        sum(case when channel = 'campaign' and kind = 'click' then count_90d end) as campaign_click_count_90d,
        max(case when channel = 'campaign' and kind in ('open', 'click') then touched_on end)
            as last_campaign_reaction_on,
        sum(case when channel = 'interaction' then count_90d end) as interaction_count_90d,
        max(case when channel = 'interaction' then touched_on end) as last_interaction_on
    from recent
    group by customer_id
),

summed as (
    select
        counted.customer_id,
        cast(coalesce(counted.web_visit_count_90d, 0) as bigint) as web_visit_count_90d,
        cast(coalesce(counted.web_search_count_90d, 0) as bigint) as web_search_count_90d,
        cast(coalesce(counted.web_cart_count_90d, 0) as bigint) as web_cart_count_90d,
        counted.last_web_on,
        cast(coalesce(counted.social_engagement_count_365d, 0) as bigint) as social_engagement_count_365d,
        cast(coalesce(counted.social_share_count_365d, 0) as bigint) as social_share_count_365d,
        counted.last_social_on,
        cast(coalesce(counted.campaign_sent_count_90d, 0) as bigint) as campaign_sent_count_90d,
        cast(coalesce(counted.campaign_open_count_90d, 0) as bigint) as campaign_open_count_90d,
        cast(coalesce(counted.campaign_click_count_90d, 0) as bigint) as campaign_click_count_90d,
        counted.last_campaign_reaction_on,
        cast(coalesce(counted.interaction_count_90d, 0) as bigint) as interaction_count_90d,
        counted.last_interaction_on,
        engagement.engagement_score
    from counted
    left join engagement on counted.customer_id = engagement.customer_id
)

select * from summed
