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

-- Decimals, so that no sum depends on the order of rows.
faded as (
    select
        touches.*,
        cast(touches.touch_count * power(2, -touches.age_days / run.half_life_days) as decimal(28, 8)) as faded_count
    from touches
    cross join run
),

-- By kind first: there are few kinds and many days.
kinds as (
    select
        {% for days in [30, 90, 365] -%}
        cast(sum(case when age_days < {{ days }} then touch_count else 0 end) as bigint) as count_{{ days }}d,
        {% endfor -%}
        sum(faded_count) as faded_count,
        sum(case when age_days >= 30 then faded_count else 0 end) as faded_older_count,
        max(touched_on) as last_on,
        customer_id,
        channel,
        kind
    from faded
    group by customer_id, channel, kind
),

-- 30 days ago the touches older than that had faded so much less.
weighed as (
    select
        kinds.customer_id,
        kinds.channel,
        {{ weighed_touches('kinds.faded_count') }} as score,
        {{ weighed_touches('kinds.faded_older_count', days_ago=30) }} as score_30d_ago
    from kinds
    inner join weights on kinds.kind = weights.kind
    cross join run
    group by kinds.customer_id, kinds.channel
),

engagement as (
    select
        weighed.customer_id,
        {{ capped_engagement('weighed.score') }} as engagement_score,
        {{ capped_engagement('weighed.score_30d_ago') }} as engagement_score_30d_ago
    from weighed
    cross join run
    group by weighed.customer_id
),

counted as (
    select
        customer_id,
        {% for days in [30, 90, 365] -%}
        {% for channel, kind, count in [
            ('web', 'visit', 'web_visit'), ('web', 'search', 'web_search'), ('web', 'cart', 'web_cart'),
            ('campaign', 'sent', 'campaign_sent'), ('campaign', 'open', 'campaign_open'),
            ('campaign', 'click', 'campaign_click'),
        ] -%}
        sum(case when channel = '{{ channel }}' and kind = '{{ kind }}' then count_{{ days }}d end)
            as {{ count }}_count_{{ days }}d,
        {% endfor -%}
        sum(case when channel = 'interaction' then count_{{ days }}d end) as interaction_count_{{ days }}d,
        {% endfor -%}
        {% for kind in ['like', 'comment', 'share', 'follow'] -%}
        sum(case when channel = 'social' and kind = '{{ kind }}' then count_365d end)
            as social_{{ kind }}_count_365d,
        {% endfor -%}
        sum(case when channel = 'social' then count_365d end) as social_engagement_count_365d,
        {% for kind in ['delivered', 'unsubscribe', 'complaint'] -%}
        sum(case when channel = 'campaign' and kind = '{{ kind }}' then count_365d end)
            as campaign_{{ kind }}_count_365d,
        {% endfor -%}
        sum(case when channel = 'campaign' and kind in ('bounce_soft', 'bounce_hard') then count_365d end)
            as campaign_bounce_count_365d,
        max(case when channel = 'web' then last_on end) as last_web_on,
        max(case when channel = 'social' then last_on end) as last_social_on,
        max(case when channel = 'campaign' and kind in ('open', 'click') then last_on end)
            as last_campaign_reaction_on,
        max(case when channel = 'interaction' then last_on end) as last_interaction_on
    from kinds
    group by customer_id
),

summed as (
    select
        counted.customer_id,
        {% for count in [
            'web_visit', 'web_search', 'web_cart', 'campaign_sent', 'campaign_open', 'campaign_click', 'interaction',
        ] -%}
        {% for days in [30, 90, 365] -%}
        cast(coalesce(counted.{{ count }}_count_{{ days }}d, 0) as bigint) as {{ count }}_count_{{ days }}d,
        {% endfor -%}
        {% endfor -%}
        {% for count in [
            'social_like', 'social_comment', 'social_share', 'social_follow', 'social_engagement',
            'campaign_delivered', 'campaign_unsubscribe', 'campaign_complaint', 'campaign_bounce',
        ] -%}
        cast(coalesce(counted.{{ count }}_count_365d, 0) as bigint) as {{ count }}_count_365d,
        {% endfor -%}
        counted.last_web_on,
        counted.last_social_on,
        counted.last_campaign_reaction_on,
        counted.last_interaction_on,
        engagement.engagement_score,
        engagement.engagement_score_30d_ago,
        -- Of the greater of the two, so that waking up from next to nothing is 1 and not a million.
        round(
            cast(engagement.engagement_score - engagement.engagement_score_30d_ago as double)
            / nullif(greatest(abs(engagement.engagement_score), abs(engagement.engagement_score_30d_ago)), 0), 6
        ) as engagement_change_30d_rate
    from counted
    left join engagement on counted.customer_id = engagement.customer_id
)

select * from summed
