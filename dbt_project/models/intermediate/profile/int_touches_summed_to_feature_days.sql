with customers as (
    select * from {{ ref('int_customers_sampled_to_feature_days') }}
),

touches as (
    select * from {{ ref('int_touches_attributed') }}
),

weights as (
    select * from {{ ref('stg_rules__engagement_weights') }}
),

run as (
    select * from {{ ref('stg_rules__run') }}
),

-- What came after a day was not known at its end.
known as (
    select
        customers.customer_id,
        customers.feature_on,
        touches.channel,
        touches.kind,
        touches.touch_count,
        {{ days_between('touches.touched_on', 'customers.feature_on') }} as age_days
    from customers
    inner join touches
        on customers.customer_id = touches.customer_id and customers.feature_on >= touches.touched_on
),

-- Decimals, so that no sum depends on the order of rows.
faded as (
    select
        known.*,
        cast(known.touch_count * power(2, -known.age_days / run.half_life_days) as decimal(28, 8)) as faded_count
    from known
    cross join run
),

kinds as (
    select
        {% for days in [30, 90] -%}
        cast(sum(case when age_days < {{ days }} then touch_count else 0 end) as bigint) as count_{{ days }}d,
        {% endfor -%}
        sum(faded_count) as faded_count,
        sum(case when age_days >= 30 then faded_count else 0 end) as faded_older_count,
        min(age_days) as recency_days,
        customer_id,
        feature_on,
        channel,
        kind
    from faded
    group by customer_id, feature_on, channel, kind
),

-- 30 days before, the touches older than that had faded so much less.
weighed as (
    select
        kinds.customer_id,
        kinds.feature_on,
        kinds.channel,
        {{ weighed_touches('kinds.faded_count') }} as score,
        {{ weighed_touches('kinds.faded_older_count', days_ago=30) }} as score_30d_ago
    from kinds
    inner join weights on kinds.kind = weights.kind
    cross join run
    group by kinds.customer_id, kinds.feature_on, kinds.channel
),

engagement as (
    select
        weighed.customer_id,
        weighed.feature_on,
        {{ capped_engagement('weighed.score') }} as engagement_score,
        {{ capped_engagement('weighed.score_30d_ago') }} as engagement_score_30d_ago
    from weighed
    cross join run
    group by weighed.customer_id, weighed.feature_on
),

counted as (
    select
        customer_id,
        feature_on,
        {% for days in [30, 90] -%}
        cast(sum(case when channel = 'web' and kind = 'visit' then count_{{ days }}d else 0 end) as bigint)
            as visit_{{ days }}d_count,
        {% endfor -%}
        {% for kind in ['open', 'click'] -%}
        cast(sum(case when channel = 'campaign' and kind = '{{ kind }}' then count_90d else 0 end) as bigint)
            as {{ kind }}_90d_count,
        {% endfor -%}
        cast(sum(case when channel = 'social' then count_90d else 0 end) as bigint) as social_90d_count,
        min(case when channel = 'web' then recency_days end) as visit_recency_days
    from kinds
    group by customer_id, feature_on
),

summed as (
    select
        counted.*,
        engagement.engagement_score,
        round(
            cast(engagement.engagement_score - engagement.engagement_score_30d_ago as double)
            / nullif(greatest(abs(engagement.engagement_score), abs(engagement.engagement_score_30d_ago)), 0), 6
        ) as engagement_change_rate
    from counted
    left join engagement
        on counted.customer_id = engagement.customer_id and counted.feature_on = engagement.feature_on
)

select * from summed
